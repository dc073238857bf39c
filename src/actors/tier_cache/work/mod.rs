//! What TierCache does: works verdicts out, heeds what it is told of chains, and changes the installed products.

mod chain_news;
pub(super) mod flight;
mod installation;
mod loans;
mod receipts;
