//! A panic's place and kind in the log, without the values it was made with.

use std::panic::PanicHookInfo;
use std::time::Duration;

/// The log gets this long to be written before the panic goes on, which may end the process.
const TIME_TO_WRITE: Duration = Duration::from_millis(200);

/// From now on, panics go to the log.
pub(super) fn report() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or("?").to_owned();
        tracing::error!(place, thread, "panic: {}", message(panic));
        if let Some(queue) = super::QUEUE.get() {
            queue.flush(TIME_TO_WRITE);
        }
    }));
}

fn message(panic: &PanicHookInfo<'_>) -> String {
    match (panic.payload().downcast_ref::<&str>(), panic.payload().downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => without_values(text),
        (None, None) => "of an unknown kind".to_owned(),
    }
}

/// What a formatted message says before its first colon, long words left out: `unwrap` and `assert` put
/// values behind it, and a value may be a secret.
fn without_values(text: &str) -> String {
    let before = text.split(": ").next().unwrap_or_default().lines().next().unwrap_or_default();
    let words = before.split_whitespace().take(20);
    words.map(|it| if it.chars().count() > 24 { "…" } else { it }).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
