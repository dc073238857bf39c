//! What to do about a verdict that is no yes: by its code, and where a code has causes that want different things, by what the daemon
//! says of the cause and by what lies on this machine.

use std::collections::BTreeSet;

use entitled_client::{Code, Verdict};
use entitled_core::domain::ownership::Cause;
use serde_json::Value;

use crate::session::{Question, Session};
use crate::{configured, session, tables};

/// What to do about this verdict.
pub(crate) fn next_step(session: &Session, verdict: &Verdict) -> String {
    let told = match verdict.code {
        Code::NoProduct => configured::refused_for(session, &verdict.product).map(|file| {
            format!(
                "the file {} is meant for it and has a mistake: `entitlectl doctor` says which, or `entitlectl product lint`",
                file.display()
            )
        }),
        Code::Undetermined => hopeless(session, verdict),
        Code::TrustTooLow => lacking(&verdict.detail).map(str::to_owned),
        _ => None,
    };
    told.unwrap_or_else(|| of_code(&verdict.code, &verdict.product))
}

/// What helps where waiting does not.
fn hopeless(session: &Session, verdict: &Verdict) -> Option<String> {
    let is = |cause: Cause| verdict.detail.ends_with(&cause.to_string());
    let who = match () {
        () if is(Cause::NotConfigured) => {
            let chains = not_configured(session, &verdict.product);
            let id = match chains.is_empty() {
                true => "with the `id` of its chain".to_owned(),
                false => {
                    let ids = chains.iter().map(|it| format!("`id = {it:?}`"));
                    format!("with {}", ids.collect::<Vec<_>>().join(", and one with "))
                }
            };
            format!("the administrator of this machine adds a `[[chain]]` {id} to the configuration")
        }
        () if is(Cause::WrongChain) => "the administrator of this machine corrects the chain's endpoints, `id` or `genesis`; `entitlectl doctor` says which".to_owned(),
        () if is(Cause::NoContract) => "the vendor corrects the address in the product file, or the administrator of this machine the chain; `entitlectl doctor` names it".to_owned(),
        () if is(Cause::TrustOutOfReach) => "the administrator of this machine adds endpoints of other providers, and sets `trust` of the chain".to_owned(),
        () if is(Cause::Unsupported) => "the administrator of this machine adds an endpoint that gives proofs (eth_getProof)".to_owned(),
        () => return None,
    };
    Some(format!("waiting does not help: {who}"))
}

/// The chains that a product names and the daemon does not have.
fn not_configured(session: &Session, product: &str) -> BTreeSet<String> {
    let listed = session.ask_all_as_is(Question::new("product_list")).unwrap_or_default();
    let pages = listed.iter().filter_map(|it| session::read::<Value>("product_list", it).ok());
    let products: Vec<Value> = pages.flat_map(tables::items).collect();
    let grants = products.iter().filter(|it| tables::text(it, "id") == product);
    let grants = grants.flat_map(|it| tables::items(tables::field(it, "grants").clone()));
    let named = grants.filter_map(|it| {
        let token = tables::text(&it, "token");
        token.split_once('/').map(|(chain, _)| chain.to_owned())
    });
    let health = session.ask_as_is(&Question::new("system_health"));
    let health = health.and_then(|it| session::read::<Value>("system_health", &it));
    // Where that cannot be known, none is called missing.
    let Ok(health) = health else { return BTreeSet::new() };
    let chains = tables::items(tables::field(&health, "chains").clone());
    let has = |id: &String| chains.iter().any(|it| tables::text(it, "id") == id);
    named.filter(|it| !has(it)).collect()
}

/// What a proof lacks, by `seen only with trust single at latest; the product asks for quorum at finalized`.
fn lacking(detail: &str) -> Option<&'static str> {
    let (_, told) = detail.split_once("seen only with trust ")?;
    let (seen, asked) = told.split_once("; the product asks for ")?;
    let (seen, _) = seen.split_once(" at ")?;
    let (asked, _) = asked.split_once(" at ")?;
    let rank = |trust: &str| ["single", "quorum", "consensus"].iter().position(|it| *it == trust);
    (rank(seen)? >= rank(asked)?).then_some("wait for the chain to settle")
}

/// What to do about a "no" to this product.
pub(crate) fn of_code(code: &Code, product: &str) -> String {
    step(code).replace("PRODUCT", product)
}

fn step(code: &Code) -> &'static str {
    match code {
        Code::NoProduct => {
            "install the software, or its product file; `entitlectl product list` shows what is installed"
        }
        Code::NoWallet => "link the wallet that holds the licence: `entitlectl wallet link`",
        Code::NotHeld => {
            "get a licence, or link the wallet that holds it; `entitlectl wallet list` shows those linked"
        }
        Code::Expired => "renew the licence with its vendor; the daemon sees it by itself",
        Code::FeatureMissing => {
            "a higher tier may have it; `entitlectl tier list --product PRODUCT` compares"
        }
        Code::Suspended => {
            "ask the administrator of this machine; `entitlectl why PRODUCT` names the reason"
        }
        Code::TrustTooLow => {
            "wait for the chain to settle, and ask the administrator for more independent endpoints"
        }
        Code::Undetermined => {
            "try again when the chain can be reached; `entitlectl status` shows its state"
        }
        Code::PublisherMismatch => {
            "install the product file that its vendor signed; `entitlectl product list` names the publishers"
        }
        Code::Valid | Code::Grace | Code::Other(_) => "`entitlectl why PRODUCT` shows the steps",
    }
}

#[cfg(test)]
mod tests;
