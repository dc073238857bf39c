//! Finds out what an endpoint can do, in the background: what the first answer needs is probed before it, by
//! `endpoint`; this is what helps to choose among several.
//!
//! Asked by: `pool`, every ten minutes. Asks: one endpoint, some eight cheap questions. Never: delays an answer.

use std::time::Duration;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, U64};
use alloy_rpc_types_eth::EIP1186AccountProofResponse;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::error::EndpointError;
use super::health::Health;
use super::{BlockName, Endpoint, is_about_the_batch};
use entitled_core::proof::account_proof::verify;

/// The batch tried when the usual one is refused.
const SMALL_BATCH: usize = 3;
/// No chain is taken to be slower: what an endpoint says here is not proven.
const SLOWEST: Duration = Duration::from_secs(60);

/// The part of `eth_capabilities` (execution-apis) that matters here.
#[derive(Debug, Deserialize)]
struct Capabilities {
    stateproofs: Option<Offer>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Offer {
    #[serde(default)]
    disabled: bool,
    oldest_block: Option<U64>,
}

/// `None`: a no that says nothing about the ability, such as a rate limit.
fn able<T>(answer: &Result<T, EndpointError>) -> Option<bool> {
    match answer {
        Ok(_) => Some(true),
        Err(
            EndpointError::Unsupported { .. }
            | EndpointError::Refused { .. }
            | EndpointError::Pruned { .. },
        ) => Some(false),
        Err(_) => None,
    }
}

impl Endpoint {
    /// Looks at what it can do, and remembers it.
    ///
    /// # Errors
    /// Why it could not be asked. What it cannot do is no error.
    pub(in crate::chain) async fn examine(&self) -> Result<(), EndpointError> {
        self.ready().await?;
        let syncing: Result<Box<RawValue>, _> = self.try_ask("eth_syncing", json!([])).await;
        let latest = self.header(BlockName::Tag("latest")).await?;
        let finalized = self.try_header(BlockName::Tag("finalized")).await;
        let finalized = finalized.or_else(|error| match error.is_outage() {
            true => Err(error),
            false => Ok(None),
        })?;
        if let (Some((_, late)), Some((_, early))) = (&latest, &finalized) {
            self.note_block_time(early, late);
        }
        // Some development nodes cannot prove anything at the very first block.
        let provable = finalized.as_ref().or(latest.as_ref()).filter(|(_, it)| it.number > 0);
        let proven = match provable {
            Some((hash, header)) => self.proves(*hash, header).await?,
            None => None,
        };
        let number = latest.as_ref().map_or(U64::ZERO, |(_, it)| U64::from(it.number));
        let call = json!([{ "from": Address::ZERO, "to": Address::ZERO }, number]);
        let listed: Result<Box<RawValue>, _> = self.try_ask("eth_createAccessList", call).await;
        let told: Result<Capabilities, _> = self.try_ask("eth_capabilities", json!([])).await;
        let batch = self.largest_batch().await?;

        let mut health = self.health();
        let abilities = &mut health.abilities;
        // How far it is does not matter, and how much it says of that is up to it.
        abilities.synced = syncing.ok().and_then(|it| match it.get() {
            "false" => Some(true),
            "true" => Some(false),
            other => other.starts_with('{').then_some(false),
        });
        abilities.finalized = Some(finalized.is_some());
        abilities.finalized_proofs = proven.filter(|_| finalized.is_some());
        abilities.access_lists = able(&listed);
        let offer = told.ok().and_then(|it| it.stateproofs).filter(|it| !it.disabled);
        abilities.oldest_proof = offer.and_then(|it| it.oldest_block).map(|it| it.to());
        health.batch = batch;
        health.examined = Some(Instant::now());
        Ok(())
    }

    /// Has it prove an account at its own head, now.
    ///
    /// # Errors
    /// Why it does not, for people.
    pub(in crate::chain) async fn prove_now(&self) -> Result<(), String> {
        let told = |error: EndpointError| error.to_string();
        self.ready().await.map_err(told)?;
        let head = self.header(BlockName::Tag("latest")).await.map_err(told)?;
        let (hash, header) = head.ok_or("it has no newest block")?;
        match self.proves(hash, &header).await.map_err(told)? {
            Some(true) => Ok(()),
            Some(false) => Err("it gives no proof of its newest block".to_owned()),
            None => Err("it could not be asked for a proof".to_owned()),
        }
    }

    /// Whether it proves an account at a block: that of the zero address, present or not.
    async fn proves(&self, hash: B256, header: &Header) -> Result<Option<bool>, EndpointError> {
        let ask = async |block: Value| {
            let params = json!([Address::ZERO, [], block]);
            self.try_ask::<EIP1186AccountProofResponse>("eth_getProof", params).await
        };
        let mut proof = ask(json!({ "blockHash": hash })).await;
        let by_hash = proof.is_ok();
        if !by_hash && able(&proof) == Some(false) {
            proof = ask(json!(U64::from(header.number))).await;
        }
        match &proof {
            Err(error) if error.is_outage() => {}
            Err(EndpointError::Unsupported { .. }) => self.health().abilities.proofs = Some(false),
            Err(_) => {}
            Ok(it) => {
                let mut health = self.health();
                health.takes_hashes = by_hash;
                if let Err(error) = verify(it, Address::ZERO, &[], header.state_root) {
                    // Nobody was told anything by this, and proofs of older blocks are where nodes have their
                    // faults: so it is no use for this, but it is not treated as a liar.
                    tracing::debug!(endpoint = self.shown(), %error, "cannot prove what is finalized");
                    return Ok(Some(false));
                }
                health.abilities.proofs = Some(true);
            }
        }
        Ok(able(&proof))
    }

    /// How many requests it takes in one body.
    async fn largest_batch(&self) -> Result<usize, EndpointError> {
        for size in [Health::BATCH, SMALL_BATCH] {
            let questions = vec![("eth_chainId", json!([])); size];
            match self.batch::<Value>(&questions).await {
                Ok(_) => return Ok(size),
                Err(error) if is_about_the_batch(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(1)
    }

    /// Remembers the usual time between two blocks, where two of them show it.
    fn note_block_time(&self, early: &Header, late: &Header) {
        if let Some(each) = block_time(early, late) {
            self.health().block_time = Some(each);
        }
    }
}

/// The usual time between two blocks, from two of them. Those of one second, as on a chain of one's own on which many
/// are mined at once, do not show it; and with none at all, however many blocks would be too few to be too many.
fn block_time(early: &Header, late: &Header) -> Option<Duration> {
    let blocks = u32::try_from(late.number.saturating_sub(early.number)).unwrap_or(u32::MAX);
    let seconds = late.timestamp.saturating_sub(early.timestamp);
    if seconds == 0 {
        return None;
    }
    let each = Duration::from_secs(seconds).checked_div(blocks)?;
    Some(each.min(SLOWEST))
}

#[cfg(test)]
mod tests;
