//! What a grant is about, however its tokens are found.

use serde::{Deserialize, Serialize};

use super::Grant;
use crate::domain::ids::{Collection, TierName};
use crate::domain::ownership::{IdRanges, Reach, Rule};

/// What a grant is about. How its tokens are found may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantName {
    tier: TierName,
    collection: Collection,
    ids: IdRanges,
    rule: Rule,
    reach: Reach,
}

impl GrantName {
    pub fn tier(&self) -> &TierName {
        &self.tier
    }
}

impl From<&Grant> for GrantName {
    fn from(grant: &Grant) -> Self {
        let Grant { tier, collection, ids, rule, reach, .. } = grant;
        let (tier, ids) = (tier.clone(), ids.clone());
        Self { tier, collection: *collection, ids, rule: *rule, reach: *reach }
    }
}
