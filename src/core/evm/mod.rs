//! Contracts, executed over proven state. Pure.

pub mod execute;
pub mod gas_meter;
pub mod session;
pub mod signature;
