//! core

pub mod domain;
pub mod evm;
pub mod light_client;
pub mod proof;
pub mod standards;
