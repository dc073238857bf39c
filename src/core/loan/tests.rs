//! Files of loans over keys and state of our own: what they prove, and that nothing in one can be altered.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::Duration;

use alloy_primitives::{Address, B256};
use alloy_signer::SignerSync as _;
use alloy_signer_local::PrivateKeySigner;
use jiff::SignedDuration;

use super::{
    Brought, LONGEST, Loan, LoanFault, LoanTerms, SHORTEST, SeatRequest, SeatReturn, TakenLoan,
    is_statement, verify_loan,
};
use crate::domain::entitlement::{Code, Outcome};
use crate::domain::ids::{CustomerId, Timestamp};
use crate::domain::ownership::{Finding, Trust};
use crate::domain::product::parse;
use crate::receipt::armour::{self, Kind};
use crate::receipt::tests::scene::{Custody, Scene};
use crate::receipt::{FormatFault, ReceiptFault, Vouched};

const AN_HOUR: SignedDuration = SignedDuration::from_hours(1);

fn machine() -> PrivateKeySigner {
    PrivateKeySigner::from_slice(&[9; 32]).unwrap()
}

fn sign(by: &PrivateKeySigner, text: &str) -> [u8; 65] {
    by.sign_message_sync(text.as_bytes()).unwrap().as_bytes()
}

fn request() -> SeatRequest {
    SeatRequest {
        product: "acme-cad".parse().unwrap(),
        machine: machine().address(),
        nonce: B256::repeat_byte(5),
        time: Duration::from_secs(7_200),
        label: Some("Anna's laptop".parse().unwrap()),
        issued_at: Timestamp::from_second(1_700_000_000).unwrap(),
    }
}

fn given_back() -> SeatReturn {
    SeatReturn {
        machine: machine().address(),
        nonce: B256::repeat_byte(5),
        loan: B256::repeat_byte(6),
        returned_at: Timestamp::from_second(1_700_000_000).unwrap(),
    }
}

fn terms(scene: &Scene) -> LoanTerms {
    let from = Timestamp::from_second(scene.now().as_second()).unwrap();
    LoanTerms {
        wallet: scene.owner.address(),
        customer: CustomerId::Uid(1000),
        machine: machine().address(),
        nonce: B256::repeat_byte(5),
        label: None,
        fence: 41,
        from,
        until: from + AN_HOUR,
    }
}

/// Signed by whoever holds the token.
fn loan(scene: &Scene, terms: LoanTerms) -> Loan {
    let evidence = scene.evidence().unwrap();
    let signature = sign(&scene.owner, &terms.statement(evidence.digest()));
    Loan { evidence, terms, signature }
}

fn judge(scene: &Scene, loan: &Loan, now: Timestamp) -> Result<TakenLoan, LoanFault> {
    let by = (&scene.publisher(), machine().address());
    verify_loan(loan, by, now).map(|(taken, _)| taken)
}

/// The content of a file with other bytes, and the checksum made right again, as somebody does who means it.
fn resealed(kind: Kind, text: &str) -> impl Iterator<Item = (usize, String)> {
    let bytes = armour::read(kind, text.as_bytes()).unwrap();
    let content = bytes.split_last_chunk::<32>().unwrap().0.to_vec();
    (0..content.len()).map(move |at| {
        let mut altered = content.clone();
        altered[at] ^= 1 << (at % 8);
        let sum = ring::digest::digest(&ring::digest::SHA256, &altered);
        altered.extend(sum.as_ref());
        (at, armour::write(kind, &altered))
    })
}

#[test]
fn what_a_machine_writes_is_read_to_the_byte_and_no_byte_of_it_can_be_altered() {
    let request = request();
    let text = request.write(&sign(&machine(), &request.statement()));
    assert_eq!(SeatRequest::read(text.as_bytes()), Ok(request));
    for (at, altered) in resealed(Kind::SeatRequest, &text) {
        assert!(SeatRequest::read(altered.as_bytes()).is_err(), "byte {at} of a request");
    }
    let returned = given_back();
    let text = returned.write(&sign(&machine(), &returned.statement()));
    assert_eq!(Brought::read(text.as_bytes()), Ok(Brought::Return(returned)));
    for (at, altered) in resealed(Kind::SeatReturn, &text) {
        assert!(SeatReturn::read(altered.as_bytes()).is_err(), "byte {at} of a return");
    }
    for at in 0..text.len() {
        let mut damaged = text.clone().into_bytes();
        damaged[at] ^= 1;
        assert!(Brought::read(&damaged).is_err(), "character {at}");
    }
    let unsigned = request_of(LONGEST).write(&sign(&machine(), "something else"));
    assert_eq!(SeatRequest::read(unsigned.as_bytes()), Err(LoanFault::Request));
    for wrong in ["", "hello", "-----BEGIN ENTITLED RECEIPT-----\n"] {
        assert_eq!(Brought::read(wrong.as_bytes()), Err(LoanFault::OtherFile), "{wrong}");
    }
}

fn request_of(time: Duration) -> SeatRequest {
    SeatRequest { time, ..request() }
}

#[test]
fn a_request_is_for_a_time_that_a_seat_is_lent_for() {
    let read = |time| {
        let request = request_of(time);
        SeatRequest::read(request.write(&sign(&machine(), &request.statement())).as_bytes())
    };
    assert!(read(SHORTEST).is_ok() && read(LONGEST).is_ok());
    for time in [Duration::ZERO, SHORTEST - Duration::from_secs(1), LONGEST + SHORTEST] {
        let fault = read(time).unwrap_err();
        let is_it = matches!(fault, LoanFault::Format(FormatFault::Field { what: "duration" }));
        assert!(is_it, "{time:?}: {fault}");
    }
}

#[test]
fn a_loan_is_good_for_its_machine_until_its_end() {
    for (trust, vouched) in
        [(Trust::Consensus, Vouched::Validators), (Trust::Single, Vouched::Maker)]
    {
        let scene = Scene::new(trust, Custody::Managed);
        let loan = loan(&scene, terms(&scene));
        let read = Loan::read(loan.write().as_bytes()).unwrap();
        assert_eq!(read, loan);
        let by = (&scene.publisher(), machine().address());
        let (taken, verified) = verify_loan(&read, by, scene.now()).unwrap();
        assert_eq!((taken.id, verified.vouched), (loan.id(), vouched));
        let product = parse(&scene.product).unwrap();
        let publisher = scene.publisher();
        let verdict = |now| taken.verdict((&product, &publisher), CustomerId::Uid(7), now);
        let now = verdict(scene.now()).unwrap();
        let tier = now.tier.as_ref().map(|it| it.as_str());
        assert_eq!((now.code, tier, now.customer), (Code::Valid, Some("pro"), CustomerId::Machine));
        let end = taken.terms.until;
        assert_eq!((now.expires_at, now.changes_at), (Some(end), Some(end)));
        assert!(verdict(end - SignedDuration::from_secs(1)).is_some());
        let why = |now| taken.explain((&product, &publisher), CustomerId::Uid(7), now);
        let steps = why(end - SignedDuration::from_secs(1));
        let kinds: Vec<&str> = steps.iter().map(|it| it.kind.as_str()).collect();
        let signed = ["committee", "checkpoint"];
        let more = if trust == Trust::Consensus { &signed[..] } else { &[] };
        let wanted = ["grant", "token", "loan", "ownership", "block", "anchor"];
        assert_eq!(kinds, [&wanted[..], more].concat());
        assert!(steps.iter().all(|it| it.outcome == Outcome::Yes), "{steps:?}");
        assert_eq!(steps[2].subject, taken.terms.nonce.to_string());
        let reason = format!("lent to this machine by {} until {end}", taken.terms.wallet);
        assert_eq!((&steps[2].reason, why(end)), (&reason, Vec::new()));
        assert_eq!((verdict(end), taken.is_open(end)), (None, false));
        let spent = TakenLoan { returned: Some("spent".into()), ..taken.clone() };
        let after = spent.verdict((&product, &publisher), CustomerId::Uid(7), scene.now());
        assert_eq!(after, None);
        let Finding::Held { until, .. } = taken.sighting.finding else { panic!("{taken:?}") };
        assert_eq!(until, Some(end));
    }
}

#[test]
fn no_byte_of_a_loan_can_be_altered() {
    let scene = Scene::new(Trust::Consensus, Custody::Managed);
    let text = loan(&scene, terms(&scene)).write();
    for (at, altered) in resealed(Kind::SeatLoan, &text) {
        let judged = Loan::read(altered.as_bytes()).and_then(|it| judge(&scene, &it, scene.now()));
        assert!(judged.is_err(), "byte {at}");
    }
}

#[test]
fn a_loan_is_of_no_use_elsewhere_earlier_later_or_by_another_key() {
    let scene = Scene::new(Trust::Single, Custody::Managed);
    let (now, good) = (scene.now(), terms(&scene));
    let fault = |terms: LoanTerms, now| judge(&scene, &loan(&scene, terms), now).unwrap_err();
    let other = Address::repeat_byte(3);
    let elsewhere = fault(LoanTerms { machine: other, ..good.clone() }, now);
    assert_eq!(elsewhere, LoanFault::OtherMachine { machine: other });
    assert_eq!(fault(good.clone(), good.until), LoanFault::Over { until: good.until });
    assert_eq!(fault(good.clone(), now - AN_HOUR), LoanFault::Future { at: good.from });

    // A wallet that holds nothing may sign what it likes.
    let stranger = PrivateKeySigner::from_slice(&[8; 32]).unwrap();
    let evidence = scene.evidence().unwrap();
    let strange = LoanTerms { wallet: stranger.address(), ..good.clone() };
    let signature = sign(&stranger, &strange.statement(evidence.digest()));
    let strange = Loan { evidence: evidence.clone(), terms: strange, signature };
    assert_eq!(
        judge(&scene, &strange, now).unwrap_err(),
        LoanFault::Evidence(ReceiptFault::NotHeld)
    );
    let signature = sign(&stranger, &good.statement(evidence.digest()));
    let forged = Loan { evidence, terms: good.clone(), signature };
    assert_eq!(judge(&scene, &forged, now).unwrap_err(), LoanFault::Loan);

    for until in [good.from, good.from + SignedDuration::from_hours(31 * 24)] {
        let text = loan(&scene, LoanTerms { until, ..good.clone() }).write();
        let fault = Loan::read(text.as_bytes()).unwrap_err();
        let is_it = matches!(fault, LoanFault::Format(FormatFault::Field { what: "duration" }));
        assert!(is_it, "{until}: {fault}");
    }
    let key = Scene::new(Trust::Single, Custody::Managed).publisher();
    let judged = verify_loan(&loan(&scene, good), (&key, machine().address()), now);
    let is_it = matches!(
        judged,
        Err(LoanFault::Evidence(ReceiptFault::Publisher(_) | ReceiptFault::Product))
    );
    assert!(is_it, "{judged:?}");
}

#[test]
fn a_loans_text_is_no_receipts_and_is_told_from_others() {
    let scene = Scene::new(Trust::Single, Custody::Managed);
    let statement = terms(&scene).statement(B256::ZERO);
    assert!(is_statement(&statement) && statement.len() < 1_024);
    assert!(!is_statement("entitled receipt 1\n") && !is_statement(&request().statement()));
    assert!(!is_statement(&given_back().statement()));
}
