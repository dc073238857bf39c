//! How everybody is told that the daemon stops.

use tokio::sync::watch;

/// Tells it.
pub(in crate::rpc) struct Announcer(watch::Sender<bool>);

impl Announcer {
    pub(in crate::rpc) fn announce(self) {
        // Nobody listening any more is no trouble: everybody has left.
        let _ = self.0.send(true);
    }
}

/// Told to everybody when the daemon stops.
#[derive(Clone)]
pub(in crate::rpc) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Whether it was requested, without waiting. Shares nothing that is written.
    pub(in crate::rpc) fn has_come(&self) -> bool {
        self.0.has_changed().unwrap_or(true)
    }

    pub(in crate::rpc) async fn requested(mut self) {
        // An error means that whoever would tell us is gone, which is the same.
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }
}

pub(in crate::rpc) fn announcement() -> (Announcer, Stop) {
    let (tell, told) = watch::channel(false);
    (Announcer(tell), Stop(told))
}
