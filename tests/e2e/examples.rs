//! The examples of the API's document, executed: each is asked as it stands there, and what comes back has the form that
//! the document gives it. `BLESS=1` writes the results down anew.

use std::collections::BTreeSet;
use std::path::PathBuf;

use alloy_primitives::{Address, hex};
use alloy_signer::SignerSync as _;
use alloy_signer_local::PrivateKeySigner;
use entitled::rpc::openrpc;
use serde_json::{Map, Value, json};

use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::settings::{ProductFile, Settings};
use crate::support::socket::Line;
use crate::support::stage::ACME;

/// The holder of the examples: key number one, which everybody knows.
const HOLDER: &str = "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf";

/// What has to be there for the others; then all others as the document has them; then what takes things away.
const FIRST: [&str; 4] =
    ["product_install", "wallet_import", "ownership_record", "entitlement_check"];
const LAST: [&str; 5] =
    ["wallet_unlink", "customer_deactivate", "product_remove", "keys_rotate", "store_backup"];

/// What this daemon cannot do: its keys are in a file, its chain has no validators, its product no publisher, and its only
/// seat was given back; it is in no fleet, and the receipt and the files of loans in the document are cut short. It answers with an error that the document names.
const CANNOT: [&str; 12] = [
    "keys_unlock",
    "chain_sync",
    "entitlement_receipt",
    "receipt_import",
    "seat_revoke",
    "seat_lend",
    "seat_import",
    "seat_return",
    "fleet_status",
    "fleet_evict",
    "fleet_drain",
    "fleet_restored",
];

fn document() -> &'static Value {
    openrpc::document()
}

fn methods() -> &'static Vec<Value> {
    document()["methods"].as_array().unwrap()
}

fn method(name: &str) -> &'static Value {
    methods().iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("no method {name}"))
}

fn in_order() -> Vec<&'static str> {
    let all = methods().iter().map(|it| it["name"].as_str().unwrap());
    let rest = all.filter(|it| !FIRST.contains(it) && !LAST.contains(it));
    FIRST.into_iter().chain(rest).chain(LAST).collect()
}

/// A daemon and its chain, as the examples speak of them: `eip155:1` there is the test's chain here.
struct Scene {
    daemon: Daemon,
    line: Line,
    admin: Line,
    anvil: Anvil,
    /// What earlier examples answered, for those that need it.
    challenge: String,
    signature: String,
    customer: String,
    subscription: u64,
    seat: Value,
}

impl Scene {
    fn start() -> Self {
        let anvil = Anvil::start();
        let licence = Contract::licence(&anvil);
        licence.mint(&anvil, HOLDER.parse::<Address>().unwrap(), 7);
        anvil.finalize();
        let product = ProductFile::acme(&licence.collection());
        let daemon = Daemon::start(&Settings::new([anvil.url()]).product(product));
        let (line, admin) =
            (Line::connect(&daemon.socket()), Line::connect(&daemon.admin_socket()));
        let (challenge, signature, customer, seat) = Default::default();
        Self { daemon, line, admin, anvil, challenge, signature, customer, subscription: 0, seat }
    }

    /// The parameters of the example, with what only a running daemon can know.
    fn params(&self, name: &str) -> Value {
        let given = method(name)["examples"][0]["params"].as_array();
        let given = given.unwrap_or_else(|| panic!("{name} has no example"));
        let params: Map<String, Value> = given
            .iter()
            .map(|it| (it["name"].as_str().unwrap().to_owned(), it["value"].clone()))
            .collect();
        let text = Value::from(params).to_string().replace("eip155:1/", "eip155:31337/");
        let mut params: Value =
            serde_json::from_str(&text.replace("\"eip155:1\"", "\"eip155:31337\"")).unwrap();
        match name {
            "wallet_link" => {
                let key = PrivateKeySigner::from_slice(&[&[0; 31][..], &[2]].concat()).unwrap();
                let signature = key.sign_message_sync(self.challenge.as_bytes()).unwrap();
                params["message"] = json!(self.challenge);
                params["signature"] = json!(hex::encode_prefixed(signature.as_bytes()));
            }
            "wallet_verify" => params["signature"] = json!(self.signature),
            "customer_update" | "customer_deactivate" => params["customer"] = json!(self.customer),
            "seat_adopt" => params["token"] = self.seat["adopt"].clone(),
            "seat_release" | "seat_revoke" => params["seat"] = self.seat["seat"].clone(),
            "entitlement_unsubscribe" | "seat_unsubscribe" => {
                params["subscription"] = json!(self.subscription)
            }
            _ => {}
        }
        params
    }

    fn execute(&mut self, name: &str, params: &Value) -> Result<Value, String> {
        let is_admin = method(name)["description"].as_str().unwrap().contains("admin");
        let line = if is_admin { &mut self.admin } else { &mut self.line };
        let result = line.call(name, params).map_err(|it| {
            it.data["code"].as_str().unwrap_or_else(|| panic!("{name}: {it:?}")).to_owned()
        })?;
        let text = |key: &str| result[key].as_str().unwrap().to_owned();
        match name {
            "wallet_challenge" => self.challenge = text("message"),
            "wallet_sign" => self.signature = text("signature"),
            "customer_create" => self.customer = text("id"),
            "seat_acquire" => self.seat = result.clone(),
            "entitlement_subscribe" | "seat_subscribe" => {
                self.subscription = result.as_u64().unwrap()
            }
            "wallet_import" => drop(self.daemon.wait_for_code(ACME, "VALID")),
            _ => {}
        }
        Ok(result)
    }

    /// As the document may show it: nothing of this test's own places.
    fn shown(&self, value: &Value) -> Value {
        let home = self.daemon.home().display();
        let text = value
            .to_string()
            .replace("eip155:31337", "eip155:1")
            .replace("chain 31337", "chain 1")
            .replace("Chain ID: 31337", "Chain ID: 1")
            .replace(&self.anvil.url(), "https://rpc.example")
            .replace(&format!("{home}/state"), "/var/lib/entitled")
            .replace(&format!("{home}/vendor"), "/usr/share/entitled/products.d")
            .replace(&format!("{home}/local"), "/etc/entitled/products.d");
        serde_json::from_str(&text).unwrap()
    }
}

#[test]
fn every_example_is_answered_as_the_document_says() {
    let mut scene = Scene::start();
    let mut blessed = Map::new();
    for name in in_order() {
        let params = scene.params(name);
        let schema = &method(name)["result"]["schema"];
        let shown = &method(name)["examples"][0]["result"]["value"];
        let result = match scene.execute(name, &params) {
            Ok(result) => {
                assert!(!CANNOT.contains(&name), "{name} was not thought to be possible");
                fits(schema, &result).unwrap_or_else(|it| panic!("{name}: {it} in {result}"));
                // The document itself is no example of itself.
                if name == "rpc_discover" {
                    json!({"openrpc": "1.3.2"})
                } else {
                    scene.shown(&result)
                }
            }
            Err(code) => {
                assert!(CANNOT.contains(&name), "{name}: {code}");
                let reference = json!({ "$ref": format!("#/components/errors/{code}") });
                let named = method(name)["errors"].as_array().unwrap();
                assert!(
                    named.contains(&reference),
                    "{name} answers {code}, which it does not name"
                );
                shown.clone()
            }
        };
        let params = scene.shown(&params);
        blessed.insert(name.to_owned(), json!({ "params": params, "result": result }));
    }
    if std::env::var_os("BLESS").is_some() {
        blessed["keys_unlock"]["result"] = blessed["keys_status"]["result"].clone();
        blessed["seat_revoke"]["result"] =
            json!({ "revoked": blessed["seat_list"]["result"]["items"][0] });
        blessed["chain_sync"]["result"] = json!({ "learned": false, "sync": null });
        // Whichever commit this is, it is not the one that is looked at later.
        blessed["system_version"]["result"]["git"] = json!("3f2a91c07b5e");
        let text = serde_json::to_string_pretty(&Value::from(blessed)).unwrap();
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/rpc/openrpc/examples.json");
        std::fs::write(path, text + "\n").unwrap();
        return;
    }
    for method in methods() {
        let (name, schema) = (&method["name"], &method["result"]["schema"]);
        let shown = &method["examples"][0]["result"]["value"];
        fits(schema, shown).unwrap_or_else(|it| panic!("{name}, as shown: {it} in {shown}"));
    }
}

#[test]
fn a_notification_is_as_the_document_says() {
    let scene = Scene::start();
    let described = &document()["x-notifications"][0];
    let mut line = Line::connect(&scene.daemon.socket());
    line.call("entitlement_subscribe", &json!({ "product": ACME })).unwrap();
    let told = line.hear().unwrap();
    assert_eq!(told["method"], described["name"]);
    let params = told["params"].as_object().unwrap();
    let described = described["params"].as_array().unwrap();
    let names: BTreeSet<&str> = described.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert!(params.contains_key("result") && !params.contains_key("error"), "{told}");
    assert!(params.keys().all(|it| names.contains(it.as_str())), "{told}");
    for param in described {
        match params.get(param["name"].as_str().unwrap()) {
            Some(value) => fits(&param["schema"], value).unwrap(),
            None => assert_eq!(param["required"], false, "{param}"),
        }
    }
}

/// Whether `value` is of the form of `schema`, as far as the document uses JSON Schema. A member that the schema does not
/// describe is wrong here, although clients have to bear it.
pub(crate) fn fits(schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(target) = schema["$ref"].as_str() {
        return fits(document().pointer(target.trim_start_matches('#')).unwrap(), value);
    }
    if let Some(options) = schema["anyOf"].as_array() {
        let tried: Vec<_> = options.iter().map(|it| fits(it, value)).collect();
        let is_one = tried.iter().any(Result::is_ok);
        return if is_one { Ok(()) } else { Err(format!("{tried:?}")) };
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        return Err(format!("{value} is none of {words:?}"));
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    let is_of = |kind: &str| match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    if !types.iter().any(|it| is_of(it)) {
        return Err(format!("{value} is not {types:?}"));
    }
    for item in value.as_array().into_iter().flatten() {
        fits(&schema["items"], item)?;
    }
    let Some(members) = value.as_object() else { return Ok(()) };
    for name in schema["required"].as_array().into_iter().flatten() {
        if !members.contains_key(name.as_str().unwrap()) {
            return Err(format!("{name} is missing"));
        }
    }
    for (name, member) in members {
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Value::Null, Value::Null | Value::Bool(_)) if schema["properties"].is_object() => {
                return Err(format!("{name} is not described"));
            }
            (Value::Null, Value::Null | Value::Bool(_)) => {}
            (Value::Null, of_all) => fits(of_all, member)?,
            (of_this, _) => fits(of_this, member)?,
        }
    }
    Ok(())
}
