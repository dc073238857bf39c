//! How what a fake daemon says is told from what is proven: its trust is `fake`, in whatever it answers.

use serde_json::Value;

use crate::rpc::wire::{self, FAKE};
use entitled_core::domain::entitlement::Verdict;
use entitled_core::domain::ids::Timestamp;

/// A verdict as it reads at `now`. Invariant: the one way from a fake's verdict to a reply.
pub(super) fn told(verdict: &Verdict, now: Timestamp) -> wire::Verdict {
    wire::Verdict { trust: Some(FAKE), ..wire::Verdict::at(verdict, now) }
}

/// A reply that somebody wrote, with `fake` for every trust in it.
pub(super) fn marked(mut reply: Value) -> Value {
    let mut open = vec![&mut reply];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    if name == "trust" {
                        *member = Value::from(FAKE);
                    } else {
                        open.push(member);
                    }
                }
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    reply
}
