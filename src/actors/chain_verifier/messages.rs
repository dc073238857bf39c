//! What ChainVerifier can be asked and ordered, and why it may not answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actix::prelude::*;
use alloy_primitives::{Address, B256, Bytes, U256};

use crate::actors::ownership_ledger::{Asked, Facts, LedgerError};
use crate::chain::{
    Brought, Chain, ChainStatus, EndpointProofs, FeedError, Holding, Proof, ProofFault,
};
use crate::products::Installed;
use entitled_core::domain::consensus::Checkpoint;
use entitled_core::domain::ids::{ChainId, CustomerId, Timestamp, Token};
use entitled_core::domain::ownership::{Anchor, Cause, Finding, Ownership, Sighting, Terms, Via};
use entitled_core::domain::product::Product;
use entitled_core::domain::product::availability::Warning;
use entitled_core::domain::wallet_proof::{NotSigned, SignedBy};

/// Look at what `wallets` hold under the grants of a product, at the head of each chain and at the
/// product's finality. Everything seen is recorded before it is returned.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Surveyed, VerifierError>")]
pub struct Survey {
    pub product: Arc<Product>,
    pub wallets: Vec<Address>,
    /// What the ledger knew when the look was asked for: tokens to look at again, events already read.
    pub facts: Arc<Facts>,
}

/// Who stands for a signature, or why nobody does, and the block at which that was proven.
pub type Stands = (Result<SignedBy, NotSigned>, Anchor);

#[derive(Debug, Clone, Default)]
pub struct Surveyed {
    pub sightings: Vec<Sighting>,
    /// How many of its looks the ledger says it has counted. Of those it did not answer, it may have counted any.
    pub recorded: u64,
}

/// Does this account stand for this signature, by what its chain says at its head?
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Stands, VerifierError>")]
pub struct CheckSignature {
    pub chain: ChainId,
    /// Who asks.
    pub uid: u32,
    pub address: Address,
    pub hash: B256,
    /// Of any length: what it means is for a contract to say.
    pub signature: Bytes,
}

/// Follow the events of these contracts, and no others; begin from these checkpoints, where one is needed.
#[derive(Debug, Clone, Default, Message)]
#[rtype(result = "()")]
pub struct Watch {
    pub contracts: BTreeSet<(ChainId, Address)>,
    pub checkpoints: Vec<Checkpoint>,
}

/// Have the light client of a chain take what an administrator brings, or go on at once where that is nothing.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Fed, VerifierError>")]
pub struct Feed {
    pub chain: ChainId,
    pub brought: Option<Brought>,
}

/// What came of it, and how far the light client is now.
#[derive(Debug, Clone)]
pub struct Fed {
    pub learned: bool,
    pub status: ChainStatus,
}

/// How each chain fares.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Vec<ChainStatus>")]
pub struct ChainStates;

/// Who holds this token at the head of its chain? With a wallet: does it?
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Sighted, VerifierError>")]
pub struct Sight {
    pub token: Token,
    pub wallet: Option<Address>,
    /// Under which it may count as held. Of several the first that says so is told.
    pub terms: Vec<Terms>,
    /// Who asks.
    pub uid: u32,
}

/// What was seen of one token. `wallet` is the one asked about, or the holder; none if nobody holds it.
#[derive(Debug, Clone)]
pub struct Sighted {
    pub token: Token,
    pub wallet: Option<Address>,
    pub terms: Terms,
    pub finding: Finding,
    /// By rule `balance`: how many count, enough or not.
    pub amount: Option<U256>,
    pub via: Vec<Via>,
    pub seen_at: Timestamp,
}

/// Record that a wallet holds a token, if the chain says so.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Ownership, VerifierError>")]
pub struct Claim {
    pub token: Token,
    pub wallet: Address,
    /// Whether a contract stands for the wallet.
    pub by_contract: bool,
    /// As in [`Sight`].
    pub terms: Vec<Terms>,
    /// The claimant, and all its wallets, whose claims together have a quota.
    pub customer: CustomerId,
    pub wallets: Vec<Address>,
    /// The transaction that is said to have brought it.
    pub transaction: Option<B256>,
    /// Who asks.
    pub uid: u32,
    pub asked: Asked,
}

/// Prove a holding in one piece, for somebody who believes nobody: at the product's finality, from its checkpoints.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Proof, VerifierError>")]
pub struct Prove {
    pub product: Arc<Installed>,
    pub holding: Holding,
    /// Who asks.
    pub uid: u32,
}

/// Record what a receipt proved, unless as much is known already.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), VerifierError>")]
pub struct TakeSighting {
    pub sighting: Sighting,
    /// Whose wallet it is about.
    pub customer: CustomerId,
    pub asked: Asked,
}

/// What of these products cannot be had here? What could not be found out is left out.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Examined, VerifierError>")]
pub struct FindUnavailable {
    pub products: Vec<Product>,
    /// Have something proven on each chain, whether a product names it or not.
    pub every_chain: bool,
}

/// What cannot be had of products, and which of the chains that were asked proved something just now.
#[derive(Debug, Clone, Default)]
pub struct Examined {
    pub warnings: Vec<Warning>,
    /// Where nothing could be proven, the cause.
    pub chains: BTreeMap<ChainId, Result<(), String>>,
    /// The same of each endpoint, where every chain was to be asked.
    pub endpoints: BTreeMap<ChainId, EndpointProofs>,
}

/// Put these chains in the places of those of the same ids, and take others away. The rest stay as they are.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub struct Reconfigure {
    pub chains: Vec<Chain>,
    pub removed: BTreeSet<ChainId>,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum VerifierError {
    #[error("cannot be proven now: {cause}")]
    Unknown { cause: Cause },
    #[error("the chain does not say that this wallet holds the token")]
    NotHeld,
    #[error("the transaction did not move this token to this wallet")]
    OtherTransaction,
    #[error("no proof in one piece: {source}")]
    NoProof { source: ProofFault },
    #[error(
        "as much is known already: the token was looked at in block {known}, and the receipt is of block {brought}"
    )]
    KnownBetter { known: u64, brought: u64 },
    #[error("what was brought is not taken")]
    Feed { source: FeedError },
    #[error("the look was broken off")]
    BrokenOff,
    #[error("cannot record what was seen")]
    Ledger { source: LedgerError },
}
