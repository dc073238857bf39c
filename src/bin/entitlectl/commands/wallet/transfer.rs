//! `wallet import` and `wallet export`: keys that come in and go out.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::session::{Question, Session};
use crate::{files, secrets};

/// How a key comes.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Brought {
    /// A file with a keystore of Web3 Secret Storage, as geth and ethers write them
    #[arg(long, value_name = "FILE")]
    keystore: Option<PathBuf>,
    /// The private key itself, 64 hexadecimal digits
    #[arg(long)]
    private_key: bool,
    /// The words of a mnemonic
    #[arg(long)]
    mnemonic: bool,
}

/// Adds the key as it comes, and the secret that opens it.
pub(super) fn with_key(
    question: Question,
    screen: &Screen,
    brought: &Brought,
) -> Result<Question, Failure> {
    match &brought.keystore {
        Some(file) if file == Path::new("-") => {
            let wrong = "name the keystore's file: standard input is for its passphrase";
            Err(Failure::Usage(wrong.to_owned()))
        }
        Some(file) => {
            let keystore = files::read(file)?;
            let passphrase = secrets::read(screen, "Passphrase of the keystore")?;
            question.with("keystore", &keystore)?.with("passphrase", passphrase.expose())
        }
        None if brought.mnemonic => {
            let words = secrets::read(screen, "Mnemonic")?;
            question.with("mnemonic", words.expose())
        }
        None => {
            let digits = secrets::read(screen, "Private key")?;
            question.with("private_key", digits.expose())
        }
    }
}

/// Prints the keystore alone, to be kept in a file.
pub(super) fn export(
    session: &Session,
    screen: &mut Screen,
    question: Question,
) -> Result<Exit, Failure> {
    let passphrase = secrets::read_new(screen, "Passphrase for the keystore")?;
    let question = question.with("passphrase", passphrase.expose())?;
    let keystore = session.ask(&question)?;
    screen.raw(&keystore);
    Ok(Exit::Done)
}
