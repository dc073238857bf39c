//! Token standards in words of bytes: which questions a contract is asked, and what its answers mean. Pure.
//!
//! One file for each standard; `dialect` chooses among them by the rule of a grant. Asked by: `look`, `logs`,
//! `follow`. Never: asks ERC-165 what a contract supports. That
//! would be the contract's word for its own words; whether it can answer shows when it is asked.

pub mod arrival;
pub mod delegation;
pub mod dialect;
pub mod erc1155;
mod erc4907;
mod erc5643;
pub mod erc721;
mod erc7858;
mod unlock;
pub mod words;

#[cfg(test)]
mod tests;
