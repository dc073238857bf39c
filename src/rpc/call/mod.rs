//! From one request, however it was framed, to its reply.

pub mod answers;
pub(in crate::rpc) mod batch;
pub(in crate::rpc) mod caller;
pub(in crate::rpc) mod enclosure;
pub(crate) mod envelope;
pub(in crate::rpc) mod refusal;
mod room;
pub(in crate::rpc) mod work;
