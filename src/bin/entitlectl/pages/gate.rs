//! Who may come in: one page, in one browser, of one person.
//!
//! Owns the one-time token, the session that it is exchanged for, and what a request has to say of where it comes from.
//! Pure but for the token, which is spent. Never answers anything itself.

use std::sync::{Mutex, PoisonError};

use http::{HeaderMap, Method, header};

/// Why a request is turned away. What is said is for the person before the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denied {
    #[error("This page answers only at the address that entitlectl printed.")]
    OtherHost,
    #[error("Another web page asked for this. It is answered to its own page only.")]
    OtherOrigin,
    #[error(
        "This address was used already, or was never right. Each address works once: run the command again to get a new one."
    )]
    SpentToken,
    #[error(
        "This browser has no session here. Run the command again, and open the address that it prints."
    )]
    NoSession,
}

#[derive(Debug)]
pub(super) struct Gate {
    /// The names by which the page may be called, with the port.
    hosts: Vec<String>,
    token: Mutex<Option<String>>,
    cookie: String,
    session: String,
}

impl Gate {
    /// `secrets` are the token and the session: nobody can guess either.
    pub(super) fn new(hosts: Vec<String>, port: u16, secrets: (String, String)) -> Self {
        // Cookies are kept by host and not by port: two of these pages must not take each other's.
        let cookie = format!("entitled-{port}");
        Self { hosts, token: Mutex::new(Some(secrets.0)), cookie, session: secrets.1 }
    }

    /// Whether a request was sent by our own page, or by the person who opens it.
    pub(super) fn admit(&self, method: &Method, headers: &HeaderMap) -> Result<(), Denied> {
        let host = one(headers, header::HOST.as_str());
        let Some(host) = host.filter(|it| self.hosts.iter().any(|own| own == it)) else {
            // Whatever name leads here besides: a site that had its name rebound to this machine.
            return Err(Denied::OtherHost);
        };
        let origin = one(headers, header::ORIGIN.as_str());
        let is_own = origin == Some(format!("http://{host}").as_str());
        let changes = !matches!(*method, Method::GET | Method::HEAD);
        if !is_own && (changes || headers.contains_key(header::ORIGIN)) {
            return Err(Denied::OtherOrigin);
        }
        // `same-site` is another port of this machine: somebody else's page.
        let site = one(headers, "sec-fetch-site");
        let is_told = headers.contains_key("sec-fetch-site");
        let wanted = if changes { &["same-origin"][..] } else { &["same-origin", "none"] };
        match site {
            Some(site) if !wanted.contains(&site) => Err(Denied::OtherOrigin),
            None if is_told => Err(Denied::OtherOrigin),
            _ => Ok(()),
        }
    }

    /// Takes the token, once, and gives the cookie that is set for it.
    pub(super) fn exchange(&self, token: &str, headers: &HeaderMap) -> Result<String, Denied> {
        // A browser that only looks ahead would spend it for a page that nobody opens.
        if headers.contains_key("sec-purpose") || headers.contains_key("purpose") {
            return Err(Denied::NoSession);
        }
        let mut kept = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.take_if(|it| same(it, token)) {
            Some(_) => {
                Ok(format!("{}={}; Path=/; HttpOnly; SameSite=Strict", self.cookie, self.session))
            }
            None => Err(Denied::SpentToken),
        }
    }

    /// Whether the request is of the browser that the token was exchanged with.
    pub(super) fn session(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|it| it.to_str().ok());
        let mut pairs = cookies.flat_map(|it| it.split(';')).filter_map(|it| it.split_once('='));
        match pairs.any(|(name, value)| name.trim() == self.cookie && same(value, &self.session)) {
            true => Ok(()),
            false => Err(Denied::NoSession),
        }
    }
}

/// A header that is there once.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(first)
}

/// Compares without telling by its time where the difference is.
fn same(one: &str, other: &str) -> bool {
    one.len() == other.len()
        && one.bytes().zip(other.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

#[cfg(test)]
mod tests;
