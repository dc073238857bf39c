use serde_json::{Value, json};

use entitled_client::Verdict;

use super::*;
use crate::view::View;

const TOKEN: &str = "eip155:1/erc721:0x5FbDB2315678afecb367f032d93F642f64180aa3/7";
const GRANT: &str = "eip155:1/erc721:0x5FbDB2315678afecb367f032d93F642f64180aa3";
const WALLET: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

fn step(kind: &str, subject: &str, outcome: &str, reason: &str) -> Value {
    json!({"step": kind, "subject": subject, "outcome": outcome, "reason": reason})
}

fn held(outcome: &str, reason: &str) -> Vec<Value> {
    vec![
        step(
            "grant",
            GRANT,
            "yes",
            &format!("pro of uid:0 by rule owner asked of wallet {WALLET}"),
        ),
        step("token", TOKEN, "yes", "grants tier pro"),
        step("wallet", WALLET, "yes", "belongs to uid:0"),
        step("ownership", TOKEN, outcome, reason),
        step("block", "eip155:1 block 2 of 2020-11-29T08:04:05Z", "yes", "being looked at again"),
        step("anchor", "0x2994", "yes", "trust single, latest"),
    ]
}

fn absent(tier: &str) -> Vec<Value> {
    vec![
        step(
            "grant",
            GRANT,
            "no",
            &format!("{tier} of uid:0 by rule owner asked of wallet {WALLET}"),
        ),
        step("ownership", GRANT, "no", &format!("wallet {WALLET} was proven to hold no other")),
        step("block", "eip155:1 block 2 of 2020-11-29T08:04:05Z", "yes", "being looked at again"),
    ]
}

fn told(verdict: &Value, steps: &[Value], all: bool, view: View) -> String {
    let mut answer = verdict.clone();
    answer["steps"] = json!(steps);
    let explanation: Explanation = serde_json::from_value(answer).unwrap();
    let Verdict { code, product, .. } = &explanation.verdict;
    let next = crate::advice::of_code(code, product);
    why_text(&Screen::new(view), &explanation, &Telling { who: None, all, next: &next })
}

fn yes() -> Value {
    json!({"product": "acme-cad", "valid": true, "code": "VALID", "tier": "pro", "token": TOKEN})
}

fn no(code: &str, detail: &str) -> Value {
    json!({"product": "acme-cad", "valid": false, "code": code, "detail": detail})
}

#[test]
fn the_answer_is_in_the_first_line_and_what_fails_is_folded() {
    let steps =
        [held("yes", "ownerOf(7) answered the holder"), absent("pro"), absent("team")].concat();
    let text = told(&yes(), &steps, false, View::whole());
    assert!(text.starts_with("Yes: you are entitled to acme-cad, tier pro\n\n"), "{text}");
    assert!(text.contains("token 7 is one"), "{text}");
    assert!(text.contains("one endpoint's word"), "{text}");
    assert!(text.ends_with("2 other ways were looked at; --all shows what came of it."), "{text}");
    let all = told(&yes(), &steps, true, View::whole());
    assert_eq!(all.matches("was proven to hold none").count(), 2, "{all}");
}

#[test]
fn a_no_says_why_what_to_do_and_which_grants_were_tried() {
    let steps = [absent("pro"), absent("team"), absent("team")].concat();
    let text = told(&no("NOT_HELD", "no wallet holds one"), &steps, false, View::whole());
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("No: you are not entitled to acme-cad: no wallet holds one"));
    assert!(lines.next().unwrap().starts_with("Next: get a licence"), "{text}");
    assert_eq!(text.matches("tier team").count(), 1, "what is said twice is said once\n{text}");
}

#[test]
fn who_holds_too_few_reads_how_many() {
    let edition = "eip155:1/erc1155:0x5FbDB2315678afecb367f032d93F642f64180aa3";
    let block = "eip155:1 block 2 of 2020-11-29T08:04:05Z";
    let mut short =
        step("token", &format!("{edition}/7"), "no", &format!("wallet {WALLET} holds 1 of 2"));
    (short["held"], short["min"]) = (json!("1"), json!("2"));
    let rest = format!("wallet {WALLET} was proven to hold fewer than 2 of any other id");
    let grant = format!("pro of uid:0 by rule balance asked of wallet {WALLET}");
    let steps = [
        step("grant", edition, "no", &grant),
        short,
        step("block", block, "yes", "being looked at again"),
        step("ownership", edition, "no", &rest),
        step("block", block, "yes", "being looked at again"),
    ];
    let text = told(&no("NOT_HELD", "no wallet holds one"), &steps, false, View::whole());
    assert!(text.contains(&format!(": wallet {WALLET} holds 1 of 2 of token 7\n")), "{text}");
    assert!(text.contains("fewer than 2 of any other id"), "the other ids are another way\n{text}");
    let all = told(&no("NOT_HELD", "no wallet holds one"), &steps, true, View::whole());
    assert!(all.contains("holds 1 of 2 of token 7"), "{all}");
}

#[test]
fn a_step_that_is_not_known_makes_its_path_unknown() {
    let steps: Vec<Step> =
        serde_json::from_value(json!(held("unknown", "not looked at yet"))).unwrap();
    assert!(matches!(paths(&steps)[0].mark(), Mark::Unknown));
}

#[test]
fn lines_fit_and_break_between_words() {
    let steps = [held("yes", "ownerOf(7) answered the holder"), absent("team")].concat();
    for width in [60, 80, 100] {
        let text = told(&yes(), &steps, true, View::of_width(width));
        assert!(text.lines().all(|it| it.chars().count() <= width), "{width}:\n{text}");
        assert!(text.contains("0x7099…79C8"), "{text}");
    }
}

#[test]
fn what_was_lent_says_by_whom_and_until_when() {
    let mut steps = held("yes", "ownerOf(7) answered the holder");
    let reason = format!("lent to this machine by {WALLET} until 2099-01-01T00:00:00Z");
    steps[2] = step("loan", "0x0505", "yes", &reason);
    let text = told(&yes(), &steps, false, View::whole());
    assert!(text.starts_with("Yes: "), "{text}");
    let line = text.lines().find(|it| it.contains("loan 0x0505")).unwrap();
    assert!(line.contains(&format!("lent to this machine by {WALLET} until")), "{line}");
}
