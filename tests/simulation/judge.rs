//! What may be answered to whom, from the truth of the chain and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256};
use entitled_core::domain::entitlement::{Code, Verdict};
use entitled_core::domain::ownership::{Finality, Finding, Sighting, Target};

use crate::chain::{Block, Chain, time};
use crate::daemon::{Daemon, Key, address, collection, token};
use crate::steps::{TOKENS, WALLETS};

/// Up to which block the daemon was shown the chain, by wallet and token.
#[derive(Default)]
pub struct Judge {
    /// For each class of finality the number of the newest look, and the blocks of all.
    shown: BTreeMap<(Address, usize), BTreeMap<Finality, Shown>>,
    /// At which finality somebody has looked for a wallet, whatever was found.
    tried: BTreeSet<(Address, Finality)>,
    /// Tokens that were ever seen to be held.
    pub seen: BTreeSet<usize>,
}

#[derive(Default)]
struct Shown {
    look: u64,
    newest: (u64, B256),
    all: BTreeSet<(u64, B256)>,
}

impl Judge {
    /// Remembers up to which blocks a look has shown the chain.
    pub fn saw(&mut self, sightings: &[Sighting]) {
        let own = |it: &&Sighting| it.target.collection() == collection(false);
        for sighting in sightings.iter().filter(own) {
            self.tried.insert((sighting.wallet, sighting.finding.finality()));
            for index in 0..TOKENS {
                let beside = |it: &&Sighting| {
                    (it.wallet, it.finding.finality())
                        == (sighting.wallet, sighting.finding.finality())
                        && it.target == Target::Token(token(index, false))
                };
                let about = sighting.target.includes(&token(index, false))
                    && (matches!(sighting.target, Target::Token(_))
                        || !sightings.iter().any(|it| beside(&it)));
                let Some(anchor) = sighting.finding.anchor().filter(|_| about) else { continue };
                let classes = self.shown.entry((sighting.wallet, index)).or_default();
                let shown = classes.entry(anchor.finality).or_default();
                let block = (anchor.number, anchor.hash);
                shown.all.insert(block);
                if shown.look <= sighting.look {
                    (shown.look, shown.newest) = (sighting.look, block);
                }
                if matches!(sighting.finding, Finding::Held { .. }) {
                    self.seen.insert(index);
                }
            }
        }
    }

    /// The newest block, among some classes, at which it was shown whether a wallet holds a token, as the chain has it.
    /// `None`: never shown. `Some(None)`: the last look saw a block that was replaced since.
    fn block<'c>(
        &self,
        chain: &'c Chain,
        (wallet, index): (Address, usize),
        least: Finality,
    ) -> Option<Option<&'c Block>> {
        let classes =
            || self.shown.get(&(wallet, index)).into_iter().flat_map(|it| it.range(least..));
        let has = |(number, hash): (u64, B256)| chain.at(number).filter(|it| it.hash == hash);
        classes().next()?;
        if classes().any(|(_, it)| has(it.newest).is_none()) {
            return Some(None);
        }
        let newest = |(_, it): (&Finality, &Shown)| it.all.iter().rev().find_map(|it| has(*it));
        Some(classes().filter_map(newest).max_by_key(|it| it.number))
    }

    /// What an evaluation says of the chain: a yes, where the newest block that was shown says no, and a no where it
    /// says yes, are false.
    pub fn evidence(&self, world: &Daemon, key: Key, verdict: &Verdict) -> Result<(), String> {
        let product = &world.products[usize::from(key.1)];
        if product.grants[0].collection != collection(false) {
            return Ok(());
        }
        let holds = |wallet: Address, index: usize, least: Finality| {
            self.block(&world.chain, (wallet, index), least).map(|block| {
                block.map(|it| {
                    let ends = it.until[index].is_some_and(|end| end <= world.clock.max(it.time));
                    (address(it.holder[index]) == wallet, ends)
                })
            })
        };
        if verdict.is_valid() {
            let wallet = verdict.wallet.map(|it| it.address).unwrap_or_default();
            let index = verdict.token.map_or(0, |it| it.id.to::<usize>());
            let least = if verdict.provisional { Finality::Latest } else { product.finality };
            for least in [Finality::Latest, least] {
                match holds(wallet, index, least) {
                    None => return Err(format!("yes, but nobody looked: {verdict:?}")),
                    Some(Some((false, _))) => {
                        return Err(format!("yes, but it was sold: {verdict:?}"));
                    }
                    Some(Some((true, true))) if least == Finality::Latest => {
                        return Err(format!("yes, but it has ended: {verdict:?}"));
                    }
                    Some(_) => {}
                }
            }
        }
        if verdict.code == Code::NotHeld {
            for (wallet, index) in
                world.wallets_of(key.0).flat_map(|it| (0..TOKENS).map(move |token| (it, token)))
            {
                match holds(address(wallet), index, Finality::Latest) {
                    None => return Err(format!("no, but nobody looked: {verdict:?}")),
                    Some(Some((true, _))) => {
                        return Err(format!("no, but it is held: {verdict:?}"));
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }

    /// That something is not settled is told after a look at the finality that the product asks for, and not because
    /// others have looked at the head.
    pub fn refusal(&self, world: &Daemon, key: Key, verdict: &Verdict) -> Result<(), String> {
        let product = &world.products[usize::from(key.1)];
        let (Some(wallet), Some(anchor)) = (&verdict.wallet, &verdict.anchor) else {
            return Ok(());
        };
        let by_finality = verdict.code == Code::TrustTooLow
            && anchor.trust >= product.trust
            && product.grants[0].collection == collection(false);
        if by_finality && !self.tried.contains(&(wallet.address, product.finality)) {
            return Err(format!("not settled, but nobody looked: {verdict:?}"));
        }
        Ok(())
    }

    /// Whether an answer may be given now, whatever it was worked out from: nothing it rests on may have been changed
    /// by anybody, or be over.
    pub fn answer(world: &Daemon, key: Key, verdict: &Verdict) -> Result<(), String> {
        if !verdict.is_valid() {
            return Ok(());
        }
        let product = &world.products[usize::from(key.1)];
        let token = verdict.token.ok_or("yes without a token")?;
        let wallet = verdict.wallet.ok_or("yes without a wallet")?.address;
        let anchor = verdict.anchor.as_ref().ok_or("yes without a proof")?;
        let whose = (0..WALLETS).find(|it| address(*it) == wallet);
        let whose = whose.and_then(|it| world.wallets[usize::from(it)]);
        let grace = i64::try_from(product.grace.as_secs()).unwrap();
        let why = if token.collection != product.grants[0].collection {
            "another contract grants the product"
        } else if whose.is_none_or(|it| it != key.0 && it != 0) {
            "the wallet is not linked any more"
        } else if whose.is_some_and(|it| !world.active[usize::from(it)])
            || !world.active[usize::from(key.0)]
        {
            "the customer is deactivated"
        } else if world.suspended.contains(&token.id.to::<usize>()) {
            "the token is suspended"
        } else if verdict.expires_at.is_some_and(|it| it <= time(world.clock)) {
            "it has expired"
        } else if anchor.time.as_second() + grace <= world.clock {
            "its grace is over"
        } else if anchor.trust < product.trust {
            "the product asks for more trust"
        } else if anchor.finality < product.finality && !verdict.provisional {
            "it is not settled"
        } else if verdict.provisional && !product.provisional {
            "nothing provisional counts"
        } else {
            return Ok(());
        };
        Err(format!("{verdict:?}, but {why}"))
    }
}
