//! What a method may answer instead of its result, and an example of it.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::rpc::error::Code;

/// `{METHOD: {"params": {…}, "result": …}}`. The results are what a real daemon answered; the test that executes the
/// examples writes them anew when it is asked to.
static EXAMPLES: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    // A text that cannot be read leaves the methods without examples, which a test notices.
    serde_json::from_str(include_str!("examples.json")).unwrap_or_default()
});

/// What any method may answer with.
const ANY: [Code; 6] = [
    Code::InvalidParams,
    Code::Internal,
    Code::PermissionDenied,
    Code::LimitExceeded,
    Code::StoreUnavailable,
    Code::Busy,
];

/// The errors of a method. Who can name a customer can name one that is not there.
pub(super) fn errors(method: &str, names_customer: bool) -> Vec<Code> {
    use Code::{ChainUnavailable, Conflict, Locked, NotFound, SignatureInvalid};
    let own: &[Code] = match method {
        "entitlement_receipt" => &[NotFound, Conflict, Locked, ChainUnavailable],
        "receipt_import" => &[NotFound, Conflict, ChainUnavailable, SignatureInvalid],
        "wallet_create" => &[Locked],
        "wallet_link" => &[Conflict, ChainUnavailable, SignatureInvalid],
        "wallet_import" | "wallet_sign" | "wallet_export" => &[Conflict, Locked],
        "wallet_verify" => &[ChainUnavailable, SignatureInvalid],
        "wallet_unlink" | "customer_create" | "store_backup" => &[Conflict],
        "token_verify" | "product_check" => &[ChainUnavailable],
        "ownership_record" => &[Conflict, ChainUnavailable],
        "tier_list" => &[NotFound],
        "customer_update" | "customer_deactivate" => &[NotFound, Conflict],
        "product_install" | "product_trust" | "product_remove" | "system_reload" => {
            &[NotFound, Conflict]
        }
        "ownership_suspend" | "ownership_reinstate" => &[NotFound, Conflict],
        "keys_unlock" | "keys_rotate" => &[Conflict, Locked],
        "seat_acquire" | "seat_borrow" => &[Conflict],
        "seat_adopt" | "seat_revoke" => &[NotFound, Conflict],
        "seat_release" => &[Conflict],
        "seat_request" => &[NotFound, Locked],
        "seat_lend" => &[NotFound, Conflict, Locked, ChainUnavailable, SignatureInvalid],
        "seat_import" => &[NotFound, Conflict, Locked, SignatureInvalid],
        "seat_return" => &[NotFound, Locked],
        "fleet_evict" => &[NotFound, Conflict],
        "fleet_status" | "fleet_drain" | "fleet_restored" => &[Conflict],
        "chain_sync" => &[NotFound, Conflict, ChainUnavailable],
        _ => &[],
    };
    let customer = names_customer.then_some(NotFound);
    let mut errors: Vec<Code> = ANY.into_iter().chain(customer).collect();
    errors.extend(own.iter().filter(|it| Some(**it) != customer));
    errors
}

/// The example of a method as OpenRPC's `examples`: a list of one.
pub(super) fn example(method: &str) -> Value {
    let Some(example) = EXAMPLES.get(method) else { return json!([]) };
    let params = example["params"].as_object();
    let params = params.into_iter().flatten();
    let params: Vec<Value> =
        params.map(|(name, value)| json!({ "name": name, "value": value })).collect();
    json!([{
        "name": method,
        "params": params,
        "result": { "name": "result", "value": example["result"] },
    }])
}
