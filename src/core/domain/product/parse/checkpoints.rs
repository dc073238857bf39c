//! `[[checkpoint]]`: the beacon blocks a vendor vouches for.

use std::time::Duration;

use alloy_primitives::B256;

use crate::domain::consensus::{Checkpoint, DEFAULT_MAX_AGE};
use crate::domain::product::document::Node;
use crate::domain::product::section::{Section, duration, parsed, text, whole};

const MOST_CHECKPOINTS: usize = 256;
const SHORTEST_MAX_AGE: Duration = Duration::from_secs(1);
const LONGEST_MAX_AGE: Duration = Duration::from_secs(3_660 * 86_400);

pub(super) fn checkpoints(file: &mut Section<'_>) -> Vec<Checkpoint> {
    let sections = file.sections("checkpoint");
    if sections.len() > MOST_CHECKPOINTS {
        file.flaw("checkpoint", format!("may be at most {MOST_CHECKPOINTS}"));
    }
    sections.into_iter().take(MOST_CHECKPOINTS).filter_map(checkpoint).collect()
}

fn checkpoint(mut section: Section<'_>) -> Option<Checkpoint> {
    let chain = section.required("chain", parsed);
    let root = section.required("root", |node| {
        let wrong = |_| "must be a beacon block's root: 0x and 64 digits".to_owned();
        text(node)?.parse::<B256>().map_err(wrong)
    });
    let slot = section.optional("slot", whole(0, u64::MAX >> 1));
    let max_age =
        section.or("max_age", DEFAULT_MAX_AGE, duration(SHORTEST_MAX_AGE, LONGEST_MAX_AGE));
    let given = section.has("spec");
    let spec = section.optional("spec", digest);
    section.finish();
    // A specification that could not be read must not turn into the one the program brings along.
    if given && spec.is_none() {
        return None;
    }
    Some(Checkpoint { chain: chain?, root: root?, slot, max_age, spec })
}

fn digest(node: &Node) -> Result<B256, String> {
    text(node)?.strip_prefix("sha256:").and_then(|it| it.parse().ok()).ok_or_else(|| {
        "must be `sha256:` and the 64 digits that `sha256sum` gives for the specification's file"
            .to_owned()
    })
}

#[cfg(test)]
mod tests;
