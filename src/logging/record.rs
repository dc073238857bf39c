//! A record taken out of the hands of who logs it, to be written by another thread.

use std::fmt;

use tracing::field::{Field, Value, Visit};
use tracing::{Dispatch, Event, Metadata};

use super::outlet::LONGEST_RECORD;
use super::plain::plain;

/// One event with the values of its fields.
#[derive(Debug)]
pub(super) struct Record {
    metadata: &'static Metadata<'static>,
    /// In the order of the metadata's fields; `None` where the event gave no value.
    values: Vec<Option<Kept>>,
}

/// A value with nothing borrowed. What is no number and no truth value is kept as it would be written.
#[derive(Debug)]
enum Kept {
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Truth(bool),
    Text(String),
}

impl Record {
    pub(super) fn of(event: &Event<'_>) -> Self {
        let metadata = event.metadata();
        let mut taking = Taking {
            values: std::iter::repeat_with(|| None).take(metadata.fields().len()).collect(),
            room: LONGEST_RECORD,
        };
        event.record(&mut taking);
        Self { metadata, values: taking.values }
    }

    /// The name of what happened, if it has one.
    pub(super) fn name(&self) -> Option<&str> {
        let field = self.metadata.fields().field("event")?;
        match self.values.get(field.index())? {
            Some(Kept::Text(name)) => Some(name),
            _ => None,
        }
    }

    /// Makes the event again, for `to` alone.
    pub(super) fn tell(&self, to: &Dispatch) {
        let values: Vec<Option<&dyn Value>> =
            self.values.iter().map(|it| it.as_ref().map(Kept::as_value)).collect();
        let values = self.metadata.fields().value_set_all(&values);
        to.event(&Event::new(self.metadata, &values));
    }
}

impl Kept {
    fn as_value(&self) -> &dyn Value {
        match self {
            Self::Signed(it) => it,
            Self::Unsigned(it) => it,
            Self::Float(it) => it,
            Self::Truth(it) => it,
            Self::Text(it) => it,
        }
    }
}

/// Takes the values of one event, no more of them than fit a record.
struct Taking {
    values: Vec<Option<Kept>>,
    room: usize,
}

impl Taking {
    fn keep(&mut self, field: &Field, value: Kept) {
        if let Some(place) = self.values.get_mut(field.index()) {
            *place = Some(value);
        }
    }

    fn keep_text(&mut self, field: &Field, text: &str) {
        let mut text = plain(text).into_owned();
        if text.len() > self.room {
            let end = (0..=self.room).rev().find(|it| text.is_char_boundary(*it));
            text.truncate(end.unwrap_or_default());
        }
        self.room -= text.len();
        self.keep(field, Kept::Text(text));
    }
}

impl Visit for Taking {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.keep(field, Kept::Signed(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, Kept::Unsigned(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.keep(field, Kept::Float(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, Kept::Truth(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.keep_text(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.keep_text(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
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
        let expected = [
            "message = up 1",
            r#"event = "started""#,
            "wallets = 3",
            "error = no room",
            "ok = true",
        ];
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
}
