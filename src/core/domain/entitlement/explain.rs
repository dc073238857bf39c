//! Why the answer is what it is, step by step: grant → token → wallet → ownership → block →
//! anchor, and where validators signed for that: → committee → checkpoint.

use alloy_primitives::{Address, B256, U256};

use super::position::{Absence, Candidate, Doubt, Position, Proof};
use super::verdict::{counted, doubted, unvouched};
use super::{Question, position};
use crate::domain::consensus::Attestation;
use crate::domain::ids::Timestamp;
use crate::domain::ownership::{ENDED, Rule, Via};

/// Which link of the chain of reasons a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    Grant,
    Token,
    Wallet,
    /// In its place: by whose loan the machine has it, and until when.
    Loan,
    Ownership,
    Block,
    Anchor,
    /// Who signed for the anchor, for trust `consensus`.
    Committee,
    /// What the committees were proven from.
    Checkpoint,
}

impl StepKind {
    /// The word of the public API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Token => "token",
            Self::Wallet => "wallet",
            Self::Loan => "loan",
            Self::Ownership => "ownership",
            Self::Block => "block",
            Self::Anchor => "anchor",
            Self::Committee => "committee",
            Self::Checkpoint => "checkpoint",
        }
    }
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Yes,
    No,
    Unknown,
}

impl Outcome {
    /// The word of the public API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// One link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub kind: StepKind,
    pub subject: String,
    pub outcome: Outcome,
    pub reason: String,
    /// Where it was counted.
    pub count: Option<Count>,
}

/// How many of a token there are, and how many it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    pub held: U256,
    pub least: U256,
}

/// Every way that could lead to a tier of the product, and how far each goes at `now`.
pub fn explain(question: &Question<'_>, now: Timestamp) -> Vec<Step> {
    let Some(product) = question.definition else { return Vec::new() };
    if question.is_deactivated() {
        let reason = "deactivated by an administrator, and entitled to nothing".to_owned();
        return vec![step(StepKind::Ownership, &question.customer, Outcome::No, reason)];
    }
    let mut steps = Vec::new();
    for position in &position::take(question, product) {
        steps.push(grant_step(position));
        let (told, others) = told(position, now);
        for candidate in told {
            candidate_steps(&mut steps, product, candidate, now);
        }
        if others > 0 {
            let reason = format!("{others} more tokens are held by this wallet");
            steps.push(step(StepKind::Token, &position.grant.collection, Outcome::Yes, reason));
        }
        short_steps(&mut steps, position, now);
        let open = position.absences.iter().find(|it| it.proof.is_none() || it.failing.is_some());
        if let Some(absence) = open.or(position.absences.first()) {
            absence_steps(&mut steps, position, absence, now);
        }
    }
    steps
}

/// By which loan the machine has a place.
#[derive(Debug, Clone, Copy)]
pub struct LoanReason {
    pub nonce: B256,
    /// The wallet whose licence it is of.
    pub lender: Address,
    pub until: Timestamp,
}

/// What a loan that stands proves by itself: grant → token → loan → ownership → block → anchor. `question` has nothing in it but
/// the loan's own sighting. Nobody looks at the chain for it again, however old its block becomes.
pub fn explain_loan(question: &Question<'_>, loan: &LoanReason, now: Timestamp) -> Vec<Step> {
    let Some(product) = question.definition else { return Vec::new() };
    let mut steps = Vec::new();
    for position in &position::take(question, product) {
        for held in position.candidates.iter().filter(|it| it.ended(now).is_none()) {
            steps.push(grant_step(position));
            steps.push(tier_step(held));
            let reason = format!("lent to this machine by {} until {}", loan.lender, loan.until);
            steps.push(step(StepKind::Loan, &loan.nonce, Outcome::Yes, reason));
            via_steps(&mut steps, held);
            let said = said(held);
            steps.push(step(StepKind::Ownership, &held.token, Outcome::Yes, said));
            let age = format!("it came with the loan; good until {}", held.proof.grace_until);
            anchor_steps(&mut steps, &held.proof, (Outcome::Yes, age));
        }
    }
    steps
}

/// Tokens of one wallet under one grant that are told of one by one.
const TOLD: usize = 50;

/// Which of the tokens held are told of, and how many are not: first those that count, by their ids, as the
/// decision takes them.
fn told<'p, 'q>(
    position: &'p Position<'q>,
    now: Timestamp,
) -> (impl Iterator<Item = &'p Candidate<'q>>, usize) {
    let mut held: Vec<_> = position.candidates.iter().collect();
    held.sort_by_key(|it| it.suspended || it.too_low || it.ended(now).is_some());
    let others = held.len().saturating_sub(TOLD);
    (held.into_iter().take(TOLD), others)
}

fn step(kind: StepKind, subject: &impl ToString, outcome: Outcome, reason: String) -> Step {
    Step { kind, subject: subject.to_string(), outcome, reason, count: None }
}

fn grant_step(position: &Position<'_>) -> Step {
    let held = !position.candidates.is_empty();
    let unknown = position.absences.iter().any(|it| it.proof.is_none());
    let outcome = match (held, unknown) {
        (true, _) => Outcome::Yes,
        (false, true) => Outcome::Unknown,
        (false, false) => Outcome::No,
    };
    let grant = position.grant;
    let reason = format!(
        "{} of {} by rule {} asked of wallet {}",
        grant.tier,
        position.customer,
        grant.rule.as_str(),
        position.wallet
    );
    step(StepKind::Grant, &grant.collection, outcome, reason)
}

fn candidate_steps(
    steps: &mut Vec<Step>,
    product: &crate::domain::product::Product,
    held: &Candidate<'_>,
    now: Timestamp,
) {
    steps.push(tier_step(held));
    let (linked, whose) = match held.doubt {
        Some(Doubt::Link) => (Outcome::No, doubted(product, Doubt::Link)),
        _ => (Outcome::Yes, format!("belongs to {}", held.customer)),
    };
    steps.push(step(StepKind::Wallet, &held.wallet, linked, whose));
    let ahead = held.from.filter(|it| now < *it);
    let (outcome, reason) = match (held.suspended, held.ended(now)) {
        (false, None) if let Some(from) = ahead => {
            (Outcome::Yes, format!("renewed, which is not settled yet and counts from {from}"))
        }
        (true, _) => (Outcome::No, "suspended by an administrator".to_owned()),
        (false, Some(end)) if end == ENDED => (Outcome::No, "it has ended".to_owned()),
        (false, Some(end)) => (Outcome::No, format!("ended at {end}")),
        (false, None) if held.doubt == Some(Doubt::Replaced) => {
            (Outcome::Unknown, doubted(product, Doubt::Replaced))
        }
        (false, None) => (Outcome::Yes, answered(held)),
    };
    via_steps(steps, held);
    let count = held.amount.map(|it| Count { held: it, least: held.grant.rule.least() });
    let ownership = step(StepKind::Ownership, &held.token, outcome, reason);
    steps.push(Step { count, ..ownership });
    proof_steps(steps, &held.proof, held.failing.map(|it| it.to_string()), now);
    if held.unvouched {
        let last = steps
            .iter_mut()
            .rev()
            .find(|it| matches!(it.kind, StepKind::Checkpoint | StepKind::Anchor));
        if let Some(last) = last {
            last.outcome = Outcome::No;
            last.reason = unvouched(product, &held.proof.anchor);
        }
    } else if held.too_low
        && held.doubt.is_none()
        && let Some(last) = steps.iter_mut().rev().find(|it| it.kind == StepKind::Anchor)
    {
        last.outcome = Outcome::No;
        last.reason = format!(
            "{}; the product asks for {} and {}",
            last.reason,
            product.trust.as_str(),
            product.finality.as_str()
        );
    }
}

fn tier_step(held: &Candidate<'_>) -> Step {
    let reason = format!("grants tier {}", held.tier.name);
    step(StepKind::Token, &held.token, Outcome::Yes, reason)
}

fn via_steps(steps: &mut Vec<Step>, held: &Candidate<'_>) {
    for via in &held.via {
        steps.push(step(StepKind::Wallet, via, Outcome::Yes, stands(via)));
    }
}

/// What the contract said to be asked by the rule, and until when.
fn answered(candidate: &Candidate<'_>) -> String {
    let said = said(candidate);
    candidate.until.map_or_else(|| said.clone(), |end| format!("{said} until {end}"))
}

/// What the contract said to be asked by the rule.
fn said(candidate: &Candidate<'_>) -> String {
    let id = candidate.token.id;
    match candidate.grant.rule {
        Rule::Owner => format!("ownerOf({id}) answered the holder"),
        Rule::Balance { min } => {
            let counts = candidate.amount.map(|it| format!(", and {it} count"));
            format!("balanceOf(holder, {id}) answered {min} or more{}", counts.unwrap_or_default())
        }
        Rule::User => format!("userOf({id}) answered the holder"),
        Rule::Subscription => format!("ownerOf({id}) answered the holder, and it is paid for"),
        Rule::Expiry => format!("ownerOf({id}) answered the holder, and its term has not ended"),
        Rule::Unlock => format!("the lock calls key {id} of the holder valid"),
    }
}

/// Why the holding of somebody else counts for the wallet.
fn stands(via: &Via) -> String {
    match via {
        Via::Vault(_) => "delegated to the wallet".to_owned(),
        Via::Account(_) => "bound to a token of the one before".to_owned(),
    }
}

/// Of which tokens some are held, and too few.
fn short_steps(steps: &mut Vec<Step>, position: &Position<'_>, now: Timestamp) {
    let rule = &position.grant.rule;
    let short = position.absences.iter().filter_map(|it| Some((it, it.short?, it.proof.as_ref()?)));
    for (absence, short, proof) in short.take(TOLD) {
        let holds = counted(short.amount, rule);
        let reason = format!("wallet {} holds {holds}", position.wallet);
        let count = Some(Count { held: short.amount, least: rule.least() });
        let token = step(StepKind::Token, &short.token, Outcome::No, reason);
        steps.push(Step { count, ..token });
        proof_steps(steps, proof, absence.failing.map(|it| it.to_string()), now);
    }
}

fn absence_steps(
    steps: &mut Vec<Step>,
    position: &Position<'_>,
    absence: &Absence,
    now: Timestamp,
) {
    let failing = absence.failing.map(|it| it.to_string());
    let subject = position.grant.collection;
    let Some(proof) = &absence.proof else {
        let reason = failing.unwrap_or_else(|| "nobody has looked yet".to_owned());
        steps.push(step(StepKind::Ownership, &subject, Outcome::Unknown, reason));
        return;
    };
    let is_alone =
        position.candidates.is_empty() && position.absences.iter().all(|it| it.short.is_none());
    let other = if is_alone { "" } else { "other " };
    let least = match position.grant.rule {
        // One of two is not none.
        Rule::Balance { min } if min > U256::ONE => format!("fewer than {min} of any {other}id"),
        _ => "no other".to_owned(),
    };
    let reason = format!("wallet {} was proven to hold {least}", position.wallet);
    steps.push(step(StepKind::Ownership, &subject, Outcome::No, reason));
    proof_steps(steps, proof, failing, now);
}

fn proof_steps(steps: &mut Vec<Step>, proof: &Proof, failing: Option<String>, now: Timestamp) {
    let age = match (now < proof.stale_after, now < proof.grace_until, failing) {
        (_, false, _) => (Outcome::No, format!("too old since {}", proof.grace_until)),
        (true, _, _) => (Outcome::Yes, format!("fresh until {}", proof.stale_after)),
        (false, _, None) => (Outcome::Yes, "being looked at again".to_owned()),
        (false, _, Some(cause)) => (Outcome::Unknown, format!("not proven again: {cause}")),
    };
    anchor_steps(steps, proof, age);
}

fn anchor_steps(steps: &mut Vec<Step>, proof: &Proof, age: (Outcome, String)) {
    let anchor = &proof.anchor;
    let block = format!("{} block {} of {}", anchor.chain, anchor.number, anchor.time);
    steps.push(step(StepKind::Block, &block, age.0, age.1));
    let trust = format!("trust {}, {}", anchor.trust.as_str(), anchor.finality.as_str());
    steps.push(step(StepKind::Anchor, &anchor.hash, Outcome::Yes, trust));
    if let Some(attestation) = &anchor.attestation {
        attestation_steps(steps, attestation);
    }
}

fn attestation_steps(steps: &mut Vec<Step>, attestation: &Attestation) {
    let Attestation { slot, period, participation, of, signature_slot, .. } = attestation;
    let reason = format!(
        "{participation} of {of} signed at slot {signature_slot} for the beacon block of slot {slot}"
    );
    let committee = format!("of period {period}");
    steps.push(step(StepKind::Committee, &committee, Outcome::Yes, reason));
    let brought = if attestation.built_in { "brought along by entitled" } else { "named here" };
    let rules = match attestation.spec {
        None => "built-in specification".to_owned(),
        Some(digest) => format!("specification sha256:{digest:x}"),
    };
    let reason = format!("committees are proven from here on; {brought}, {rules}");
    steps.push(step(StepKind::Checkpoint, &attestation.checkpoint, Outcome::Yes, reason));
}
