//! Proofs in one piece: made for others, and taken from others.
//!
//! Does: [`Prove`] and [`TakeSighting`]. Asked by: TierCache. Never: lets what was brought undo what was seen since.

use crate::actors::chain_verifier::messages::{Prove, TakeSighting, VerifierError};
use crate::actors::chain_verifier::{LEDGER_TIME, Parts};
use crate::actors::ownership_ledger::{FindFacts, RecordSightings};
use crate::chain::{Foundation, Proof};
use entitled_core::domain::kept;
use entitled_core::domain::ownership::{Cause, Sighting, Target, Trust};

impl Parts {
    pub(in crate::actors::chain_verifier) async fn prove(
        self,
        ask: Prove,
    ) -> Result<Proof, VerifierError> {
        let unknown = |cause| VerifierError::Unknown { cause };
        let id = ask.holding.token.collection.chain;
        let chain = self.chains.get(&id).ok_or(unknown(Cause::NotConfigured))?;
        let _turn = self.questions.turn(ask.uid).await.map_err(|_| VerifierError::BrokenOff)?;
        let product = &ask.product.product;
        let finality = product.finality;
        let proof = if product.trust == Trust::Consensus {
            let checkpoints = &product.checkpoints;
            chain.prove(&ask.holding, Foundation::Signed { checkpoints, finality }).await
        } else {
            let block = self.anchor(chain, finality).await.map_err(unknown)?;
            chain.prove(&ask.holding, Foundation::Named(&block)).await
        };
        proof.map_err(|source| VerifierError::NoProof { source })
    }

    /// Takes the number of a look for it, when no look of the chain is under way: of two looks the one with the greater
    /// number is at no older block.
    pub(in crate::actors::chain_verifier) async fn take(
        self,
        order: TakeSighting,
    ) -> Result<(), VerifierError> {
        let TakeSighting { sighting, customer, asked } = order;
        let collection = sighting.target.collection();
        let place = self.places.get(&collection.chain);
        let place = place.ok_or(VerifierError::Unknown { cause: Cause::NotConfigured })?;
        let _alone = place.under_way.write().await;
        let ask = FindFacts { customers: vec![customer], collections: vec![collection] };
        let facts = match self.ledger.send(ask).timeout(LEDGER_TIME).await {
            Ok(reply) => reply.map_err(|source| VerifierError::Ledger { source })?,
            Err(_) => return Err(VerifierError::BrokenOff),
        };
        let brought = sighting.finding.anchor().map_or(0, |it| it.number);
        let known = facts.sightings.iter().filter(|it| speaks_of(it, &sighting));
        let known = known.filter_map(|it| Some(it.finding.anchor()?.number)).max();
        if let Some(known) = known.filter(|it| *it >= brought) {
            return Err(VerifierError::KnownBetter { known, brought });
        }
        let number = self.next_look.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let look = kept::Look {
            sightings: vec![Sighting { look: number, ..sighting }],
            ..kept::Look::default()
        };
        self.record(RecordSightings { look, asked }).await.map(drop)
    }
}

/// Whether a sighting answers the same question about the same token.
fn speaks_of(known: &Sighting, brought: &Sighting) -> bool {
    let Target::Token(token) = &brought.target else { return false };
    known.wallet == brought.wallet
        && known.terms() == brought.terms()
        && known.target.includes(token)
}
