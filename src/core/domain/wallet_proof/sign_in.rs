//! The EIP-4361 message ("Sign-In with Ethereum"): one strict writer and one strict parser.
//!
//! What the parser accepts, the writer writes again byte for byte, and the other way round. So two
//! different texts are never the same message.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::Address;

use super::grammar;
use crate::domain::ids::{Timestamp, clip, parse_address};

/// The longest message read, in bytes. The EIP sets no limit; wallets show a screenful.
pub const MESSAGE_LIMIT: usize = 8 * 1024;

const FIRST_LINE_END: &str = " wants you to sign in with your Ethereum account:";

/// A message as the ABNF of EIP-4361 has it, version 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInMessage {
    /// How the asker is reached, such as `https`.
    pub scheme: Option<String>,
    /// Who asks: an RFC 3986 authority.
    pub domain: String,
    pub address: Address,
    /// What the person agrees to, on one line.
    pub statement: Option<String>,
    /// What the signature is about: an RFC 3986 URI.
    pub uri: String,
    /// The EIP-155 chain the account is to be looked at on.
    pub chain: u64,
    pub nonce: String,
    pub issued_at: DateTime,
    pub expires_at: Option<DateTime>,
    pub not_before: Option<DateTime>,
    pub request_id: Option<String>,
    /// `Some` and empty is a heading with nothing under it, which the grammar allows.
    pub resources: Option<Vec<String>>,
}

/// A time together with the exact text it was written in, because the text is what was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateTime {
    text: String,
    instant: Timestamp,
}

impl DateTime {
    pub fn instant(&self) -> Timestamp {
        self.instant
    }
}

impl From<Timestamp> for DateTime {
    fn from(instant: Timestamp) -> Self {
        Self { text: instant.to_string(), instant }
    }
}

impl FromStr for DateTime {
    type Err = MessageFault;
    fn from_str(text: &str) -> Result<Self, MessageFault> {
        let wrong = || MessageFault::Field { field: "time", found: clip(text) };
        if !grammar::is_date_time(text) {
            return Err(wrong());
        }
        let instant = text.parse().map_err(|_| wrong())?;
        Ok(Self { text: text.to_owned(), instant })
    }
}

/// Why a text is not an EIP-4361 message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageFault {
    #[error("the message is longer than {MESSAGE_LIMIT} bytes")]
    TooLong,
    #[error(
        "the message has no first line `DOMAIN wants you to sign in with your Ethereum account:`"
    )]
    FirstLine,
    #[error("the message's {field} is not well formed: `{found}`")]
    Field { field: &'static str, found: String },
    #[error("the message has `{found}` where an empty line belongs")]
    NotEmpty { found: String },
    #[error("the message has `{found}` where `{field}` belongs")]
    Missing { field: &'static str, found: String },
    #[error("the message goes on after its end with `{found}`")]
    Surplus { found: String },
}

impl fmt::Display for SignInMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = &self.scheme {
            write!(f, "{scheme}://")?;
        }
        write!(f, "{}{FIRST_LINE_END}\n{}\n\n", self.domain, self.address)?;
        if let Some(statement) = &self.statement {
            writeln!(f, "{statement}")?;
        }
        write!(f, "\nURI: {}\nVersion: 1\nChain ID: {}", self.uri, self.chain)?;
        write!(f, "\nNonce: {}\nIssued At: {}", self.nonce, self.issued_at.text)?;
        if let Some(expires_at) = &self.expires_at {
            write!(f, "\nExpiration Time: {}", expires_at.text)?;
        }
        if let Some(not_before) = &self.not_before {
            write!(f, "\nNot Before: {}", not_before.text)?;
        }
        if let Some(request_id) = &self.request_id {
            write!(f, "\nRequest ID: {request_id}")?;
        }
        if let Some(resources) = &self.resources {
            f.write_str("\nResources:")?;
            for resource in resources {
                write!(f, "\n- {resource}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for SignInMessage {
    type Err = MessageFault;

    /// Reads exactly what the ABNF allows, with these choices where it leaves some: `0x` in lower case
    /// and the EIP-55 checksum right, the chain id without leading zeros, `T` and `Z` of a time in
    /// upper case, no empty domain. The fields of the result are always ones the writer can write.
    fn from_str(text: &str) -> Result<Self, MessageFault> {
        if text.len() > MESSAGE_LIMIT {
            return Err(MessageFault::TooLong);
        }
        let mut lines = Lines { rest: Some(text) };
        let asker = lines
            .next()
            .and_then(|it| it.strip_suffix(FIRST_LINE_END))
            .ok_or(MessageFault::FirstLine)?;
        let (scheme, domain) = match asker.split_once("://") {
            Some((scheme, domain)) => (Some(scheme), domain),
            None => (None, asker),
        };
        let scheme = scheme.map(|it| field("scheme", it, grammar::is_scheme)).transpose()?;
        let domain = field("domain", domain, grammar::is_domain)?;
        let address = address(lines.next().unwrap_or_default())?;
        lines.empty()?;
        let statement = match lines.next() {
            Some("") => None,
            line => {
                let text = field("statement", line.unwrap_or_default(), grammar::is_statement)?;
                lines.empty()?;
                Some(text)
            }
        };
        let uri = field("URI", lines.tagged("URI: ")?, grammar::is_uri)?;
        field("version", lines.tagged("Version: ")?, |it| it == "1")?;
        let chain = chain(lines.tagged("Chain ID: ")?)?;
        let nonce = field("nonce", lines.tagged("Nonce: ")?, grammar::is_nonce)?;
        let issued_at = time("issued-at", lines.tagged("Issued At: ")?)?;
        let expires_at = lines.optional("Expiration Time: ");
        let expires_at = expires_at.map(|it| time("expiration-time", it)).transpose()?;
        let not_before = lines.optional("Not Before: ");
        let not_before = not_before.map(|it| time("not-before", it)).transpose()?;
        let request_id = lines.optional("Request ID: ");
        let request_id =
            request_id.map(|it| field("request-id", it, grammar::is_request_id)).transpose()?;
        let resources = resources(&mut lines)?;
        match lines.next() {
            Some(line) => Err(MessageFault::Surplus { found: clip(line) }),
            None => Ok(Self {
                scheme,
                domain,
                address,
                statement,
                uri,
                chain,
                nonce,
                issued_at,
                expires_at,
                not_before,
                request_id,
                resources,
            }),
        }
    }
}

/// The lines of a text, of which the last one has no end. A carriage return is a character like others,
/// and no field allows it.
struct Lines<'a> {
    rest: Option<&'a str>,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        let (line, rest) = match rest.split_once('\n') {
            Some((line, rest)) => (line, Some(rest)),
            None => (rest, None),
        };
        self.rest = rest;
        Some(line)
    }

    fn empty(&mut self) -> Result<(), MessageFault> {
        match self.next() {
            Some("") => Ok(()),
            found => Err(MessageFault::NotEmpty { found: clip(found.unwrap_or_default()) }),
        }
    }

    fn tagged(&mut self, tag: &'static str) -> Result<&'a str, MessageFault> {
        let line = self.next().unwrap_or_default();
        line.strip_prefix(tag)
            .ok_or_else(|| MessageFault::Missing { field: tag.trim_end(), found: clip(line) })
    }

    /// The next line's value if it has the tag; otherwise the line stays.
    fn optional(&mut self, tag: &str) -> Option<&'a str> {
        let before = self.rest;
        let value = self.next().and_then(|it| it.strip_prefix(tag));
        if value.is_none() {
            self.rest = before;
        }
        value
    }
}

fn field(
    field: &'static str,
    text: &str,
    fits: impl Fn(&str) -> bool,
) -> Result<String, MessageFault> {
    if fits(text) {
        Ok(text.to_owned())
    } else {
        Err(MessageFault::Field { field, found: clip(text) })
    }
}

/// The EIP asks for the EIP-55 form; an address in one case would read back differently.
fn address(text: &str) -> Result<Address, MessageFault> {
    parse_address(text)
        .ok()
        .filter(|it| it.to_string() == text)
        .ok_or_else(|| MessageFault::Field { field: "address", found: clip(text) })
}

fn chain(text: &str) -> Result<u64, MessageFault> {
    text.parse()
        .ok()
        .filter(|it: &u64| it.to_string() == text)
        .ok_or_else(|| MessageFault::Field { field: "chain-id", found: clip(text) })
}

fn time(field: &'static str, text: &str) -> Result<DateTime, MessageFault> {
    text.parse().map_err(|_| MessageFault::Field { field, found: clip(text) })
}

fn resources(lines: &mut Lines<'_>) -> Result<Option<Vec<String>>, MessageFault> {
    let Some(rest) = lines.optional("Resources:") else { return Ok(None) };
    if !rest.is_empty() {
        return Err(MessageFault::Field { field: "resources", found: clip(rest) });
    }
    let mut resources = Vec::new();
    while let Some(text) = lines.optional("- ") {
        resources.push(field("resource", text, grammar::is_uri)?);
    }
    Ok(Some(resources))
}

#[cfg(test)]
mod tests;
