//! A vendor's keys and signatures, without a daemon: `product keygen`, `product sign`. Both read and write minisign's own
//! files, so that a vendor may use that program as well.

use std::io::Cursor;
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
    match files::read(&place) {
        // What is there and cannot be read, a dangling link too, is said.
        Err(Failure::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// Makes a key pair: the secret key sealed with a passphrase, and `.pub` beside it.
pub(super) fn keygen(screen: &mut Screen, secret: &Path) -> Result<Exit, Failure> {
    let public = secret.with_extension("pub");
    if public == secret {
        return Err(Failure::Usage("the secret key must not be named `.pub`".to_owned()));
    }
    for path in [secret, &public] {
        let failed = |source| Failure::NewFile { path: path.to_owned(), source };
        if files::is_there(path).map_err(failed)? {
            return Err(failed(std::io::ErrorKind::AlreadyExists.into()));
        }
    }
    let passphrase = secrets::read_new(screen, "Passphrase for the secret key")?;
    let sealed = KeyPair::generate_encrypted_keypair(Some(passphrase.expose().to_owned()));
    let pair = sealed.map_err(|it| refused("cannot make a key", &it))?;
    let key = pair.pk.to_base64();
    let sealed = pair.sk.to_box(None).map_err(|it| refused("cannot seal the key", &it))?;
    let open = pair.pk.to_box().map_err(|it| refused("cannot write the key", &it))?;
    // In this order: a public key without its secret one is of no use, and a secret one is not to be left behind.
    files::write_new(&public, &open.into_string(), 0o644)?;
    files::write_new(secret, &sealed.into_string(), 0o600).inspect_err(|_| {
        // What went wrong is told; this may as well.
        let _ = std::fs::remove_file(&public);
    })?;
    if screen.is_json() {
        screen.json(&json!({"publisher": key, "public_key": public}));
    } else {
        let (secret, public) = (secret.display(), public.display());
        screen.line(&words::tame(&format!("publisher {key}")));
        screen.aside(&words::tame(&format!(
            "keep {secret} and its passphrase safe; {public} is for everybody. Put into your product file:"
        )));
        screen.aside(&format!("\n[publisher]\nkey = \"{key}\""));
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
    // It is one line of the signature's file.
    let name = words::tame(&file.file_name().unwrap_or_default().to_string_lossy());
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
    let (place, signature) = (place_of_signature(file), signature.into_string());
    publisher.verify(&text, &signature).map_err(|it| refused("the signature is of no use", &it))?;
    files::replace(&place, &signature)?;
    if screen.is_json() {
        screen.json(&json!({"publisher": publisher.to_string(), "signature": place}));
    } else {
        screen.line(&words::tame(&format!("{} is signed by {publisher}", file.display())));
    }
    Ok(Exit::Done)
}

fn refused(what: &str, why: &dyn std::fmt::Display) -> Failure {
    Failure::Usage(format!("{what}: {why}"))
}
