//! What Rust programs use to ask the daemon, `entitlectl` among them.
//!
//! Owns: finding the socket, making sure who answers on it, one question and its one answer, and
//! subscriptions. Blocking, with a limit on every wait; needs no runtime. Asks nobody else in this crate,
//! and never decides anything: what is true is the daemon's business.
//!
//! ```no_run
//! let verdict = entitled_client::check("acme-cad")?;
//! if verdict.valid && verdict.has("export") {
//!     // offer the export
//! }
//! # Ok::<(), entitled_client::ClientError>(())
//! ```

mod connection;
mod deadline;
mod error;
mod message;
mod server;
mod socket_path;
mod subscription;
#[cfg(test)]
mod tests;
mod verdict;
mod wire;

pub use connection::Client;
pub use error::ClientError;
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
