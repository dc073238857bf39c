//! The decisions, and nothing else.
//!
//! Owns: the words of the field as types, and every rule that turns facts into an answer.
//! Never: waits, reads the clock, logs, opens a file or a socket. Time is always an argument.

pub mod audit;
pub mod causes;
pub mod confirmed;
pub mod consensus;
pub mod control_character;
pub mod customer;
pub mod earlier;
pub mod entitlement;
pub mod epoch;
pub mod evm_fork;
pub mod ids;
pub mod kept;
pub mod label;
pub mod ownership;
pub mod page_word;
pub mod peer;
pub mod precedence;
pub mod product;
pub mod publication;
pub mod publisher;
pub mod rule;
pub mod secret;
pub mod wallet_proof;
