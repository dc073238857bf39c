//! One token at the head of its chain: who holds it, and the record that somebody does.
//!
//! Does: [`Sight`] and [`Claim`]. Asked by: `rpc`, on behalf of a caller who names the token. Never: looks for
//! other tokens of the wallet; that is `survey`'s part.

use std::collections::BTreeMap;

use alloy_primitives::Address;

use crate::actors::chain_verifier::messages::{Claim, Sight, Sighted, VerifierError};
use crate::actors::chain_verifier::{LEDGER_TIME, Parts};
use crate::actors::ownership_ledger::RecordClaim;
use crate::chain::{Block, Chain, Look};
use entitled_core::domain::ids::{Timestamp, Token};
use entitled_core::domain::kept;
use entitled_core::domain::ownership::{
    Cause, Finding, IdRanges, Ownership, Rule, Sighting, Terms,
};
use entitled_core::domain::product::TokensOf;

impl Parts {
    pub(in crate::actors::chain_verifier) async fn sight(
        self,
        ask: Sight,
    ) -> Result<Sighted, VerifierError> {
        let unknown = |cause| VerifierError::Unknown { cause };
        let id = ask.token.collection.chain;
        let chain = self.chains.get(&id).ok_or(unknown(Cause::NotConfigured))?;
        let _turn = self.questions.turn(ask.uid).await.map_err(|_| VerifierError::BrokenOff)?;
        let seen_at = self.clock.now_on([id]);
        let (number, block) = self.begin_at_head(chain).await.map_err(unknown)?;
        let terms = ask.terms.first().copied().unwrap_or(Terms::direct(Rule::Owner));
        let holder = match ask.wallet {
            Some(wallet) => Some(wallet),
            None => chain.holder_of(&block, ask.token, terms.rule).await.map_err(unknown)?,
        };
        let Some(wallet) = holder else {
            let finding = Finding::NotHeld { anchor: block.anchor };
            let (token, wallet, amount, via) = (ask.token, None, None, Vec::new());
            return Ok(Sighted { token, wallet, terms, finding, amount, via, seen_at });
        };
        let of = (ask.token, (wallet, false));
        let sighting = look_once(chain, &block, (of, &ask.terms), (number, seen_at)).await;
        Ok(Sighted {
            token: ask.token,
            wallet: Some(wallet),
            terms: sighting.terms(),
            finding: sighting.finding,
            amount: sighting.amount,
            via: sighting.via,
            seen_at,
        })
    }

    pub(in crate::actors::chain_verifier) async fn claim(
        self,
        claim: Claim,
    ) -> Result<Ownership, VerifierError> {
        let unknown = |cause| VerifierError::Unknown { cause };
        let id = claim.token.collection.chain;
        let chain = self.chains.get(&id).ok_or(unknown(Cause::NotConfigured))?;
        let _turn = self.questions.turn(claim.uid).await.map_err(|_| VerifierError::BrokenOff)?;
        let _under_way = match self.places.get(&id) {
            Some(place) => Some(place.under_way.read().await),
            None => None,
        };
        let seen_at = self.clock.now_on([id]);
        let (number, block) = self.begin_at_head(chain).await.map_err(unknown)?;
        let resets = chain.resets();
        let of = (claim.token, (claim.wallet, claim.by_contract));
        let sighting = look_once(chain, &block, (of, &claim.terms), (number, seen_at)).await;
        match sighting.finding {
            Finding::Held { .. } => {}
            Finding::NotHeld { .. } => return Err(VerifierError::NotHeld),
            Finding::Unknown { cause, .. } => return Err(unknown(cause)),
        }
        if let Some(transaction) = claim.transaction {
            let moved = chain.moved_by(&block, transaction, claim.token, claim.wallet).await;
            if !moved.map_err(unknown)? {
                return Err(VerifierError::OtherTransaction);
            }
        }
        if chain.resets() != resets {
            return Err(unknown(Cause::Behind));
        }
        let look = kept::Look {
            sightings: vec![sighting],
            scans: Vec::new(),
            transaction: claim.transaction,
            heads: block.newest().cloned().into_iter().collect(),
        };
        let Claim { customer, wallets, asked, .. } = claim;
        let order = RecordClaim { customer, wallets, look, asked };
        match self.ledger.send(order).timeout(LEDGER_TIME).await {
            Ok(Ok(holding)) => holding.ok_or(VerifierError::BrokenOff),
            Ok(Err(source)) => Err(VerifierError::Ledger { source }),
            Err(_) => Err(VerifierError::BrokenOff),
        }
    }
}

/// Whether a token counts as held under any of some terms: the first that say so, else the first of which
/// it is not known.
async fn look_once(
    chain: &Chain,
    block: &Block,
    ((token, (wallet, by_contract)), terms): ((Token, (Address, bool)), &[Terms]),
    (number, seen_at): (u64, Timestamp),
) -> Sighting {
    let (ids, known) = (IdRanges::only(token.id), BTreeMap::new());
    let sight = async |terms: Terms| {
        let look = Look {
            wallet,
            by_contract,
            collection: token.collection,
            ids: &ids,
            terms,
            tokens_of: TokensOf::Ids,
            from_block: 0,
            known: &known,
            scans: BTreeMap::new(),
            number,
            seen_at,
        };
        chain.sight(block, &look, token).await
    };
    let (first, others) = match terms.split_first() {
        Some((first, others)) => (*first, others),
        None => (Terms::direct(Rule::Owner), &[][..]),
    };
    let mut told = sight(first).await;
    for terms in others {
        if matches!(told.finding, Finding::Held { .. }) {
            break;
        }
        let next = sight(*terms).await;
        if !matches!(next.finding, Finding::NotHeld { .. }) {
            told = next;
        }
    }
    told
}
