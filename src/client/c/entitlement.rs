//! The same for programs in Rust: no pointers, and no name to look up.

use std::ffi::CString;

use entitled_client::SocketPath;
use entitled_core::domain::publisher::PublisherKey;

use crate::abi::State;
use crate::handle::{Handle, Settings, TIMEOUT_DEFAULT};

/// One product, asked about again and again: after the first time that costs some nanoseconds.
pub struct Entitlement {
    daemon: Handle,
    product: CString,
}

impl Entitlement {
    /// Connects to nobody yet. `socket` is the usual one if absent; products that `publisher` did not sign are a "no".
    ///
    /// # Errors
    /// What is wrong with the names.
    pub fn new(
        product: &str,
        socket: Option<SocketPath>,
        publisher: Option<&str>,
    ) -> Result<Self, &'static str> {
        let product = CString::new(product).map_err(|_| "the product's name has a zero byte")?;
        let publisher = publisher.map(str::parse::<PublisherKey>).transpose();
        let publisher =
            publisher.map_err(|_| "the publisher's key must be a minisign public key")?;
        let settings = Settings {
            socket,
            publisher,
            timeout: TIMEOUT_DEFAULT,
            // Of proofs, for which nobody asks here.
            accept_linked: false,
            min_version: 0,
            accept_maker: false,
        };
        Ok(Self { daemon: Handle::with(Ok(settings)), product })
    }

    /// Whether the caller is entitled to it now, as `entitled_valid` in `entitled.h` says it.
    #[inline]
    pub fn valid(&self) -> State {
        self.daemon.at_hand(&self.product).unwrap_or_else(|| self.daemon.state(&self.product))
    }
}
