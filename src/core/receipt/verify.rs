//! Runs everything again. Pure: the receipt, the publisher's key, a nonce and the time are all there is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, keccak256};

use super::control::{Controlled, has_come};
use super::fault::ReceiptFault;
use super::format::{Evidence, Receipt};
use super::question::{Question, Unanswered, grant_of};
use crate::domain::entitlement::{self, ContractWallet, Holder, Verdict, evaluate};
use crate::domain::ids::{CustomerId, ProductId, Timestamp};
use crate::domain::ownership::{Anchor, Finding, Sighting, Target, Trust};
use crate::domain::product::{Grant, Product, parse};
use crate::domain::publisher::PublisherKey;
use crate::evm::gas_meter::Limits;
use crate::evm::session::Session;
use crate::evm::signature::Stop;
use crate::proof::state::{Facts, Library, Need, locked};
use crate::proof::trie_nodes::{Nodes, named};
use crate::proof::witness::Witness;

mod block;

/// No more gas than this for all calls together: what the daemon gives to one.
const GAS: u64 = 100_000_000;

/// What whoever has a receipt verified demands of it.
#[derive(Debug, Clone, Copy)]
pub struct Demands<'a> {
    pub publisher: &'a PublisherKey,
    /// What they had the receipt made for, if anything.
    pub nonce: Option<&'a [u8]>,
    pub now: Timestamp,
    /// No older version of the product file does: whatever the publisher ever signed can still be shown.
    pub min_version: u32,
    /// Whether the word of whoever made the receipt does for which block is the chain's, as far as the product allows it. Then
    /// nothing is proven against that one, who may be the machine's owner with a chain of their own.
    pub accept_maker: bool,
}

impl<'a> Demands<'a> {
    /// The most that can be demanded where no version is named.
    pub fn new(publisher: &'a PublisherKey, now: Timestamp) -> Self {
        Self { publisher, nonce: None, now, min_version: 0, accept_maker: false }
    }

    fn met_by(&self, verified: &Verified) -> Result<(), ReceiptFault> {
        let Verified { version, vouched, .. } = *verified;
        if version < self.min_version {
            return Err(ReceiptFault::OlderFile { version, least: self.min_version });
        }
        match vouched {
            Vouched::Maker if !self.accept_maker => Err(ReceiptFault::Unvouched),
            Vouched::Maker | Vouched::Validators => Ok(()),
        }
    }
}

/// What a receipt proves.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// A yes. Whoever asks has to compare its `product`: a publisher may have several.
    pub verdict: Verdict,
    /// Whether it was made for whoever asks.
    pub binding: Binding,
    /// Why the block is the chain's.
    pub vouched: Vouched,
    /// Of the product file, which may not be the publisher's newest.
    pub version: u32,
    /// What was seen on the chain, in words of the ledger.
    pub sighting: Sighting,
}

/// What ties a receipt to the machine that made it, and to the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// The wallet's key, which is on that machine, has signed the nonce of whoever asks.
    Nonce,
    /// The key has signed, when the receipt was made; nobody who asks gave a nonce.
    Key,
    /// Nothing: the signature by which a wallet was linked can be copied with the receipt.
    None,
}

/// Why a block is the chain's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vouched {
    /// Its validators signed for it, from a checkpoint that the product names.
    Validators,
    /// Whoever made the receipt says so, as the product allows.
    Maker,
}

impl Verified {
    /// The same, if it is about this product.
    pub fn for_product(self, product: &ProductId) -> Option<Self> {
        (self.verdict.product == *product).then_some(self)
    }
}

/// What a receipt proves to somebody with these demands.
///
/// `Ok` is a yes and nothing less: what is proven and does not come to one, or not any more, is
/// [`ReceiptFault::NotValid`].
///
/// # Errors
/// [`ReceiptFault`], the first that is found.
pub fn verify(receipt: &[u8], demands: &Demands<'_>) -> Result<Verified, ReceiptFault> {
    let Demands { publisher, nonce, now, .. } = *demands;
    let Receipt { evidence, control } = Receipt::from_text(receipt)?;
    let controlled = |product: &ProductId| control.check((product, &evidence), nonce, now);
    let verified = prove(&evidence, publisher, controlled, now)?;
    demands.met_by(&verified)?;
    let binding = match (verified.binding, nonce) {
        (Binding::Key, Some(_)) => Binding::Nonce,
        (binding, _) => binding,
    };
    Ok(Verified { binding, ..verified })
}

/// What evidence alone proves, where `control` says whose wallet it is about, and nothing more is demanded.
pub(crate) fn prove(
    evidence: &Evidence,
    publisher: &PublisherKey,
    control: impl FnOnce(&ProductId) -> Result<Controlled, ReceiptFault>,
    now: Timestamp,
) -> Result<Verified, ReceiptFault> {
    evidence.product.check(publisher)?;
    let product = parse(&evidence.product.text).map_err(|_| ReceiptFault::Product)?;
    if product.publisher.is_none() {
        return Err(ReceiptFault::Product);
    }
    let grant = grant(&product, evidence)?;
    let controlled = control(&product.id)?;
    let header = header(&evidence.header)?;
    let block = block::Claimed::new(&product, evidence, &header)?;
    has_come(block.time(), now)?;
    let answer = {
        let state = State::of(evidence, &header);
        let limits = Limits { gas: GAS, go_on: &|| true };
        let rules = (evidence.token.collection.chain.0, block.rules(&header));
        let state_refs = (&state.facts, &state.library);
        let mut session = Session::new(rules, &header, state_refs, limits);
        let question = Question {
            token: evidence.token,
            terms: grant.terms(),
            wallet: controlled.wallet,
            via: &evidence.via,
            link: controlled.contract.as_ref(),
        };
        let answer = question.ask(&mut session, &block.unproven()).map_err(unanswered)?;
        state.has_no_more_than(session.touched(), header.state_root)?;
        answer
    };
    // Last, because it takes longest.
    let anchor = block.prove(now)?;
    let sighting = Sighting {
        look: 0,
        // What is known of the time at which somebody looked is that the block was there.
        seen_at: anchor.time,
        wallet: controlled.wallet,
        rule: grant.rule,
        reach: grant.reach,
        target: Target::Token(evidence.token),
        finding: Finding::Held { until: answer.until, anchor: anchor.clone() },
        amount: answer.amount,
        whole: None,
        via: evidence.via.clone(),
    };
    let holder = holder(&controlled, &anchor);
    let verdict =
        decide((&product, publisher), (controlled.customer, &holder), (&sighting, &anchor), now);
    if !verdict.is_valid() {
        return Err(ReceiptFault::NotValid { verdict: verdict.into() });
    }
    let binding = if controlled.is_managed { Binding::Key } else { Binding::None };
    let vouched = match anchor.trust {
        Trust::Consensus => Vouched::Validators,
        Trust::Single | Trust::Quorum => Vouched::Maker,
    };
    let version = product.version;
    Ok(Verified { verdict, binding, vouched, version, sighting })
}

/// The grant that the receipt is about, named in the one way there is.
fn grant<'p>(product: &'p Product, evidence: &Evidence) -> Result<&'p Grant, ReceiptFault> {
    let index = usize::try_from(evidence.grant).map_err(|_| ReceiptFault::Grant)?;
    let named = product.grants.get(index).ok_or(ReceiptFault::Grant)?;
    match grant_of(product, &evidence.token, named.terms()) {
        Some((first, grant)) if first == evidence.grant => Ok(grant),
        _ => Err(ReceiptFault::Grant),
    }
}

fn header(bytes: &Bytes) -> Result<Header, ReceiptFault> {
    let header: Header = alloy_rlp::decode_exact(bytes).map_err(|_| ReceiptFault::Header)?;
    if alloy_rlp::encode(&header) == *bytes { Ok(header) } else { Err(ReceiptFault::Header) }
}

fn unanswered(why: Unanswered) -> ReceiptFault {
    match why {
        Unanswered::Stopped(Stop::Lacking(_)) => ReceiptFault::StateMissing,
        Unanswered::Stopped(Stop::Doubt | Stop::RulesInDoubt) => ReceiptFault::Contract,
        Unanswered::NotHeld => ReceiptFault::NotHeld,
        Unanswered::NotLinked => ReceiptFault::LinkRefused,
    }
}

fn holder(controlled: &Controlled, anchor: &Anchor) -> Holder {
    // Where a contract stands for the wallet, it said so at the same block.
    let contract = controlled.contract.as_ref().map(|link| {
        let accepted = Some(anchor.clone()).filter(|it| it.chain == link.chain);
        (controlled.wallet, ContractWallet { chain: link.chain, accepted })
    });
    Holder {
        customer: controlled.customer,
        active: true,
        wallets: vec![controlled.wallet],
        contracts: BTreeMap::from_iter(contract),
    }
}

/// What follows for a customer from one sighting of one wallet's token, by the same decision as the daemon's.
pub(crate) fn decide(
    (product, publisher): (&Product, &PublisherKey),
    (customer, holder): (CustomerId, &Holder),
    seen: (&Sighting, &Anchor),
    now: Timestamp,
) -> Verdict {
    let about = ((product, publisher), (customer, holder));
    of_one_sighting(about, seen, |question| evaluate(question, now))
}

/// What is asked about a customer, of whom nothing is known but one sighting of one wallet's token.
pub(crate) fn of_one_sighting<T>(
    ((product, publisher), (customer, holder)): ((&Product, &PublisherKey), (CustomerId, &Holder)),
    (sighting, anchor): (&Sighting, &Anchor),
    answer: impl FnOnce(&entitlement::Question<'_>) -> T,
) -> T {
    // Of other grants and other tokens nothing is proven here, and nothing is said: what is no yes by this token is a no.
    let same = |it: &&Grant| {
        let Target::Token(token) = &sighting.target else { return false };
        it.terms() == sighting.terms() && it.grants(token)
    };
    let grants: Vec<Grant> = product.grants.iter().filter(same).cloned().collect();
    let rest = |it: &Grant| Sighting {
        target: Target::Rest { collection: it.collection, ids: it.ids.clone() },
        finding: Finding::NotHeld { anchor: anchor.clone() },
        amount: None,
        whole: None,
        via: Vec::new(),
        ..sighting.clone()
    };
    let sightings: Vec<Sighting> = grants.iter().map(rest).chain([sighting.clone()]).collect();
    let product = Product { grants, ..product.clone() };
    let question = entitlement::Question {
        product: &product.id,
        definition: Some(&product),
        publisher: Some(publisher),
        customer,
        holders: std::slice::from_ref(holder),
        sightings: &sightings,
        suspended: &BTreeSet::new(),
    };
    answer(&question)
}

/// The state in a receipt. What a contract looks at besides is not there.
struct State {
    facts: Mutex<Facts>,
    library: Mutex<Library>,
    nodes: Arc<Mutex<Nodes>>,
    node_hashes: Vec<B256>,
    code_hashes: Vec<B256>,
}

impl State {
    fn of(evidence: &Evidence, header: &Header) -> Self {
        let mut nodes = Nodes::default();
        nodes.learn(named(&evidence.nodes));
        let nodes = Arc::new(Mutex::new(nodes));
        let mut library = Library::default();
        let hashes = |pieces: &[Bytes]| pieces.iter().map(keccak256).collect::<Vec<B256>>();
        let code_hashes = hashes(&evidence.codes);
        for (hash, code) in code_hashes.iter().zip(&evidence.codes) {
            library.learn(Address::ZERO, *hash, code.clone());
        }
        Self {
            facts: Mutex::new(Facts::at(header.state_root, Arc::clone(&nodes))),
            library: Mutex::new(library),
            nodes,
            node_hashes: hashes(&evidence.nodes),
            code_hashes,
        }
    }

    /// That there is nothing in the receipt on which nothing rests, and everything once and in order.
    fn has_no_more_than(
        &self,
        touched: &BTreeSet<Need>,
        state_root: B256,
    ) -> Result<(), ReceiptFault> {
        let witness = Witness::of(&mut locked(&self.nodes), state_root, touched);
        let witness = witness.ok_or(ReceiptFault::StateMissing)?;
        let needed = self.node_hashes.iter().eq(witness.nodes.keys());
        let codes = &self.code_hashes;
        let in_order = codes.is_sorted_by(|a, b| a < b);
        if needed && in_order && codes.iter().all(|it| witness.codes.contains(it)) {
            Ok(())
        } else {
            Err(ReceiptFault::StateSurplus)
        }
    }
}
