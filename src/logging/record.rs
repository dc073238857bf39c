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
mod tests;
