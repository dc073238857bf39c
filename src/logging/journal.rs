//! The journal, where records keep their fields.
//!
//! Records wait in the bounded queue and are sent by its thread: a journal that stands still holds up nobody.
//! Our own fields begin with `ENTITLED_`; what has a name carries its `MESSAGE_ID`.

use std::collections::HashMap;

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Metadata, Subscriber};
use tracing_journald::{Layer, Priority, PriorityMappings};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer as _, Registry};

use super::events;
use super::outlet::{Item, Outlet, lost_message};
use super::record::Record;

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

/// Puts every record into the queue.
pub(super) struct Queueing(pub(super) Outlet<Record>);

impl<S: Subscriber> tracing_subscriber::Layer<S> for Queueing {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.0.put(Record::of(event));
    }
}

/// The ways to the journal: one for each name, because its `MESSAGE_ID` goes with every record of a way.
pub(super) struct Journal {
    plain: Dispatch,
    named: HashMap<&'static str, Dispatch>,
}

impl Journal {
    /// `None` where there is no journal.
    pub(super) fn open() -> Option<Self> {
        let mut named = HashMap::new();
        for (_, id) in events::IDS {
            named.insert(id, way(layer()?.with_custom_fields([("MESSAGE_ID", id)])));
        }
        Some(Self { plain: way(layer()?), named })
    }

    /// Sends what the queue holds. May wait for the journal.
    pub(super) fn write(&self, item: Item<Record>) {
        match item {
            Item::Record(record) => {
                let id = record.name().and_then(events::id);
                record.tell(id.and_then(|it| self.named.get(it)).unwrap_or(&self.plain));
            }
            Item::Lost(count) => tracing::dispatcher::with_default(&self.plain, || {
                tracing::warn!(count, "{}", lost_message(count));
            }),
        }
    }
}

fn layer() -> Option<Layer> {
    let layer = tracing_journald::layer().ok()?;
    // The crate would make our `info` a notice; to the journal it is information, as everybody's.
    let priorities = PriorityMappings {
        error: Priority::Error,
        warn: Priority::Warning,
        info: Priority::Informational,
        debug: Priority::Debug,
        trace: Priority::Debug,
    };
    let layer = layer
        .with_syslog_identifier(super::IDENTIFIER.to_owned())
        .with_field_prefix(Some("ENTITLED".to_owned()))
        .with_priority_mappings(priorities);
    Some(layer)
}

fn way(layer: Layer) -> Dispatch {
    Dispatch::new(Registry::default().with(layer.and_then(Unasked)))
}

/// Wants nothing by itself, so that the ways to the journal do not make anybody log more than the level says.
struct Unasked;

impl<S: Subscriber> tracing_subscriber::Layer<S> for Unasked {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::never()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::OFF)
    }
}

#[cfg(test)]
mod tests;
