//! Which chain an endpoint is on, found out before anything else is asked of it.
//!
//! Asked by: `endpoint`, before each question; mostly it is known. And by `anchor`, together with each block that a look is pinned
//! to, unless that block's way from a known one is known: an endpoint may have become another since it was asked. Asks: one endpoint,
//! for the chain's id, the genesis block and the pinned ones.
//!
//! Never: lets an endpoint of another chain name a block. What else it answers is proven against such a block, or is a hint.

use std::sync::Mutex;
use std::time::Duration;

use alloy_consensus::Header;
use alloy_primitives::{B256, U64};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::error::EndpointError;
use super::header::NamedBlock;
use super::{BlockName, Endpoint};
use crate::chain::head_order::HeadOrder;
use entitled_core::domain::ids::ChainId;
use entitled_core::proof::state::locked;

/// An identification counts for this long, for whatever is no name of a block.
const PROBED_FOR: Duration = Duration::from_secs(600);

/// What every endpoint of a chain has to agree on.
#[derive(Debug)]
pub(in crate::chain) struct Identity {
    pub(in crate::chain) chain: ChainId,
    pub(in crate::chain) genesis: Mutex<Genesis>,
    /// Later blocks, given in the settings. Forks of a chain share its id and genesis, but not these.
    pub(in crate::chain) pinned: Vec<(u64, B256)>,
    /// Which of the blocks they name may be named.
    pub(in crate::chain) head_order: Mutex<HeadOrder>,
    /// How long an endpoint's breaker stays open at first.
    pub(in crate::chain) retry: Duration,
}

/// Block 0 of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chain) enum Genesis {
    /// Given in the settings: it never changes.
    Given(B256),
    /// The first one seen. It is another when all endpoints have another for long: then the chain began anew.
    Seen(B256),
    Unknown,
}

impl Identity {
    /// Blocks by which the chain is told.
    fn numbers(&self) -> impl Iterator<Item = u64> {
        std::iter::once(0).chain(self.pinned.iter().map(|(number, _)| *number))
    }

    /// What tells which chain an endpoint is on.
    fn questions(&self) -> Vec<(&'static str, Value)> {
        let blocks = self.numbers().map(|it| BlockName::Number(it).question());
        std::iter::once(("eth_chainId", json!([]))).chain(blocks).collect()
    }
}

impl Endpoint {
    /// Makes sure the endpoint may be asked: not resting, and known to be on the right chain.
    ///
    /// # Errors
    /// Why it may not. Who waited for another's probe hears how that ended, and does not begin again.
    pub(in crate::chain) async fn ready(&self) -> Result<(), EndpointError> {
        let begun = Instant::now();
        if !self.health().needs_probe(begun, PROBED_FOR)? {
            return Ok(());
        }
        let _alone = self.probing.lock().await;
        {
            let health = self.health();
            if !health.needs_probe(Instant::now(), PROBED_FOR)? {
                return Ok(());
            }
            if let Some((at, cause)) = health.last_failure
                && at > begun
            {
                let message = health.faults.last.as_ref().map(|it| it.message.clone());
                return Err(EndpointError::JustFailed {
                    cause,
                    message: message.unwrap_or_default(),
                });
            }
        }
        self.identify().await
    }

    /// As [`Self::ready`], whenever it was last known to be.
    ///
    /// # Errors
    /// As [`Self::ready`].
    pub(in crate::chain) async fn identify_anew(&self) -> Result<(), EndpointError> {
        self.health().probed = None;
        self.ready().await
    }

    /// The header of a block, asked for together with what tells the chain: whichever machine behind a name answers, it is one
    /// of this chain.
    ///
    /// # Errors
    /// As [`Self::header`] and [`Self::ready`].
    pub(in crate::chain) async fn identified_header(
        &self,
        of: BlockName,
    ) -> Result<Option<(B256, Header)>, EndpointError> {
        self.ready().await?;
        let questions: Vec<_> =
            std::iter::once(of.question()).chain(self.identity().questions()).collect();
        let answers: Vec<Box<RawValue>> = self.ask_all_now(&questions).await?;
        let (header, identity) = answers.split_first().ok_or(EndpointError::Garbled)?;
        self.judge(identity)?;
        let told = self.read(header)?;
        self.checked(of, told)
    }

    async fn identify(&self) -> Result<(), EndpointError> {
        let answers = self.ask_all_now(&self.identity().questions()).await?;
        self.judge(&answers)
    }

    /// Takes note of which chain it is on, by the answers to [`Identity::questions`].
    fn judge(&self, answers: &[Box<RawValue>]) -> Result<(), EndpointError> {
        let judged = self.compare(answers);
        match &judged {
            Ok(()) => self.health().identified(Instant::now()),
            Err(error @ EndpointError::WrongChain { message }) => {
                let is_news = self.health().wrong_chain(error, Instant::now());
                if is_news {
                    let (chain, endpoint) = (self.identity().chain, self.shown());
                    tracing::warn!(%chain, endpoint, message, "an endpoint is on another chain");
                }
            }
            Err(_) => {}
        }
        judged
    }

    fn compare(&self, answers: &[Box<RawValue>]) -> Result<(), EndpointError> {
        let [id, blocks @ ..] = answers else { return Err(EndpointError::Garbled) };
        let id: U64 = self.read(id)?;
        if id.to::<u64>() != self.identity().chain.0 {
            let message = format!("its chain id is {id}");
            return Err(EndpointError::WrongChain { message });
        }
        let pinned = &self.identity().pinned;
        let hashes = self.identity().numbers().zip(blocks).map(|(number, block)| {
            // Headers of a chain's first blocks may be of another form, as on Gnosis and Celo: their hashes name them.
            let named: Option<NamedBlock> = self.read(block)?;
            let missing = || EndpointError::Pruned { message: format!("it has no block {number}") };
            named.ok_or_else(missing)?.hash_of(number)
        });
        let hashes = hashes.collect::<Result<Vec<_>, _>>()?;
        let Some((genesis, later)) = hashes.split_first() else {
            return Err(EndpointError::Garbled);
        };
        let other = |which: String, is: B256, right: B256| EndpointError::WrongChain {
            message: format!("its {which} is {is}, not {right}"),
        };
        for ((number, right), is) in pinned.iter().zip(later) {
            if is != right {
                return Err(other(format!("block {number}"), *is, *right));
            }
        }
        let mut known = locked(&self.identity().genesis);
        match *known {
            Genesis::Given(expected) | Genesis::Seen(expected) if expected != *genesis => {
                self.health().has_other_genesis(*genesis, Instant::now());
                Err(other("genesis block".to_owned(), *genesis, expected))
            }
            Genesis::Given(_) | Genesis::Seen(_) => Ok(()),
            Genesis::Unknown => {
                *known = Genesis::Seen(*genesis);
                Ok(())
            }
        }
    }

    fn read<T: DeserializeOwned>(&self, answer: &RawValue) -> Result<T, EndpointError> {
        serde_json::from_str(answer.get()).map_err(|_| {
            let error = EndpointError::Garbled;
            self.health().refused("the identity of its chain", &error, Instant::now());
            error
        })
    }
}
