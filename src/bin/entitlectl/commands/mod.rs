//! One file for each noun of the command line: its arguments, what it asks, how the answer is shown, and what the
//! answer amounts to. None of them knows another; `arguments` puts them together.

pub(crate) mod audit;
pub(crate) mod chain;
pub(crate) mod check;
pub(crate) mod customer;
pub(crate) mod doctor;
pub(crate) mod fleet;
pub(crate) mod keys;
pub(crate) mod logs;
pub(crate) mod ownership;
pub(crate) mod product;
pub(crate) mod receipt;
pub(crate) mod reload;
pub(crate) mod run;
pub(crate) mod seats;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod tier;
pub(crate) mod token;
pub(crate) mod ui;
pub(crate) mod wallet;
pub(crate) mod watch;
pub(crate) mod why;
