//! One endpoint: asked typed questions, probed before it is used, and remembered for how it behaved.
//!
//! Asked by: `pool` and whoever it lends an endpoint to. Asks: the network, through `transport`.
//! Never: decides what is true. It only checks that a header hashes to its name.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use alloy_consensus::Header;
use alloy_json_rpc::RpcRecv;
use alloy_primitives::B256;
use alloy_primitives::U64;
use alloy_rpc_client::RpcClient;
use serde_json::Value;
use serde_json::json;
use tokio::time::Instant;

use super::location::Location;
use super::proof::verify_header;
use super::refusal::Refusal;
use super::standing::Standing;
use super::transport::Meter;
use super::transport::Wire;
use crate::domain::ids::ChainId;

/// A probe counts for this long.
const PROBED_FOR: Duration = Duration::from_secs(600);
/// An endpoint on a wrong chain is looked at again after this long.
const WRONG_FOR: Duration = Duration::from_secs(15);
/// Requests in one batch; some providers allow no more.
const BATCH: usize = 10;

/// What every endpoint of a chain has to agree on.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) chain: ChainId,
    /// Given in the settings, or the first one seen; it never changes after that.
    pub(super) genesis: Mutex<Option<B256>>,
}

pub(super) struct Endpoint {
    shown: String,
    domain: String,
    client: RpcClient,
    meter: Arc<Meter>,
    identity: Arc<Identity>,
    standing: Mutex<Standing>,
    /// Held while probing, so that many who ask at once cost one probe.
    probing: tokio::sync::Mutex<()>,
}

impl Endpoint {
    /// # Errors
    /// When the TLS machinery cannot be set up.
    pub(super) fn new(
        location: &Location,
        identity: Arc<Identity>,
    ) -> Result<Self, reqwest::Error> {
        let meter = Arc::new(Meter::default());
        let wire = Wire::new(location, Arc::clone(&meter))?;
        Ok(Self {
            shown: location.shown(),
            domain: location.domain(),
            client: RpcClient::new(wire, true),
            meter,
            identity,
            standing: Mutex::default(),
            probing: tokio::sync::Mutex::default(),
        })
    }

    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    pub(super) fn domain(&self) -> &str {
        &self.domain
    }

    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    pub(super) fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks one question, after a probe where one is due.
    ///
    /// # Errors
    /// [`Refusal`]; `null` is an answer.
    pub(super) async fn ask<T: RpcRecv>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<T, Refusal> {
        self.ready().await?;
        self.ask_now(method, params).await
    }

    async fn ask_now<T: RpcRecv>(&self, method: &'static str, params: Value) -> Result<T, Refusal> {
        let begun = Instant::now();
        let answer = self.client.request::<Value, T>(method, params).await.map_err(Refusal::from);
        self.noted(answer, begun.elapsed())
    }

    fn noted<T>(&self, answer: Result<T, Refusal>, took: Duration) -> Result<T, Refusal> {
        let mut standing = self.standing();
        match &answer {
            Err(refusal) if refusal.is_outage() => standing.failed(refusal, Instant::now()),
            Err(refusal) => standing.refused(refusal),
            Ok(_) => standing.answered(took, Instant::now()),
        }
        answer
    }

    /// Asks several questions of one method, in batches where the endpoint takes them. All or nothing.
    ///
    /// # Errors
    /// The first refusal.
    pub(super) async fn ask_all<T: RpcRecv>(
        &self,
        questions: &[(&'static str, Value)],
    ) -> Result<Vec<T>, Refusal> {
        self.ready().await?;
        let mut answers = Vec::with_capacity(questions.len());
        for part in questions.chunks(BATCH) {
            let batched = part.len() > 1 && self.standing().takes_batches;
            if batched {
                match self.batch(part).await {
                    Ok(more) => {
                        answers.extend(more);
                        continue;
                    }
                    // Perhaps only the batch is refused: ask one by one, and find out.
                    Err(refusal) if is_about_the_batch(&refusal) => {}
                    Err(refusal) => return Err(refusal),
                }
            }
            for (method, params) in part {
                answers.push(self.ask_now(method, params.clone()).await?);
            }
            if batched {
                tracing::debug!(endpoint = self.shown, "refuses batches");
                self.standing().takes_batches = false;
            }
        }
        Ok(answers)
    }

    async fn batch<T: RpcRecv>(
        &self,
        questions: &[(&'static str, Value)],
    ) -> Result<Vec<T>, Refusal> {
        let begun = Instant::now();
        let answers = self.send_batch(questions).await;
        match answers {
            Err(refusal) if is_about_the_batch(&refusal) => Err(refusal),
            other => self.noted(other, begun.elapsed()),
        }
    }

    async fn send_batch<T: RpcRecv>(
        &self,
        questions: &[(&'static str, Value)],
    ) -> Result<Vec<T>, Refusal> {
        let mut batch = self.client.new_batch();
        let mut waiting = Vec::with_capacity(questions.len());
        for (method, params) in questions {
            waiting.push(batch.add_call::<Value, T>(*method, params)?);
        }
        batch.send().await?;
        let mut answers = Vec::with_capacity(waiting.len());
        for answer in waiting {
            answers.push(answer.await?);
        }
        Ok(answers)
    }

    /// The header of a block by tag, number or hash. `None`: no such block.
    ///
    /// # Errors
    /// [`Refusal::Refuted`] when it does not hash to the name it comes with, or is another than asked for.
    pub(super) async fn header(&self, of: BlockName) -> Result<Option<(B256, Header)>, Refusal> {
        self.ready().await?;
        self.header_now(of).await
    }

    async fn header_now(&self, of: BlockName) -> Result<Option<(B256, Header)>, Refusal> {
        let (method, name) = match of {
            BlockName::Tag(tag) => ("eth_getBlockByNumber", json!(tag)),
            BlockName::Number(number) => ("eth_getBlockByNumber", json!(U64::from(number))),
            BlockName::Hash(hash) => ("eth_getBlockByHash", json!(hash)),
        };
        let found: Option<alloy_rpc_types_eth::Header> =
            self.ask_now(method, json!([name, false])).await?;
        let Some(found) = found else { return Ok(None) };
        verify_header(&found.inner, found.hash).map_err(|source| self.refute(source.into()))?;
        let fits = match of {
            BlockName::Tag(_) => true,
            BlockName::Number(number) => found.inner.number == number,
            BlockName::Hash(hash) => found.hash == hash,
        };
        if !fits {
            return Err(Refusal::Garbled);
        }
        if matches!(of, BlockName::Tag("latest")) {
            self.standing().head = Some((found.inner.number, found.inner.timestamp));
        }
        Ok(Some((found.hash, found.inner)))
    }

    /// Puts the endpoint into quarantine for an answer that its proof refutes, and says so in the log.
    /// Gives the refusal back, to be passed on.
    pub(super) fn refute(&self, refusal: Refusal) -> Refusal {
        if let Refusal::Refuted { source } = &refusal {
            let rest = self.standing().refuted(&refusal, Instant::now());
            tracing::warn!(
                chain = %self.identity.chain,
                endpoint = self.shown,
                evidence = %source,
                cause = cut(std::error::Error::source(source)),
                quarantined_for_s = rest.as_secs(),
                "an endpoint's answer is refuted by its own proof",
            );
        }
        refusal
    }

    /// Makes sure the endpoint may be asked: not resting, and known to be on the right chain.
    async fn ready(&self) -> Result<(), Refusal> {
        if !self.standing().needs_probe(Instant::now(), PROBED_FOR)? {
            return Ok(());
        }
        let _alone = self.probing.lock().await;
        if !self.standing().needs_probe(Instant::now(), PROBED_FOR)? {
            return Ok(());
        }
        match self.probe().await {
            Ok(()) => {
                self.standing().probed = Some(Instant::now());
                Ok(())
            }
            Err(Refusal::WrongChain { message }) => {
                tracing::warn!(endpoint = self.shown, message, "an endpoint is on another chain");
                let refusal = Refusal::WrongChain { message };
                self.standing().wrong_chain(&refusal, Instant::now() + WRONG_FOR);
                Err(refusal)
            }
            Err(refusal) => Err(refusal),
        }
    }

    async fn probe(&self) -> Result<(), Refusal> {
        let id: U64 = self.ask_now("eth_chainId", json!([])).await?;
        if id.to::<u64>() != self.identity.chain.0 {
            let message = format!("its chain id is {id}");
            return Err(Refusal::WrongChain { message });
        }
        let genesis = self.header_now(BlockName::Number(0)).await?;
        let Some((hash, _)) = genesis else {
            return Err(Refusal::Pruned { message: "it has no block 0".to_owned() });
        };
        let mut known = self.identity.genesis.lock().unwrap_or_else(PoisonError::into_inner);
        let expected = *known.get_or_insert(hash);
        if hash == expected {
            return Ok(());
        }
        let message = format!("its genesis block is {hash}, not {expected}");
        Err(Refusal::WrongChain { message })
    }
}

/// How a block is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum BlockName {
    Tag(&'static str),
    Number(u64),
    Hash(B256),
}

/// The cause of a refutation holds bytes from outside: enough of them to recognise the node.
fn cut(source: Option<&(dyn std::error::Error + 'static)>) -> Option<String> {
    source.map(|it| it.to_string().chars().take(400).collect())
}

/// Whether a refusal may concern the batch as such and not a question in it.
fn is_about_the_batch(refusal: &Refusal) -> bool {
    use super::transport::WireError;
    refusal.is_no()
        || matches!(
            refusal,
            Refusal::Garbled
                | Refusal::Down { source: WireError::Garbled | WireError::Status { .. } }
        )
}
