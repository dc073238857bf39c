//! Handshakes of TLS. A signature costs far more than an answer, and whoever connects has one made before anybody knows who
//! asks: so they are made on a thread of their own, one step after the other, by turns of the addresses they come from.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use tokio::sync::oneshot;

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Handshakes(Arc<Queue>);

/// Those that can go on.
#[derive(Default)]
struct Queue {
    ready: Mutex<Ready>,
    some: Condvar,
}

#[derive(Default)]
struct Ready {
    /// Each address that has any, once, in the order of turns.
    turns: VecDeque<IpAddr>,
    by_address: HashMap<IpAddr, VecDeque<Arc<Handshake>>>,
}

/// One of them, which comes to the queue whenever it can go on.
struct Handshake {
    address: IpAddr,
    queue: Arc<Queue>,
    is_queued: AtomicBool,
    /// `None` when it is over.
    work: Mutex<Option<Work>>,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Handshakes {
    /// # Errors
    /// When there is no thread for them.
    pub(super) fn new() -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let served = Arc::clone(&queue);
        let serving = move || {
            loop {
                served.next().go_on();
            }
        };
        std::thread::Builder::new().name("handshakes".to_owned()).spawn(serving)?;
        Ok(Self(queue))
    }

    /// What one comes to. It is given up when nobody waits for that any more. `None` when it has panicked.
    pub(super) async fn make<T: Send + 'static>(
        &self,
        address: IpAddr,
        handshake: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (mut tell, told) = oneshot::channel();
        let work = async move {
            tokio::select! {
                biased;
                () = tell.closed() => {}
                done = handshake => {
                    let _ = tell.send(done);
                }
            }
        };
        let (queue, is_queued) = (Arc::clone(&self.0), AtomicBool::new(false));
        let work: Mutex<Option<Work>> = Mutex::new(Some(Box::pin(work)));
        Arc::new(Handshake { address, queue, is_queued, work }).wake();
        told.await.ok()
    }
}

impl Queue {
    fn push(&self, handshake: Arc<Handshake>) {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).push(handshake);
        self.some.notify_one();
    }

    /// The next one, which is waited for.
    fn next(&self) -> Arc<Handshake> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(next) = ready.pop() {
                return next;
            }
            ready = self.some.wait(ready).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Ready {
    fn push(&mut self, handshake: Arc<Handshake>) {
        let address = handshake.address;
        let own = self.by_address.entry(address).or_default();
        if own.is_empty() {
            self.turns.push_back(address);
        }
        own.push_back(handshake);
    }

    fn pop(&mut self) -> Option<Arc<Handshake>> {
        let address = self.turns.pop_front()?;
        let own = self.by_address.get_mut(&address)?;
        let next = own.pop_front();
        match own.is_empty() {
            true => drop(self.by_address.remove(&address)),
            false => self.turns.push_back(address),
        }
        next
    }
}

impl Handshake {
    fn go_on(self: Arc<Self>) {
        // What happens from here on is another step.
        self.is_queued.store(false, Ordering::Release);
        let waker = Waker::from(Arc::clone(&self));
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(going) = work.as_mut() else { return };
        let step = || going.as_mut().poll(&mut Context::from_waker(&waker));
        let stepped: Result<Poll<()>, Box<dyn Any + Send>> = catch_unwind(AssertUnwindSafe(step));
        if !matches!(stepped, Ok(Poll::Pending)) {
            *work = None;
        }
    }
}

impl Wake for Handshake {
    fn wake(self: Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::AcqRel) {
            Arc::clone(&self.queue).push(self);
        }
    }
}

#[cfg(test)]
mod tests;
