//! How people ask: the two sockets, who is at the other end, and the framings they speak.

pub(in crate::rpc) mod attendance;
pub(in crate::rpc) mod canonical;
pub(in crate::rpc) mod census;
pub(in crate::rpc) mod connection;
pub mod doors;
pub(in crate::rpc) mod framing;
pub(in crate::rpc) mod http;
pub mod limits;
pub(in crate::rpc) mod linger;
pub mod listen;
pub(in crate::rpc) mod message;
pub(in crate::rpc) mod metrics_port;
mod ofrep;
pub(in crate::rpc) mod outbox;
pub(in crate::rpc) mod peer;
pub(crate) mod progress;
pub(in crate::rpc) mod replay;
pub(in crate::rpc) mod reply;
pub(in crate::rpc) mod scan;
pub(in crate::rpc) mod shared_stream;
pub(in crate::rpc) mod stop;
pub(in crate::rpc) mod subordinate_uids;
pub(in crate::rpc) mod turn;
pub(in crate::rpc) mod turn_away;
pub(in crate::rpc) mod waiting;
pub(in crate::rpc) mod websocket;
pub mod workers;
