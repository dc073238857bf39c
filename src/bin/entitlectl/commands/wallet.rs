//! `wallet`: making wallets, linking them, signing with them, letting go of them.

mod link;
mod sign;
mod transfer;

use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::Subcommand;

use self::link::LinkArguments;
use self::sign::SignedText;
use self::transfer::Brought;
use crate::exit::{Exit, Failure};
use crate::results::{ask_and_show_card, show_card, show_table};
use crate::screen::Screen;
use crate::session::{Behalf, PROOF_WAIT, Question, Session};
use crate::tables::Column;
use crate::tables::Form::{Moment, Plain};
use crate::{files, tables, words};

/// A keystore takes the daemon seconds, and it takes one after the other.
const KEYSTORE_WAIT: Duration = Duration::from_secs(60);

const WALLET: &[Column] = &[
    Column("address", "address", Plain),
    Column("custody", "custody", Plain),
    Column("label", "label", Plain),
    Column("active", "active", Plain),
    Column("added", "added_at", Moment),
    Column("customer", "customer", Plain),
    Column("chain", "chain", Plain),
];

#[derive(Debug, Subcommand)]
pub(crate) enum WalletCommand {
    /// Make a wallet whose key the daemon keeps sealed
    Create {
        /// A name for it, for people
        #[arg(long)]
        label: Option<String>,
        #[command(flatten)]
        behalf: Behalf,
    },
    /// Your wallets
    List {
        #[command(flatten)]
        behalf: Behalf,
    },
    /// Get the text to sign, to link a wallet
    Challenge {
        /// The wallet's address
        address: String,
        /// CAIP-2, such as eip155:1
        #[arg(long)]
        chain: Option<String>,
        #[command(flatten)]
        behalf: Behalf,
    },
    /// Link a wallet whose key is elsewhere: in your browser, or by copy and paste, or by a text that was signed before
    Link(LinkArguments),
    /// Bring in a key that was made elsewhere; the secret is asked for, or is one line of standard input
    Import {
        #[command(flatten)]
        brought: Brought,
        /// Which key of the mnemonic, by BIP-32; the first account of Ethereum if not given
        #[arg(long, requires = "mnemonic")]
        path: Option<String>,
        /// A name for it, for people
        #[arg(long)]
        label: Option<String>,
        #[command(flatten)]
        behalf: Behalf,
    },
    /// Print a wallet's key as a keystore (Web3 Secret Storage), sealed under a passphrase that is asked for,
    /// or is one line of standard input
    Export {
        /// The wallet's address
        address: String,
        #[command(flatten)]
        behalf: Behalf,
    },
    /// Sign with a wallet whose key the daemon keeps
    Sign {
        /// The wallet's address
        address: String,
        #[command(flatten)]
        text: SignedText,
        #[command(flatten)]
        behalf: Behalf,
    },
    /// Whether a signature is a wallet's
    Verify {
        /// The wallet's address
        address: String,
        #[arg(long, value_name = "HEX")]
        signature: String,
        /// CAIP-2, for a wallet that is a contract
        #[arg(long)]
        chain: Option<String>,
        #[command(flatten)]
        text: SignedText,
    },
    /// Let go of a wallet; its history stays
    Unlink {
        /// The wallet's address
        address: String,
        /// Also destroy the key the daemon keeps: what the wallet holds is lost for ever, unless exported
        #[arg(long)]
        destroy_key: bool,
        /// Destroy the key without asking first
        #[arg(long, requires = "destroy_key")]
        yes: bool,
        #[command(flatten)]
        behalf: Behalf,
    },
}

pub(crate) fn run(
    command: &WalletCommand,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    match command {
        WalletCommand::Create { label, behalf } => {
            let question = Question::new("wallet_create")
                .with_some("label", label.as_ref())?
                .for_whom(behalf)?;
            let made = ask_and_show_card(session, screen, &question, WALLET)?;
            if screen.view().quiet {
                screen.list(&tables::plain(tables::field(&made, "address")));
            } else if !screen.is_json() {
                screen.aside("Next: have the licence sent to this address.");
            }
            Ok(Exit::Done)
        }
        WalletCommand::List { behalf } => {
            show_table(session, screen, Question::new("wallet_list").for_whom(behalf)?, WALLET)
        }
        WalletCommand::Challenge { address, chain, behalf } => {
            let question = link::challenge_for(address, chain.as_ref(), behalf)?;
            link::show_challenge(session, screen, &question)
        }
        WalletCommand::Link(arguments) => link::link(arguments, session, screen),
        WalletCommand::Import { brought, path, label, behalf } => {
            let question = Question::new("wallet_import")
                .with_some("path", path.as_ref())?
                .with_some("label", label.as_ref())?
                .for_whom(behalf)?;
            let question = transfer::with_key(question, screen, brought)?;
            show_card(&session.patient(KEYSTORE_WAIT), screen, &question, WALLET)
        }
        WalletCommand::Export { address, behalf } => {
            let question =
                Question::new("wallet_export").with("address", address)?.for_whom(behalf)?;
            transfer::export(&session.patient(KEYSTORE_WAIT), screen, question)
        }
        WalletCommand::Sign { address, text, behalf } => {
            let question =
                Question::new("wallet_sign").with("address", address)?.for_whom(behalf)?;
            sign::sign(session, screen, question, text)
        }
        WalletCommand::Verify { address, signature, chain, text } => {
            let question = Question::new("wallet_verify")
                .with("address", address)?
                .with("signature", signature)?
                .with_some("chain", chain.as_ref())?;
            sign::verify(&session.patient(PROOF_WAIT), screen, question, text)
        }
        WalletCommand::Unlink { address, destroy_key, yes, behalf } => {
            let question = Question::new("wallet_unlink")
                .with("address", address)?
                .with_some("destroy_key", destroy_key.then_some(&true))?
                .for_whom(behalf)?;
            if *destroy_key && !yes && !may_destroy(screen, address)? {
                screen.aside("nothing was changed");
                return Ok(Exit::No);
            }
            show_card(session, screen, &question, WALLET)
        }
    }
}

/// Whether the person at the terminal wants a key destroyed. A script says so beforehand.
fn may_destroy(screen: &Screen, address: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        let how =
            "--destroy-key destroys the key for ever: where nobody can be asked, say --yes too";
        return Err(Failure::Usage(how.to_owned()));
    }
    let address = words::tame(address);
    screen.aside(&format!("The key of {address} is destroyed for ever, and what the wallet holds is lost with it unless"));
    screen.aside("the key was exported. Type `yes` to go on:");
    Ok(files::read_line()? == "yes")
}
