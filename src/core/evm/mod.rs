//! Contracts, executed over proven state. Pure.

mod deployment;
pub mod erc6551;
pub mod execute;
pub mod gas_meter;
pub mod pinned;
pub mod rules;
pub mod session;
pub mod signature;
