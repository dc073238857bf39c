//! A message that holds exactly one JSON value: the body of an HTTP request, or a message by WebSocket.

use std::sync::Arc;

use super::canonical;
use super::scan::{self, Step};
use crate::rpc::call::answers::{Batch, Warm};
use crate::rpc::call::caller::{Caller, Later};
use crate::rpc::call::enclosure::Line;
use crate::rpc::call::envelope::Fault;

/// Takes a body or a message that is to be exactly one JSON value.
pub(in crate::rpc) fn take_message(
    caller: &Arc<Caller>,
    warm: &mut dyn Warm,
    message: &[u8],
    line: Line<'_>,
    out: &mut Vec<u8>,
) -> Option<Later> {
    if let Some(check) = canonical::recognise(message)
        && message.get(check.length..).is_some_and(|it| it.iter().all(u8::is_ascii_whitespace))
        && caller.take_check(check, (warm, &mut Batch::default()), out)
    {
        return None;
    }
    match scan::only_frame(message, caller.limits().depth) {
        Ok(frame) => return caller.take(frame, line, out),
        Err(Step::TooDeep { .. }) => {
            caller.refuse(None, &Fault::too_deep(caller.limits().depth), out);
        }
        Err(_) => caller.refuse(None, &Fault::parse("not one JSON object or array"), out),
    }
    None
}
