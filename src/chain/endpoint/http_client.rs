//! The client for HTTP, the same for endpoints and for beacon sources.
//!
//! Asked by: `transport`, `consensus/beacon`. Never: follows a redirect, which could lead anywhere.

use std::time::Duration;

/// No longer than this until a connection stands.
pub(in crate::chain) const CONNECT: Duration = Duration::from_secs(3);

/// What TLS computes with. Refused when the process already has one, which then serves as well.
pub(in crate::chain) fn install_crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client for one address, of which `is_loopback` says whether it is on this machine. `total`: no longer than this for
/// one request.
///
/// # Errors
/// When TLS cannot be set up.
pub(in crate::chain) fn http_client(
    is_loopback: bool,
    total: Duration,
) -> Result<reqwest::Client, reqwest::Error> {
    install_crypto();
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .timeout(total)
        .gzip(true)
        .tls_backend_rustls()
        .user_agent(concat!("entitled/", env!("CARGO_PKG_VERSION")));
    // A proxy from the environment leads out of the machine; it is no way to the machine itself.
    if is_loopback { builder.no_proxy() } else { builder }.build()
}
