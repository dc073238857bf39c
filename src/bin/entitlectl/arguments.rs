//! The command line: what all commands share, the commands there are, and where each is carried out.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::commands::audit::{self, AuditCommand};
use crate::commands::chain::{self, ChainCommand};
use crate::commands::check::{self, CheckArguments};
use crate::commands::customer::{self, CustomerCommand};
use crate::commands::doctor::{self, DoctorArguments};
use crate::commands::fleet::{self, FleetCommand};
use crate::commands::keys::{self, KeysCommand};
use crate::commands::logs::{self, LogsArguments};
use crate::commands::ownership::{self, OwnershipCommand};
use crate::commands::product::{self, ProductCommand};
use crate::commands::receipt::{self, ReceiptCommand};
use crate::commands::reload;
use crate::commands::run::{self, RunArguments};
use crate::commands::seats::{self, SeatsCommand};
use crate::commands::status::{self, StatusArguments};
use crate::commands::store::{self, StoreCommand};
use crate::commands::tier::{self, TierCommand};
use crate::commands::token::{self, TokenCommand};
use crate::commands::ui::{self, UiArguments};
use crate::commands::wallet::{self, WalletCommand};
use crate::commands::watch::{self, WatchArguments};
use crate::commands::why::{self, WhyArguments};
use crate::completions;
use crate::examples;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::session::Session;
use crate::view::{OF_ALL, ViewArguments};
use crate::words;

const AFTER_HELP: &str = "\
Exit codes:
  0   entitled, or done
  1   not entitled, not held, not valid; or the daemon declined (not found,
      conflict, keys locked, wrong passphrase, signature invalid)
  2   the command was not understood
  3   undetermined: neither yes nor no can be said now (chain or store
      unavailable, daemon busy)
  4   the daemon cannot be reached, does not answer in time, or is not who it
      should be
  5   refused: you may not do this
  70  internal error
  126 run: the command cannot be executed
  127 run: there is no such command

Environment: ENTITLED_SOCKET and ENTITLED_ADMIN_SOCKET name the sockets;
NO_COLOR turns colour off.";

/// Ask `entitled` what you are entitled to, and why.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Arguments {
    /// The socket to ask, for all commands [default: the public or the admin socket, as the command needs]
    #[arg(long, global = true, help_heading = OF_ALL, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) view: ViewArguments,

    /// How long to wait for the daemon
    #[arg(long, global = true, help_heading = OF_ALL, value_name = "DURATION", default_value = "5s", value_parser = words::parse_duration)]
    pub(crate) timeout: Duration,

    /// `status`, where none is given.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

impl Arguments {
    /// The command line with all that its help shows.
    pub(crate) fn whole() -> clap::Command {
        examples::with_examples(Self::command())
    }

    /// What was typed.
    pub(crate) fn understood(
        typed: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, clap::Error> {
        let mut whole = Self::whole();
        let matches = whole.try_get_matches_from_mut(typed)?;
        Self::from_arg_matches(&matches).map_err(|it| it.format(&mut whole))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What you are entitled to, until when, and what to do next
    Status(StatusArguments),
    /// Whether you are entitled to a product
    Check(CheckArguments),
    /// Start a command if you are entitled to a product; it takes the place of this one
    Run(RunArguments),
    /// Why you are, or are not, entitled to a product
    Why(WhyArguments),
    /// Print a line now and at each change, until interrupted
    Watch(WatchArguments),
    /// See what this machine is entitled to, and how it fares, in your browser
    Ui(UiArguments),
    /// What the daemon has written to the journal
    Logs(LogsArguments),
    /// Wallets: make, link, sign with them
    #[command(subcommand)]
    Wallet(WalletCommand),
    /// Tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Tiers of products
    #[command(subcommand)]
    Tier(TierCommand),
    /// Products and their files
    #[command(subcommand)]
    Product(ProductCommand),
    /// Verdicts that carry their proof
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// The ledger's record of who holds what
    #[command(subcommand)]
    Ownership(OwnershipCommand),
    /// Floating seats: who has them, and who waits
    #[command(subcommand)]
    Seats(SeatsCommand),
    /// The machines that share floating seats, for administrators
    #[command(subcommand)]
    Fleet(FleetCommand),
    /// Customers
    #[command(subcommand)]
    Customer(CustomerCommand),
    /// The key that seals all keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// The record of every change
    #[command(subcommand)]
    Audit(AuditCommand),
    /// The ledger's store
    #[command(subcommand)]
    Store(StoreCommand),
    /// The chains
    #[command(subcommand)]
    Chain(ChainCommand),
    /// Look for what is wrong with the daemon, its chains and its products, and say what mends it
    Doctor(DoctorArguments),
    /// Let the daemon read its configuration and products again
    Reload,
    /// Print a completion script, which asks for the names of products and wallets while you type
    Completions {
        /// The shell that is to read it
        shell: clap_complete::Shell,
    },
}

impl Command {
    pub(crate) fn run(&self, session: &Session, screen: &mut Screen) -> Result<Exit, Failure> {
        match self {
            Self::Status(arguments) => status::run(arguments, session, screen),
            Self::Check(arguments) => check::run(arguments, session, screen),
            Self::Run(arguments) => run::run(arguments, session, screen),
            Self::Why(arguments) => why::run(arguments, session, screen),
            Self::Watch(arguments) => watch::run(arguments, session, screen),
            Self::Ui(arguments) => ui::run(arguments, session, screen),
            Self::Logs(arguments) => logs::run(arguments, session, screen),
            Self::Wallet(command) => wallet::run(command, session, screen),
            Self::Token(command) => token::run(command, session, screen),
            Self::Tier(command) => tier::run(command, session, screen),
            Self::Product(command) => product::run(command, session, screen),
            Self::Receipt(command) => receipt::run(command, session, screen),
            Self::Ownership(command) => ownership::run(command, session, screen),
            Self::Seats(command) => seats::run(command, session, screen),
            Self::Fleet(command) => fleet::run(command, session, screen),
            Self::Customer(command) => customer::run(command, session, screen),
            Self::Keys(command) => keys::run(command, session, screen),
            Self::Audit(command) => audit::run(command, session, screen),
            Self::Store(command) => store::run(command, session, screen),
            Self::Chain(command) => chain::run(command, session, screen),
            Self::Doctor(arguments) => doctor::run(arguments, session, screen),
            Self::Reload => reload::run(session, screen),
            Self::Completions { shell } => {
                screen.write(&completions::script(*shell, Arguments::whole()));
                Ok(Exit::Done)
            }
        }
    }
}
