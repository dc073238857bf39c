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
    let mut unproven = Vec::new();
    for chain in tables::items(tables::field(&checked, "chains").clone()) {
        let id = tables::text(&chain, "chain");
        if tables::field(&chain, "proven") != true {
            unproven.push(id.to_owned());
        }
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
    endpoints(findings, session, &unproven);
    products(findings, &checked);
}

/// `unproven`: the chains at which nothing was proven just now. What last went wrong with their endpoints is told, however well
/// they say that they are.
fn endpoints(findings: &mut Findings, session: &Session, unproven: &[String]) {
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
        let fails = unproven.iter().any(|it| it == id);
        for it in tables::items(tables::field(chain, "endpoints").clone()) {
            endpoint(findings, id, &it, fails);
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

fn endpoint(findings: &mut Findings, chain: &str, endpoint: &Value, chain_fails: bool) {
    let url = words::tame(tables::text(endpoint, "url"));
    let state = tables::text(endpoint, "state");
    let said = format!("{chain}: {url} is {}", words::tame(state));
    let last = tables::text(endpoint, "last_fault.message");
    match state {
        "ok" if !chain_fails || last.is_empty() => findings.well("endpoints", said),
        "untried" if last.is_empty() => {
            findings.well("endpoints", format!("{said}: nobody needed it yet"));
        }
        _ => {
            let colon = if last.is_empty() { "" } else { "; last, " };
            let proofs = tables::field(endpoint, "abilities.proofs") == false;
            let mend = mend(if proofs { "unsupported" } else { state });
            findings.add("endpoints", State::Warning, format!("{said}{colon}{last}"), mend);
        }
    }
}

/// What helps with an endpoint in this state.
fn mend(state: &str) -> &'static str {
    match state {
        "wrong_chain" => {
            "it is an endpoint of another chain: correct its address, or the chain's id"
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
        (count, 0) => findings.well(
            "products",
            format!("{count} installed; the chains have what they name, and answer their rules"),
        ),
        _ => {}
    }
}
