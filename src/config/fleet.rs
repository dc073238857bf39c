//! The `[fleet]` section: with whom the seats of tokens are shared.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::own_files::FLEET;
use super::validate::{HOUR, MINUTE, SECOND, absolute_path, list};
use super::{Environment, Store};
use crate::fleet::settings::{FleetSettings, Kind, LONGEST_NAME};
use crate::regular_file;
use entitled_core::domain::product::document::{Node, Value};
use entitled_core::domain::product::section::{Section, duration, one_of, text, words};

const ENGINES: [(&str, Kind); 2] = [("etcd", Kind::Etcd), ("local", Kind::Local)];
const MOST_ENDPOINTS: usize = 16;
/// etcd itself takes none below two or three.
const SHORTEST_TTL: Duration = SECOND.saturating_mul(3);

/// `None` without the section: then the machine shares with nobody.
pub(super) fn read(
    root: &mut Section<'_>,
    store: &Store,
    environment: &Environment,
) -> Option<FleetSettings> {
    let is_there = root.has("fleet");
    let mut section = root.section("fleet");
    let kind = section.or("engine", Kind::Etcd, one_of(&ENGINES));
    let host = regular_file::read_text(Path::new("/proc/sys/kernel/hostname"), 64);
    let host = host.map(|it| it.trim().to_owned()).unwrap_or_default();
    let settings = FleetSettings {
        kind,
        name: section.or("name", "main".to_owned(), name),
        machine: section.or("machine", host, words(64)),
        endpoints: section.or("endpoints", Vec::new(), |it| list(it, MOST_ENDPOINTS, endpoint)),
        ttl: section.or("ttl", MINUTE, duration(SHORTEST_TTL, HOUR)),
        ca: section.optional("ca", absolute_path),
        certificate: section.optional("certificate", absolute_path),
        key: section.optional("key", absolute_path),
        user: section.optional("user", words(64)),
        password_file: section.optional("password", |it| password(it, environment)),
        state: store.path.with_file_name(FLEET),
    };
    if is_there && kind == Kind::Etcd && settings.endpoints.is_empty() {
        section.flaw("endpoints", "must name at least one address of etcd");
    }
    if settings.certificate.is_some() != settings.key.is_some() {
        section.flaw("certificate", "and `key` go together");
    }
    if settings.user.is_some() != settings.password_file.is_some() {
        section.flaw("user", "and `password` go together");
    }
    let is_open = |it: &String| it.starts_with("http://") && !is_loopback(it);
    if settings.user.is_some() && settings.endpoints.iter().any(is_open) {
        section.flaw("endpoints", "must be `https://` where a password is sent");
    }
    section.finish();
    is_there.then_some(settings)
}

fn is_loopback(endpoint: &str) -> bool {
    let url: Option<url::Url> = endpoint.parse().ok();
    url.is_some_and(|it| match it.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    })
}

fn name(node: &Node) -> Result<String, String> {
    let name = text(node)?;
    let allowed = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"._-".contains(&it);
    match (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(allowed) {
        true => Ok(name.to_owned()),
        false => Err("must be lower-case letters, digits, `.`, `_` and `-`, 64 at most".to_owned()),
    }
}

fn endpoint(node: &Node) -> Result<String, String> {
    let wrong = || "must be `http://HOST:PORT` or `https://HOST:PORT`".to_owned();
    let url: url::Url = text(node)?.parse().map_err(|_| wrong())?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !["http", "https"].contains(&url.scheme()) || url.host().is_none() || !is_bare {
        return Err(wrong());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a password: there are `user` and `password`".to_owned());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// `credential:NAME` or `file:/path`: never the password itself.
fn password(node: &Node, environment: &Environment) -> Result<PathBuf, String> {
    let wrong = "must be \"credential:NAME\" or \"file:/absolute/path\"";
    match &node.value {
        Value::Text(text) => match text.split_once(':') {
            Some(("file", path)) if path.starts_with('/') => Ok(path.into()),
            Some(("credential", name)) if !name.is_empty() && !name.contains('/') => {
                let directory = environment.variables.get("CREDENTIALS_DIRECTORY");
                let missing = "no credentials were handed in by the service manager";
                Ok(Path::new(directory.ok_or(missing)?).join(name))
            }
            _ => Err(wrong.to_owned()),
        },
        _ => Err(wrong.to_owned()),
    }
}
