//! Trust `consensus`: the daemon follows the chain's own validators, here 512 keys that sign the blocks of the
//! test's EVM node, and believes nobody else about which block is the chain's.

pub mod scene;

mod altered;
mod following;
mod forgery;
mod misconduct;
mod offline;
mod owner;
mod receipts;
mod vouching;
mod wrong_clock;
