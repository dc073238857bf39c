//! The form of a JSON Web Token (RFC 7515, RFC 7519), for those who find out whether it holds. By itself it says nothing that
//! anybody else could not say.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::credentials::Unknown;

/// The parts of a token, each as it was written.
pub(super) struct Parts<'a> {
    pub(super) header: &'a str,
    pub(super) claims: &'a str,
    pub(super) signature: &'a str,
    /// What is signed: header and claims.
    pub(super) signed: &'a str,
}

impl<'a> Parts<'a> {
    pub(super) fn of(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        (!claims.contains('.')).then_some(Self { header, claims, signature, signed })
    }
}

/// # Errors
/// When it is no JSON of this form.
pub(super) fn read<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, Unknown> {
    let bytes = decode(part).ok_or(Unknown::Nobody)?;
    serde_json::from_slice(&bytes).map_err(|_| Unknown::Nobody)
}

/// Base64 for addresses, without padding (RFC 7515). One text for one value: what is left over is nothing.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Whether `aud`, which is one text or several, names this audience (RFC 7519, 4.1.3).
pub(super) fn is_meant_for(aud: &Value, audience: &str) -> bool {
    match aud {
        Value::String(one) => one == audience,
        Value::Array(several) => several.iter().any(|it| it == audience),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
