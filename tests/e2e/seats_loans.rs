//! Seats that one machine lends to another, which is offline: by files that somebody carries.

use alloy_primitives::{Address, hex};
use entitled_core::loan::SeatRequest;
use serde_json::{Value, json};

use crate::publishers::{Vendor, install_signed};
use crate::seats::two_seats;
use crate::support::daemon::Daemon;
use crate::support::document::commands;
use crate::support::eventually;
use crate::support::faults::Fault;
use crate::support::proxy::Proxy;
use crate::support::seat_holder::SeatHolder;
use crate::support::settings::Settings;
use crate::support::stage::{ACME, Stage};
use crate::support::wallet::Wallet;

const CONFLICT: i64 = -32003;
const NOT_FOUND: i64 = -32002;
const AN_HOUR: u64 = 3_600_000;

/// A machine with a licence for two seats, whose wallet's key is kept there; and one that is cut off from every chain.
pub(crate) struct Two {
    pub(crate) lender: Stage,
    pub(crate) borrower: Daemon,
    wallet: Address,
    vendor: Vendor,
    // Whoever is led nowhere is led there.
    proxy: Proxy,
}

impl Two {
    pub(crate) fn start() -> Self {
        let vendor = Vendor::new();
        let lender = Stage::with(two_seats);
        install_signed(&lender.daemon, &vendor, &two_seats(&lender.licence));
        let wallet = lender.daemon.call("wallet_create", json!({}));
        let wallet: Address = wallet["address"].as_str().unwrap().parse().unwrap();
        lender.licence.mint(&lender.anvil, wallet, 7);
        lender.daemon.wait_for_code(ACME, "VALID");
        let proxy = Proxy::start(&lender.anvil.address());
        proxy.fault(Fault::Drop);
        let borrower = offline(&lender, &proxy, &vendor);
        Self { lender, borrower, wallet, vendor, proxy }
    }

    pub(crate) fn request(&self) -> String {
        let order = json!({"product": ACME, "for_ms": AN_HOUR, "label": "Anna's laptop"});
        text(&self.borrower.call("seat_request", order), "request")
    }

    pub(crate) fn lend(&self, request: &str) -> Value {
        self.lender.daemon.admin("seat_lend", json!({"request": request, "customer": own()}))
    }

    pub(crate) fn import(&self, loan: &str) -> Value {
        self.borrower.admin("seat_import", json!({"file": loan, "lender": self.wallet}))
    }

    fn refuses(&self, loan: &str) -> (i64, String) {
        refusal(&self.borrower, json!({"file": loan, "lender": self.wallet}))
    }

    /// A loan that is there to be used.
    pub(crate) fn lent(&self) -> (String, String) {
        let request = self.request();
        let loan = text(&self.lend(&request), "loan");
        self.import(&loan);
        (request, loan)
    }

    /// Used and lent of the lender's pool.
    pub(crate) fn lenders(&self) -> (u64, u64) {
        let pool = pools(&self.lender.daemon).into_iter().find(|it| it["loan"].is_null());
        let number = |name: &str| pool.as_ref().map_or(0, |it| it[name].as_u64().unwrap());
        (number("used"), number("lent"))
    }
}

fn own() -> String {
    crate::support::stage::own_customer()
}

fn offline(lender: &Stage, proxy: &Proxy, vendor: &Vendor) -> Daemon {
    let daemon = Daemon::start(&Settings::new([proxy.url()]));
    install_signed(&daemon, vendor, &two_seats(&lender.licence));
    daemon
}

pub(crate) fn text(reply: &Value, name: &str) -> String {
    reply[name].as_str().unwrap_or_else(|| panic!("no {name} in {reply}")).to_owned()
}

fn refusal(daemon: &Daemon, params: Value) -> (i64, String) {
    let refused = daemon.try_admin("seat_import", params).unwrap_err();
    (refused.code, refused.message)
}

fn pools(daemon: &Daemon) -> Vec<Value> {
    let list = daemon.admin("seat_list", json!({"product": ACME}));
    list["pools"].as_array().unwrap().clone()
}

fn borrowed(daemon: &Daemon) -> Option<Value> {
    pools(daemon).into_iter().find(|it| it["loan"].is_string() && it["capacity"] != 0)
}

pub(crate) fn acquire(daemon: &Daemon) -> (SeatHolder, Value) {
    let mut holder = SeatHolder::start(&daemon.socket());
    let answer = holder.acquire(json!({}));
    (holder, answer)
}

fn audited(daemon: &Daemon, action: &str) -> usize {
    let audit = daemon.admin("audit_list", json!({"limit": 1000}));
    audit["items"].as_array().unwrap().iter().filter(|it| it["action"] == action).count()
}

#[test]
fn a_seat_is_lent_as_the_manual_says() {
    let two = Two::start();
    let files = tempfile::TempDir::new().unwrap();
    let block = commands("docs/seats.md", "a_seat_is_lent_as_the_manual_says").pop().unwrap();
    let (here, there) = (two.borrower.entitlectl(), two.lender.daemon.entitlectl());
    let mut lines = block.lines().into_iter();
    let mut next = || lines.next().unwrap();
    next().run(&here, files.path());
    next().run(&there, files.path());
    assert_eq!(two.lenders(), (1, 1));
    // An endpoint's word is the lender's own.
    let taken = format!("seats import loan --lender {}", two.wallet);
    next().with("seats import loan", &taken).run(&here, files.path());
    let place = borrowed(&two.borrower).unwrap();
    next().with("LOAN", place["loan"].as_str().unwrap()).run(&here, files.path());
    assert_eq!(borrowed(&two.borrower), None);
    next().run(&there, files.path());
    assert_eq!(two.lenders(), (0, 0));
}

#[test]
fn a_seat_goes_to_a_machine_that_is_offline_and_comes_back() {
    let two = Two::start();
    assert_eq!(two.borrower.code(ACME), "NO_WALLET");
    let (_nobody, refused) = acquire(&two.borrower);
    assert_eq!(refused["code"], "NOT_ENTITLED", "{refused}");
    let request = two.request();
    let lent = two.lend(&request);
    assert_eq!(
        (&lent["granted"], &lent["used"], &lent["capacity"]),
        (&json!(true), &json!(1), &json!(2))
    );
    let list = two.lender.daemon.admin("seat_list", json!({}));
    let told = &list["items"][0];
    assert_eq!((&told["state"], &told["ends_at"].is_string()), (&json!("lent"), &true), "{list}");
    assert!(text(told, "lent_to").ends_with("(Anna's laptop)"), "{told}");
    assert_eq!((two.lenders(), audited(&two.lender.daemon, "seat_lent")), ((1, 1), 1));

    let loan = text(&lent, "loan");
    let imported = two.import(&loan);
    assert_eq!((&imported["kind"], &imported["verdict"]["tier"]), (&json!("loan"), &json!("pro")));
    assert_eq!(imported["until"], lent["until"]);
    assert_eq!(audited(&two.borrower, "seat_loan_imported"), 1);
    let (mut program, seat) = acquire(&two.borrower);
    assert_eq!((&seat["code"], &seat["capacity"]), (&json!("GRANTED"), &json!(1)), "{seat}");
    assert_eq!(seat["verdict"]["features"]["export"], true, "{seat}");
    let verdict = two.borrower.check(ACME);
    assert_eq!((&verdict["valid"], &verdict["expires_at"]), (&json!(true), &lent["until"]));
    let (_second, full) = acquire(&two.borrower);
    assert_eq!(full["code"], "SEATS_FULL", "one place, whatever the licence is good for");
    let pool = borrowed(&two.borrower).expect("a pool");
    assert_eq!(pool["borrowed_from"], json!(two.wallet.to_string()), "{pool}");

    // Nobody calls it back, and it does not matter what becomes of the licence.
    let named = json!({"seat": told["seat"], "reason": "wanted"});
    let refused = two.lender.daemon.try_admin("seat_revoke", named).unwrap_err();
    assert!(refused.code == CONFLICT && refused.message.contains("lent to another"), "{refused:?}");
    let released = two.lender.daemon.try_admin("seat_release", json!({"seat": told["seat"]}));
    assert_eq!(released.unwrap_err().code, CONFLICT);

    let order = json!({"loan": pool["loan"]});
    let returned = text(&two.borrower.admin("seat_return", order.clone()), "returned");
    eventually("the program has its seat no more", || {
        let list = program.call("seat_list", &json!({}));
        if list["items"] == json!([]) { Ok(()) } else { Err(list.to_string()) }
    });
    assert_eq!(two.borrower.code(ACME), "NO_WALLET");
    assert_eq!(acquire(&two.borrower).1["code"], "NOT_ENTITLED");
    assert_eq!(text(&two.borrower.admin("seat_return", order), "returned"), returned, "again");
    let (code, why) = two.refuses(&loan);
    assert!(code == CONFLICT && why.contains("given back"), "{why}");

    let back = json!({"file": returned});
    for _ in 0..2 {
        let taken = two.lender.daemon.admin("seat_import", back.clone());
        assert_eq!((&taken["kind"], two.lenders()), (&json!("return"), (0, 0)), "{taken}");
    }
    assert_eq!(audited(&two.lender.daemon, "seat_given_back"), 1);
    assert_eq!(audited(&two.borrower, "seat_loan_returned"), 1);
    let again = two.lender.daemon.try_admin("seat_lend", json!({"request": request}));
    assert!(again.unwrap_err().message.contains("given back"));
}

#[test]
fn one_request_has_one_loan_and_one_place() {
    let two = Two::start();
    let request = two.request();
    let first = two.lend(&request);
    let second = two.lend(&request);
    assert_eq!((&first["again"], &second["again"]), (&json!(false), &json!(true)));
    assert_eq!((text(&first, "loan"), two.lenders()), (text(&second, "loan"), (1, 1)));
    let loan = text(&first, "loan");
    for _ in 0..2 {
        two.import(&loan);
        let own: Vec<_> = pools(&two.borrower);
        assert_eq!((own.len(), &own[0]["capacity"]), (1, &json!(1)), "{own:?}");
    }
    assert_eq!(audited(&two.borrower, "seat_loan_imported"), 1);
    // A second one is a second place.
    two.lent();
    let (_one, seat) = acquire(&two.borrower);
    let (_other, other) = acquire(&two.borrower);
    assert_eq!((&seat["code"], &other["code"]), (&json!("GRANTED"), &json!("GRANTED")));
    assert_eq!(two.lenders(), (2, 2));
    let none = two.lend(&two.request());
    assert_eq!((&none["granted"], &none["code"]), (&json!(false), &json!("SEATS_FULL")), "{none}");
    assert!(none["loan"].is_null(), "{none}");
}

#[test]
fn a_request_is_not_written_with_a_label_that_no_lender_reads() {
    let two = Two::start();
    for label in ["x".repeat(65), "Anna\nMachine: 0x00".to_owned(), "a\u{202e}b".to_owned()] {
        let order = json!({"product": ACME, "for_ms": AN_HOUR, "label": label});
        let refused = two.borrower.refused("seat_request", order);
        assert_eq!(refused.code, -32602, "{label:?}");
    }
}

#[test]
fn another_machines_request_of_the_same_number_is_not_answered_with_its_loan() {
    let two = Two::start();
    let request = two.request();
    // Whoever has seen a request may write one of their own with its number.
    let stranger = Wallet::numbered(9);
    let seen = SeatRequest::read(request.as_bytes()).unwrap();
    let theirs = SeatRequest { machine: stranger.address(), ..seen };
    let signature = hex::decode_to_array(stranger.sign(&theirs.statement())).unwrap();
    let lent = two.lend(&theirs.write(&signature));
    assert_eq!(lent["machine"], stranger.address().to_string(), "{}", lent["code"]);

    let order = json!({"request": request, "customer": own()});
    let refused = two.lender.daemon.try_admin("seat_lend", order).unwrap_err();
    assert!(refused.code == CONFLICT && refused.message.contains("a new one"), "{refused:?}");
    assert_eq!(two.lenders(), (1, 1));
    two.lent();
    assert_eq!(two.lenders(), (2, 2));
}

#[test]
fn an_altered_or_foreign_file_is_refused_and_takes_nothing() {
    let two = Two::start();
    let request = two.request();
    let loan = text(&two.lend(&request), "loan");
    let altered = |text: &str| {
        let middle = text.len() / 2;
        let other = if text.as_bytes()[middle] == b'A' { "B" } else { "A" };
        format!("{}{other}{}", &text[..middle], &text[middle + 1..])
    };
    for wrong in [altered(&loan), loan[..loan.len() - 40].to_owned(), "hello".to_owned()] {
        let (code, why) = two.refuses(&wrong);
        assert!(code != CONFLICT && code != NOT_FOUND, "{code}: {why}");
    }
    for wrong in [altered(&request), loan.clone(), String::new()] {
        let order = json!({"request": wrong, "customer": own()});
        two.lender.daemon.try_admin("seat_lend", order).unwrap_err();
    }
    assert_eq!((two.lenders(), borrowed(&two.borrower)), ((1, 1), None));

    // Another machine, which has a key of its own.
    let other = offline(&two.lender, &two.proxy, &two.vendor);
    let params = || json!({"file": loan, "lender": two.wallet});
    let (code, why) = refusal(&other, params());
    assert!(code == NOT_FOUND && why.contains("key of this machine"), "{why}");
    other.call("seat_request", json!({"product": ACME, "for_ms": AN_HOUR}));
    let (code, why) = refusal(&other, params());
    assert!(code == CONFLICT && why.contains("for another machine"), "{why}");

    // The lender's own word, which somebody has to take.
    let (code, why) = refusal(&two.borrower, json!({"file": loan}));
    assert!(code == CONFLICT && why.contains("name that wallet as the lender"), "{why}");
    let stranger = crate::support::stage::stranger();
    let (code, why) = refusal(&two.borrower, json!({"file": loan, "lender": stranger}));
    assert!(code == CONFLICT && why.contains("the loan is by the wallet"), "{why}");
    // Nobody but administrators, and of nobody else's product.
    let refused = two.borrower.try_call("seat_import", params()).unwrap_err();
    assert_eq!(refused.data["code"], "PERMISSION_DENIED");
    install_signed(&other, &Vendor::new(), &two_seats(&two.lender.licence).named("acme-draw"));
    two.import(&loan);
    let loan_id = borrowed(&two.borrower).unwrap()["loan"].clone();
    let elsewhere = other.try_admin("seat_return", json!({"loan": loan_id})).unwrap_err();
    assert_eq!(elsewhere.code, NOT_FOUND);
}

#[test]
fn what_is_lent_is_lent_after_a_restart_on_either_side() {
    let mut two = Two::start();
    let (request, loan) = two.lent();
    let (_program, seat) = acquire(&two.borrower);
    assert_eq!(seat["code"], "GRANTED", "{seat}");
    two.lender.daemon.kill();
    two.lender.daemon.resume();
    two.borrower.kill();
    two.borrower.resume();
    two.lender.daemon.wait_for_code(ACME, "VALID");
    assert_eq!(two.lenders(), (1, 1));
    let again = two.lend(&request);
    assert_eq!((&again["again"], text(&again, "loan")), (&json!(true), loan.clone()));
    let kept = two.borrower.admin("seat_list", json!({}));
    assert_eq!(kept["items"][0]["seat"], seat["seat"], "the program has its seat: {kept}");
    assert_eq!(two.borrower.check(ACME)["valid"], true);

    // Nothing of it is kept for the boot alone.
    for daemon in [&mut two.lender.daemon, &mut two.borrower] {
        daemon.stop();
        std::fs::remove_file(daemon.home().join("state/seats")).unwrap();
        daemon.resume();
    }
    two.lender.daemon.wait_for_code(ACME, "VALID");
    assert_eq!(two.lenders(), (1, 1));
    let loan_id = borrowed(&two.borrower).expect("a pool")["loan"].clone();
    let returned = text(&two.borrower.admin("seat_return", json!({"loan": loan_id})), "returned");
    two.borrower.restart();
    assert_eq!((two.refuses(&loan).0, borrowed(&two.borrower)), (CONFLICT, None));
    two.lender.daemon.admin("seat_import", json!({"file": returned}));
    assert_eq!(two.lenders(), (0, 0));
    two.lender.daemon.restart();
    two.lender.daemon.wait_for_code(ACME, "VALID");
    assert_eq!(two.lenders(), (0, 0), "for good");
}

#[test]
fn the_policy_says_who_lends_how_many_and_for_how_long() {
    let two = Two::start();
    let policy = |text: &str| {
        let text = format!("product = \"acme-cad\"\n{text}");
        crate::seats_rules::write_policy(&two.lender, "acme.toml", &text);
    };
    let request = two.request();
    let by_user = |request: &str| two.lender.daemon.call("seat_lend", json!({"request": request}));
    assert_eq!(by_user(&request)["code"], "EXCLUDED", "administrators alone");
    policy("max_borrow = \"30m\"");
    assert_eq!(two.lend(&request)["code"], "TOO_LONG");
    policy("lend = \"users\"\nlow_water = 1");
    let lent = by_user(&request);
    assert_eq!((&lent["code"], two.lenders()), (&json!("GRANTED"), (1, 1)), "{lent}");
    assert_eq!(two.lend(&two.request())["code"], "LOW_WATER");
    let short = json!({"request": two.request(), "for_ms": 1});
    assert_eq!(two.lender.daemon.refused("seat_lend", short).data["code"], "INVALID_PARAMS");
}

#[test]
fn nobody_lends_by_a_wallet_whose_key_is_elsewhere() {
    let two = Two::start();
    let (stage, vendor) = (Stage::with(two_seats), &two.vendor);
    install_signed(&stage.daemon, vendor, &two_seats(&stage.licence));
    stage.daemon.link(&stage.wallet);
    let stage = stage.enter(7);
    let order = json!({"request": two.request(), "customer": own()});
    let refused = stage.daemon.try_admin("seat_lend", order).unwrap_err();
    assert!(
        refused.code == CONFLICT && refused.message.contains("is not kept here"),
        "{refused:?}"
    );
    let used = |it: &Value| it["used"] != 0;
    assert!(!pools(&stage.daemon).iter().any(used));
    // Nor is the key of a wallet lent to whoever may sign with it.
    let text = "entitled seat loan 1\n\nOne seat";
    let order = json!({"address": two.wallet, "message": text});
    assert_eq!(two.lender.daemon.refused("wallet_sign", order).data["code"], "INVALID_PARAMS");
}

#[test]
fn of_two_licences_the_one_is_lent_whose_key_is_here() {
    let two = Two::start();
    let lender = &two.lender;
    // The verdict is by the other one: its token has the lower id.
    lender.daemon.link(&lender.wallet);
    lender.mint(3);
    let verdict = lender.daemon.wait_for(ACME, "by the linked wallet", |it| {
        it["token"].as_str().is_some_and(|it| it.ends_with("/3"))
    });
    assert_eq!(verdict["valid"], true, "{verdict}");
    let request = two.request();
    let lent = two.lend(&request);
    assert_eq!((&lent["granted"], &lent["capacity"]), (&json!(true), &json!(4)), "{lent}");
    let imported = two.import(&text(&lent, "loan"));
    assert_eq!(imported["lender"], json!(two.wallet.to_string()), "{imported}");
    assert!(text(&imported["verdict"], "token").ends_with("/7"), "{imported}");
    assert_eq!(
        (acquire(&two.borrower).1["code"].clone(), two.lenders()),
        (json!("GRANTED"), (1, 1))
    );
    // A receipt is of the verdict, and none of it is of the other one.
    let receipt = lender.daemon.call("entitlement_receipt", json!({"product": ACME}));
    assert!(text(&receipt["verdict"], "token").ends_with("/3"), "{receipt}");
    let again = two.lend(&two.request());
    assert_eq!((&again["granted"], two.lenders()), (&json!(true), (2, 2)), "{again}");
}

#[test]
fn who_asks_why_is_told_by_whom_a_seat_was_lent_and_until_when() {
    let two = Two::start();
    two.lent();
    let place = borrowed(&two.borrower).expect("a pool");
    let why = two.borrower.call("entitlement_explain", json!({"product": ACME}));
    let steps = why["steps"].as_array().unwrap();
    let kinds: Vec<&str> = steps.iter().map(|it| it["step"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["grant", "token", "loan", "ownership", "block", "anchor"], "{why}");
    assert!(steps.iter().all(|it| it["outcome"] == "yes"), "{why}");
    let (loan, reason) = (&steps[2], text(&steps[2], "reason"));
    assert_eq!((&why["valid"], &loan["subject"]), (&json!(true), &place["loan"]), "{why}");
    let until = text(&why, "expires_at");
    let lender = two.wallet.to_string();
    assert!(reason.contains(&lender) && reason.contains(&until), "{reason} until {until}");
    let output = two.borrower.entitlectl().args(["why", ACME]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("Yes") && said.contains("lent to this machine by"), "{said}");
    // What was given back entitles to nothing, and is no reason.
    two.borrower.admin("seat_return", json!({"loan": place["loan"]}));
    let why = two.borrower.call("entitlement_explain", json!({"product": ACME}));
    assert_eq!((&why["code"], &why["steps"]), (&json!("NO_WALLET"), &json!([])), "{why}");
}

#[test]
fn on_the_command_line_the_files_are_files() {
    let two = Two::start();
    let run = |daemon: &Daemon, arguments: &[&str]| {
        let output = daemon.entitlectl().args(arguments).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{arguments:?}: {said}");
        said
    };
    let folder = two.borrower.home().to_owned();
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let request = run(&two.borrower, &["seats", "request", ACME, "--for", "1h"]);
    std::fs::write(file("request"), &request).unwrap();
    let (request, loan, returned) = (file("request"), file("loan"), file("returned"));
    let said = run(&two.lender.daemon, &["seats", "lend", &request, "--out", &loan]);
    assert!(said.contains("GRANTED") && !said.contains("BEGIN"), "{said}");
    let wallet = two.wallet.to_string();
    run(&two.borrower, &["seats", "import", &loan, "--lender", &wallet]);
    let list = run(&two.borrower, &["seats", "list", "--all"]);
    assert!(list.contains(&wallet), "{list}");
    let loan_id = text(&borrowed(&two.borrower).unwrap(), "loan");
    run(&two.borrower, &["seats", "return", &loan_id, "--out", &returned]);
    let said = run(&two.lender.daemon, &["seats", "import", &returned]);
    assert!(said.contains("return"), "{said}");
    assert_eq!(two.lenders(), (0, 0));
}
