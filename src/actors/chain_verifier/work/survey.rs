//! One survey: every wallet under every grant of a product, on every chain the product names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use alloy_primitives::{Address, U256};
use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use super::turns::{SIDE_BY_SIDE, Turns, turn_of_first};
use crate::actors::chain_verifier::Parts;
use crate::actors::chain_verifier::messages::{Survey, Surveyed, VerifierError};
use crate::actors::ownership_ledger::{Asked, Facts, RecordSightings};
use crate::chain::{Block, Chain, Known, Look, Looked};
use entitled_core::domain::ids::{ChainId, Collection, ProductId, Timestamp};
use entitled_core::domain::kept;
use entitled_core::domain::ownership::{
    Anchor, Cause, Finality, Finding, IdRanges, Scan, Sighting, Target, Terms,
};
use entitled_core::domain::product::{Grant, Product, TokensOf};

/// How long looking at one chain may take; less than a survey may, which is about all of them.
const CHAIN_TIME: Duration = Duration::from_secs(50);
/// What a look has proven when this is over is kept; what is left of the time is for putting it together.
const LOOKS_TIME: Duration = Duration::from_secs(45);

/// What is asked of one collection for one wallet. Two grants that differ only in their tier are one look.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Scope {
    collection: Collection,
    terms: Terms,
    ids: IdRanges,
    logs: bool,
    listed: bool,
    from_block: u64,
}

impl Scope {
    fn of(grant: &Grant) -> Self {
        Self {
            collection: grant.collection,
            terms: grant.terms(),
            ids: grant.ids.clone(),
            logs: grant.tokens_of == TokensOf::Logs,
            listed: grant.tokens_of == TokensOf::Ids,
            from_block: grant.from_block,
        }
    }

    fn tokens_of(&self) -> TokensOf {
        match (self.logs, self.listed) {
            (true, _) => TokensOf::Logs,
            (false, true) => TokensOf::Ids,
            (false, false) => TokensOf::Enumerable,
        }
    }
}

/// The look at one chain, of which all sightings have its number.
struct Round<'a> {
    facts: &'a Facts,
    number: u64,
    seen_at: Timestamp,
    turns: &'a Turns,
    product: &'a ProductId,
}

type Scans = BTreeMap<(Collection, Address), Scan>;
/// A block to look at, or why there is none.
type Level = (Finality, Result<Block, Cause>);

pub(in crate::actors::chain_verifier) async fn run(
    parts: Parts,
    ask: Survey,
) -> Result<Surveyed, VerifierError> {
    let seen_at = parts.clock.now_on(ask.product.chains());
    // Side by side, so that a chain that does not answer holds up none of the others.
    let on_chains = scopes_by_chain(&ask.product).into_iter().map(|(id, scopes)| {
        let (parts, ask) = (&parts, &ask);
        async move {
            let own = ask.facts.scans.iter().filter(|(of, ..)| of.chain == id);
            let before: Scans = own.map(|(c, w, scan)| ((*c, *w), scan.clone())).collect();
            let place = parts.places.get(&id).map(|it| Arc::clone(&it.under_way));
            let _under_way = match place {
                Some(place) => Some(place.read_owned().await),
                None => None,
            };
            let (sightings, mut scans, heads) =
                on_chain((parts, ask), (id, seen_at), scopes, before.clone()).await;
            scans.retain(|key, scan| before.get(key) != Some(scan));
            let look = kept::Look {
                sightings: sightings.clone(),
                scans: scans.into_iter().map(|((c, w), scan)| (c, w, scan)).collect(),
                transaction: None,
                heads,
            };
            let asked = Asked { by: "chain".to_owned(), at: seen_at };
            // What was proven is true even if it could not be written down.
            let recorded = parts.record(RecordSightings { look, asked }).await;
            if let Err(error) = &recorded {
                tracing::error!(%error, product = %ask.product.id, "sightings were not recorded");
            }
            // A look that could not be written is counted as well.
            let answered = !matches!(recorded, Err(VerifierError::BrokenOff));
            Surveyed { sightings, recorded: u64::from(answered) }
        }
    });
    let surveyed = futures_util::future::join_all(on_chains).await.into_iter();
    Ok(surveyed.fold(Surveyed::default(), |mut all, it| {
        all.sightings.extend(it.sightings);
        all.recorded += it.recorded;
        all
    }))
}

/// At the head, where a purchase or sale shows first, and at the finality the product demands.
fn levels(product: &Product) -> BTreeSet<Finality> {
    BTreeSet::from([Finality::Latest, product.finality])
}

/// A contract wallet is looked at on its own chain only: elsewhere its address may be somebody else's.
fn counting_on(ask: &Survey, chain: ChainId) -> Vec<Address> {
    let elsewhere = |it: &Address| {
        ask.facts.wallets.iter().any(|known| known.address == *it && !known.counts_on(chain))
    };
    ask.wallets.iter().copied().filter(|it| !elsewhere(it)).collect()
}

fn scopes_by_chain(product: &Product) -> BTreeMap<ChainId, BTreeSet<Scope>> {
    let mut scopes: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for grant in &product.grants {
        scopes.entry(grant.collection.chain).or_default().insert(Scope::of(grant));
    }
    scopes
}

/// What all wallets hold on one chain, as far as it is found out in time.
async fn on_chain(
    (parts, ask): (&Parts, &Survey),
    (id, seen_at): (ChainId, Timestamp),
    scopes: BTreeSet<Scope>,
    mut scans: Scans,
) -> (Vec<Sighting>, Scans, Vec<Anchor>) {
    let begun = Instant::now();
    let mut over = std::pin::pin!(tokio::time::sleep_until(begun + CHAIN_TIME));
    let found = tokio::select! {
        biased;
        () = parts.retired(id) => None,
        () = &mut over => None,
        found = blocks(parts, ask, id) => Some(found),
    };
    let unreachable = || levels(&ask.product).into_iter().map(|it| (it, Err(Cause::Unreachable)));
    let mut found: Vec<Level> = found.unwrap_or_else(|| unreachable().collect());
    let resets = || parts.chains.get(&id).map(Chain::resets);
    let before = (resets(), scans.clone());
    let number = match parts.chains.get(&id) {
        Some(chain) => begin(parts, chain, &mut found),
        None => parts.next_look.fetch_add(1, Ordering::Relaxed),
    };
    let known = found.iter().filter_map(|(_, block)| block.as_ref().ok()?.newest());
    let heads = known.cloned().collect();
    let (turns, product) = (&*parts.turns, &ask.product.id);
    let round = Round { facts: &ask.facts, number, seen_at, turns, product };
    let wallets = counting_on(ask, id);
    let mut sightings = Vec::new();
    let levels_after = (0..found.len()).rev();
    for ((finality, block), after) in found.into_iter().zip(levels_after) {
        let until = share(begun + LOOKS_TIME, after);
        let looked = async {
            let chain = parts.chains.get(&id).ok_or(Cause::NotConfigured)?;
            let whose = (&*wallets, &scopes);
            Ok(round.look_at_all((chain, &block?), whose, &mut scans, until).await)
        };
        let looked = tokio::select! {
            biased;
            () = parts.retired(id) => Err(Cause::NotConfigured),
            () = &mut over => Err(Cause::Unreachable),
            looked = looked => looked,
        };
        match looked {
            Ok(seen) => sightings.extend(seen),
            Err(cause) => sightings.extend(round.unknown(&wallets, &scopes, cause, finality)),
        }
    }
    if resets() != before.0 {
        // The blocks are of a chain that is gone meanwhile.
        let unknown = |it| round.unknown(&wallets, &scopes, Cause::Behind, it);
        let nothing = levels(&ask.product).into_iter().flat_map(unknown).collect();
        return (nothing, before.1, Vec::new());
    }
    (sightings, scans, heads)
}

/// When it has to be over, so that there is time `after` it for others: it may take half of what there is.
fn share(end: Instant, after: usize) -> Instant {
    let now = Instant::now();
    let left = end.saturating_duration_since(now);
    now + if after > 0 { left / 2 } else { left }
}

/// The blocks to look at, the most settled first: a head below what is final would be no head.
async fn blocks(parts: &Parts, ask: &Survey, id: ChainId) -> Vec<Level> {
    let levels = levels(&ask.product);
    let Some(chain) = parts.chains.get(&id) else {
        return levels.into_iter().map(|it| (it, Err(Cause::NotConfigured))).collect();
    };
    if !levels.contains(&Finality::Finalized) {
        // Chains without finality have no such floor.
        let _ = parts.anchor(chain, Finality::Finalized).await;
    }
    let mut found = Vec::new();
    for finality in levels.into_iter().rev() {
        found.push((finality, parts.anchor(chain, finality).await));
    }
    found
}

/// The number of the look at those of the blocks that there are.
fn begin(parts: &Parts, chain: &Chain, levels: &mut [Level]) -> u64 {
    let known = levels.iter().filter_map(|(_, it)| it.as_ref().ok());
    let mut blocks: Vec<Block> = known.cloned().collect();
    let number = parts.begin(chain, &mut blocks);
    let known = levels.iter_mut().filter_map(|(_, it)| it.as_mut().ok());
    known.zip(blocks).for_each(|(known, block)| *known = block);
    number
}

impl Round<'_> {
    /// That nothing could be found out about these wallets and scopes.
    fn unknown<'s>(
        &'s self,
        wallets: &'s [Address],
        scopes: &'s BTreeSet<Scope>,
        cause: Cause,
        finality: Finality,
    ) -> impl Iterator<Item = Sighting> + 's {
        wallets.iter().flat_map(move |wallet| {
            scopes.iter().flat_map(move |scope| {
                let Scope { collection, terms, ids, .. } = scope.clone();
                let known = self.known(*wallet, scope).into_keys();
                let named = known.map(move |id| Target::Token(collection.token(id)));
                named.chain([Target::Rest { collection, ids }]).map(move |target| Sighting {
                    look: self.number,
                    seen_at: self.seen_at,
                    wallet: *wallet,
                    rule: terms.rule,
                    reach: terms.reach,
                    target,
                    finding: Finding::Unknown { cause, finality },
                    amount: None,
                    whole: None,
                    via: Vec::new(),
                })
            })
        })
    }

    async fn look_at_all(
        &self,
        (chain, block): (&Chain, &Block),
        (wallets, scopes): (&[Address], &BTreeSet<Scope>),
        scans: &mut Scans,
        until: Instant,
    ) -> Vec<Sighting> {
        let begun = &*scans;
        let Anchor { chain: id, finality, .. } = block.anchor;
        let at_head = finality == Finality::Latest;
        let of = &(self.product.clone(), id, finality);
        let wallets = self.turns.in_order(of, wallets);
        let looks: Vec<_> = wallets
            .iter()
            .zip((1..=wallets.len()).rev())
            .map(|(wallet, waiting)| async move {
                let now = Instant::now();
                if now < until {
                    self.turns.reached(of, *wallet, self.number);
                }
                let until = turn_of_first(waiting, now, until);
                // Those of vaults, too, which stand behind more wallets than one.
                let mut own = begun.clone();
                let mut sightings = Vec::new();
                for (scope, after) in scopes.iter().zip((0..scopes.len()).rev()) {
                    let until = share(until, after);
                    let looked = self.look((chain, block), (*wallet, scope), &own, until).await;
                    sightings.extend(looked.sightings);
                    // How far events were read is kept at the head only: an older block must not undo it.
                    if at_head {
                        let read = looked.scans.into_iter();
                        own.extend(read.map(|(who, scan)| ((scope.collection, who), scan)));
                    }
                }
                own.retain(|key, scan| begun.get(key) != Some(scan));
                (sightings, own)
            })
            .collect();
        let done: Vec<_> = stream::iter(looks).buffer_unordered(SIDE_BY_SIDE).collect().await;
        let mut sightings = Vec::new();
        for (seen, own) in done {
            sightings.extend(seen);
            scans.extend(own);
        }
        sightings
    }

    async fn look(
        &self,
        (chain, block): (&Chain, &Block),
        (wallet, scope): (Address, &Scope),
        scans: &Scans,
        until: Instant,
    ) -> Looked {
        let known = self.known(wallet, scope);
        let here = scans.iter().filter(|((collection, _), _)| *collection == scope.collection);
        let look = Look {
            wallet,
            by_contract: self
                .facts
                .wallets
                .iter()
                .any(|it| it.address == wallet && it.chain.is_some()),
            collection: scope.collection,
            ids: &scope.ids,
            terms: scope.terms,
            tokens_of: scope.tokens_of(),
            from_block: scope.from_block,
            known: &known,
            scans: here.map(|((_, who), scan)| (*who, scan.clone())).collect(),
            number: self.number,
            seen_at: self.seen_at,
        };
        chain.look(block, &look, until).await
    }

    /// Tokens that were ever seen to count as held and not since seen to count no more: they are looked at
    /// by name.
    fn known(&self, wallet: Address, scope: &Scope) -> BTreeMap<U256, Known> {
        let mut newest: BTreeMap<U256, &Sighting> = BTreeMap::new();
        for sighting in &self.facts.sightings {
            let Target::Token(token) = sighting.target else { continue };
            let same = sighting.wallet == wallet
                && token.collection == scope.collection
                && sighting.terms() == scope.terms;
            if same && matches!(sighting.finding, Finding::Held { .. }) {
                let kept = newest.entry(token.id).or_insert(sighting);
                if kept.look < sighting.look {
                    *kept = sighting;
                }
            }
        }
        let known = |it: &Sighting| match it.finding {
            Finding::Held { until, .. } => Known { until, via: it.via.clone() },
            _ => Known::default(),
        };
        newest.into_iter().map(|(id, it)| (id, known(it))).collect()
    }
}
