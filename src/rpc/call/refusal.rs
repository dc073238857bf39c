//! What is counted where a request is not answered as it was asked.

use serde_json::value::RawValue;

use super::envelope::Fault;
use crate::rpc::figures::SocketFigures;

/// Appends an error reply, and counts it.
pub(in crate::rpc) fn refuse(
    figures: &SocketFigures,
    id: Option<&RawValue>,
    fault: &Fault,
    out: &mut Vec<u8>,
) {
    if fault.is_limit() {
        figures.requests_limited.one_more();
    }
    fault.write(id, out);
}

/// Counts a panic, and has it in the log.
pub(in crate::rpc) fn panicked(figures: &SocketFigures, method: &str) {
    figures.panics.one_more();
    tracing::error!(method, "a method panicked; its request was answered with an internal error");
}
