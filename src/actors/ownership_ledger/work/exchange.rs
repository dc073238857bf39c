//! The one change after which a file outside of the store is destroyed: the key that no record names any more.

use actix::prelude::*;

use super::{Change, answer};
use crate::actors::ownership_ledger::OwnershipLedger;
use crate::actors::ownership_ledger::messages::ReplaceSealedKeys;
use crate::store::tables::sealed_keys;

impl Handler<ReplaceSealedKeys> for OwnershipLedger {
    type Result = Change<u64>;

    fn handle(&mut self, it: ReplaceSealedKeys, _: &mut Self::Context) -> Self::Result {
        let replaced = self.store.write_in_place(move |changes| {
            sealed_keys::replace(changes, &it.replacements, &it.detail, &it.asked)
        });
        answer("replace sealed keys", replaced)
    }
}
