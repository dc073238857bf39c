//! What may be shown of a web address, and whether it leads out of this machine. Pure.
//!
//! Asked by: `config`, `chain`. Never: shows a user name, a password, a path or a query, because that is where providers
//! put their keys.

use url::{Host, Url};

/// Scheme, host and port, for people and logs.
pub fn shown(url: &Url) -> String {
    let port = url.port().map(|it| format!(":{it}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name.trim_end_matches('.') == "localhost",
        None => false,
    }
}
