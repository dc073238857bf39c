//! The one place that restarts actors.
//!
//! Owns: every actor's future, and the record of who was restarted when. Asked by: `daemon`.
//! Never: looks into an actor; a restart is the actor's own `restarting`, which replaces its state whole.
//!
//! actix's own supervisor restarts an actor that stopped, but not one that panicked: then the address
//! dies for ever and the queued messages with it. Here a panic is caught around the actor's future and the
//! same future is restarted, so that address and queue live on and only the message at hand is lost.
//!
//! As in OTP: children are started in order; when one fails, those started after it are restarted too
//! (rest-for-one), because they may rest on what it told them. More failures than the policy allows within
//! its window escalate: [`Tree::failed`] resolves, and the daemon ends so that the service manager starts
//! it afresh. Needs `panic = "unwind"`.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use actix::Supervised;
use actix::dev::ContextFut;
use actix::prelude::*;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// How often a child may fail, and how long it rests before each restart.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Restarts allowed within `window`; one more escalates.
    pub restarts: usize,
    pub window: Duration,
    /// The rest before the first, second, … restart within the window; the last one repeats.
    pub rests: Vec<Duration>,
}

impl Default for Policy {
    fn default() -> Self {
        let rests = [0, 50, 250, 1_000].map(Duration::from_millis).to_vec();
        Self { restarts: 3, window: Duration::from_secs(10), rests }
    }
}

/// How a child fares, readable from any thread.
#[derive(Debug)]
pub struct ChildState {
    pub name: &'static str,
    running: AtomicBool,
    restarts: AtomicU32,
    restart: Notify,
}

impl ChildState {
    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }

    /// Restarts since the daemon started, those for a sibling's sake included.
    pub fn restarts(&self) -> u32 {
        self.restarts.load(Ordering::Relaxed)
    }
}

/// The children in the order they were started.
#[derive(Debug, Clone)]
pub struct Tree {
    policy: Policy,
    children: Arc<Mutex<Vec<Arc<ChildState>>>>,
    stop: Arc<watch::Sender<bool>>,
    failed: Arc<watch::Sender<Option<&'static str>>>,
}

/// How one run of an actor's future ended.
enum End {
    Stopped,
    Panicked,
    SiblingFailed,
    TreeStopped,
}

impl Tree {
    pub fn new(policy: Policy) -> Self {
        let (stop, _) = watch::channel(false);
        let (failed, _) = watch::channel(None);
        Self { policy, children: Arc::default(), stop: Arc::new(stop), failed: Arc::new(failed) }
    }

    /// Starts `actor` as the next child. Must be called on the thread the actors live on.
    pub fn start<A>(&self, name: &'static str, actor: A) -> Addr<A>
    where
        A: Supervised + Actor<Context = Context<A>>,
    {
        let child = Arc::new(ChildState {
            name,
            running: AtomicBool::new(true),
            restarts: AtomicU32::new(0),
            restart: Notify::new(),
        });
        self.children.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&child));
        let context = Context::new();
        let address = context.address();
        let future = Box::pin(context.into_future(actor));
        actix_rt::spawn(self.clone().keep(child, future));
        address
    }

    /// The children, for health and metrics.
    pub fn children(&self) -> Vec<Arc<ChildState>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Resolves with the name of the child that failed too often.
    pub async fn failed(&self) -> &'static str {
        let mut failed = self.failed.subscribe();
        loop {
            if let Some(name) = *failed.borrow_and_update() {
                return name;
            }
            if failed.changed().await.is_err() {
                return "supervisor";
            }
        }
    }

    /// Ends every child; the last one started first.
    pub async fn stop(&self) {
        let _ = self.stop.send(true);
        for child in self.children().iter().rev() {
            // Each ends at its next turn on this thread; the bound is for one that never yields.
            for _ in 0..1_000 {
                if !child.is_running() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
    }

    async fn keep<A>(self, child: Arc<ChildState>, mut future: Pin<Box<ContextFut<A, Context<A>>>>)
    where
        A: Supervised + Actor<Context = Context<A>>,
    {
        let mut failures = VecDeque::new();
        loop {
            match self.run(&child, future.as_mut()).await {
                End::TreeStopped => break,
                End::SiblingFailed => {}
                End::Stopped | End::Panicked => {
                    let Some(rest) = self.rest_after(&mut failures) else {
                        tracing::error!(
                            event = "actor_gave_up",
                            actor = child.name,
                            "failed too often, giving up"
                        );
                        self.failed.send_replace(Some(child.name));
                        break;
                    };
                    tracing::error!(
                        event = "actor_restarted",
                        actor = child.name,
                        failures = failures.len(),
                        "restarting"
                    );
                    self.restart_after(&child);
                    tokio::time::sleep(rest).await;
                }
            }
            child.restarts.fetch_add(1, Ordering::Relaxed);
            let restarted = catch_unwind(AssertUnwindSafe(|| future.restart()));
            if !matches!(restarted, Ok(true)) {
                tracing::error!(actor = child.name, "could not be restarted");
                self.failed.send_replace(Some(child.name));
                break;
            }
        }
        // Dropping an actor's future runs the actor's own code once more.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(future)));
        child.running.store(false, Ordering::Relaxed);
    }

    async fn run<A>(
        &self,
        child: &ChildState,
        mut future: Pin<&mut ContextFut<A, Context<A>>>,
    ) -> End
    where
        A: Supervised + Actor<Context = Context<A>>,
    {
        let mut stop = self.stop.subscribe();
        let turn = poll_fn(|context| {
            match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(())) => Poll::Ready(End::Stopped),
                Err(_) => Poll::Ready(End::Panicked),
            }
        });
        tokio::select! {
            biased;
            _ = stop.wait_for(|it| *it) => End::TreeStopped,
            () = child.restart.notified() => End::SiblingFailed,
            end = turn => end,
        }
    }

    /// Notes a failure. How long to rest before the restart; `None` when the policy allows no more.
    fn rest_after(&self, failures: &mut VecDeque<Instant>) -> Option<Duration> {
        let now = Instant::now();
        failures.push_back(now);
        failures.retain(|it| now.duration_since(*it) <= self.policy.window);
        if failures.len() > self.policy.restarts {
            return None;
        }
        let rests = &self.policy.rests;
        Some(rests.get(failures.len() - 1).or(rests.last()).copied().unwrap_or_default())
    }

    fn restart_after(&self, failed: &ChildState) {
        let children = self.children();
        let later = children.iter().skip_while(|it| it.name != failed.name).skip(1);
        for child in later {
            child.restart.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
