//! One survey: every wallet under every grant of a product, on every chain the product names.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use alloy_primitives::{Address, U256};
use futures_util::StreamExt;
use futures_util::stream;

use super::{Parts, Survey, VerifierError};
use crate::actors::ownership_ledger::{Asked, Facts, RecordSightings};
use crate::chain::{Block, Chain, Known, Look, Looked};
use crate::domain::ids::{ChainId, Collection, Timestamp};
use crate::domain::ownership::{Cause, Finality, Finding, IdRanges, Scan, Sighting, Target, Terms};
use crate::domain::product::{Grant, Product, TokensOf};

/// How long looking at one chain may take; less than a survey may, which is about all of them.
const CHAIN_TIME: Duration = Duration::from_secs(50);
/// Wallets looked at side by side.
const SIDE_BY_SIDE: usize = 4;

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

/// The look all of a survey belongs to.
struct Round<'a> {
    facts: &'a Facts,
    number: u64,
    seen_at: Timestamp,
}

type Scans = BTreeMap<(Collection, Address), Scan>;

pub(super) async fn run(parts: Parts, ask: Survey) -> Result<Vec<Sighting>, VerifierError> {
    let (number, seen_at) = parts.begin(ask.product.chains());
    let round = Round { facts: &ask.facts, number, seen_at };
    let mut scans: Scans =
        ask.facts.scans.iter().map(|(c, w, scan)| ((*c, *w), scan.clone())).collect();
    let before = scans.clone();
    // Side by side, so that a chain that does not answer holds up none of the others.
    let on_chains = scopes_by_chain(&ask.product).into_iter().map(|(id, scopes)| {
        let own: Scans = before
            .iter()
            .filter(|((collection, _), _)| collection.chain == id)
            .map(|(key, scan)| (*key, scan.clone()))
            .collect();
        round.on_chain((&parts, &ask), id, scopes, own)
    });
    let mut sightings = Vec::new();
    for (seen, own) in futures_util::future::join_all(on_chains).await {
        sightings.extend(seen);
        scans.extend(own);
    }
    scans.retain(|key, scan| before.get(key) != Some(scan));
    let order = RecordSightings {
        sightings: sightings.clone(),
        scans: scans.into_iter().map(|((c, w), scan)| (c, w, scan)).collect(),
        transaction: None,
        asked: Asked { by: "chain".to_owned(), at: seen_at },
    };
    // What was proven is true even if it could not be written down.
    if let Err(error) = parts.record(order).await {
        tracing::error!(%error, product = %ask.product.id, "sightings were not recorded");
    }
    Ok(sightings)
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

impl Round<'_> {
    /// What all wallets hold on one chain, as far as it is found out in time.
    async fn on_chain(
        &self,
        (parts, ask): (&Parts, &Survey),
        id: ChainId,
        scopes: BTreeSet<Scope>,
        mut scans: Scans,
    ) -> (Vec<Sighting>, Scans) {
        let levels = levels(&ask.product);
        let mut over = std::pin::pin!(tokio::time::sleep(CHAIN_TIME));
        if let Some(chain) = parts.chains.get(&id)
            && !levels.contains(&Finality::Finalized)
        {
            // A head below it would be no head. Chains without finality have no such floor.
            tokio::select! {
                _ = parts.anchor(chain, Finality::Finalized) => {}
                () = &mut over => {}
                () = parts.retired(id) => {}
            }
        }
        let wallets = counting_on(ask, id);
        let mut sightings = Vec::new();
        // The most settled first, for the same reason.
        for finality in levels.into_iter().rev() {
            let looked = async {
                let chain = parts.chains.get(&id).ok_or(Cause::NotConfigured)?;
                let block = parts.anchor(chain, finality).await?;
                Ok(self.look_at_all(chain, &block, (&wallets, &scopes), &mut scans).await)
            };
            let looked = tokio::select! {
                biased;
                () = parts.retired(id) => Err(Cause::NotConfigured),
                () = &mut over => Err(Cause::Unreachable),
                looked = looked => looked,
            };
            match looked {
                Ok(seen) => sightings.extend(seen),
                Err(cause) => {
                    sightings.extend(self.unknown(&wallets, &scopes, cause, finality));
                }
            }
        }
        (sightings, scans)
    }

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
                    via: Vec::new(),
                })
            })
        })
    }

    async fn look_at_all(
        &self,
        chain: &Chain,
        block: &Block,
        (wallets, scopes): (&[Address], &BTreeSet<Scope>),
        scans: &mut Scans,
    ) -> Vec<Sighting> {
        let begun = &*scans;
        let at_head = block.anchor.finality == Finality::Latest;
        let looks: Vec<_> = wallets
            .iter()
            .map(|wallet| async move {
                // Those of vaults, too, which stand behind more wallets than one.
                let mut own = begun.clone();
                let mut sightings = Vec::new();
                for scope in scopes {
                    let looked = self.look(chain, block, (*wallet, scope), &own).await;
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
        chain: &Chain,
        block: &Block,
        (wallet, scope): (Address, &Scope),
        scans: &Scans,
    ) -> Looked {
        let known = self.known(wallet, scope);
        let here = scans.iter().filter(|((collection, _), _)| *collection == scope.collection);
        let look = Look {
            wallet,
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
        chain.look(block, &look).await
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
