//! `libentitled`: the daemon's clients for programs in C, and in whatever can call C.
//!
//! Owns: the border. Reads what C gives ([`text`], [`sized`]), asks through `entitled-client` ([`handle`],
//! [`subscription`], [`seat`]), reads the daemon's answers where it maps them ([`page`]), has `entitled-core` judge receipts ([`receipt`]), and writes answers as C can hold them ([`abi`], [`answer`]). Decides nothing: three answers come in
//! and the same three go out. `include/entitled.h` is the contract, and the tests compare it with what stands here.
//!
//! Invariants: nothing unwinds into C ([`border`]). No thread, no signal, nothing global. Whatever goes wrong is "not
//! known", never a "yes" and never a "no".

pub mod abi;
mod answer;
mod border;
mod entitlement;
mod exports;
mod features;
mod handle;
mod page;
mod receipt;
mod seat;
mod sized;
mod subscription;
#[cfg(test)]
mod tests;
mod text;

pub use entitlement::Entitlement;
pub use exports::*;
pub use seat::*;
