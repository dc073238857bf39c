//! When what all endpoints are measured by, the genesis block that was seen first, is not the chain's.
//!
//! Asked by: `pool`, after each examination. Never: changes one that is given in the settings, or takes fewer
//! endpoints' word for it than the settings demand.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;

use super::Pool;
use crate::chain::endpoint::chain_identity::Genesis;
use crate::chain::endpoint::health::OtherGenesis;
use entitled_core::domain::ownership::Finality;
use entitled_core::proof::state::locked;

/// Of any of these a block is named before anything is proven.
const FINALITIES: [Finality; 3] = [Finality::Latest, Finality::Safe, Finality::Finalized];

impl Pool {
    /// Under a quorum, whether enough domains have the same other genesis block, and no block was ever named on the chain
    /// of the one that answered first: then that one alone said which chain it is.
    pub(in crate::chain) fn notice_mistaken_genesis(&self) {
        let Some(quorum) = self.quorum else { return };
        let mut genesis = locked(&self.identity.genesis);
        let Genesis::Seen(before) = *genesis else { return };
        if FINALITIES.into_iter().any(|it| self.head_order().newest(it).is_some()) {
            return;
        }
        let mut voices = BTreeMap::<B256, BTreeSet<&str>>::new();
        for endpoint in &self.endpoints {
            let health = endpoint.health();
            let seen = health.probed.map(|_| before);
            if let Some(hash) = health.other_genesis.map(|it| it.hash).or(seen) {
                voices.entry(hash).or_default().insert(endpoint.domain());
            }
        }
        voices.retain(|_, domains| domains.len() >= quorum);
        // Two quorums that contradict each other are for a person to look at.
        let mut agreed = voices.into_keys();
        let (Some(now), None) = (agreed.next(), agreed.next()) else { return };
        if now == before {
            return;
        }
        let chain = self.identity.chain;
        tracing::warn!(%chain, %before, %now, "the genesis block that was seen first is one endpoint's alone: the others agree on another");
        *genesis = Genesis::Seen(now);
        for endpoint in &self.endpoints {
            let mut health = endpoint.health();
            // Whoever was on the right chain is not.
            health.probed = None;
            health.is_no_stranger();
        }
    }

    /// Whether every endpoint has had the same other genesis block for long; if so, that is the chain's now.
    pub(in crate::chain) fn notice_new_genesis(&self) {
        let mut genesis = locked(&self.identity.genesis);
        let (Genesis::Seen(before), patience) = (*genesis, self.patience()) else { return };
        let heard = self.endpoints.iter().filter(|it| it.health().last_success.is_some());
        let others: Option<Vec<_>> = heard.map(|it| it.health().other_genesis).collect();
        let Some([first, rest @ ..]) = others.as_deref() else { return };
        let is_lasting = |it: &OtherGenesis| {
            it.since.elapsed() >= patience && it.last.duration_since(it.since) >= patience / 2
        };
        if rest.iter().any(|it| it.hash != first.hash) || !is_lasting(first) {
            return;
        }
        if !rest.iter().all(is_lasting) {
            return;
        }
        tracing::warn!(
            event = "chain_reset",
            chain = %self.identity.chain,
            %before,
            now = %first.hash,
            "every endpoint has another genesis block: the chain began anew, and is followed from there",
        );
        *genesis = Genesis::Seen(first.hash);
        self.head_order().begin_anew();
        self.endpoints.iter().for_each(|it| it.health().is_no_stranger());
    }
}
