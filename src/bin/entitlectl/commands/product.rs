//! `product`: those installed, and their files: checking one without a daemon, installing one, removing one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;
use entitled_core::domain::product::{self, Fault, Product};
use entitled_core::domain::publisher::{NotTaken, PublisherKey, SignatureFault};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::results::{ask_and_show, show_card, show_table};
use crate::screen::Screen;
use crate::session::{self, PROOF_WAIT, Question, Session};
use crate::tables::Form::{Names, Plain};
use crate::tables::{self, Column};
use crate::{files, told, words};

mod new;
mod signing;

/// The daemon may ask its chains for the contracts that a product names.
const CHAIN_WAIT: Duration = Duration::from_secs(10);

const PRODUCT: &[Column] = &[
    Column("product", "id", Plain),
    Column("name", "name", Plain),
    Column("version", "version", Plain),
    Column("publisher", "publisher", Plain),
    Column("trust", "trust", Plain),
    Column("finality", "finality", Plain),
    Column("tiers", "tiers", Names),
    Column("file", "source", Plain),
];

const TRUSTED: &[Column] =
    &[Column("product", "product", Plain), Column("publisher", "publisher", Plain)];

#[derive(Debug, Subcommand)]
pub(crate) enum ProductCommand {
    /// The products installed
    List,
    /// Write a product file with a remark at each line, from the answers to five questions; needs no daemon
    New {
        /// The new file, or - for standard output; named after the product if left out
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Check a product file; needs no daemon, unless the chains are to be asked
    Lint {
        /// The product file; its signature lies beside it as `.minisig`
        file: PathBuf,
        /// Also ask the chains: whether the contracts are there, answer the rules, and the trust is to be had (for administrators)
        #[arg(long)]
        online: bool,
    },
    /// Install a product file, with the signature that lies beside it
    Install {
        /// The product file; its signature lies beside it as `.minisig`
        file: PathBuf,
    },
    /// Say whose files a product takes from now on, whoever signed the last one
    Trust {
        /// The product's id or name
        product: String,
        /// The minisign public key (`RW…`)
        #[arg(long, value_name = "KEY", required_unless_present = "anybody")]
        publisher: Option<String>,
        /// Anybody's, unsigned ones too
        #[arg(long, conflicts_with = "publisher")]
        anybody: bool,
    },
    /// Make a vendor's key pair, as minisign does; needs no daemon
    Keygen {
        /// Where the secret key goes; the public key goes beside it as `.pub`
        #[arg(long, value_name = "FILE")]
        secret_key: PathBuf,
    },
    /// Sign a product file with a vendor's key; needs no daemon
    Sign {
        /// minisign's secret key file
        #[arg(long, value_name = "FILE")]
        secret_key: PathBuf,
        /// The product file
        file: PathBuf,
    },
    /// Remove a product
    Remove {
        /// The product's id or name
        product: String,
    },
}

pub(crate) fn run(
    command: &ProductCommand,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    match command {
        ProductCommand::List => show_table(session, screen, Question::new("product_list"), PRODUCT),
        ProductCommand::New { output } => new::run(screen, output.as_deref()),
        ProductCommand::Lint { file, online } => lint(screen, file, online.then_some(session)),
        ProductCommand::Install { file } => install(session, screen, file),
        ProductCommand::Trust { product, publisher, anybody: _ } => {
            let question = Question::admin("product_trust").with("product", product)?;
            show_card(session, screen, &question.with("publisher", publisher)?, TRUSTED)
        }
        ProductCommand::Keygen { secret_key } => signing::keygen(screen, secret_key),
        ProductCommand::Sign { secret_key, file } => signing::sign(screen, secret_key, file),
        ProductCommand::Remove { product } => {
            let question = Question::admin("product_remove").with("product", product)?;
            show_card(session, screen, &question, PRODUCT)
        }
    }
}

/// `FILE:LINE: key: message` for each mistake, as compilers do, so that editors find the place.
fn lint(screen: &mut Screen, path: &Path, online: Option<&Session>) -> Result<Exit, Failure> {
    let text = files::read(path)?;
    let (mut faults, signer) = match product::parse(&text) {
        Ok(product) => match signer_of(&product, &text, signing::beside(path)?.as_deref()) {
            Ok(signer) => (Vec::new(), signer),
            Err(fault) => {
                let message = fault.to_string();
                (vec![Fault { line: 0, key: "publisher".to_owned(), message }], Signer::Nobody)
            }
        },
        Err(faults) => (faults, Signer::Nobody),
    };
    let (publisher, warning) = match signer {
        Signer::Nobody => (None, None),
        Signer::Its(key) => (Some(key.to_string()), None),
        Signer::Another(named) => (
            None,
            Some(format!(
                "it names {named}, and another key signed it: it hands over to the one that it names where that other was pinned, and is taken nowhere else"
            )),
        ),
    };
    let mut unknown = Vec::new();
    if let Some(session) = online.filter(|_| faults.is_empty()) {
        let (found, not_asked) = against_chains(session, &text)?;
        faults.extend(found);
        unknown = not_asked;
    }
    let (none, good) = (faults.is_empty(), faults.is_empty() && unknown.is_empty());
    faults.extend(unknown);
    if screen.is_json() {
        let faults: Vec<_> = faults
            .iter()
            .map(|it| json!({"line": it.line, "key": it.key, "message": it.message}))
            .collect();
        let warnings: Vec<_> = warning.iter().collect();
        screen.json(
            &json!({"ok": good, "publisher": publisher, "faults": faults, "warnings": warnings}),
        );
    } else if good {
        let signed = publisher.map(|it| format!(", signed by {it}")).unwrap_or_default();
        screen.line(&words::tame(&format!("{}: no mistakes{signed}", path.display())));
    } else {
        for fault in &faults {
            screen.line(&words::tame(&fault_line(path, fault)));
        }
    }
    if let Some(warning) = warning.filter(|_| !screen.is_json()) {
        screen.aside(&words::tame(&format!("{}: warning: {warning}", path.display())));
    }
    Ok(match (good, none) {
        (true, _) => Exit::Done,
        (false, true) => Exit::Undetermined,
        (false, false) => Exit::No,
    })
}

/// What the chains have against a file, and which of them could not be asked.
fn against_chains(session: &Session, text: &str) -> Result<(Vec<Fault>, Vec<Fault>), Failure> {
    let question = Question::admin("product_check").with("toml", text)?;
    let result = session.patient(PROOF_WAIT).ask(&question)?;
    let checked: Value = session::read(question.method, &result)?;
    let fault = |key: &str, message: String| Fault { line: 0, key: key.to_owned(), message };
    let mut faults: Vec<Fault> = Vec::new();
    for warning in checked["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let rest = warning.split_once(", ").map_or(warning, |(_, it)| it);
        let (key, message) = rest.split_once(": ").unwrap_or(("", rest));
        faults.push(fault(key, message.to_owned()));
    }
    for grant in checked["grants"].as_array().into_iter().flatten() {
        if tables::field(grant, "answers") != true {
            let word = |name| tables::text(grant, name);
            let message = format!(
                "{} does not answer the rule `{}`: {}",
                word("contract"),
                word("rule"),
                word("cause")
            );
            faults.push(fault(&format!("{}.rule", word("key")), message));
        }
    }
    let chains = checked["chains"].as_array().into_iter().flatten();
    let unproven = chains.filter(|it| tables::field(it, "proven") != true).map(|chain| {
        let word = |name| tables::text(chain, name);
        fault("", format!("chain {} could not be asked: {}", word("chain"), word("cause")))
    });
    Ok((faults, unproven.collect()))
}

/// Who signed a product file.
enum Signer {
    Nobody,
    /// Whom it names.
    Its(PublisherKey),
    /// Somebody else than this one whom it names: perhaps the publisher before, who hands over.
    Another(PublisherKey),
}

/// Who signed a file that has no mistakes. What only a machine knows that had an earlier one, is not judged here.
fn signer_of(product: &Product, text: &str, signature: Option<&str>) -> Result<Signer, NotTaken> {
    let (named, signature) = match (&product.publisher, signature) {
        (None, None) => return Ok(Signer::Nobody),
        (None, Some(_)) => return Err(NotTaken::NoPublisher),
        (Some(key), None) => return Err(NotTaken::Unsigned { key: key.clone() }),
        (Some(key), Some(signature)) => (key.clone(), signature),
    };
    match named.verify(text, signature) {
        Ok(()) => Ok(Signer::Its(named)),
        Err(SignatureFault::OtherKey) => Ok(Signer::Another(named)),
        Err(fault) => Err(NotTaken::NotByIts { key: named, fault }),
    }
}

/// What cannot be had of it as the daemon's chains are configured is said beside the result.
fn install(session: &Session, screen: &mut Screen, path: &Path) -> Result<Exit, Failure> {
    let (text, signature) = (files::read(path)?, signing::beside(path)?);
    let question = Question::admin("product_install")
        .with("toml", &text)?
        .with_some("signature", signature.as_ref())?;
    let show = |it: &Value| format!("{} is installed", tables::plain(tables::field(it, "product")));
    let installed = ask_and_show(&session.patient(CHAIN_WAIT), screen, &question, show)
        .map_err(|it| with_cause(it, path, &text, signature.as_deref()))?;
    for warning in installed["warnings"].as_array().into_iter().flatten() {
        screen.aside(&words::tame(&format!("warning: {}", warning.as_str().unwrap_or_default())));
    }
    Ok(Exit::Done)
}

/// To the daemon a file whose signature is none is one that its publisher did not sign. Why it is none, the file itself says.
fn with_cause(failure: Failure, path: &Path, text: &str, signature: Option<&str>) -> Failure {
    let product = product::parse(text).ok();
    let fault = product.and_then(|it| signer_of(&it, text, signature).err());
    let is_of_signature = told::message(&failure).contains("is not signed by");
    let Some(fault) = fault.filter(|_| is_of_signature) else { return failure };
    let file = path.display();
    let (detail, help) = match fault {
        NotTaken::Unsigned { .. } => (
            format!(
                "{file} names its publisher, and there is no {} beside it",
                signing::place_of_signature(path).display()
            ),
            "sign it with `entitlectl product sign`, or bring the signature that came with it",
        ),
        fault => (
            format!("{file} {fault}"),
            "take the file and its signature anew from the vendor; a vendor signs again after each change",
        ),
    };
    failure.reworded(detail, help)
}

fn fault_line(path: &Path, fault: &Fault) -> String {
    let mut line = path.display().to_string();
    if fault.line != 0 {
        line.push_str(&format!(":{}", fault.line));
    }
    if !fault.key.is_empty() {
        line.push_str(&format!(": {}", fault.key));
    }
    format!("{line}: {}", fault.message)
}

#[cfg(test)]
mod tests;
