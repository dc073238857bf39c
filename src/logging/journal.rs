//! Records in the journal's own protocol, with their fields.
//!
//! A record is `NAME=value` lines, or `NAME`, a length and the bytes where a value has line ends
//! (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>). Our own fields begin with `ENTITLED_`.

use std::fmt::{Debug, Write};
use std::os::unix::net::UnixDatagram;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::outlet::{LONGEST_RECORD, Outlet, lost_message};

const SOCKET: &str = "/run/systemd/journal/socket";

/// Whether standard error is the stream that systemd connected to the journal.
pub(super) fn is_where_stderr_leads() -> bool {
    let Ok(stated) = std::env::var("JOURNAL_STREAM") else { return false };
    nix::sys::stat::fstat(std::io::stderr())
        .is_ok_and(|it| names_stream(&stated, it.st_dev, it.st_ino))
}

/// `JOURNAL_STREAM` is `DEVICE:INODE`, decimal.
fn names_stream(stated: &str, device: u64, inode: u64) -> bool {
    stated.split_once(':').is_some_and(|(stated_device, stated_inode)| {
        stated_device.parse() == Ok(device) && stated_inode.parse() == Ok(inode)
    })
}

/// The way to the journal; `None` where there is none.
pub(super) fn connect() -> Option<Journal> {
    let socket = UnixDatagram::unbound().ok()?;
    // The journal discards an empty record; where nobody listens, this fails.
    socket.send_to(&[], SOCKET).ok()?;
    Some(Journal(socket))
}

pub(super) struct Journal(UnixDatagram);

impl Journal {
    /// Each by its own address, so that a restarted journal is found again. What fails has nowhere to go.
    pub(super) fn send(&self, record: &[u8]) {
        let _ = self.0.send_to(record, SOCKET);
    }
}

pub(super) fn lost_record(count: u64) -> Vec<u8> {
    let mut record = Fields::default();
    record.put("PRIORITY", priority(Level::WARN));
    record.put("SYSLOG_IDENTIFIER", super::IDENTIFIER);
    record.put("MESSAGE", &lost_message(count));
    record.0
}

pub(super) struct JournalLayer {
    outlet: Outlet,
}

impl JournalLayer {
    pub(super) fn new(outlet: Outlet) -> Self {
        Self { outlet }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for JournalLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut record = Fields::default();
        let about = event.metadata();
        record.put("PRIORITY", priority(*about.level()));
        record.put("SYSLOG_IDENTIFIER", super::IDENTIFIER);
        record.put("ENTITLED_TARGET", about.target());
        if let (Some(file), Some(line)) = (about.file(), about.line()) {
            record.put("CODE_FILE", file);
            record.put("CODE_LINE", &line.to_string());
        }
        event.record(&mut record);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<Fields>() {
                record.append(fields);
            }
        }
        self.outlet.put(record.0);
    }
}

/// The priorities of syslog.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        Level::DEBUG | Level::TRACE => "7",
    }
}

/// Fields in the journal's protocol, at most [`LONGEST_RECORD`] bytes.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    /// A field that would make the record too long is cut, or left out when nothing of it fits.
    fn put(&mut self, name: &str, value: &str) {
        const FRAMING: usize = 10;
        let room = LONGEST_RECORD.saturating_sub(self.0.len() + name.len() + FRAMING);
        let mut end = value.len().min(room);
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        if room == 0 {
            return;
        }
        let value = &value.as_bytes()[..end];
        self.0.extend_from_slice(name.as_bytes());
        if value.contains(&b'\n') {
            self.0.push(b'\n');
            self.0.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            self.0.push(b'=');
        }
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
    }

    fn append(&mut self, other: &Self) {
        if self.0.len() + other.0.len() <= LONGEST_RECORD {
            self.0.extend_from_slice(&other.0);
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(&name_of(field.name()), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        // Writing to a String fails only if the value itself refuses to be shown; then it is left empty.
        let _ = write!(text, "{value:?}");
        self.put(&name_of(field.name()), &text);
    }
}

/// The journal takes A-Z, 0-9 and `_`, at most 64 of them.
fn name_of(field: &str) -> String {
    if field == "message" {
        return "MESSAGE".to_owned();
    }
    let plain = |it: char| if it.is_ascii_alphanumeric() { it.to_ascii_uppercase() } else { '_' };
    let name: String = field.chars().map(plain).take(55).collect();
    format!("ENTITLED_{name}")
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn logged(log: impl FnOnce()) -> Vec<u8> {
        let (put, got) = mpsc::channel();
        let outlet = Outlet::start(move |it| drop(put.send(it.to_vec())), lost_record).unwrap();
        let subscriber = tracing_subscriber::registry().with(JournalLayer::new(outlet));
        tracing::subscriber::with_default(subscriber, log);
        got.recv().unwrap()
    }

    #[test]
    fn a_record_has_its_message_its_fields_and_those_of_its_spans() {
        let record = logged(|| {
            let span = tracing::info_span!("request", method = "entitlement_check");
            let _inside = span.enter();
            tracing::warn!(product.id = "acme", tries = 3, "not \"held\"");
        });
        let text = String::from_utf8(record).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for line in [
            "PRIORITY=4",
            "SYSLOG_IDENTIFIER=entitled",
            "MESSAGE=not \"held\"",
            "ENTITLED_PRODUCT_ID=acme",
            "ENTITLED_TRIES=3",
            "ENTITLED_METHOD=entitlement_check",
        ] {
            assert!(lines.contains(&line), "{line} in {text}");
        }
    }

    #[test]
    fn a_value_with_line_ends_cannot_forge_a_field() {
        let record = logged(|| tracing::info!(name = "a\nPRIORITY=0", "x"));
        let mut framed = b"ENTITLED_NAME\n".to_vec();
        framed.extend_from_slice(&12_u64.to_le_bytes());
        framed.extend_from_slice(b"a\nPRIORITY=0\n");
        assert!(record.windows(framed.len()).any(|it| it == framed));
    }

    #[test]
    fn an_endless_value_is_cut_at_a_letter() {
        let record = logged(|| tracing::info!(more = 1, "{}", "é".repeat(LONGEST_RECORD)));
        assert!(record.len() <= LONGEST_RECORD, "{}", record.len());
        assert!(String::from_utf8(record).is_ok());
    }

    #[test]
    fn the_stream_is_ours_only_if_device_and_inode_agree() {
        assert!(names_stream("8:1234", 8, 1234));
        for stated in ["8:1235", "9:1234", "8", "", "8:1234:1", "a:b"] {
            assert!(!names_stream(stated, 8, 1234), "{stated}");
        }
    }
}
