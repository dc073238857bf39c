//! What Rust programs use to ask the daemon, `entitlectl` among them.
//!
//! Owns: finding the socket, making sure who answers on it, one question and its one answer, and subscriptions. There is
//! a limit on every wait. [`Client`] blocks and needs no runtime; `AsyncClient`, with the feature `tokio`, does the same on
//! tokio, without a thread of its own. Never decides anything: what is true is the daemon's business, and no answer is
//! never a "no".
//!
//! ```no_run
//! let verdict = entitled_client::check("acme-cad")?;
//! if verdict.valid && verdict.has("export") {
//!     // offer the export
//! }
//! # Ok::<(), entitled_client::ClientError>(())
//! ```

mod asked;
#[cfg(feature = "tokio")]
mod async_client;
#[cfg(feature = "tokio")]
mod async_seat;
#[cfg(all(test, feature = "tokio"))]
mod async_tests;
#[cfg(feature = "tokio")]
mod async_wire;
mod connection;
mod deadline;
mod error;
mod error_code;
mod exchange;
mod lines;
mod message;
mod object;
mod opening;
mod plain;
mod seat;
mod seat_guard;
mod server;
mod socket_path;
mod subscription;
#[cfg(test)]
mod tests;
mod verdict;
mod wire;

#[cfg(feature = "tokio")]
pub use async_client::{AsyncClient, AsyncSubscription};
#[cfg(feature = "tokio")]
pub use async_seat::AsyncSeat;
pub use connection::Client;
pub use error::ClientError;
pub use error_code::ErrorCode;
pub use seat::{SeatError, SeatRefusal, SeatRequest, SeatState};
pub use seat_guard::Seat;
#[doc(hidden)]
pub use socket_path::default_path_of;
pub use socket_path::{SocketPath, default_admin_path, default_path};
pub use subscription::Subscription;
pub use verdict::{Anchor, Code, Explanation, Feature, Step, Verdict};

/// What the caller is entitled to of `product`, asked at [`default_path`].
///
/// # Errors
/// When no answer could be had. That is not a "no": see [`ClientError`].
pub fn check(product: &str) -> Result<Verdict, ClientError> {
    Client::connect(&default_path())?.check(product)
}

/// The programs of the README are compiled with the documentation's.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("README.md")]
struct Readme;
