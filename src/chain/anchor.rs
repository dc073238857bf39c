//! The block everything in one verification is pinned to: named by one endpoint, agreed by several,
//! or signed by validators.
//!
//! Asked by: `block`. Asks: `pool`, and `head_order` whether a block may be named. Never: names one that may not be.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use alloy_consensus::Header;
use alloy_primitives::B256;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;

use super::endpoint::error::{EndpointError, more_telling};
use super::endpoint::pool::Pool;
use super::endpoint::{BlockName, Endpoint};
use super::head_order::{KnownBlock, NotNext};
use entitled_core::domain::consensus::Attestation;
use entitled_core::domain::ownership::{Cause, Finality};
use entitled_core::light_client::Head;

/// No longer than this for one anchor.
const DEADLINE: Duration = Duration::from_secs(20);
/// How long the others are waited for once enough of a quorum have answered: who is silent for longer than
/// this cannot hold up the rest, and who disagrees has that long to say so.
const STRAGGLERS: Duration = Duration::from_secs(1);

/// A header that hashes to its name.
pub(super) type Named = (B256, Header);

/// A block to pin a verification to, and whether it is the newest of its finality.
pub(super) type Anchored = (KnownBlock, bool);

/// Takes note of a block that was named, if it may be. Before one takes the place of a newer one, those who name it
/// have to be on the right chain, whenever that was last looked at.
async fn admit(
    pool: &Pool,
    finality: Finality,
    (hash, header): Named,
    by: &[Arc<Endpoint>],
) -> Result<Anchored, EndpointError> {
    let pace = pool.pace();
    let known = KnownBlock { hash, header, attestation: None, at: Instant::now() };
    let goes_back = pool.head_order().would_go_back(finality, &known, pace);
    if goes_back {
        for endpoint in by {
            endpoint.identify_anew().await?;
        }
        let forgot = pool.head_order().forget_impossible(&known.header, pace);
        if let Some(before) = forgot {
            let (chain, now) = (pool.chain(), known.header.number);
            tracing::warn!(%chain, before, now, "a block named before is not of this chain: there is too little time between the two");
        }
    }
    let admitted = pool.head_order().admit(finality, &known, pace);
    let is_newest = match admitted {
        Err(NotNext::Behind { number })
            if finality == Finality::Latest && pool.has_lost(number) =>
        {
            let (chain, now) = (pool.chain(), known.header.number);
            tracing::warn!(
                event = "chain_reset",
                %chain,
                before = number,
                now,
                "the newest block did not come back: what every endpoint has named since is the chain",
            );
            let mut head_order = pool.head_order();
            head_order.begin_anew();
            head_order.admit(finality, &known, pace)?
        }
        other => other?,
    };
    Ok((known, is_newest))
}

fn tag(finality: Finality) -> &'static str {
    match finality {
        Finality::Latest => "latest",
        Finality::Safe => "safe",
        Finality::Finalized => "finalized",
    }
}

/// The header one endpoint names by the tag of a finality. It goes on from what is known of the chain, or the endpoint says in the
/// same breath which chain it is of.
async fn named_by(
    pool: &Pool,
    endpoint: &Endpoint,
    finality: Finality,
) -> Result<Named, EndpointError> {
    let leaps = pool.head_order().leaps(finality);
    let named = tagged(endpoint, finality, leaps).await?;
    let is_shown = pool.head_order().is_shown(finality, named.0, &named.1);
    if leaps || is_shown { Ok(named) } else { tagged(endpoint, finality, true).await }
}

/// `identified`: with its chain.
async fn tagged(
    endpoint: &Endpoint,
    finality: Finality,
    identified: bool,
) -> Result<Named, EndpointError> {
    let missing = |message: &str| match finality {
        Finality::Latest => EndpointError::Pruned { message: message.to_owned() },
        Finality::Safe | Finality::Finalized => {
            EndpointError::Unsupported { message: format!("no `{}` block", tag(finality)) }
        }
    };
    let of = BlockName::Tag(tag(finality));
    let found = match identified {
        true => endpoint.identified_header(of).await,
        false => endpoint.header(of).await,
    };
    match found {
        Ok(Some(named)) => Ok(named),
        Ok(None) => Err(missing("no latest block")),
        // Nodes without the tag answer with all sorts of errors.
        Err(
            EndpointError::Refused { .. }
            | EndpointError::Unsupported { .. }
            | EndpointError::Pruned { .. },
        ) => Err(missing("no latest block")),
        Err(error) => Err(error),
    }
}

/// The block that the first endpoint able to answer names.
pub(super) async fn single(pool: &Pool, finality: Finality) -> Result<Anchored, Cause> {
    let ask = |endpoint: Arc<Endpoint>| {
        async move {
            let named = named_by(pool, &endpoint, finality).await?;
            admit(pool, finality, named, &[endpoint]).await
        }
        .boxed()
    };
    pool.first(Instant::now() + DEADLINE, ask).await
}

/// The block that `quorum` endpoints of different domains agree on, in number and hash.
///
/// All are asked for the tag. The number is the greatest that enough of them have reached, so that one
/// that is late (or pretends to be) does not hold back the rest. Then all name the block of that number,
/// and a single one that names another is a disagreement, if it says so while the others are waited for.
pub(super) async fn quorum(
    pool: &Pool,
    finality: Finality,
    quorum: usize,
) -> Result<Anchored, Cause> {
    let agree = async {
        let (named, cause) =
            ask_everyone(pool, quorum, |it| async move { named_by(pool, &it, finality).await })
                .await;
        let reached: Vec<(&str, u64)> =
            named.iter().map(|(it, (_, header))| (it.domain(), header.number)).collect();
        let number = reached_by(&reached, quorum).ok_or(cause)?;
        let (named, cause) = ask_everyone(pool, quorum, |it| {
            let already = named.iter().find(|(other, _)| Arc::ptr_eq(other, &it));
            let already = already.map(|(_, named)| named.clone());
            async move { named_at(&it, number, already).await }
        })
        .await;
        let hashes: Vec<(&str, B256)> =
            named.iter().map(|(it, (hash, _))| (it.domain(), *hash)).collect();
        let agreement = agreed(&hashes, quorum, cause);
        if agreement == Err(Cause::Disagreement) {
            for (endpoint, _) in named.iter().filter(|(_, it)| is_odd(&hashes, it.0)) {
                let error = EndpointError::Disagreement { number };
                endpoint.health().refused("a block", &error, Instant::now());
            }
        }
        agreement?;
        if !tell_of_one_header(&named) {
            return Err(Cause::Disagreement);
        }
        let (by, mut named): (Vec<_>, Vec<_>) = named.into_iter().unzip();
        let named = named.pop().ok_or(Cause::Unreachable)?;
        admit(pool, finality, named, &by).await.map_err(|error| error.cause())
    };
    tokio::time::timeout(DEADLINE, agree).await.unwrap_or(Err(Cause::Unreachable))
}

/// Whether all who name a block have the same to say of it. Where a header has gaps its bytes can be told as other fields, by
/// which other rules would be run: one of a quorum alone is not to choose them.
fn tell_of_one_header<E>(named: &[(E, Named)]) -> bool {
    named.windows(2).all(|it| it[0].1 == it[1].1)
}

/// The header of the block that validators signed, from whichever endpoint has it. It hashes to that block's
/// name, so it does not matter which.
pub(super) async fn consensus(
    pool: &Pool,
    (head, attestation): (&Head, Attestation),
    finality: Finality,
) -> Result<Anchored, Cause> {
    let (hash, number) = (head.execution_hash, head.execution_number);
    let ask = |endpoint: Arc<Endpoint>| {
        let attestation = Some(Box::new(attestation.clone()));
        async move {
            let found = endpoint.header(BlockName::Hash(hash)).await?;
            let (hash, header) = found.ok_or_else(|| match number {
                Some(number) => EndpointError::Behind { number },
                None => EndpointError::Pruned { message: "no block of this hash".to_owned() },
            })?;
            let known = KnownBlock { hash, header, attestation, at: Instant::now() };
            pool.head_order().admit_signed(finality, &known)?;
            Ok((known, true))
        }
        .boxed()
    };
    pool.first(Instant::now() + DEADLINE, ask).await
}

async fn named_at(
    endpoint: &Endpoint,
    number: u64,
    already: Option<Named>,
) -> Result<Named, EndpointError> {
    match already {
        Some(named) if named.1.number == number => Ok(named),
        _ => endpoint
            .header(BlockName::Number(number))
            .await?
            .ok_or(EndpointError::Behind { number }),
    }
}

/// Asks all endpoints at once, without those that keep failing if there are enough others. Those that answered
/// in time, and the most telling cause of the others.
async fn ask_everyone<F>(
    pool: &Pool,
    quorum: usize,
    ask: impl Fn(Arc<Endpoint>) -> F,
) -> (Vec<(Arc<Endpoint>, Named)>, Cause)
where
    F: Future<Output = Result<Named, EndpointError>>,
{
    let voices = pool.voices(quorum);
    let mut asked: FuturesUnordered<_> = voices
        .into_iter()
        .map(|it| {
            let answer = ask(Arc::clone(&it));
            async move { (it, answer.await) }
        })
        .collect();
    let mut cause = Cause::Unreachable;
    let mut answers: Vec<(Arc<Endpoint>, Named)> = Vec::new();
    let mut waits_until = None;
    loop {
        let patience = waits_until.unwrap_or_else(|| Instant::now() + DEADLINE);
        match tokio::time::timeout_at(patience, asked.next()).await {
            Ok(Some((endpoint, Ok(named)))) => answers.push((endpoint, named)),
            Ok(Some((_, Err(error)))) => cause = more_telling(cause, error.cause()),
            Ok(None) | Err(_) => return (answers, cause),
        }
        let domains: BTreeSet<&str> = answers.iter().map(|(it, _)| it.domain()).collect();
        if domains.len() >= quorum {
            waits_until.get_or_insert_with(|| Instant::now() + STRAGGLERS);
        }
    }
}

/// The greatest number that endpoints of at least `quorum` domains have reached. A domain with several
/// endpoints counts with its greatest.
fn reached_by(reached: &[(&str, u64)], quorum: usize) -> Option<u64> {
    let mut best = std::collections::BTreeMap::<&str, u64>::new();
    for (domain, number) in reached {
        let known = best.entry(domain).or_insert(*number);
        *known = (*known).max(*number);
    }
    let mut numbers: Vec<u64> = best.into_values().collect();
    numbers.sort_unstable_by(|left, right| right.cmp(left));
    numbers.get(quorum.checked_sub(1)?).copied()
}

/// Whether all name the same hash, and enough of different domains do.
fn agreed(hashes: &[(&str, B256)], quorum: usize, others: Cause) -> Result<(), Cause> {
    if hashes.windows(2).any(|pair| pair[0].1 != pair[1].1) {
        return Err(Cause::Disagreement);
    }
    let domains: BTreeSet<&str> = hashes.iter().map(|(domain, _)| *domain).collect();
    if domains.len() >= quorum { Ok(()) } else { Err(others) }
}

/// Whether no more endpoints name this hash than name some other: among those that disagree, one of the odd ones.
fn is_odd(hashes: &[(&str, B256)], hash: B256) -> bool {
    let count = |of: B256| hashes.iter().filter(|(_, it)| *it == of).count();
    hashes.iter().any(|(_, other)| *other != hash && count(*other) >= count(hash))
}

#[cfg(test)]
mod tests;
