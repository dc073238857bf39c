//! The journal, where records keep their fields.
//!
//! Records are sent as they are made: nothing is logged on the way of an answered check, and the journal's
//! socket takes a record in microseconds. Our own fields begin with `ENTITLED_`.

use tracing_journald::{Layer, Priority, PriorityMappings};

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
pub(super) fn layer() -> Option<Layer> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_known_by_device_and_inode() {
        assert!(names_stream("8:1234", 8, 1234));
        for stated in ["8:1235", "9:1234", "8", "", "8:1234:", "x:y"] {
            assert!(!names_stream(stated, 8, 1234), "{stated}");
        }
    }
}
