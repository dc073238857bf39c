//! The line a request came by: what a method may hand over beside its reply, and what it may have go on for as long as the connection: a descriptor, which
//! goes with the first such reply, and tasks, each of which takes the place of a subscription.
//!
//! Made by `caller` for requests of connections that can take a descriptor. Never: knows what is handed over.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jsonrpsee::MethodSink;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::rpc::error::{Code, RpcError};
use entitled_core::domain::peer::Peer;

/// The connection that a request came by.
#[derive(Clone, Copy, Default)]
pub(in crate::rpc) struct Line<'a> {
    /// Where notifications go; without it there can be no subscriptions.
    pub(in crate::rpc) sink: Option<&'a MethodSink>,
    /// Of whoever asks; without it there can be no seats.
    pub(in crate::rpc) stream: Option<BorrowedFd<'a>>,
    /// Whether a descriptor can go with a reply; without that there can be no answer pages.
    pub(in crate::rpc) hands_over: bool,
}

/// What goes on for one connection, until it is dropped.
#[derive(Debug, Default)]
pub(in crate::rpc) struct Companions {
    tasks: Mutex<JoinSet<()>>,
    /// The descriptor was handed over. It is so once for each connection: what is on its way to somebody who does not read counts
    /// among the files that we may have open.
    handed: AtomicBool,
}

/// Of one request.
#[derive(Debug, Clone)]
pub(in crate::rpc) struct Enclosure {
    pub(in crate::rpc) peer: Peer,
    /// Whether limits per user do not hold for it.
    pub(in crate::rpc) is_exempt: bool,
    subscriptions: Arc<Semaphore>,
    companions: Arc<Companions>,
    descriptor: Arc<Mutex<Option<Arc<OwnedFd>>>>,
}

impl Enclosure {
    pub(in crate::rpc) fn new(
        (peer, is_exempt): (Peer, bool),
        subscriptions: &Arc<Semaphore>,
        companions: &Arc<Companions>,
    ) -> Self {
        Self {
            peer,
            is_exempt,
            subscriptions: Arc::clone(subscriptions),
            companions: Arc::clone(companions),
            descriptor: Arc::default(),
        }
    }

    /// The place of a subscription, for as long as something goes on.
    pub(in crate::rpc) fn place(&self) -> Result<OwnedSemaphorePermit, RpcError> {
        Arc::clone(&self.subscriptions).try_acquire_owned().map_err(|_| {
            let detail = "a connection has no more subscriptions and slots of answer pages: use another connection";
            RpcError::new(Code::LimitExceeded, detail)
        })
    }

    /// Has a descriptor go with the reply; `false` when the connection has had it already.
    pub(in crate::rpc) fn enclose(&self, descriptor: &Arc<OwnedFd>) -> bool {
        let is_first = !self.companions.handed.swap(true, Ordering::Relaxed);
        if is_first {
            *self.descriptor.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(Arc::clone(descriptor));
        }
        is_first
    }

    /// Has `work` go on until the connection is closed.
    pub(in crate::rpc) fn go_on(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.companions.tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(work);
    }

    /// What goes with the reply.
    pub(in crate::rpc) fn take(&self) -> Option<Arc<OwnedFd>> {
        self.descriptor.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
