//! To whom an endpoint belongs. Pure.
//!
//! Asked by: `settings`, `endpoint`. What an address is, and what of it may be shown, is said in `crate::endpoint`.

use url::Host;

use crate::endpoint::Address;

/// Who answers there: endpoints of one domain count once in a quorum.
///
/// A name counts as its registrable domain (public suffix list), an address as itself. On loopback
/// it is the port, by whatever name: whoever can listen there is on this machine anyway, and
/// several nodes side by side are how a quorum is tried out. An IPC socket counts by its path.
pub(in crate::chain) fn domain(address: &Address) -> String {
    let url = match address {
        Address::Http(url) | Address::WebSocket(url) => url,
        Address::Path(path) => return format!("ipc:{}", path.display()),
    };
    if address.is_loopback() {
        return format!("loopback:{}", url.port_or_known_default().unwrap_or_default());
    }
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    match url.host() {
        Some(Host::Domain(_)) => psl::domain_str(host).unwrap_or(host).to_owned(),
        _ => host.to_owned(),
    }
}

#[cfg(test)]
mod tests;
