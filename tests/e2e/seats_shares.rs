//! The seats of one token are given once, whichever customers of the machine it stands behind, and whoever has it next.

use alloy_primitives::{Address, B256};
use serde_json::{Value, json};

use crate::publishers::{Vendor, install_signed};
use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::licences::{Delegations, Editions};
use crate::support::seat_holder::SeatHolder;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::{ACME, stranger};

const FIRST: &str = "uid:20001";
const SECOND: &str = "uid:20002";
const THIRD: &str = "uid:20003";
const A_MINUTE: u64 = 60_000;
const A_DAY: u64 = 86_400_000;
/// Somebody's key, which is imported for one customer after another.
const KEY: &str = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
const ADDRESS: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

/// One token, of which each is good for so many seats.
struct Scene {
    anvil: Anvil,
    licence: Contract,
    daemon: Daemon,
}

impl Scene {
    fn of(seats: u32, grant: &str, terms: &str) -> Self {
        let anvil = Anvil::start();
        let licence = Contract::licence(&anvil);
        let product = product(&licence.collection(), seats, grant).seats(terms);
        let daemon = Daemon::start(&Settings::new([anvil.url()]).product(product));
        Self { anvil, licence, daemon }
    }

    /// The token is a vault's, which lets a wallet of each customer stand for it.
    fn of_vault(seats: u32, customers: &[&str]) -> Self {
        let scene = Self::of(seats, "delegation = true", "");
        let delegations = Delegations::install(&scene.anvil);
        scene.licence.mint(&scene.anvil, stranger(), 7);
        for customer in customers {
            let wallet = scene.daemon.admin("wallet_create", json!({"customer": customer}));
            let wallet = wallet["address"].as_str().unwrap().parse().unwrap();
            delegations.all(&scene.anvil, stranger(), wallet, B256::ZERO, true);
        }
        customers.iter().for_each(|it| wait_until_entitled(&scene.daemon, it));
        scene
    }

    /// The wallet of the token is this customer's, and nobody else's any more.
    fn hand_to(&self, customer: &str, before: Option<&str>) {
        if let Some(before) = before {
            self.daemon.admin("wallet_unlink", json!({"address": ADDRESS, "customer": before}));
        }
        self.daemon.admin("wallet_import", json!({"private_key": KEY, "customer": customer}));
        wait_until_entitled(&self.daemon, customer);
    }

    fn pool(&self, customer: &str) -> Value {
        let list = self.daemon.admin("seat_list", json!({"product": ACME}));
        let pools = list["pools"].as_array().unwrap();
        pools.iter().find(|it| it["customer"] == customer).cloned().unwrap_or(list)
    }

    fn held(&self) -> Vec<Value> {
        let list = self.daemon.admin("seat_list", json!({"product": ACME}));
        list["items"].as_array().unwrap().clone()
    }
}

fn product(token: &str, seats: u32, grant: &str) -> ProductFile {
    let tier = format!("seats = {seats}\nfeatures = {{ export = true }}");
    let grant = format!("tokens_of = \"enumerable\"\n{grant}");
    ProductFile::new(ACME).tier("pro", 20, &tier).grant("pro", token, &grant)
}

fn wait_until_entitled(daemon: &Daemon, customer: &str) {
    eventually(&format!("{customer} is entitled"), || {
        let asked = json!({"product": ACME, "customer": customer});
        let verdict = daemon.admin("entitlement_check", asked);
        if verdict["code"] == "VALID" { Ok(()) } else { Err(verdict.to_string()) }
    });
}

/// A program that asks for this customer.
fn acquire(daemon: &Daemon, customer: &str) -> (SeatHolder, Value) {
    let mut holder = SeatHolder::start(&daemon.admin_socket());
    let answer = holder.acquire(json!({"customer": customer}));
    (holder, answer)
}

#[test]
fn one_token_gives_its_seats_once_however_many_customers_its_vault_stands_behind() {
    let scene = Scene::of_vault(1, &[FIRST, SECOND, THIRD]);
    let (first, seat) = acquire(&scene.daemon, FIRST);
    assert_eq!(seat["code"], "GRANTED", "{seat}");
    for customer in [SECOND, THIRD] {
        let (_nobody, refused) = acquire(&scene.daemon, customer);
        let said = (&refused["code"], &refused["used"], &refused["capacity"]);
        assert_eq!(said, (&json!("SEATS_FULL"), &json!(1), &json!(1)), "{customer}: {refused}");
        assert!(refused["detail"].as_str().unwrap().contains("another customer"), "{refused}");
    }
    let pool = scene.pool(SECOND);
    assert_eq!((&pool["used"], &pool["elsewhere"]), (&json!(0), &json!(1)), "{pool}");
    // Whoever waits has it when it is free, though it was free in the pool of somebody else; first who came first.
    let waits = |customer: &str| {
        let mut holder = SeatHolder::start(&scene.daemon.admin_socket());
        holder.ask_for_seat(json!({"customer": customer, "wait_ms": A_MINUTE}));
        eventually(&format!("{customer} waits"), || {
            let pool = scene.pool(customer);
            if pool["waiting"] == 1 { Ok(()) } else { Err(pool.to_string()) }
        });
        holder
    };
    let (mut third, mut second) = (waits(THIRD), waits(SECOND));
    first.kill();
    assert_eq!(third.answer()["code"], "GRANTED");
    assert_eq!(scene.held().len(), 1);
    third.kill();
    assert_eq!(second.answer()["code"], "GRANTED");
}

#[test]
fn the_seats_of_a_token_with_several_are_shared_by_all_customers_over_a_restart() {
    let mut scene = Scene::of_vault(2, &[FIRST, SECOND, THIRD]);
    let (_first, one) = acquire(&scene.daemon, FIRST);
    let (second, other) = acquire(&scene.daemon, SECOND);
    assert_eq!((&one["code"], &other["code"]), (&json!("GRANTED"), &json!("GRANTED")));
    let full = |scene: &Scene| {
        [FIRST, SECOND, THIRD].map(|it| acquire(&scene.daemon, it).1["code"].clone())
    };
    assert_eq!(full(&scene), ["SEATS_FULL"; 3]);
    scene.daemon.kill();
    scene.daemon.resume();
    assert_eq!(full(&scene), ["SEATS_FULL"; 3]);
    second.kill();
    eventually("there is one for the third", || {
        let (_holder, answer) = acquire(&scene.daemon, THIRD);
        if answer["code"] == "GRANTED" { Ok(()) } else { Err(answer.to_string()) }
    });
}

#[test]
fn a_seat_is_lent_once_whoever_has_its_wallet_next() {
    let vendor = Vendor::new();
    let mut scene = Scene::of(1, "", "");
    let token: Address = ADDRESS.parse().unwrap();
    scene.licence.mint(&scene.anvil, token, 7);
    install_signed(&scene.daemon, &vendor, &product(&scene.licence.collection(), 1, ""));
    let borrower = Daemon::start(&Settings::new([scene.anvil.url()]));
    install_signed(&borrower, &vendor, &product(&scene.licence.collection(), 1, ""));
    let lend = |scene: &Scene, customer: &str| {
        let request = borrower.call("seat_request", json!({"product": ACME, "for_ms": A_DAY}));
        let order = json!({"request": request["request"], "customer": customer});
        scene.daemon.admin("seat_lend", order)
    };
    scene.hand_to(FIRST, None);
    let lent = lend(&scene, FIRST);
    assert_eq!(lent["granted"], true, "{lent}");
    let mut before = FIRST;
    for (customer, restarts) in [(SECOND, false), (THIRD, true), (FIRST, false)] {
        scene.hand_to(customer, Some(before));
        if restarts {
            scene.daemon.kill();
            scene.daemon.resume();
        }
        let again = lend(&scene, customer);
        let said = (&again["granted"], &again["code"]);
        assert_eq!(said, (&json!(false), &json!("SEATS_FULL")), "{customer}: {again}");
        let (_nobody, refused) = acquire(&scene.daemon, customer);
        assert_eq!(refused["code"], "SEATS_FULL", "{customer}: {refused}");
        before = customer;
    }
    // The product says the same in other words.
    let token = scene.licence.token(7);
    install_signed(&scene.daemon, &vendor, &product(&token, 1, "").set("version", "2"));
    for restarts in [false, true, true] {
        if restarts {
            scene.daemon.kill();
            scene.daemon.resume();
        }
        wait_until_entitled(&scene.daemon, FIRST);
        let again = lend(&scene, FIRST);
        let said = (&again["granted"], &again["code"]);
        assert_eq!(said, (&json!(false), &json!("SEATS_FULL")), "restarted: {restarts}: {again}");
        let shown = scene.held();
        let said = (shown.len(), &shown[0]["state"], &shown[0]["seat"]);
        assert_eq!(said, (1, &json!("lent"), &lent["seat"]), "restarted: {restarts}: {shown:?}");
    }
}

#[test]
fn a_wallet_that_goes_round_has_one_seat_all_the_while() {
    let scene = Scene::of(1, "", "drain = \"1h\"");
    scene.licence.mint(&scene.anvil, ADDRESS.parse().unwrap(), 7);
    scene.hand_to(FIRST, None);
    let (first, seat) = acquire(&scene.daemon, FIRST);
    assert_eq!(seat["code"], "GRANTED", "{seat}");
    let mut before = FIRST;
    for customer in [SECOND, THIRD, FIRST, SECOND] {
        scene.hand_to(customer, Some(before));
        let (_program, answer) = acquire(&scene.daemon, customer);
        assert_ne!(answer["code"], "GRANTED", "{customer}: {answer}");
        assert_eq!(scene.held().len(), 1, "{customer}");
        before = customer;
    }
    let mut waiting = SeatHolder::start(&scene.daemon.admin_socket());
    let refused = waiting.acquire(json!({"customer": SECOND}));
    assert_eq!(refused["code"], "DRAINING", "{refused}");
    waiting.ask_for_seat(json!({"customer": SECOND, "wait_ms": A_MINUTE}));
    first.kill();
    assert_eq!(waiting.answer()["code"], "GRANTED");
}

#[test]
fn whoever_has_the_token_next_has_its_seat_once_the_time_to_drain_is_over() {
    let scene = Scene::of(1, "", "drain = \"1s\"");
    scene.licence.mint(&scene.anvil, ADDRESS.parse().unwrap(), 7);
    scene.hand_to(FIRST, None);
    let (_first, seat) = acquire(&scene.daemon, FIRST);
    scene.hand_to(SECOND, Some(FIRST));
    let mut waiting = SeatHolder::start(&scene.daemon.admin_socket());
    waiting.ask_for_seat(json!({"customer": SECOND, "wait_ms": A_MINUTE}));
    assert_eq!(waiting.answer()["code"], "GRANTED");
    assert!(scene.held().iter().all(|it| it["seat"] != seat["seat"]), "{:?}", scene.held());
}

#[test]
fn a_product_that_says_the_same_in_other_words_gives_nobodys_seat_twice() {
    let scene = Scene::of(1, "", "");
    scene.licence.mint(&scene.anvil, ADDRESS.parse().unwrap(), 7);
    scene.hand_to(FIRST, None);
    let (mut first, seat) = acquire(&scene.daemon, FIRST);
    assert_eq!(seat["code"], "GRANTED", "{seat}");
    let changed = product(&scene.licence.token(7), 1, "").set("version", "2");
    scene.daemon.write_product(&changed);
    scene.daemon.admin("system_reload", json!({}));
    wait_until_entitled(&scene.daemon, FIRST);
    let (_other, refused) = acquire(&scene.daemon, FIRST);
    assert_eq!(refused["code"], "SEATS_FULL", "{refused}");
    // It goes on as the same seat, and does not drain.
    let again = first.acquire(json!({"customer": FIRST}));
    assert_eq!((&again["code"], &again["seat"]), (&json!("GRANTED"), &seat["seat"]), "{again}");
    let held = scene.held();
    assert_eq!((held.len(), &held[0]["state"]), (1, &json!("held")), "{held:?}");
}

/// One customer's token, and the same product in other words.
fn to_be_reworded() -> (Scene, ProductFile) {
    let scene = Scene::of(1, "", "drain = \"0s\"");
    scene.licence.mint(&scene.anvil, ADDRESS.parse().unwrap(), 7);
    scene.hand_to(FIRST, None);
    let changed = product(&scene.licence.token(7), 1, "").set("version", "2");
    let changed = changed.seats("drain = \"0s\"");
    (scene, changed)
}

#[test]
fn a_product_that_says_the_same_in_other_words_after_a_start_takes_nobodys_seat() {
    let (mut scene, changed) = to_be_reworded();
    let (mut first, seat) = acquire(&scene.daemon, FIRST);
    assert_eq!(seat["code"], "GRANTED", "{seat}");
    scene.daemon.kill();
    scene.daemon.write_product(&changed);
    scene.daemon.resume();
    wait_until_entitled(&scene.daemon, FIRST);
    first.reconnect();
    let again = first.acquire(json!({"customer": FIRST}));
    assert_eq!((&again["code"], &again["seat"]), (&json!("GRANTED"), &seat["seat"]), "{again}");
    let held = scene.held();
    assert_eq!((held.len(), &held[0]["state"]), (1, &json!("held")), "{held:?}");
}

#[test]
fn who_waits_while_a_product_is_said_in_other_words_waits_for_those() {
    let (scene, changed) = to_be_reworded();
    let (first, seat) = acquire(&scene.daemon, FIRST);
    assert_eq!(seat["code"], "GRANTED", "{seat}");
    let mut second = SeatHolder::start(&scene.daemon.admin_socket());
    second.ask_for_seat(json!({"customer": FIRST, "wait_ms": A_MINUTE}));
    let waits = |scene: &Scene| {
        eventually("somebody waits", || {
            let pool = scene.pool(FIRST);
            if pool["waiting"] == 1 { Ok(()) } else { Err(pool.to_string()) }
        });
    };
    waits(&scene);
    scene.daemon.write_product(&changed);
    scene.daemon.admin("system_reload", json!({}));
    wait_until_entitled(&scene.daemon, FIRST);
    let held = scene.held();
    assert_eq!((held.len(), &held[0]["seat"]), (1, &seat["seat"]), "{held:?}");
    waits(&scene);
    first.kill();
    let given = second.answer();
    assert_eq!((&given["code"], &given["used"]), (&json!("GRANTED"), &json!(1)), "{given}");
}

/// Of ten, four are delegated to one customer's wallet and six to another's.
#[test]
fn parts_of_a_vaults_balance_give_as_many_seats_as_it_has() {
    let anvil = Anvil::start();
    let (editions, delegations) = (Editions::deploy(&anvil), Delegations::install(&anvil));
    editions.issue(&anvil, stranger(), 7, 10);
    let file = ProductFile::new(ACME).tier("pro", 20, "seats = 1").grant(
        "pro",
        &editions.token(7),
        "rule = \"balance\"\ndelegation = true",
    );
    let daemon = Daemon::start(&Settings::new([anvil.url()]).product(file));
    for (customer, amount) in [(FIRST, 4), (SECOND, 6)] {
        let wallet = daemon.admin("wallet_create", json!({"customer": customer}));
        let wallet: Address = wallet["address"].as_str().unwrap().parse().unwrap();
        let token = (editions.0.address, 7);
        delegations.amount(&anvil, (stranger(), wallet), token, B256::ZERO, amount);
        wait_until_entitled(&daemon, customer);
    }
    let fill = |customer: &str| {
        let mut holders = Vec::new();
        while holders.len() < 20 {
            let (holder, answer) = acquire(&daemon, customer);
            if answer["code"] != "GRANTED" {
                return holders;
            }
            holders.push(holder);
        }
        holders
    };
    let (first, second) = (fill(FIRST), fill(SECOND));
    assert_eq!((first.len(), second.len()), (4, 6));
    // A part of it is sold: as many end as are too many in all, though each has no more than its part.
    editions.take_back(&anvil, stranger(), 7, 3);
    eventually("three are warned", || {
        let list = daemon.admin("seat_list", json!({"product": ACME}));
        let items = list["items"].as_array().unwrap();
        let draining = items.iter().filter(|it| it["state"] == "draining").count();
        if draining == 3 { Ok(()) } else { Err(list.to_string()) }
    });
}
