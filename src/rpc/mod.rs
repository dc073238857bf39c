//! x
pub mod answers;
pub mod error;
pub mod figures;
pub mod front;
pub mod methods;
mod metrics;
pub mod openrpc;
pub mod wire;
