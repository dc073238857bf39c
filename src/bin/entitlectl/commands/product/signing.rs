//! A vendor's keys and signatures, without a daemon: `product keygen`, `product sign`. Both read and write minisign's own
//! files, so that a vendor may use that program as well.

use std::fs::OpenOptions;
use std::io::{Cursor, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use entitled_core::domain::product;
use entitled_core::domain::publisher::PublisherKey;
use minisign::{KeyPair, SecretKeyBox};
use serde_json::json;

use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::{files, secrets, words};

/// Where the signature of a product file belongs: `acme-cad.toml.minisig`.
pub(super) fn place_of_signature(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".minisig");
    name.into()
}

/// The signature beside a product file, where there is one.
pub(super) fn beside(file: &Path) -> Result<Option<String>, Failure> {
    let place = place_of_signature(file);
    if place.exists() { files::read(&place).map(Some) } else { Ok(None) }
}

/// Makes a key pair: the secret key sealed with a passphrase, and `.pub` beside it.
pub(super) fn keygen(screen: &mut Screen, secret: &Path) -> Result<Exit, Failure> {
    let passphrase = secrets::read_new(screen, "Passphrase for the secret key")?;
    let sealed = KeyPair::generate_encrypted_keypair(Some(passphrase.expose().to_owned()));
    let pair = sealed.map_err(|it| refused("cannot make a key", &it))?;
    let key = pair.pk.to_base64();
    let sealed = pair.sk.to_box(None).map_err(|it| refused("cannot seal the key", &it))?;
    let public = secret.with_extension("pub");
    let open = pair.pk.to_box().map_err(|it| refused("cannot write the key", &it))?;
    write_new(secret, &sealed.into_string(), 0o600)?;
    write_new(&public, &open.into_string(), 0o644)?;
    if screen.is_json() {
        screen.line(&json!({"publisher": key, "public_key": public}).to_string());
    } else {
        let (secret, public) = (secret.display(), public.display());
        screen.line(&words::tame(&format!("publisher {key}")));
        screen.aside(&words::tame(&format!(
            "keep {secret} and its passphrase safe; {public} is for everybody. Put into your product file:\n\n[publisher]\nkey = \"{key}\""
        )));
    }
    Ok(Exit::Done)
}

/// Signs a product file. One with mistakes in it, or that names another publisher, is not signed.
pub(super) fn sign(screen: &mut Screen, secret: &Path, file: &Path) -> Result<Exit, Failure> {
    let text = files::read(file)?;
    let product = product::parse(&text).map_err(|faults| {
        let first = faults.first().map(ToString::to_string).unwrap_or_default();
        Failure::Usage(format!(
            "{} has mistakes, see `product lint`; first: {first}",
            file.display()
        ))
    })?;
    let sealed = SecretKeyBox::from_string(files::read(secret)?.trim_end())
        .map_err(|it| refused("this is no minisign secret key", &it))?;
    let passphrase = secrets::read(screen, "Passphrase of the secret key")?;
    let key = sealed
        .into_secret_key(Some(passphrase.expose().to_owned()))
        .map_err(|it| refused("the secret key did not open; is the passphrase right?", &it))?;
    let public = minisign::PublicKey::from_secret_key(&key)
        .map_err(|it| refused("the secret key is damaged", &it))?;
    let publisher: PublisherKey =
        public.to_base64().parse().map_err(|it| refused("the secret key is damaged", &it))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let trusted = format!("file:{name} product:{} version:{}", product.id, product.version);
    let signature = minisign::sign(None, &key, Cursor::new(&text), Some(&trusted), None)
        .map_err(|it| refused("cannot sign", &it))?;
    match &product.publisher {
        Some(named) if *named == publisher => {}
        Some(named) => screen.aside(&format!(
            "warning: the file names {named}; signed by {publisher} it hands over to that key, where this one was pinned, and is taken nowhere else"
        )),
        None => {
            return Err(Failure::Usage(format!(
                "{} names no publisher; put `[publisher]` and `key = \"{publisher}\"` into it first",
                file.display()
            )));
        }
    }
    let place = place_of_signature(file);
    replace(&place, &signature.into_string())?;
    if screen.is_json() {
        screen.line(&json!({"publisher": publisher.to_string(), "signature": place}).to_string());
    } else {
        screen.line(&words::tame(&format!("{} is signed by {publisher}", file.display())));
    }
    Ok(Exit::Done)
}

fn refused(what: &str, why: &dyn std::fmt::Display) -> Failure {
    Failure::Usage(format!("{what}: {why}"))
}

/// Writes a file in the place of whatever is there: through no link, and into no pipe.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    write_new(&draft, text, 0o644)?;
    std::fs::rename(&draft, path).map_err(|source| {
        // Of no use to anybody, and what went wrong is told.
        let _ = std::fs::remove_file(&draft);
        Failure::NewFile { path: path.to_owned(), source }
    })
}

fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let failed = |source| Failure::NewFile { path: path.to_owned(), source };
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}
