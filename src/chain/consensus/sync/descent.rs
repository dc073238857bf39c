//! What a light client descends from: the checkpoint it began from, and others found to lead to the committee it
//! follows. Pure.
//!
//! Asked by: `sync`, for what a signature may claim, and to be kept with the light client. Never: outlives the light
//! client it belongs to, or says anything of a signature from before an agreement.
//!
//! Invariant: an agreement names the period in which both light clients held the same committee, under the same
//! specification. From there on they take the same claims; of what was signed before it says nothing.

use std::time::Duration;

use alloy_primitives::B256;

use entitled_core::domain::consensus::Lineage;

/// So many agreements are kept, the newest ones.
const MOST_AGREED: usize = 256;
/// Period, root, age and rest.
const ROW: usize = 8 + 32 + 8 + 8;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::chain) struct Descent {
    /// The checkpoint it began from.
    begun: Lineage,
    /// In the order in which they were found.
    agreed: Vec<Agreement>,
}

/// Another checkpoint leads to the same committee of this period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Agreement {
    period: u64,
    lineage: Lineage,
}

impl Descent {
    /// Begins from `root` when it is so old.
    pub(in crate::chain) fn begin(root: B256, age: Duration) -> Self {
        Self { begun: lineage(root, age), agreed: Vec::new() }
    }

    /// Takes note that a light client begun from `root`, when that was so old, holds the same committee of `period`.
    pub(in crate::chain) fn agree(&mut self, root: B256, age: Duration, period: u64) {
        if self.leads_from(root) {
            return;
        }
        if self.agreed.len() >= MOST_AGREED {
            self.agreed.remove(0);
        }
        self.agreed.push(Agreement { period, lineage: lineage(root, age) });
    }

    /// Takes note that the light client goes on when the newest block it holds to be final is so old.
    pub(in crate::chain) fn rest(&mut self, rest: Duration) {
        let agreed = self.agreed.iter_mut().map(|it| &mut it.lineage);
        for it in agreed.chain([&mut self.begun]) {
            it.rest_s = it.rest_s.max(rest.as_secs());
        }
    }

    pub(in crate::chain) fn began_from(&self, root: B256) -> bool {
        self.begun.root == root
    }

    pub(in crate::chain) fn leads_from(&self, root: B256) -> bool {
        self.began_from(root) || self.agreed().any(|it| it == root)
    }

    /// The checkpoints found to agree.
    pub(in crate::chain) fn agreed(&self) -> impl Iterator<Item = B256> {
        self.agreed.iter().map(|it| it.lineage.root)
    }

    /// What may be claimed of a signature by the committee of `period`.
    pub(in crate::chain) fn claimed_in(&self, period: u64) -> Vec<Lineage> {
        let agreed = self.agreed.iter().filter(|it| it.period <= period).map(|it| it.lineage);
        [self.begun].into_iter().chain(agreed).collect()
    }

    /// As bytes: how many rows, and those; the first is of the checkpoint it began from, whose period says nothing.
    pub(in crate::chain) fn save(&self) -> Vec<u8> {
        let rows = self.agreed.iter().map(|it| (it.period, it.lineage));
        let rows: Vec<_> = [(0, self.begun)].into_iter().chain(rows).collect();
        let mut bytes = u16::try_from(rows.len()).unwrap_or(u16::MAX).to_be_bytes().to_vec();
        for (period, Lineage { root, age_s, rest_s }) in rows {
            bytes.extend(period.to_be_bytes());
            bytes.extend(root);
            bytes.extend(age_s.to_be_bytes());
            bytes.extend(rest_s.to_be_bytes());
        }
        bytes
    }

    /// Reads what [`Descent::save`] wrote, and leaves what stands behind it. `None` when it is something else.
    pub(in crate::chain) fn restore(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (count, rest) = bytes.split_first_chunk::<2>()?;
        let (rows, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*count)) * ROW)?;
        let mut agreed: Vec<Agreement> = rows.as_chunks::<ROW>().0.iter().filter_map(row).collect();
        if agreed.is_empty() || agreed.len() > MOST_AGREED + 1 {
            return None;
        }
        let begun = agreed.remove(0).lineage;
        Some((Self { begun, agreed }, rest))
    }
}

fn lineage(root: B256, age: Duration) -> Lineage {
    Lineage { root, age_s: age.as_secs(), rest_s: 0 }
}

fn row(bytes: &[u8; ROW]) -> Option<Agreement> {
    let (period, rest) = bytes.split_first_chunk::<8>()?;
    let (root, rest) = rest.split_first_chunk::<32>()?;
    let (age, rest) = rest.split_first_chunk::<8>()?;
    let number = u64::from_be_bytes;
    let lineage = Lineage {
        root: B256::from(root),
        age_s: number(*age),
        rest_s: number(rest.try_into().ok()?),
    };
    Some(Agreement { period: number(*period), lineage })
}

#[cfg(test)]
mod tests;
