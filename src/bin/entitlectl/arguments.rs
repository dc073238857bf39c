//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::chains::ChainCommand;
use crate::keys::KeysCommand;
use crate::store::StoreCommand;
use crate::words;

const AFTER_HELP: &str = "\
Exit codes:
  0   entitled, or done
  1   not entitled, not held, not valid; or the daemon declined (not found,
      conflict, keys locked, signature invalid)
  2   the command was not understood
  3   undetermined: neither yes nor no can be said now (chain or store
      unavailable, daemon busy)
  4   the daemon cannot be reached, does not answer in time, or is not who it
      should be
  5   refused: you may not do this
  70  internal error

Environment: ENTITLED_SOCKET and ENTITLED_ADMIN_SOCKET name the sockets;
NO_COLOR turns colour off.";

/// Ask `entitled` what you are entitled to, and why.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Arguments {
    /// The socket to ask, for all commands [default: the public or the admin socket, as the command needs]
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,

    /// Print results as JSON, exactly as the daemon gave them, one a line
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// How long to wait for the daemon
    #[arg(long, global = true, value_name = "DURATION", default_value = "5s", value_parser = words::parse_duration)]
    pub(crate) timeout: Duration,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// For whom to ask.
#[derive(Debug, Args)]
pub(crate) struct Behalf {
    /// Act for this customer instead of yourself (by the admin socket)
    #[arg(long, value_name = "CUSTOMER")]
    pub(crate) customer: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// How the daemon is, and what you are entitled to
    Status,
    /// Whether you are entitled to a product
    Check {
        product: String,
        /// Also ask for this feature
        #[arg(long)]
        feature: Option<String>,
        /// How long a first answer may wait for the chain, at most 30s
        #[arg(long, value_name = "DURATION", value_parser = words::parse_duration)]
        wait: Option<Duration>,
        #[command(flatten)]
        behalf: Behalf,
    },
    /// Why you are, or are not, entitled to a product
    Why {
        product: String,
        #[command(flatten)]
        behalf: Behalf,
    },
    /// Print a line now and at each change, until interrupted
    Watch {
        product: String,
        /// End after this many lines
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
        #[command(flatten)]
        behalf: Behalf,
    },
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
    /// The ledger's record of who holds what
    #[command(subcommand)]
    Ownership(OwnershipCommand),
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
    /// Let the daemon read its configuration and products again
    Reload,
    /// Print a completion script
    Completions { shell: clap_complete::Shell },
}

/// What was, or is to be, signed. A line end at the end of a file or of standard input does not belong to
/// the message: editors and `echo` add one.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct SignedText {
    /// The message itself
    #[arg(long, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    /// A file with the message; `-` or nothing at all for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// A file with EIP-712 typed data as JSON; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) typed_data: Option<PathBuf>,
}

/// How a key comes.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Brought {
    /// A file with a keystore of Web3 Secret Storage, as geth and ethers write them
    #[arg(long, value_name = "FILE")]
    pub(crate) keystore: Option<PathBuf>,
    /// The private key itself, 64 hexadecimal digits
    #[arg(long)]
    pub(crate) private_key: bool,
    /// The words of a mnemonic
    #[arg(long)]
    pub(crate) mnemonic: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WalletCommand {
    /// Make a wallet whose key the daemon keeps sealed
    Create {
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
        address: String,
        /// CAIP-2, such as eip155:1
        #[arg(long)]
        chain: Option<String>,
        #[command(flatten)]
        behalf: Behalf,
    },
    /// Link a wallet whose key is elsewhere: shows the text to sign and asks for the signature, or takes
    /// both from the arguments
    Link {
        /// The wallet's address
        #[arg(required_unless_present = "message", conflicts_with = "message")]
        address: Option<String>,
        /// CAIP-2, such as eip155:1
        #[arg(long, conflicts_with = "message")]
        chain: Option<String>,
        /// A file with the challenge that was signed; `-` for standard input
        #[arg(long, value_name = "FILE")]
        message: Option<PathBuf>,
        /// The signature; asked for if not given
        #[arg(long, value_name = "HEX", requires = "message")]
        signature: Option<String>,
        #[command(flatten)]
        behalf: Behalf,
    },
    /// Bring in a key that was made elsewhere; the secret is asked for, or is one line of standard input
    Import {
        #[command(flatten)]
        brought: Brought,
        /// Which key of the mnemonic, by BIP-32; the first account of Ethereum if not given
        #[arg(long, requires = "mnemonic")]
        path: Option<String>,
        #[arg(long)]
        label: Option<String>,
        #[command(flatten)]
        behalf: Behalf,
    },
    /// Print a wallet's key as a keystore (Web3 Secret Storage), sealed under a passphrase that is asked for,
    /// or is one line of standard input
    Export {
        address: String,
        #[command(flatten)]
        behalf: Behalf,
    },
    /// Sign with a wallet whose key the daemon keeps
    Sign {
        address: String,
        #[command(flatten)]
        text: SignedText,
        #[command(flatten)]
        behalf: Behalf,
    },
    /// Whether a signature is a wallet's
    Verify {
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

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Prove on the chain, now, whether a wallet holds a token
    Verify {
        /// CAIP-19, such as eip155:1/erc721:0x…/7
        token: String,
        #[arg(long, value_name = "ADDRESS")]
        wallet: Option<String>,
        #[command(flatten)]
        behalf: Behalf,
    },
    /// The tokens the ledger knows
    List {
        #[arg(long)]
        product: Option<String>,
        #[command(flatten)]
        behalf: Behalf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TierCommand {
    /// What there is to be entitled to
    List {
        #[arg(long)]
        product: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProductCommand {
    /// The products installed
    List,
    /// Check a product file; needs no daemon
    Lint { file: PathBuf },
    /// Install a product file
    Install { file: PathBuf },
    /// Remove a product
    Remove { product: String },
}

#[derive(Debug, Subcommand)]
pub(crate) enum OwnershipCommand {
    /// Who holds what
    List {
        /// Only what is held now
        #[arg(long)]
        active: bool,
        #[command(flatten)]
        behalf: Behalf,
    },
    /// Claim that a wallet holds a token; written down once the chain proves it
    Record {
        token: String,
        wallet: String,
        /// The hash of the transaction that brought it
        #[arg(long, value_name = "HASH")]
        transaction: Option<String>,
        #[command(flatten)]
        behalf: Behalf,
    },
    /// Everybody who ever held a token, newest first
    History { token: String },
    /// Take an ownership out of force
    Suspend {
        token: String,
        #[arg(long)]
        reason: String,
    },
    /// Put an ownership back in force
    Reinstate {
        token: String,
        #[arg(long)]
        reason: String,
    },
}

/// What a customer is.
#[derive(Debug, Args)]
pub(crate) struct CustomerFields {
    /// The customer's name in somebody else's books
    #[arg(long, value_name = "ID")]
    pub(crate) external_id: Option<String>,
    /// A Unix user it stands for; may be repeated
    #[arg(long = "uid", value_name = "UID")]
    pub(crate) uids: Vec<u32>,
    /// Anything else worth keeping; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = words::parse_pair)]
    pub(crate) metadata: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CustomerCommand {
    /// Who you are to the daemon
    Get {
        #[command(flatten)]
        behalf: Behalf,
    },
    /// Your tier of a product
    Tier {
        product: String,
        #[command(flatten)]
        behalf: Behalf,
    },
    /// Add a customer
    Create {
        name: String,
        #[command(flatten)]
        fields: CustomerFields,
    },
    /// Change a customer; what is not named stays as it is
    Update {
        customer: String,
        #[arg(long)]
        name: Option<String>,
        /// It stands for no Unix user any more
        #[arg(long, conflicts_with = "uids")]
        no_uids: bool,
        #[command(flatten)]
        fields: CustomerFields,
    },
    /// All customers
    List,
    /// Deactivate a customer; its history stays
    Deactivate { customer: String },
    /// Put a deactivated customer back in force
    Activate { customer: String },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// The entries
    List {
        /// From this time on, in RFC 3339, such as 2026-11-23T00:00:00Z
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// At most this many
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1000))]
        limit: Option<u64>,
    },
    /// Whether the chain of entries is unbroken
    Verify,
}
