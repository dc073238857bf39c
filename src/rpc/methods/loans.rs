//! Seats that machines lend each other.

use std::sync::Arc;
use std::time::Duration;

use super::api::{ACTOR_TIME, Api, CHAIN_TIME};
use super::seat_rights::still_entitled;
use super::seats::{VERDICT_TIME, refused_seat, undetermined_or_no, with_groups};
use crate::actors::ownership_ledger::{FindGivenLoan, FindTakenLoan, GiveLoanBack, SpendLoan};
use crate::actors::seat_keeper::{
    ComeBack, EndLoan, Granted, Lend, Lent, LoanArrived, ReserveSeat,
};
use crate::actors::tier_cache::{DraftReceipt, ImportLoan, Key};
use crate::actors::wallet_keeper::{OpenMachineKey, SignLoan, SignRequest, SignReturn};
use crate::rpc::error::{Code, RpcError};
use crate::rpc::wire;
use entitled_core::domain::entitlement::Verdict;
use entitled_core::domain::peer::Permit;
use entitled_core::domain::product::{GrantName, parse};
use entitled_core::loan::{Brought, GivenLoan, LONGEST, SHORTEST, SeatRequest};
use entitled_core::receipt::Evidence;

pub(super) async fn request(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::SeatRequest,
) -> Result<wire::SeatRequested, RpcError> {
    let time = duration(ask.for_ms)?;
    let (product, uid) = (ask.product, permit.account());
    let label = super::wallets::label(ask.label.as_deref())?;
    if !api.reader.products().products.contains_key(&product) {
        return Err(RpcError::not_found("product"));
    }
    let order = SignRequest { product, time, label, uid, now: api.clock.now() };
    let signed = api.keeper.send(order).timeout(ACTOR_TIME).await??;
    let SeatRequest { machine, nonce, .. } = signed.request;
    let (machine, nonce) = (machine.to_string(), nonce.to_string());
    Ok(wire::SeatRequested { request: signed.text, machine, nonce })
}

pub(super) async fn lend(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::SeatLend,
) -> Result<wire::SeatLoan, RpcError> {
    let request = SeatRequest::read(ask.request.as_bytes())?;
    let time = ask.for_ms.map(duration).transpose()?.unwrap_or(request.time);
    let find = FindGivenLoan { nonce: request.nonce };
    if let Some(given) = api.ledger.send(find).timeout(ACTOR_TIME).await?? {
        return again(&api, &permit, &request, &given);
    }
    let presence = with_groups(&api, ask.presence, &permit).await?;
    let key = Key { customer: permit.customer(), product: request.product.clone() };
    let verdict = api.verdict(key.clone(), VERDICT_TIME).await?;
    if !verdict.is_valid() {
        return Ok(not_entitled(&api, &verdict, about(&request)));
    }
    let (uid, asked) = (permit.account(), api.asked(&permit));
    let ask = DraftReceipt { key: key.clone(), by_own_key: true, uid };
    let draft = api.cache.send(ask).timeout(CHAIN_TIME).await??;
    let (holder, grant) = (draft.customer, grant(&draft.evidence)?);
    let seat = api.seats.send(ReserveSeat).timeout(ACTOR_TIME).await?;
    let now = api.clock.now_on([draft.evidence.token.collection.chain]);
    let (asker, told) = (request.clone(), about(&request));
    let order = SignLoan { draft, request: asker, time, fence: seat.0, uid, now };
    let signed = api.keeper.send(order).timeout(ACTOR_TIME).await??;
    let terms = signed.terms();
    let lasts = Duration::try_from(terms.until.duration_since(terms.from)).unwrap_or_default();
    let (is_admin, text, loan) = (permit.is_admin(), signed.text, signed.taken);
    // What it rests on took its time, and nothing calls back what was lent.
    let verdict = still_entitled(&api, &permit, &key).await?;
    if !verdict.is_valid() {
        return Ok(not_entitled(&api, &verdict, told));
    }
    // What the machine has must not be over there before it is here.
    let order =
        Lend { key, presence, is_admin, holder, grant, seat, time: lasts, loan, text, asked };
    match api.seats.send(order).timeout(ACTOR_TIME).await?? {
        Lent::Granted(granted) => {
            let (given, granted) = *granted;
            match granted {
                Some(granted) => Ok(lent(&given, Some(&granted))),
                None => again(&api, &permit, &request, &given),
            }
        }
        Lent::Refused(refused) => {
            let wire::Seat { code, detail, used, capacity, .. } =
                refused_seat(&refused, request.product.as_str())?;
            Ok(wire::SeatLoan { code, detail, used, capacity, ..told })
        }
    }
}

fn not_entitled(api: &Api, verdict: &Verdict, about: wire::SeatLoan) -> wire::SeatLoan {
    let (code, detail) = (undetermined_or_no(verdict), verdict.detail.clone());
    let verdict = Some(wire::Verdict::at(verdict, api.clock.now()));
    wire::SeatLoan { code, detail, verdict, ..about }
}

/// The grant by which the evidence shows a licence.
fn grant(evidence: &Evidence) -> Result<GrantName, RpcError> {
    let product = parse(&evidence.product.text).ok();
    let at = usize::try_from(evidence.grant).ok();
    let grant = product.as_ref().zip(at).and_then(|(product, at)| product.grants.get(at));
    let none = || RpcError::new(Code::Busy, "the product has changed; ask again");
    grant.map(GrantName::from).ok_or_else(none)
}

fn about(request: &SeatRequest) -> wire::SeatLoan {
    let (product, machine) = (request.product.to_string(), request.machine.to_string());
    wire::SeatLoan { product, machine, ..wire::SeatLoan::default() }
}

/// The loan that the request has already. Whoever has the request could have asked for it; but a loan is for whom it was
/// made.
fn again(
    api: &Api,
    permit: &Permit,
    request: &SeatRequest,
    given: &GivenLoan,
) -> Result<wire::SeatLoan, RpcError> {
    // The number is its machine's choice: another's may be the same because somebody saw it.
    if (given.terms.machine, &given.product) != (request.machine, &request.product) {
        let why = "another request with this number was answered; have the machine write a new one";
        return Err(RpcError::new(Code::Conflict, why));
    }
    let is_own = permit.is_admin() || given.claimant.uid == permit.uid();
    if !is_own {
        return Err(RpcError::new(Code::Conflict, "the request was answered for another user"));
    }
    if given.returned_at.is_some() {
        return Err(RpcError::new(Code::Conflict, "what was lent by this request was given back"));
    }
    if !given.is_open(api.clock.now()) {
        return Err(RpcError::new(Code::Conflict, "what was lent by this request is over"));
    }
    if given.text.is_empty() {
        let why = "the file of what was lent by this request is not kept any more; have the machine write a new one";
        return Err(RpcError::new(Code::Conflict, why));
    }
    Ok(wire::SeatLoan { again: true, ..lent(given, None) })
}

fn lent(given: &GivenLoan, granted: Option<&Granted>) -> wire::SeatLoan {
    let terms = &given.terms;
    let pool = granted.map(|it| &it.pool.figures);
    wire::SeatLoan {
        granted: true,
        code: "GRANTED",
        detail: format!("lent to {} until {}", terms.machine, terms.until),
        loan: Some(given.text.clone()),
        again: false,
        seat: Some(wire::seat_name(given.seat)),
        product: given.product.to_string(),
        machine: terms.machine.to_string(),
        until: Some(terms.until.to_string()),
        used: pool.map(|it| it.used),
        capacity: pool.and_then(|it| it.capacity),
        verdict: None,
    }
}

pub(super) async fn import(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::SeatImport,
) -> Result<wire::SeatImported, RpcError> {
    let asked = api.asked(&permit);
    match Brought::read(ask.file.as_bytes())? {
        Brought::Loan(loan) => {
            let open = OpenMachineKey { uid: permit.account() };
            let machine = api.keeper.send(open).timeout(ACTOR_TIME).await??;
            let order = ImportLoan { loan: *loan, machine, lender: ask.lender, asked };
            let (taken, verified) = api.cache.send(order).timeout(CHAIN_TIME).await??;
            let arrived = LoanArrived { product: taken.product.clone() };
            api.seats.send(arrived).timeout(ACTOR_TIME).await?;
            Ok(wire::SeatImported {
                kind: "loan",
                product: taken.product.to_string(),
                loan: taken.terms.nonce.to_string(),
                lender: taken.terms.wallet.to_string(),
                until: taken.terms.until.to_string(),
                verdict: Some(wire::Verdict::at(&verified.verdict, api.clock.now())),
            })
        }
        Brought::Return(returned) => {
            let order = GiveLoanBack { returned, asked };
            let given = api.ledger.send(order).timeout(ACTOR_TIME).await??;
            // Perhaps for the second time: the first may have been broken off in between.
            api.seats.send(ComeBack { seat: given.seat }).timeout(ACTOR_TIME).await?;
            Ok(wire::SeatImported {
                kind: "return",
                product: given.product.to_string(),
                loan: given.terms.nonce.to_string(),
                lender: given.terms.wallet.to_string(),
                until: given.terms.until.to_string(),
                verdict: None,
            })
        }
    }
}

pub(super) async fn give_back(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::SeatReturn,
) -> Result<wire::SeatReturned, RpcError> {
    let (nonce, now) = (ask.loan, api.clock.now());
    let found = api.ledger.send(FindTakenLoan { nonce }).timeout(ACTOR_TIME).await??;
    let loan = found.ok_or_else(|| RpcError::not_found("loan"))?;
    let (product, lender) = (loan.product.to_string(), loan.terms.wallet.to_string());
    // Written once: whoever has lost it is given the same again, also after its time.
    let text = match loan.returned.clone() {
        Some(text) => text,
        None => {
            let order = SignReturn { loan, uid: permit.account(), now };
            let text = api.keeper.send(order).timeout(ACTOR_TIME).await??;
            let order = SpendLoan { nonce, text, asked: api.asked(&permit) };
            let spent = api.ledger.send(order).timeout(ACTOR_TIME).await??;
            spent.returned.unwrap_or_default()
        }
    };
    // Nobody is handed the file before nobody here has the seat any more.
    api.seats.send(EndLoan { nonce }).timeout(ACTOR_TIME).await?;
    Ok(wire::SeatReturned { returned: text, product, lender })
}

fn duration(ms: u64) -> Result<Duration, RpcError> {
    let time = Duration::from_secs(ms / 1_000);
    match (SHORTEST..=LONGEST).contains(&time) {
        true => Ok(time),
        false => Err(RpcError::invalid_params("`for_ms` must be between 60000 and 2592000000")),
    }
}
