//! A seat lent to a machine that is offline: what it asks with, what it is given, and what it gives back. Pure.
//!
//! ```text
//! offline: SeatRequest ── carried ──► online: a seat leaves its pool, Loan ── carried ──► offline: one place, until its end
//!                                     online: the seat is free   ◄── carried ── SeatReturn
//! ```
//!
//! Owns: the three files, what is signed in each, and what a loan proves. A loan carries the evidence of a receipt
//! ([`crate::receipt`]), so that its terms are all that the lender is believed; and it is the key of the wallet that holds the
//! licence which says them. Asked by: the daemons on both sides. Never: reads a clock, keeps a key, or believes what a file
//! says of itself.

mod fault;
mod files;
mod terms;
mod verify;

#[cfg(test)]
mod tests;

pub use fault::LoanFault;
pub use files::{Brought, SeatRequest, SeatReturn};
pub use terms::{LONGEST, Loan, LoanTerms, SHORTEST, is_statement};
pub use verify::{GivenLoan, TakenLoan, verify_loan};
