//! What TierCache can be asked and ordered. It is told [`ChainNews`](crate::actors::chain_verifier::ChainNews).

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::watch;

use alloy_primitives::{Address, B256};

use super::reader::{Cached, Key};
use crate::actors::chain_verifier::VerifierError;
use crate::actors::cpu_pool::Turn;
use crate::actors::ownership_ledger::{Asked, LedgerError};
use crate::products::{Catalogue, FileFault, Installed};
use entitled_core::domain::customer::LinkProof;
use entitled_core::domain::entitlement::{Counted, Step, Tokens, Verdict};
use entitled_core::domain::ids::{CustomerId, ProductId, Timestamp};
use entitled_core::domain::publisher::PublisherKey;
use entitled_core::loan::{Loan, LoanFault, TakenLoan};
use entitled_core::receipt::{Evidence, ReceiptFault, Verified};

pub use crate::products::ChangeError as InstallError;

/// Why no verdict could be made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CheckError {
    #[error("cannot read what is known")]
    Ledger { source: LedgerError },
    #[error("the ledger is too busy")]
    Busy,
}

/// A verdict once it has landed; `None` while it is worked out.
pub type Landing = Option<Arc<Cached>>;

/// Begin to work out a verdict, or join who already does. The reply lands when it is there.
#[derive(Debug, Clone, Message)]
#[rtype(result = "watch::Receiver<Landing>")]
pub struct Check {
    pub key: Key,
}

/// Have another look at the chain for this verdict, behind the answer that still holds.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Refresh {
    pub key: Key,
}

/// What is known now, without a look at the chain. Never cached: whoever is answered compares epochs.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Verdict, CheckError>")]
pub struct Stored {
    pub key: Key,
}

/// What is known now, and why it comes to that.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Explained, CheckError>")]
pub struct Explain {
    pub key: Key,
}

#[derive(Debug, Clone)]
pub struct Explained {
    pub verdict: Verdict,
    pub steps: Vec<Step>,
}

/// How many tokens the customer itself holds by each grant, as far as is known now, without a look at the chain. Never
/// cached: who asks is told by [`Subscribe`] when it may have changed.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<TokenCounts, CheckError>")]
pub struct CountTokens {
    pub key: Key,
}

#[derive(Debug, Clone)]
pub struct TokenCounts {
    /// `None` when no such product is installed.
    pub installed: Option<Arc<Installed>>,
    /// Of each grant, in the order of the product.
    pub tokens: Vec<Tokens>,
    /// Which those are.
    pub counted: Vec<Vec<Counted>>,
    /// Places that other machines have lent to this one.
    pub loans: Vec<LoanCount>,
    /// Whether the customer is entitled to nothing, through the machine neither.
    pub is_deactivated: bool,
    /// The time on the product's chains by which they were counted.
    pub now: Timestamp,
    /// The monotonic time of what it rests on.
    pub gathered: Duration,
}

/// One place that another machine has lent to this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoanCount {
    pub nonce: B256,
    /// The wallet whose licence it is of.
    pub lender: Address,
    /// By which of the product's grants.
    pub grant: usize,
    pub until: Timestamp,
}

/// Be told whenever the verdict is made anew. What is told may be outdated when it is read: whoever is told asks
/// [`VerdictReader::still_holds`](super::VerdictReader::still_holds), and waits for the next if it does not.
#[derive(Debug, Clone, Message)]
#[rtype(result = "watch::Receiver<Landing>")]
pub struct Subscribe {
    pub key: Key,
}

/// Gather what a receipt of this verdict is made of, or a loan: what is kept, as long as it is young, or what is proven now.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Draft, ReceiptError>")]
pub struct DraftReceipt {
    pub key: Key,
    /// Of the best licence whose wallet's key is here, if there is one: a loan is signed by it.
    pub by_own_key: bool,
    /// On whose share of the looks.
    pub uid: u32,
}

/// A receipt but for what shows control of the wallet now.
#[derive(Debug, Clone)]
pub struct Draft {
    pub evidence: Evidence,
    pub product: ProductId,
    pub publisher: PublisherKey,
    pub wallet: Address,
    /// Whose wallet it is.
    pub customer: CustomerId,
    /// How it was linked; none for a wallet whose key is here.
    pub link: Option<LinkProof>,
    /// Whose turn it is to have a receipt made, until it is.
    pub(in crate::actors) _turn: Arc<Turn>,
}

/// Take what a receipt proves for a look.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Verified, ReceiptError>")]
pub struct ImportReceipt {
    pub receipt: String,
    pub uid: u32,
    pub asked: Asked,
}

/// Take a seat that another machine has lent to this one.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(TakenLoan, Verified), LoanError>")]
pub struct ImportLoan {
    pub loan: Loan,
    /// The address of this machine's key.
    pub machine: Address,
    /// The wallet whose loan it has to be.
    pub lender: Option<Address>,
    pub asked: Asked,
}

/// Why a loan is not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoanError {
    #[error("{0}")]
    Refused(Box<LoanFault>),
    #[error("no product of this loan is installed, or not its publisher's file")]
    NoProduct,
    #[error("the product as it is installed here has nothing for the licence of this loan")]
    NoGrant,
    #[error("the loan is by the wallet {wallet}")]
    OtherLender { wallet: Address },
    #[error(
        "that the wallet {wallet} holds the licence is the lender's own word, because the product asks for no more: name that \
         wallet as the lender to take its word"
    )]
    Unvouched { wallet: Address },
    #[error("this machine had another loan by the same request")]
    Another,
    #[error("the loan was given back, or its time is over")]
    Spent,
    #[error("the loan cannot be looked through")]
    BrokenOff,
    #[error(transparent)]
    Check(#[from] CheckError),
}

/// Why there is no receipt, or one is not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReceiptError {
    #[error("a receipt proves a yes, and the answer is {}: {}", .verdict.code, .verdict.detail)]
    NoYes { verdict: Box<Verdict> },
    #[error(
        "the product's file is not signed by its publisher, so that a receipt would prove nothing to anybody"
    )]
    Unsigned,
    #[error(
        "the wallet was linked before its signature was kept: unlink it and link it again, so that there is something to show"
    )]
    LinkedBefore,
    #[error("the signature of the product's file has a form that no receipt can carry")]
    UnfitSignature,
    #[error("{0}")]
    Refused(Box<ReceiptFault>),
    #[error(
        "the block of this receipt is its maker's word; only one that validators signed for is taken for a look"
    )]
    Unvouched,
    #[error("no product of this receipt is installed, or not its publisher's file")]
    NoProduct,
    #[error("the wallet of this receipt belongs to nobody here")]
    NoWallet,
    #[error("the receipt cannot be looked through")]
    BrokenOff,
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error(transparent)]
    Verifier(#[from] VerifierError),
}

/// Read the product files again, perhaps from other directories, and perhaps keep another pace.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reloaded")]
pub struct Reload {
    pub catalogue: Option<Catalogue>,
    pub refresh: Option<Duration>,
    pub asked: Asked,
}

#[derive(Debug, Clone)]
pub struct Reloaded {
    pub products: usize,
    /// Files with mistakes; what they said before still holds.
    pub faults: Vec<FileFault>,
}

/// Put a product file into the last product directory.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<ProductId, InstallError>")]
pub struct Install {
    pub text: String,
    /// minisign's, of the text.
    pub signature: Option<String>,
    pub asked: Asked,
}

/// From now on, take files of this publisher for a product, whoever signed the last one; `None`: of anybody.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), InstallError>")]
pub struct TrustPublisher {
    pub product: ProductId,
    pub publisher: Option<PublisherKey>,
    pub asked: Asked,
}

/// Take a product file out of the last product directory.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), InstallError>")]
pub struct Remove {
    pub product: ProductId,
    pub asked: Asked,
}
