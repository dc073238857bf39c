use std::sync::{Arc, Mutex};

use tracing::Subscriber;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry};

use super::*;

/// Every field of every event, as it is written.
#[derive(Debug, Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Seen {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        struct Writing<'a>(&'a mut Vec<String>);
        impl Visit for Writing<'_> {
            fn record_u64(&mut self, field: &Field, value: u64) {
                self.0.push(format!("{} = {value}", field.name()));
            }
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                self.0.push(format!("{} = {value:?}", field.name()));
            }
        }
        event.record(&mut Writing(&mut self.0.lock().unwrap()));
    }
}

/// Keeps each event and makes it again for another.
struct Again(Dispatch, Arc<Mutex<Vec<Option<String>>>>);

impl<S: Subscriber> Layer<S> for Again {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let record = Record::of(event);
        record.tell(&self.0);
        self.1.lock().unwrap().push(record.name().map(ToOwned::to_owned));
    }
}

/// What is seen of the events of `log`, and their names.
fn seen_again(log: impl FnOnce()) -> (Vec<String>, Vec<Option<String>>) {
    let (seen, names) = (Seen::default(), Arc::default());
    let to = Dispatch::new(Registry::default().with(seen.clone()));
    let again = Again(to, Arc::clone(&names));
    tracing::subscriber::with_default(Registry::default().with(again), log);
    let seen = std::mem::take(&mut *seen.0.lock().unwrap());
    (seen, std::mem::take(&mut names.lock().unwrap()))
}

#[test]
fn an_event_is_the_same_when_it_is_made_again() {
    let nothing: Option<u64> = None;
    let (seen, names) = seen_again(|| {
        let error = std::io::Error::other("no room");
        tracing::warn!(event = "started", wallets = 3_u64, nothing, %error, ok = true, "up {}", 1);
    });
    let expected =
        ["message = up 1", r#"event = "started""#, "wallets = 3", "error = no room", "ok = true"];
    let mut sorted = seen.clone();
    sorted.sort_unstable();
    let mut expected = expected.map(ToOwned::to_owned);
    expected.sort_unstable();
    // A text is written as it is; what was kept of anything else reads as it would have been written.
    assert_eq!(sorted.len(), expected.len(), "{seen:?}");
    for (found, wanted) in sorted.iter().zip(&expected) {
        assert_eq!(found.replace('"', ""), wanted.replace('"', ""));
    }
    assert_eq!(names, [Some("started".to_owned())]);
}

#[test]
fn a_record_beyond_the_limit_is_cut() {
    let (seen, names) = seen_again(|| {
        let long = "ä".repeat(LONGEST_RECORD);
        tracing::warn!(long, after = "x", "told");
    });
    let length: usize = seen.iter().map(String::len).sum();
    assert!(length < LONGEST_RECORD + 100, "{length}");
    assert_eq!(names, [None]);
}
