//! The beacon API as light clients use it (ethereum/beacon-APIs, `apis/beacon/light_client/`): from a target to
//! a status and a body.

use alloy_primitives::{B256, hex};
use serde_json::{Value, json};

use super::chain::BeaconChain;

/// Where everything for light clients is.
pub const LIGHT_CLIENT: &str = "/eth/v1/beacon/light_client";

/// How many updates one answer has at most (`MAX_REQUEST_LIGHT_CLIENT_UPDATES`).
const MOST_UPDATES: u64 = 128;

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    fn ok(body: Value) -> Self {
        Self { status: 200, body }
    }

    /// In the API's form of an error.
    pub fn error(status: u16, message: &str) -> Self {
        Self { status, body: json!({"code": status, "message": message}) }
    }

    fn found(message: Option<Value>, absent: &str) -> Self {
        message.map_or_else(|| Self::error(404, absent), Self::ok)
    }
}

/// What a beacon node that knows `chain` answers to `GET` of `target`.
pub fn answer(chain: &BeaconChain, target: &str) -> Answer {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match path {
        "/eth/v1/beacon/genesis" => Answer::ok(chain.schedule.genesis()),
        "/eth/v1/config/spec" => Answer::ok(settings(chain)),
        _ => match path.strip_prefix(LIGHT_CLIENT) {
            Some("/updates") => updates(chain, query),
            Some("/finality_update") => {
                Answer::found(chain.finality_update(), "LC finality update unavailable")
            }
            Some("/optimistic_update") => {
                Answer::found(chain.optimistic_update(), "LC optimistic update unavailable")
            }
            Some(rest) => match rest.strip_prefix("/bootstrap/").map(str::parse::<B256>) {
                Some(Ok(root)) => Answer::found(chain.bootstrap(root), "LC bootstrap unavailable"),
                Some(Err(_)) => Answer::error(400, "Invalid block root value"),
                None => Answer::error(404, "Not found"),
            },
            None => Answer::error(404, "Not found"),
        },
    }
}

/// What a static web server answers that has nothing but the mirror of [`super::files`].
pub fn answer_as_mirror(chain: &BeaconChain, target: &str) -> Answer {
    let Some(name) = target.strip_suffix(".json") else { return Answer::error(404, "Not found") };
    let asked = match name.strip_prefix(LIGHT_CLIENT).and_then(|it| it.strip_prefix("/updates/")) {
        Some(period) => format!("{LIGHT_CLIENT}/updates?start_period={period}&count=1"),
        None => name.to_owned(),
    };
    match answer(chain, &asked) {
        found if found.status == 200 && found.body != json!([]) => found,
        _ => Answer::error(404, "Not found"),
    }
}

fn updates(chain: &BeaconChain, query: &str) -> Answer {
    let value = |name: &str| {
        let mut pairs = query.split('&').filter_map(|it| it.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.parse::<u64>())
    };
    match (value("start_period"), value("count")) {
        (Some(Ok(start)), Some(Ok(count))) => {
            Answer::ok(Value::Array(chain.updates(start, count.min(MOST_UPDATES))))
        }
        (Some(Err(_)), _) => Answer::error(400, "Invalid sync committee period requested"),
        (_, Some(Err(_))) => Answer::error(400, "Invalid count requested"),
        (None, _) => Answer::error(400, "Missing `start_period` value"),
        (_, None) => Answer::error(400, "Missing `count` value"),
    }
}

/// The part of a node's settings that concerns light clients.
fn settings(chain: &BeaconChain) -> Value {
    let schedule = &chain.schedule;
    let mut data = json!({
        "SECONDS_PER_SLOT": schedule.seconds_per_slot.to_string(),
        "SLOTS_PER_EPOCH": schedule.slots_per_epoch.to_string(),
        "EPOCHS_PER_SYNC_COMMITTEE_PERIOD": schedule.epochs_per_period.to_string(),
        "SYNC_COMMITTEE_SIZE": super::committee::SIZE.to_string(),
    });
    for fork in &schedule.forks {
        let name = fork.form.name().to_uppercase();
        data[format!("{name}_FORK_EPOCH")] = json!(fork.epoch.to_string());
        data[format!("{name}_FORK_VERSION")] = json!(hex::encode_prefixed(fork.version));
    }
    json!({"data": data})
}
