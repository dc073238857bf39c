//! The gateway's own file: where it listens, and who may ask. Every mistake in it is told at once, with its line.

mod values;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use entitled_core::domain::ids::{CustomerId, ProductId};
use entitled_core::domain::product::document::{self, LONGEST_TEXT, Place};
use entitled_core::domain::product::section::{
    Flaws, Section, duration, flag, one_of, parsed, whole, words,
};

use self::values::{digest, host, https, list, origin, path};
use super::endpoints::Scope;
use crate::config::ConfigError;
use crate::logging::{Format, Level};
use crate::regular_file;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// Everything that can be configured, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    pub socket: PathBuf,
    pub listen: SocketAddr,
    /// What it may be called by in `Host`, without ports.
    pub hosts: Vec<String>,
    pub probes: Option<SocketAddr>,
    pub tls: Option<Tls>,
    pub cors: Cors,
    pub limits: Limits,
    pub oidc: Option<Oidc>,
    pub token_review: Option<TokenReview>,
    pub clients: Vec<Client>,
    /// Who asks without saying who; on a loopback address only.
    pub anonymous: Option<Client>,
    pub level: Level,
    pub format: Format,
}

#[derive(Debug, Clone)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub client_ca: Option<PathBuf>,
    /// What its issuers have taken back.
    pub client_crl: Option<PathBuf>,
}

#[derive(Debug, Clone)]
pub struct Cors {
    pub origins: Vec<String>,
    pub credentials: bool,
    pub max_age: Duration,
}

#[derive(Debug, Clone)]
pub struct Limits {
    pub connections: usize,
    pub connections_per_address: usize,
    pub in_flight: usize,
    /// Streams of events, seats among them: each has a connection to the daemon.
    pub streams: usize,
    pub request_bytes: usize,
    pub head: Duration,
    pub write: Duration,
    pub idle: Duration,
    /// The longest that a client may keep an answer.
    pub max_age: Duration,
}

#[derive(Debug, Clone)]
pub struct Oidc {
    pub issuer: String,
    pub jwks: url::Url,
    pub ca: Option<PathBuf>,
    pub audience: String,
}

#[derive(Debug, Clone)]
pub struct TokenReview {
    pub url: url::Url,
    pub ca: Option<PathBuf>,
    pub token_file: PathBuf,
    pub audience: String,
}

/// Who says whose a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Voucher {
    Oidc,
    TokenReview,
}

impl Voucher {
    const WORDS: [(&'static str, Self); 2] =
        [("oidc", Self::Oidc), ("token_review", Self::TokenReview)];
}

/// Somebody who may ask, how it is recognised, and for whom.
#[derive(Debug, Clone)]
pub struct Client {
    pub name: String,
    pub customer: CustomerId,
    pub token: Option<[u8; 32]>,
    pub subject: Option<String>,
    /// For that subject; where there is one voucher alone it need not be said.
    pub vouched_by: Option<Voucher>,
    pub certificate: Option<String>,
    pub scopes: Vec<Scope>,
    /// All, where none is named.
    pub products: Vec<ProductId>,
    pub rate: u32,
    pub burst: u32,
    pub streams: usize,
}

/// Reads the file.
///
/// # Errors
/// When it cannot be read, or any key or value is wrong: then all that are, at once.
pub fn read(path: &Path) -> Result<Settings, ConfigError> {
    let text = regular_file::read_text(path, LONGEST_TEXT)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let source = Arc::from(path.display().to_string());
    let tree = document::read(&source, &text).map_err(|flaws| ConfigError::Wrong { flaws })?;
    let flaws = Flaws::default();
    let mut root = Section::root(&tree, Place { source, line: 0 }, &flaws);
    let settings = settings(&mut root);
    check(&settings, &root);
    root.finish();
    match flaws.is_empty() {
        true => Ok(settings),
        false => Err(ConfigError::Wrong { flaws: flaws.into_sorted() }),
    }
}

fn settings(root: &mut Section<'_>) -> Settings {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 8080));
    let mut log = root.section("log");
    let level = log.or("level", Level::Info, one_of(&Level::WORDS));
    let format = log.or("format", Format::Auto, one_of(&Format::WORDS));
    log.finish();
    Settings {
        socket: root.or("socket", "/run/entitled/entitled.sock".into(), path),
        listen: root.or("listen", loopback, parsed),
        hosts: root.or("hosts", Vec::new(), |it| list(it, host)),
        probes: root.optional("probes", parsed),
        tls: root.has("tls").then(|| tls(root.section("tls"))),
        cors: cors(root.section("cors")),
        limits: limits(root.section("limits")),
        oidc: root.has("oidc").then(|| oidc(root.section("oidc"))).flatten(),
        token_review: root
            .has("token_review")
            .then(|| token_review(root.section("token_review")))
            .flatten(),
        clients: root.sections("client").into_iter().filter_map(|it| client(it, false)).collect(),
        anonymous: root.has("anonymous").then(|| client(root.section("anonymous"), true)).flatten(),
        level,
        format,
    }
}

impl Settings {
    /// Who vouches for a client: what one of two says is no word of the other's, whatever names they use.
    pub(super) fn voucher_of(&self, client: &Client) -> Option<Voucher> {
        let only = match (&self.oidc, &self.token_review) {
            (Some(_), None) => Some(Voucher::Oidc),
            (None, Some(_)) => Some(Voucher::TokenReview),
            _ => None,
        };
        client.vouched_by.or(only)
    }

    fn has(&self, voucher: Voucher) -> bool {
        match voucher {
            Voucher::Oidc => self.oidc.is_some(),
            Voucher::TokenReview => self.token_review.is_some(),
        }
    }
}

/// What must hold between the keys.
fn check(settings: &Settings, root: &Section<'_>) {
    let is_loopback = settings.listen.ip().is_loopback();
    if !root.has("client") && !root.has("anonymous") {
        root.flaw("client", "name at least one client in `[[client]]`: nobody may ask otherwise");
    }
    if settings.anonymous.is_some() && !is_loopback {
        root.flaw("anonymous", "asks without authentication, which is for a loopback address only");
    }
    if !is_loopback && settings.hosts.is_empty() {
        root.flaw("hosts", "must name what the gateway is called by where it listens to a network");
    }
    if settings.cors.credentials && settings.cors.origins.is_empty() {
        root.flaw("cors", "`credentials` needs `origins`");
    }
    // What is kept of a client goes by its name, also of the one that says none.
    let all = settings.clients.iter().chain(&settings.anonymous);
    let mut names: Vec<&str> = all.map(|it| it.name.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|it| it.first() == it.get(1)) {
        root.flaw("client", "two clients have the same name");
    }
    // Whose what is shown is would be decided by their order.
    let known_by = |it: &Client| {
        (it.token, it.subject.clone(), settings.voucher_of(it), it.certificate.clone())
    };
    let has_one =
        |it: &&Client| it.token.is_some() || it.subject.is_some() || it.certificate.is_some();
    let mut known = HashSet::new();
    if !settings.clients.iter().filter(has_one).all(|it| known.insert(known_by(it))) {
        root.flaw("client", "two clients are known by the same token, subject or certificate");
    }
    let by_certificate = settings.clients.iter().any(|it| it.certificate.is_some());
    if by_certificate && settings.tls.as_ref().is_none_or(|it| it.client_ca.is_none()) {
        root.flaw(
            "tls",
            "a client is known by its certificate: `client_ca` must say who issued it",
        );
    }
    let by_subject = settings.clients.iter().any(|it| it.subject.is_some());
    if by_subject && settings.oidc.is_none() && settings.token_review.is_none() {
        root.flaw("client", "a `subject` needs `[oidc]` or `[token_review]`, which vouches for it");
    }
    let is_double = settings.oidc.is_some() && settings.token_review.is_some();
    let mut subjects = settings.clients.iter().filter(|it| it.subject.is_some());
    if is_double && subjects.any(|it| it.vouched_by.is_none()) {
        let why = "with `[oidc]` and `[token_review]` a `subject` needs `vouched_by`: \"oidc\" or \"token_review\"";
        root.flaw("client", why);
    }
    if settings.clients.iter().filter_map(|it| it.vouched_by).any(|it| !settings.has(it)) {
        root.flaw("client", "`vouched_by` names a section that is not there");
    }
    if settings.tls.as_ref().is_some_and(|it| it.client_crl.is_some() && it.client_ca.is_none()) {
        root.flaw("tls", "`client_crl` is about certificates of `client_ca`, which is missing");
    }
}

fn tls(mut section: Section<'_>) -> Tls {
    let tls = Tls {
        certificate: section.required("certificate", path).unwrap_or_default(),
        key: section.required("key", path).unwrap_or_default(),
        client_ca: section.optional("client_ca", path),
        client_crl: section.optional("client_crl", path),
    };
    section.finish();
    tls
}

fn cors(mut section: Section<'_>) -> Cors {
    let cors = Cors {
        origins: section.or("origins", Vec::new(), |it| list(it, origin)),
        credentials: section.or("credentials", false, flag),
        max_age: section.or("max_age", 600 * SECOND, duration(SECOND, DAY)),
    };
    section.finish();
    cors
}

fn limits(mut section: Section<'_>) -> Limits {
    let moment = || duration(SECOND / 10, 3_600 * SECOND);
    let limits = Limits {
        connections: count(section.or("connections", 512, whole(1, 65_536))),
        connections_per_address: count(section.or(
            "connections_per_address",
            128,
            whole(1, 65_536),
        )),
        in_flight: count(section.or("in_flight", 256, whole(1, 65_536))),
        streams: count(section.or("streams", 32, whole(0, 4_096))),
        request_bytes: count(section.or("request_bytes", 65_536, whole(1_024, 1_048_576))),
        head: section.or("head", 10 * SECOND, moment()),
        write: section.or("write", 10 * SECOND, moment()),
        idle: section.or("idle", 60 * SECOND, moment()),
        max_age: section.or("max_age", 60 * SECOND, duration(Duration::ZERO, DAY)),
    };
    section.finish();
    limits
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn oidc(mut section: Section<'_>) -> Option<Oidc> {
    let issuer = section.required("issuer", words(500));
    let jwks = section.required("jwks", https);
    let ca = section.optional("ca", path);
    let audience = section.or("audience", "entitled".to_owned(), words(200));
    section.finish();
    Some(Oidc { issuer: issuer?, jwks: jwks?, ca, audience })
}

fn token_review(mut section: Section<'_>) -> Option<TokenReview> {
    let default = "/var/run/secrets/kubernetes.io/serviceaccount";
    let url = section.or("url", None, |it| https(it).map(Some));
    let url = url.or_else(|| "https://kubernetes.default.svc".parse().ok());
    let ca = section.or("ca", PathBuf::from(default).join("ca.crt"), path);
    let token_file = section.or("token_file", PathBuf::from(default).join("token"), path);
    let audience = section.or("audience", "entitled".to_owned(), words(200));
    section.finish();
    Some(TokenReview { url: url?, ca: Some(ca), token_file, audience })
}

fn client(mut section: Section<'_>, is_anonymous: bool) -> Option<Client> {
    let name = match is_anonymous {
        true => Some("anonymous".to_owned()),
        false => section.required("name", words(100)),
    };
    let customer = section.required("customer", |it| match parsed::<CustomerId>(it)? {
        numbered @ CustomerId::Numbered(_) => Ok(numbered),
        _ => {
            Err("must be a customer that an administrator made, such as \"customer:1\"".to_owned())
        }
    });
    // As it is written: one that has a fault is told by that.
    let ways = ["token_sha256", "subject", "certificate"];
    let ways = ways.into_iter().filter(|it| section.has(it)).count();
    let (token, subject, certificate) = match is_anonymous {
        true => (None, None, None),
        false => (
            section.optional("token_sha256", digest),
            section.optional("subject", words(500)),
            section.optional("certificate", words(500)),
        ),
    };
    let vouched_by = match is_anonymous {
        true => None,
        false => section.optional("vouched_by", one_of(&Voucher::WORDS)),
    };
    if vouched_by.is_some() && subject.is_none() {
        section.flaw("vouched_by", "is about a `subject`");
    }
    if !is_anonymous && ways != 1 {
        section.flaw("name", "must be known by one of `token_sha256`, `subject` and `certificate`");
    }
    let scopes = section.required("scopes", |it| list(it, one_of(&Scope::WORDS)));
    let products = section.or("products", Vec::new(), |it| list(it, parsed));
    let rate: u32 = section.or("rate", 50, whole(1, 1_000_000));
    let burst = section.or("burst", rate.saturating_mul(4), whole(1, 1_000_000));
    let streams = count(section.or("streams", 8, whole(0, 4_096)));
    section.finish();
    let (name, customer, scopes) = (name?, customer?, scopes?);
    Some(Client {
        name,
        customer,
        token,
        subject,
        vouched_by,
        certificate,
        scopes,
        products,
        rate,
        burst,
        streams,
    })
}
