//! On what terms an endpoint is asked: where it is, what goes with each request, what it may cost. Pure.
//!
//! Asked by: `facade`, `endpoint`. Never: shows an address or a header, either of which may hold a key.

use std::collections::BTreeMap;
use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::address::{Location, LocationError};
use super::budget::Budget;

/// One endpoint of a chain, as configured.
#[derive(Clone)]
pub struct EndpointSettings {
    /// An http(s) or ws(s) URL, or the absolute path of an IPC socket. May hold a key.
    pub url: String,
    /// Sent with each request over HTTP. May hold a key.
    pub headers: Vec<(String, String)>,
    /// The cheaper of two endpoints that fare equally well is asked first. Any unit, the same for all.
    pub cost: u32,
    /// `None`: as much as is needed.
    pub budget: Option<Budget>,
    /// Compute units of methods, where they are others than usual.
    pub units: BTreeMap<String, u32>,
}

impl EndpointSettings {
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), headers: Vec::new(), cost: 0, budget: None, units: BTreeMap::new() }
    }
}

impl fmt::Debug for EndpointSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url: _, headers: _, cost, budget, units } = self;
        let mut shown = f.debug_struct("EndpointSettings");
        shown.field("cost", cost).field("budget", budget).field("units", units);
        shown.finish_non_exhaustive()
    }
}

/// The same, understood.
pub(in crate::chain) struct Terms {
    pub(in crate::chain) location: Location,
    pub(in crate::chain) headers: HeaderMap,
    pub(in crate::chain) cost: u32,
    pub(in crate::chain) budget: Option<Budget>,
    pub(in crate::chain) units: BTreeMap<String, u32>,
}

impl Terms {
    /// # Errors
    /// [`LocationError`], saying what would be right and repeating nothing.
    pub(in crate::chain) fn read(settings: &EndpointSettings) -> Result<Self, LocationError> {
        let location = Location::parse(&settings.url)?;
        if !settings.headers.is_empty() && !matches!(location, Location::Http(_)) {
            return Err(LocationError::HeadersWithoutHttp);
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.headers {
            let name = HeaderName::try_from(name).map_err(|_| LocationError::Header)?;
            let mut value = HeaderValue::try_from(value).map_err(|_| LocationError::Header)?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        let EndpointSettings { cost, budget, units, .. } = settings.clone();
        Ok(Self { location, headers, cost, budget, units })
    }
}

#[cfg(test)]
mod tests;
