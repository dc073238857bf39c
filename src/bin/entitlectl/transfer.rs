//! Keys that come in and go out: `wallet import` and `wallet export`.

use std::path::Path;
use std::time::Duration;

use crate::arguments::Brought;
use crate::exit::{Exit, Failure};
use crate::results::show_card;
use crate::screen::Screen;
use crate::session::{Question, Session};
use crate::{files, secrets, tables};

/// A keystore takes the daemon seconds, and it takes one after the other.
const KEYSTORE_WAIT: Duration = Duration::from_secs(60);

pub(crate) fn import(
    session: &Session,
    screen: &mut Screen,
    question: Question,
    brought: &Brought,
) -> Result<Exit, Failure> {
    let question = match &brought.keystore {
        Some(file) if file == Path::new("-") => {
            let wrong = "name the keystore's file: standard input is for its passphrase";
            return Err(Failure::Usage(wrong.to_owned()));
        }
        Some(file) => {
            let keystore = files::read(file)?;
            let passphrase = secrets::read(screen, "Passphrase of the keystore")?;
            question.with("keystore", &keystore)?.with("passphrase", passphrase.expose())?
        }
        None if brought.mnemonic => {
            let words = secrets::read(screen, "Mnemonic")?;
            question.with("mnemonic", words.expose())?
        }
        None => {
            let digits = secrets::read(screen, "Private key")?;
            question.with("private_key", digits.expose())?
        }
    };
    show_card(&session.patient(KEYSTORE_WAIT), screen, &question, tables::WALLET)
}

/// Prints the keystore alone, to be kept in a file.
pub(crate) fn export(
    session: &Session,
    screen: &mut Screen,
    question: Question,
) -> Result<Exit, Failure> {
    let passphrase = secrets::read_new(screen, "Passphrase for the keystore")?;
    let question = question.with("passphrase", passphrase.expose())?;
    let keystore = session.patient(KEYSTORE_WAIT).ask(&question)?;
    screen.raw(&keystore);
    Ok(Exit::Done)
}
