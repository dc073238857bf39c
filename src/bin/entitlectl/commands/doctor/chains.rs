//! The chains and their endpoints, with a proof made now, and the installed products against them.

use serde_json::Value;

use super::daemon::unknown;
use super::{Findings, State};
use crate::session::{PROOF_WAIT, Question, Session};
use crate::{session, tables, words};

pub(super) fn examine(findings: &mut Findings, session: &Session) {
    let checked = Question::admin("product_check");
    let checked = session
        .patient(PROOF_WAIT)
        .ask_as_is(&checked)
        .and_then(|it| session::read::<Value>(checked.method, &it));
    let checked = match checked {
        Ok(checked) => checked,
        Err(failure) => {
            unknown(findings, "chains", &failure);
            return;
        }
    };
    for chain in tables::items(tables::field(&checked, "chains").clone()) {
        let id = tables::text(&chain, "chain");
        match tables::field(&chain, "proven") == true {
            true => findings.well("chains", format!("{id}: something was proven just now")),
            false => findings.add(
                "chains",
                State::Bad,
                format!("{id}: nothing can be proven now: {}", tables::text(&chain, "cause")),
                "see its endpoints below; more of them, of different providers, help",
            ),
        }
    }
    endpoints(findings, session, &checked);
    products(findings, &checked);
}

/// `checked`: which of them proved something just now, and why the others did not.
fn endpoints(findings: &mut Findings, session: &Session, checked: &Value) {
    let question = Question::admin("chain_status");
    let status = session.ask_as_is(&question);
    let chains = match status.and_then(|it| session::read::<Value>(question.method, &it)) {
        Ok(status) => tables::items(status),
        Err(failure) => return unknown(findings, "endpoints", &failure),
    };
    if chains.is_empty() {
        let said = "no chain is configured: nothing can be proven";
        findings.add("chains", State::Bad, said, "add a `[[chain]]` to the configuration");
    }
    for chain in &chains {
        let id = tables::text(chain, "id");
        for it in tables::items(tables::field(chain, "endpoints").clone()) {
            endpoint(findings, id, &it, proof(checked, id, tables::text(&it, "url")));
        }
        let sync = tables::field(chain, "sync");
        if sync.is_object() && tables::text(sync, "state") != "synced" {
            let (state, trouble) = (tables::text(sync, "state"), tables::text(sync, "trouble"));
            let colon = if trouble.is_empty() { "" } else { ": " };
            let said = format!("{id}: the light client is {state}{colon}{trouble}");
            findings.add("chains", State::Warning, said, "`entitlectl chain sync` waits for it");
        }
    }
}

/// What came of asking one endpoint for a proof.
fn proof<'a>(checked: &'a Value, chain: &str, url: &str) -> Option<&'a Value> {
    let chains = tables::field(checked, "chains").as_array()?;
    let chain = chains.iter().find(|it| tables::text(it, "chain") == chain)?;
    let endpoints = tables::field(chain, "endpoints").as_array()?;
    endpoints.iter().find(|it| tables::text(it, "url") == url)
}

fn endpoint(findings: &mut Findings, chain: &str, endpoint: &Value, proof: Option<&Value>) {
    let url = words::tame(tables::text(endpoint, "url"));
    let state = tables::text(endpoint, "state");
    let proven = proof.is_some_and(|it| tables::field(it, "proven") == true);
    let cause = proof.map(|it| words::tame(tables::text(it, "cause"))).unwrap_or_default();
    let said = format!("{chain}: {url}");
    match (proven, state) {
        (true, "ok" | "untried") => {
            findings.well("endpoints", format!("{said} proved something just now"));
        }
        (true, _) => {
            let said = format!("{said} proved something just now, and is {}", words::tame(state));
            findings.add("endpoints", State::Warning, said, mend(state));
        }
        (false, _) => {
            let last = words::tame(tables::text(endpoint, "last_fault.message"));
            let why = if cause.is_empty() { last } else { cause };
            let colon = if why.is_empty() { "" } else { ": " };
            let gives_none = tables::field(endpoint, "abilities.proofs") == false;
            let mend = mend(if gives_none { "unsupported" } else { state });
            let said = format!("{said} proved nothing just now{colon}{why}");
            findings.add("endpoints", State::Warning, said, mend);
        }
    }
}

/// What helps with an endpoint in this state.
fn mend(state: &str) -> &'static str {
    match state {
        "wrong_chain" => {
            "it is an endpoint of another chain: correct its address, or the chain's `id`, `genesis` or `pinned`"
        }
        "unreadable" => {
            "its chain may have had a fork that this version does not know: upgrade entitled"
        }
        "unsupported" => {
            "it gives no proofs (eth_getProof): use another endpoint, or allow them at your node"
        }
        "rate_limited" => "ask for more there, or add another endpoint",
        "quarantined" => {
            "it gave an answer that its own proof refutes; `entitlectl chain status` shows it: use another"
        }
        "stale" | "syncing" => "it is behind; wait, or use another",
        _ => "see that it can be reached from here, and that its key still holds",
    }
}

fn products(findings: &mut Findings, checked: &Value) {
    let count = tables::field(checked, "products").as_array().map_or(0, Vec::len);
    let warnings = tables::field(checked, "warnings").as_array().cloned().unwrap_or_default();
    for warning in warnings.iter().filter_map(Value::as_str) {
        let (what, mend) = warning.rsplit_once("; ").unwrap_or((warning, ""));
        findings.add("products", State::Bad, what.to_owned(), mend);
    }
    let chains = tables::items(tables::field(checked, "chains").clone());
    let silent = chains.iter().filter(|it| tables::field(it, "proven") != true);
    let silent: Vec<&str> = silent.map(|it| tables::text(it, "chain")).collect();
    let mut deaf = 0;
    for grant in tables::items(tables::field(checked, "grants").clone()) {
        if tables::field(&grant, "answers") == true {
            continue;
        }
        deaf += 1;
        let word = |name| words::tame(tables::text(&grant, name));
        let said = format!(
            "product `{}`, {}: {} does not answer the rule `{}`: {}",
            word("product"),
            word("key"),
            word("contract"),
            word("rule"),
            word("cause")
        );
        findings.add(
            "products",
            State::Bad,
            said,
            "correct `rule` or `token` in the product file; ask its vendor",
        );
    }
    match (count, warnings.len() + deaf) {
        (0, _) => findings.add(
            "products",
            State::Warning,
            "none is installed",
            "install the software, or `entitlectl product install FILE`",
        ),
        (count, 0) if !silent.is_empty() => findings.add(
            "products",
            State::Unknown,
            format!(
                "{count} installed; what they name could not be asked of {}",
                words::tame(&silent.join(", "))
            ),
            "see the chains and endpoints above",
        ),
        (count, 0) => findings.well(
            "products",
            format!("{count} installed; the chains have what they name, and answer their rules"),
        ),
        _ => {}
    }
}
