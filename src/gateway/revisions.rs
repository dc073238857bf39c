//! The daemon's page of revisions: whether what was answered for a customer may have become another answer.
//!
//! Owns: a connection on which nothing else is asked, and the page that comes by it. What is no page, or whose daemon has gone or hangs,
//! says nothing. The page is read as a file is, so that whatever was handed over cannot end this process.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;

use super::daemon::Daemon;
use entitled_client::ErrorCode;
use entitled_core::domain::ids::CustomerId;
use entitled_core::domain::page_word::{SLOT_BYTES, Torn, revision, slot_of};

const ASK: &[u8] = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"entitlement_revisions\"}\n";
const LONGEST_REPLY: usize = 4 * 1024;
const PATIENCE: Duration = Duration::from_secs(5);
/// Whoever has no page for us is not asked for one again before this.
const AGAIN: Duration = Duration::from_secs(1);
/// How often what is being written is read again.
const TRIES: usize = 16;

/// Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Revisions(Arc<RwLock<Option<Arc<File>>>>);

/// When a customer's answers were as they were.
pub(super) struct Since {
    page: Arc<File>,
    slot: usize,
    revision: u32,
}

#[derive(Deserialize)]
struct Reply {
    result: Option<Page>,
    error: Option<Refused>,
}

/// Why the daemon shows its page to delegates only, in its words.
#[derive(Debug, Deserialize, thiserror::Error)]
#[error("{message}")]
struct Refused {
    code: i64,
    message: String,
}

impl Refused {
    fn is_for_who_asks(&self) -> bool {
        ErrorCode::of_number(self.code) == Some(ErrorCode::PermissionDenied)
    }
}

#[derive(Deserialize)]
struct Page {
    descriptor: bool,
}

impl Revisions {
    /// To be taken before the daemon is asked. `None` where nothing is known, and so nothing may be kept.
    pub(super) fn now(&self, customer: CustomerId) -> Option<Since> {
        let page = self.0.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        let slot = slot_of(customer);
        let revision = read(&page, slot)?;
        Some(Since { page, slot, revision })
    }

    /// Whether what was answered then would be answered now, unless time alone has made it another answer.
    pub(super) fn is_same(&self, since: &Since) -> bool {
        let page = self.0.read().unwrap_or_else(PoisonError::into_inner);
        // What another daemon has written says nothing, also while its lease lasts.
        page.as_ref().is_some_and(|it| Arc::ptr_eq(it, &since.page))
            && read(&since.page, since.slot) == Some(since.revision)
    }

    /// Has a page at hand, of whichever daemon there is. Never ends.
    pub(super) async fn follow(self, daemon: Arc<Daemon>) {
        let mut warned = false;
        loop {
            match tokio::time::timeout(PATIENCE, fetch(&daemon)).await {
                Ok(Ok((mut stream, page))) => {
                    warned = false;
                    self.set(Some(Arc::new(page)));
                    // Nothing more is said there: whatever comes is the end.
                    let _ = stream.read_u8().await;
                    self.set(None);
                }
                Ok(Err(error)) => {
                    let refused = error.downcast_ref().is_some_and(Refused::is_for_who_asks);
                    if refused && !warned {
                        warn_of_no_delegate(&error);
                    } else {
                        tracing::debug!(%error, "the daemon shows no revisions");
                    }
                    warned |= refused;
                }
                Err(_) => tracing::debug!("the daemon shows no revisions in time"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    fn set(&self, page: Option<Arc<File>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = page;
    }
}

/// Every client is refused then, in words that are not about the gateway.
fn warn_of_no_delegate(error: &anyhow::Error) {
    let uid = nix::unistd::geteuid();
    let user = nix::unistd::User::from_uid(uid).ok().flatten();
    let user = user.map_or_else(|| uid.to_string(), |it| it.name);
    tracing::warn!(
        user,
        %error,
        "the daemon does not take the gateway's user for a delegate, and answers no client: name the user in `delegates` of \
         `[socket]` in the daemon's configuration, and restart the daemon"
    );
}

/// `None` where nobody renews it.
fn read(page: &File, slot: usize) -> Option<u32> {
    let now: Duration = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).ok()?.into();
    let now_ms = u64::try_from(now.as_millis()).ok()?;
    let at = u64::try_from(slot * SLOT_BYTES).ok()?;
    for _ in 0..TRIES {
        let mut words = [[0; SLOT_BYTES / 2]; 2];
        page.read_exact_at(words.as_flattened_mut(), at).ok()?;
        match revision(words.map(u64::from_ne_bytes), now_ms) {
            Ok(revision) => return revision,
            Err(Torn) => std::hint::spin_loop(),
        }
    }
    None
}

/// Asks for a page, over a connection of its own, on which it hangs.
async fn fetch(daemon: &Daemon) -> anyhow::Result<(UnixStream, File)> {
    let opened = daemon.open().await;
    let mut stream = opened.map_err(|it| anyhow::anyhow!("it cannot be asked: {it:?}"))?;
    stream.write_all(ASK).await?;
    let (mut came, mut line) = (None, Vec::new());
    while !line.ends_with(b"\n") {
        let mut part = [0; LONGEST_REPLY];
        let receiving = || receive(&stream, &mut part, &mut came);
        let count = stream.async_io(Interest::READABLE, receiving).await?;
        line.extend_from_slice(part.get(..count).unwrap_or_default());
        anyhow::ensure!(count > 0 && line.len() <= LONGEST_REPLY, "the reply has no end");
    }
    let reply: Reply = serde_json::from_slice(&line)?;
    if let Some(refused) = reply.error {
        return Err(refused.into());
    }
    let is_there = reply.result.is_some_and(|it| it.descriptor);
    let page = came.filter(|_| is_there);
    Ok((stream, page.ok_or_else(|| anyhow::anyhow!("it hands over none"))?))
}

/// As `read`, and keeps the descriptor that comes with it.
fn receive(stream: &UnixStream, bytes: &mut [u8], came: &mut Option<File>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let pieces = &mut [IoSliceMut::new(bytes)];
    let received = recvmsg(stream.as_fd(), pieces, &mut control, flags)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            *came = descriptors.map(File::from).last().or_else(|| came.take());
        }
    }
    Ok(received.bytes)
}
