//! What the service manager is told: how the start goes, that we answer, that we still answer.
//!
//! Asked by: `daemon`. Under no service manager all of this does nothing, except asking ourselves.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use entitled_client::{Client, SocketPath};
use entitled_core::domain::causes::with_causes;
use entitled_core::domain::control_character::is_control_character;

/// A step of the start gets this long before the next sign of life. Checking a large store after a power cut, or
/// bringing it to a new form, takes longer than any fixed time (sd_notify(3), EXTEND_TIMEOUT_USEC).
const PATIENCE: Duration = Duration::from_secs(120);
/// How often we ask ourselves before we say that we are ready, and how far apart where there was no answer.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(500);
/// How long one answer to ourselves may take.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// How often we say so within the time after which the service manager would end us.
const BEATS: u32 = 6;

/// Our own front door, asked as any program would ask it.
#[derive(Debug, Clone)]
pub(super) struct OwnDoor(SocketPath);

/// As much of `system_health` as tells whether we are well.
#[derive(Debug, Deserialize)]
struct Health {
    store: Store,
    chains: Vec<Chain>,
}

#[derive(Debug, Deserialize)]
struct Store {
    status: String,
}

#[derive(Debug, Deserialize)]
struct Chain {
    id: String,
    status: String,
}

impl OwnDoor {
    pub(super) fn at(path: PathBuf) -> Self {
        Self(SocketPath::at(path))
    }

    /// Waits until we answer. `Err` says why we do not.
    pub(super) async fn first_answer(&self) -> Result<(), String> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.health().await {
                Ok(_) => return Ok(()),
                Err(why) if tries == TRIES => return Err(why),
                Err(_) => tokio::time::sleep(BETWEEN_TRIES).await,
            }
        }
    }

    /// The way through the socket, the actors and the store and back.
    async fn health(&self) -> Result<Health, String> {
        let path = self.0.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let mut client = Client::connect_within(&path, ANSWER_TIME)?;
            client.call::<_, Health>("system_health", &serde_json::json!({}))
        });
        match asked.await {
            Ok(Ok(health)) if health.store.status == "ok" => Ok(health),
            Ok(Ok(_)) => Err("the store does not answer".to_owned()),
            Ok(Err(error)) => Err(with_causes(&error)),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Tells the service manager again and again that we answer, for as long as we do; in between, what a person
    /// reads in `systemctl status`.
    pub(super) fn feed_watchdog(self) -> tokio::task::JoinHandle<()> {
        actix_rt::spawn(async move {
            let Some(interval) = sd_notify::watchdog_enabled() else { return };
            loop {
                let pause = match self.health().await {
                    Ok(health) => {
                        tell(&[sd_notify::NotifyState::Watchdog]);
                        status(&health.line());
                        interval / BEATS
                    }
                    // Asked again at once: what is busy may answer now, and the time goes on.
                    Err(why) => {
                        tracing::warn!(why, "no answer at our own socket");
                        BETWEEN_TRIES
                    }
                };
                tokio::time::sleep(pause).await;
            }
        })
    }
}

impl Health {
    fn line(&self) -> String {
        let out = |it: &&Chain| it.status == "down";
        let lost: Vec<&str> = self.chains.iter().filter(out).map(|it| it.id.as_str()).collect();
        match (self.chains.len(), &lost[..]) {
            (0, _) => "answering; no chain is configured".to_owned(),
            (1, []) => "answering; 1 chain".to_owned(),
            (chains, []) => format!("answering; {chains} chains"),
            (_, lost) => format!("answering; not reached: {}", lost.join(", ")),
        }
    }
}

/// The start goes on with `what`, which may take its time.
pub(super) fn starting(what: &str) {
    let patience = u32::try_from(PATIENCE.as_micros()).unwrap_or(u32::MAX);
    tell(&[sd_notify::NotifyState::ExtendTimeoutUsec(patience)]);
    status(what);
}

pub(super) fn ready() {
    tell(&[sd_notify::NotifyState::Ready]);
    status("answering");
}

pub(super) fn stopping() {
    tell(&[sd_notify::NotifyState::Stopping]);
    status("finishing what is in flight");
}

/// One line: whatever ends a line would end the message.
fn status(text: &str) {
    let line: String =
        text.chars().map(|it| if is_control_character(it) { ' ' } else { it }).collect();
    tell(&[sd_notify::NotifyState::Status(&line)]);
}

fn tell(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

#[cfg(test)]
mod tests;
