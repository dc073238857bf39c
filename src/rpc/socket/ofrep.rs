//! OpenFeature's remote evaluation protocol (OFREP), for programs that ask through an OpenFeature SDK.
//!
//! A flag is a question that could be asked by `entitlement_check` as well, and is: it goes through the same caller, with
//! the same limits, permits and counts. Only its form is another. Who asks is the kernel's word; `targetingKey` is not
//! read. Source: open-feature/protocol, `service/openapi.yaml`, 0.3.

mod flag;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use alloy_primitives::{Keccak256, hex};
use http::{StatusCode, Uri};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::message::take_message;
use super::scan;
use crate::rpc::call::answers::Warm;
use crate::rpc::call::caller::Caller;
use crate::rpc::call::enclosure::Line;
use crate::rpc::error::Code;
use entitled_core::domain::ids::{ProductId, clip};
use entitled_core::domain::product::FeatureKinds;

use flag::Flag;

/// The header that names the customer, where an administrator or a delegate asks for one.
pub(crate) const CUSTOMER: &str = "entitled-customer";
/// The header that names the only products whose flags are meant, with commas between: for whoever may ask about these.
pub(crate) const PRODUCTS: &str = "entitled-products";
/// The header that says for how many milliseconds to wait for a chain; and the one by which whoever sends it is told that
/// waiting might have made it another answer.
pub(crate) const WAIT: &str = "entitled-wait-ms";
pub(crate) const UNSETTLED: &str = "entitled-unsettled";
const FLAGS: &str = "/ofrep/v1/evaluate/flags";
/// A longer key names no flag: a product has at most 64 bytes, and so has a feature.
const LONGEST_KEY: usize = 129;
/// Of a product with more features, which one tier alone cannot have, they are not told all at once.
const MOST_FEATURES: usize = 256;
/// What one of them takes of a turn.
const A_FLAG: usize = 128;
/// So many are told in one go.
const FLAGS_AT_ONCE: usize = 8;

/// What a path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked<'a> {
    One(&'a str),
    /// Every flag of one product.
    All,
}

impl<'a> Asked<'a> {
    /// `None` for a path that is none of this protocol.
    pub(super) fn of(path: &'a str) -> Option<Self> {
        match path.strip_prefix(FLAGS)? {
            "" | "/" => Some(Self::All),
            rest => rest.strip_prefix('/').map(Self::One),
        }
    }
}

/// What is answered.
#[derive(Debug)]
pub(super) struct Evaluated {
    pub(super) status: StatusCode,
    pub(super) body: String,
    /// Of all flags of a product: the same for as long as they come to the same.
    pub(super) etag: Option<String>,
    /// Whether it rests on a verdict that is not known, or not fresh.
    pub(super) is_unsettled: bool,
}

/// The attributes that mean something here. All others are the program's own affair.
#[derive(Debug, Default)]
struct Context {
    /// Whose flags, where all are asked for.
    product: Option<String>,
    /// The minisign public key that must have signed the product's file.
    publisher: Option<String>,
    /// Who is asked for: no attribute, but a header, and subject to the permit of every request.
    customer: Option<String>,
    /// The only products that are meant, likewise.
    products: Option<String>,
    /// For how long to wait, likewise.
    wait_ms: Option<String>,
}

/// What is said beside the body.
#[derive(Debug, Default)]
pub(super) struct Terms {
    pub(super) customer: Option<String>,
    pub(super) products: Option<String>,
    pub(super) wait_ms: Option<String>,
}

impl Context {
    /// The flags of a product that is meant.
    fn features_of(&self, caller: &Caller, product: &ProductId) -> Option<Arc<FeatureKinds>> {
        let is_named = |all: &String| all.split(',').any(|it| it.trim() == product.as_str());
        let is_meant = self.products.as_ref().is_none_or(is_named);
        is_meant.then(|| caller.service.answers.features(product)).flatten()
    }
}

/// An object, of which no more is read than is asked for.
type Members<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// Why there is no evaluation.
#[derive(Debug)]
struct Failure {
    status: StatusCode,
    code: &'static str,
    details: String,
}

impl Failure {
    fn new(status: StatusCode, code: &'static str, details: impl Into<String>) -> Self {
        Self { status, code, details: details.into() }
    }

    fn bad(code: &'static str, details: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, details)
    }

    fn not_found(key: &str) -> Self {
        let why = format!(
            "no flag {}: use PRODUCT, PRODUCT.tier or PRODUCT.FEATURE of an installed product",
            clip(key)
        );
        Self::new(StatusCode::NOT_FOUND, "FLAG_NOT_FOUND", why)
    }

    /// Of a refusal as JSON-RPC has it: `error` of a reply.
    fn of(error: &Value) -> Self {
        let details = error["message"].as_str().unwrap_or_default();
        let name = error["data"]["code"].as_str().unwrap_or_default();
        let is = |code: Code| name == code.name();
        if is(Code::PermissionDenied) {
            Self::new(StatusCode::FORBIDDEN, "GENERAL", details)
        } else if is(Code::LimitExceeded) {
            Self::new(StatusCode::TOO_MANY_REQUESTS, "GENERAL", details)
        } else if is(Code::InvalidParams) {
            Self::bad("INVALID_CONTEXT", details)
        } else {
            Self::new(StatusCode::INTERNAL_SERVER_ERROR, "GENERAL", details)
        }
    }

    /// Who may not use the door it came by hears nothing of what is behind it.
    fn refused() -> Self {
        let why = "you may not use this socket";
        Self::new(StatusCode::FORBIDDEN, "GENERAL", why)
    }

    fn into_evaluated(self, asked: Asked<'_>) -> Evaluated {
        let mut body = json!({ "errorCode": self.code, "errorDetails": self.details });
        if let Asked::One(key) = asked {
            body["key"] = Value::from(clip(key));
        }
        Evaluated { status: self.status, body: body.to_string(), etag: None, is_unsettled: false }
    }
}

/// Evaluates what the address and the body ask for.
pub(super) async fn evaluate(
    caller: &Arc<Caller>,
    warm: &Mutex<Box<dyn Warm>>,
    address: &Uri,
    (body, terms): (&[u8], Terms),
) -> Evaluated {
    let Some(asked) = Asked::of(address.path()) else {
        return Failure::not_found(address.path()).into_evaluated(Asked::All);
    };
    let work = async {
        if !caller.is_welcome() {
            return Err(Failure::refused());
        }
        let Terms { customer, products, wait_ms } = terms;
        let given = context(body, caller.limits().depth)?;
        let context = Context { customer, products, wait_ms, ..given };
        match asked {
            Asked::One(key) => one(caller, warm, key, &context).await,
            Asked::All => {
                let query = address.query().unwrap_or_default().as_bytes();
                let named = url::form_urlencoded::parse(query)
                    .find_map(|(name, value)| (name == "product").then(|| value.into_owned()));
                all(caller, warm, named, &context).await
            }
        }
    };
    work.await.unwrap_or_else(|failure| failure.into_evaluated(asked))
}

async fn one(
    caller: &Arc<Caller>,
    warm: &Mutex<Box<dyn Warm>>,
    key: &str,
    context: &Context,
) -> Result<Evaluated, Failure> {
    let found = (key.len() <= LONGEST_KEY)
        .then(|| Flag::named(key, |product| context.features_of(caller, product)))
        .flatten();
    let (product, flag) = found.ok_or_else(|| Failure::not_found(key))?;
    let verdict = check(caller, warm, &product, context).await?;
    if verdict["code"] == "NO_PRODUCT" {
        return Err(Failure::not_found(key));
    }
    let body = flag.evaluation(key, &verdict).to_string();
    let is_unsettled = is_unsettled(&verdict);
    Ok(Evaluated { status: StatusCode::OK, body, etag: None, is_unsettled })
}

async fn all(
    caller: &Arc<Caller>,
    warm: &Mutex<Box<dyn Warm>>,
    named: Option<String>,
    context: &Context,
) -> Result<Evaluated, Failure> {
    let wrong = |why: &str| Failure::bad("INVALID_CONTEXT", why);
    let named = named.as_ref().or(context.product.as_ref()).ok_or_else(|| {
        wrong("name the product whose flags you want: `?product=PRODUCT`, or `product` in the context")
    })?;
    let product: ProductId = named.parse().map_err(|_| wrong("`product` is not a product id"))?;
    let features = context.features_of(caller, &product).ok_or_else(|| wrong("no such product"))?;
    if features.len() > MOST_FEATURES {
        let why =
            format!("the product has more than {MOST_FEATURES} features: evaluate them one by one");
        return Err(wrong(&why));
    }
    let verdict = check(caller, warm, &product, context).await?;
    if verdict["code"] == "NO_PRODUCT" {
        return Err(wrong("no such product"));
    }
    let flags = Flag::all(&product, &features);
    let (mut told, mut digest) = (Vec::with_capacity(flags.len()), Keccak256::new());
    for some in flags.chunks(FLAGS_AT_ONCE) {
        // Others have their turns between them, however many connections ask for all flags at a time.
        caller.turn.take(some.len() * A_FLAG).await;
        for (key, flag) in some {
            let evaluation = flag.evaluation(key, &verdict);
            told.push(evaluation.to_string());
            digest.update(lasting(evaluation).to_string());
        }
    }
    let body = format!(r#"{{"flags":[{}]}}"#, told.join(","));
    let etag = format!("W/\"{}\"", hex::encode(&digest.finalize()[..16]));
    let is_unsettled = is_unsettled(&verdict);
    Ok(Evaluated { status: StatusCode::OK, body, etag: Some(etag), is_unsettled })
}

fn is_unsettled(verdict: &Value) -> bool {
    let is_fresh = verdict["freshness"].as_str().is_none_or(|it| it == "fresh");
    verdict["code"] == "UNDETERMINED" || !is_fresh
}

/// The verdict, asked for as any program asks for it.
async fn check(
    caller: &Arc<Caller>,
    warm: &Mutex<Box<dyn Warm>>,
    product: &ProductId,
    context: &Context,
) -> Result<Value, Failure> {
    let mut params = json!({ "product": product.as_str() });
    if let Some(publisher) = &context.publisher {
        params["publisher"] = Value::from(publisher.as_str());
    }
    if let Some(customer) = &context.customer {
        params["customer"] = Value::from(customer.as_str());
    }
    if let Some(wait) = &context.wait_ms {
        // What is no number is left to be refused like any other.
        params["wait_ms"] =
            wait.parse().map_or_else(|_| Value::from(wait.as_str()), |it: u64| Value::from(it));
    }
    // In the form that is answered on the shortest way.
    let request =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"entitlement_check","params":{params}}}"#);
    let mut out = Vec::new();
    let later = {
        let mut warm = warm.lock().unwrap_or_else(PoisonError::into_inner);
        take_message(caller, &mut **warm, request.as_bytes(), Line::default(), &mut out)
    };
    if let Some(later) = later {
        out = later.await.bytes;
    }
    let mut reply: Value = serde_json::from_slice(&out).unwrap_or_default();
    match reply.get("error") {
        Some(error) => Err(Failure::of(error)),
        None => Ok(reply["result"].take()),
    }
}

fn context(body: &[u8], depth: usize) -> Result<Context, Failure> {
    let body = body.trim_ascii();
    if body.is_empty() {
        return Ok(Context::default());
    }
    let frame = scan::only_frame(body, depth).map_err(|_| {
        Failure::bad("PARSE_ERROR", "the body is not one JSON object, or nests too deep")
    })?;
    let broken = |_| Failure::bad("PARSE_ERROR", "the body is not a JSON object");
    let body: Members<'_> = serde_json::from_slice(frame).map_err(broken)?;
    let wrong = |_| {
        let why = "`context` is an object; in it, `product` and `publisher` are texts";
        Failure::bad("INVALID_CONTEXT", why)
    };
    let Some(given) = body.get("context").filter(|it| it.get() != "null") else {
        return Ok(Context::default());
    };
    let given: Members<'_> = serde_json::from_str(given.get()).map_err(wrong)?;
    let text = |name: &str| given.get(name).map(|it| serde_json::from_str(it.get())).transpose();
    Ok(Context {
        product: text("product").map_err(wrong)?,
        publisher: text("publisher").map_err(wrong)?,
        ..Context::default()
    })
}

/// What of a flag goes into the tag of all of them. The block at which it was seen moves on by itself, and is no part of
/// it: so the tag is a weak one (RFC 9110, 8.8.1).
fn lasting(mut flag: Value) -> Value {
    if let Some(metadata) = flag["metadata"].as_object_mut() {
        metadata.remove("block");
    }
    flag
}

/// Whether the tag is among those of `If-None-Match`, by weak comparison.
pub(super) fn is_known(etag: &str, if_none_match: &str) -> bool {
    let bare = |it: &'_ str| it.trim().trim_start_matches("W/").to_owned();
    if_none_match.split(',').any(|it| it.trim() == "*" || bare(it) == bare(etag))
}
