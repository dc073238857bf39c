//! How chains are opened from their configuration, and go on from what is kept of them.

use anyhow::Context as _;

use crate::actors::ownership_ledger::Progress;
use crate::chain::{self, Chain, ChainSettings, ConsensusSettings, Now};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::regular_file;
use entitled_core::domain::ownership::Trust;
use entitled_core::domain::product::document::LONGEST_TEXT;
use entitled_core::light_client::Specification;

/// Has chains go on from where those of the same ids were.
pub(super) fn go_on_from(progress: &Progress, chains: &[Chain]) {
    for chain in chains {
        chain.go_on_from(&progress.heads);
        let own = progress.light_clients.iter().filter(|it| it.chain == chain.id());
        own.for_each(|it| chain.restore(it));
    }
}

/// The text of a chain's specification, where it is in a file.
pub(super) fn specification_text(chain: &config::Chain) -> anyhow::Result<Option<String>> {
    let Some(config::Spec::File(path)) = &chain.spec else { return Ok(None) };
    let text = regular_file::read_text(path, LONGEST_TEXT);
    text.map(Some).with_context(|| format!("cannot read the specification {}", path.display()))
}

/// How the validators of a chain are followed. A specification in a file is told from those built in by the
/// SHA-256 of its text, which a product that accepts it names.
fn consensus(chain: &config::Chain, clock: &Clock) -> anyhow::Result<ConsensusSettings> {
    let (text, clock, id) = (specification_text(chain)?, clock.clone(), chain.id);
    let named = match &chain.spec {
        Some(config::Spec::File(path)) => path.display().to_string(),
        Some(config::Spec::BuiltIn(name)) => name.clone(),
        None => String::new(),
    };
    let specification = match &text {
        Some(text) => Some(Specification::parse(text).with_context(|| named.clone())?),
        None => Specification::named(&named),
    };
    Ok(ConsensusSettings {
        specification: specification.with_context(|| format!("no specification {named}"))?,
        digest: text.as_ref().map(|it| chain::digest(it.as_bytes())),
        text,
        beacon: chain.beacon.clone(),
        checkpoint: chain.checkpoint,
        silence: chain.silence,
        now: Now::new(move || clock.now_on([id])),
    })
}

pub(super) fn open_all(config: &Config, clock: &Clock) -> anyhow::Result<Vec<Chain>> {
    config.chains.iter().map(|it| open(it, clock)).collect()
}

pub(super) fn open(it: &config::Chain, clock: &Clock) -> anyhow::Result<Chain> {
    let (present, id) = (clock.clone(), it.id);
    let settings = ChainSettings {
        id,
        rpc: it.rpc.clone(),
        trust: it.trust,
        quorum: it.quorum,
        genesis: it.genesis,
        pinned: it.pinned.clone(),
        evm: it.evm,
        retry: it.retry,
        poll: it.poll,
        now: Now::new(move || present.vouched_now_on(id)),
        consensus: (it.trust == Trust::Consensus).then(|| consensus(it, clock)).transpose()?,
    };
    Ok(Chain::open(settings)?)
}
