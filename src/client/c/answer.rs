//! What the daemon said, as C can hold it.

use entitled_client::{ClientError, Code, Feature, Verdict as Said};
use entitled_core::domain::entitlement::Verdict as Decided;
use entitled_core::domain::ids::Timestamp;
use entitled_core::domain::product;
use entitled_core::domain::publisher::PublisherKey;

use crate::abi::{Failure, State, Verdict};
use crate::{features, text};

/// The answer to a program that takes the word of `publisher` only, or anybody's.
pub(crate) fn of(said: Result<Said, ClientError>, publisher: Option<&PublisherKey>) -> Verdict {
    match said {
        Ok(said) if is_of_another(&said, publisher) => mismatch(&said),
        Ok(said) => of_daemon(&said),
        Err(error) => not_known(failure_of(&error), &words_of(&error)),
    }
}

pub(crate) fn not_known(error: Failure, detail: &str) -> Verdict {
    Verdict { error, detail: text::cut(detail), ..Verdict::INIT }
}

/// What was decided here, at a time: as the daemon would say it.
pub(crate) fn of_decision(decided: &Decided, now: Timestamp) -> Verdict {
    of_daemon(&Said {
        product: decided.product.to_string(),
        valid: decided.is_valid(),
        code: Code::from(decided.code.as_str().to_owned()),
        detail: decided.detail.clone(),
        tier: decided.tier.as_ref().map(ToString::to_string),
        rank: decided.rank,
        features: decided.features.iter().map(|(name, it)| (name.clone(), feature(it))).collect(),
        seats: decided.seats,
        publisher: decided.publisher.as_ref().map(ToString::to_string),
        customer: Some(decided.customer.to_string()),
        wallet: decided.wallet.map(|it| it.to_string()),
        token: decided.token.map(|it| it.to_string()),
        provisional: decided.provisional,
        freshness: Some(decided.freshness.as_str().to_owned()),
        trust: decided.trust.map(|it| it.as_str().to_owned()),
        anchor: None,
        verified_at: decided.verified_at.map(|it| it.to_string()),
        stale_after: decided.stale_after.map(|it| it.to_string()),
        grace_until: decided.grace_until.map(|it| it.to_string()),
        expires_at: decided.expires_at.map(|it| it.to_string()),
        seconds_until_change: decided.seconds_until_change(now),
    })
}

fn feature(feature: &product::Feature) -> Feature {
    match feature {
        product::Feature::Flag(flag) => Feature::Flag(*flag),
        product::Feature::Whole(number) => Feature::Whole(*number),
        product::Feature::Number(number) => Feature::Number(*number),
        product::Feature::Text(text) => Feature::Text(text.clone()),
    }
}

fn of_daemon(said: &Said) -> Verdict {
    let (features, left_out) = features::write(&said.features);
    Verdict {
        state: state_of(said),
        expires_at: moment(said.expires_at.as_deref()),
        grace_until: moment(said.grace_until.as_deref()),
        verified_at: moment(said.verified_at.as_deref()),
        seconds_until_change: said.seconds_until_change.unwrap_or(-1),
        rank: said.rank.map_or(-1, i64::from),
        seats: said.seats.map_or(0, i64::from),
        provisional: i32::from(said.provisional),
        features_left_out: i32::try_from(left_out).unwrap_or(i32::MAX),
        code: text::whole(said.code.as_str()),
        product: text::whole(&said.product),
        tier: optional(said.tier.as_deref()),
        freshness: optional(said.freshness.as_deref()),
        trust: optional(said.trust.as_deref()),
        publisher: optional(said.publisher.as_deref()),
        wallet: optional(said.wallet.as_deref()),
        token: optional(said.token.as_deref()),
        detail: text::cut(&said.detail),
        features,
        ..Verdict::INIT
    }
}

fn state_of(said: &Said) -> State {
    match (&said.code, said.valid) {
        (Code::Undetermined, _) => State::NotKnown,
        (_, true) => State::Yes,
        (_, false) => State::No,
    }
}

/// A daemon that is asked by publisher says so itself; subscriptions have no such question.
fn is_of_another(said: &Said, publisher: Option<&PublisherKey>) -> bool {
    let settled = matches!(said.code, Code::NoProduct | Code::PublisherMismatch);
    publisher
        .is_some_and(|it| !settled && said.publisher.as_deref() != Some(it.to_string().as_str()))
}

fn mismatch(said: &Said) -> Verdict {
    let other = said.publisher.as_deref();
    Verdict {
        state: State::No,
        code: text::whole(Code::PublisherMismatch.as_str()),
        product: text::whole(&said.product),
        publisher: optional(other),
        detail: text::cut(match other {
            Some(_) => "the installed product file is signed by another publisher",
            None => "the installed product file is not signed",
        }),
        ..Verdict::INIT
    }
}

fn optional<const ROOM: usize>(text: Option<&str>) -> [u8; ROOM] {
    text::whole(text.unwrap_or_default())
}

fn moment(text: Option<&str>) -> i64 {
    text.and_then(|it| it.parse::<Timestamp>().ok()).map_or(0, Timestamp::as_second)
}

pub(crate) fn failure_of(error: &ClientError) -> Failure {
    match error {
        ClientError::Unreachable { .. } => Failure::Unreachable,
        ClientError::Untrusted { .. } => Failure::Untrusted,
        ClientError::Refused { .. } => Failure::Refused,
        ClientError::Timeout { .. } => Failure::Timeout,
        ClientError::Protocol { .. } => Failure::Protocol,
    }
}

/// The whole of what went wrong, in one line.
pub(crate) fn words_of(error: &ClientError) -> String {
    let mut words = error.to_string();
    let cause = std::error::Error::source(error).map(ToString::to_string);
    for more in error.detail().map(str::to_owned).into_iter().chain(cause) {
        words = format!("{words}: {more}");
    }
    words
}

#[cfg(test)]
mod tests;
