//! Which web pages may ask (the Fetch standard, "CORS protocol"): those of the configured origins, each by its exact name.

use http::{HeaderMap, HeaderValue, header};

use super::settings;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST");
const ASKED: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, idempotency-key, if-none-match, x-request-id",
);
const SHOWN: HeaderValue = HeaderValue::from_static("etag, retry-after, x-request-id");

pub(super) struct Cors {
    origins: Vec<String>,
    credentials: bool,
    max_age: HeaderValue,
}

/// Whose page a request comes from.
pub(super) enum Origin {
    /// No page's, as far as it says.
    None,
    Allowed(HeaderValue),
    Foreign,
}

impl Cors {
    pub(super) fn new(settings: &settings::Cors) -> Self {
        let max_age = HeaderValue::from(settings.max_age.as_secs());
        let (origins, credentials) = (settings.origins.clone(), settings.credentials);
        Self { origins, credentials, max_age }
    }

    pub(super) fn origin(&self, headers: &HeaderMap) -> Origin {
        let mut given = headers.get_all(header::ORIGIN).iter();
        match (given.next(), given.next()) {
            (None, _) => Origin::None,
            (Some(one), None) if self.origins.iter().any(|it| it.as_bytes() == one.as_bytes()) => {
                Origin::Allowed(one.clone())
            }
            _ => Origin::Foreign,
        }
    }

    /// Lets the page of `origin` read the answer. What depends on the origin says so, also where there is none.
    pub(super) fn show(&self, origin: &Origin, headers: &mut HeaderMap) {
        headers.append(header::VARY, HeaderValue::from_static("origin, authorization"));
        let Origin::Allowed(origin) = origin else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, SHOWN);
        if self.credentials {
            let yes = HeaderValue::from_static("true");
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
    }

    /// Says beforehand what the page may ask.
    pub(super) fn preflight(&self, headers: &mut HeaderMap) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ASKED);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
    }
}

/// Whether a browser says that the page of another site has it ask (the W3C's "Fetch Metadata Request Headers"), also where it names
/// no origin: for an image, a frame or a link. Such a page reads nothing, but asks with what the browser has.
pub(super) fn is_of_another_site(headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all("sec-fetch-site").iter();
    sites.any(|it| it != "none" && it != "same-origin")
}
