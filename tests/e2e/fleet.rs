//! Machines that share the seats of one token, over real etcd and cables that a test can pull.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::seats_queue::another_user;
use crate::support::etcd::copy_directory;
use crate::support::fleet::{Fleet, NO_LIMIT};
use crate::support::socket::Line;
use crate::support::stage::ACME;
use crate::support::{eventually, never};

const TTL: Duration = Duration::from_secs(3);
const A_MINUTE: u64 = 60_000;

/// What a machine's log says of the ends of seats.
fn ends(fleet: &Fleet, machine: usize, reason: &str) -> usize {
    let log = fleet.machines[machine].daemon.log();
    let wanted = format!("reason=\"{reason}\"");
    log.lines().filter(|it| it.contains("seat_ended") && it.contains(&wanted)).count()
}

/// Exactly one. What a daemon logs is read here a moment after it has answered.
fn wait_for_an_end(fleet: &Fleet, machine: usize, reason: &str) {
    eventually("one seat's end is told", || match ends(fleet, machine, reason) {
        1 => Ok(()),
        other => Err(format!("{other} ends for {reason}")),
    });
}

#[test]
fn machines_share_the_seats_of_one_token() {
    let Some(fleet) = Fleet::start(2, 3, 2, TTL) else { return };
    let (mut one, mut other, mut third) = (fleet.holder(0), fleet.holder(1), fleet.holder(0));
    let seat = one.acquire(json!({}));
    assert_eq!((&seat["code"], &seat["capacity"]), (&json!("GRANTED"), &json!(2)), "{seat}");
    let later = other.acquire(json!({}));
    assert_eq!(later["code"], "GRANTED", "{later}");
    assert!(later["fence"].as_u64() > seat["fence"].as_u64(), "{later} after {seat}");
    fleet.wait_until_used(0, 2);
    let full = third.acquire(json!({}));
    assert_eq!((&full["code"], &full["used"]), (&json!("SEATS_FULL"), &json!(2)), "{full}");
    third.ask_for_seat(json!({"wait_ms": A_MINUTE}));
    other.kill();
    let granted = third.answer();
    assert_eq!(granted["code"], "GRANTED", "{granted}");
    assert!(granted["fence"].as_u64() > later["fence"].as_u64(), "{granted} after {later}");
    fleet.wait_until_used(0, 2);
    let status = fleet.status(1);
    assert_eq!(status["machines"].as_array().unwrap().len(), 2, "{status}");
    let figures = fleet.machines[0].daemon.figures();
    for wanted in [
        "entitled_fleet_in 1.0",
        r#"entitled_fleet_places{state="own"} 2.0"#,
        r#"entitled_fleet_places{state="elsewhere"} 0.0"#,
    ] {
        assert!(figures.contains(wanted), "{wanted} is not in\n{figures}");
    }
    let figures = fleet.machines[1].daemon.figures();
    assert!(figures.contains(r#"entitled_seats_ended_total{reason="exited"} 1"#), "{figures}");
}

#[test]
fn nobody_is_kept_from_free_places_of_a_fleet_by_who_waits_for_more() {
    let Some(fleet) = Fleet::start(2, 1, 3, TTL) else { return };
    let (one, other) = (&fleet.machines[0].daemon, fleet.holder(1));
    one.call("wallet_unlink", json!({"address": fleet.wallet.address()}));
    one.link_for(&fleet.wallet, "machine");
    one.wait_for_code(ACME, "VALID");
    let Some(mut stranger) = another_user(one) else { return };
    let (mut waiting, mut elsewhere) = (fleet.holder(0), other);
    assert_eq!(elsewhere.acquire(json!({}))["code"], "GRANTED");
    fleet.wait_until_used(0, 1);
    waiting.ask_for_seat(json!({"count": 3, "wait_ms": A_MINUTE}));
    eventually("it waits", || {
        let list = one.admin("seat_list", json!({}));
        if list["pools"][0]["waiting"] == 1 { Ok(()) } else { Err(list.to_string()) }
    });
    let seat = stranger.acquire(json!({}));
    assert_eq!(seat["code"], "GRANTED", "{seat}");
    // What it grows by is claimed as well, and is there once.
    let grown = stranger.acquire(json!({"count": 2}));
    let said = (&grown["code"], &grown["count"], &grown["seat"]);
    assert_eq!(said, (&json!("GRANTED"), &json!(2), &seat["seat"]), "{grown}");
    fleet.wait_until_used(1, 3);
    assert_eq!(stranger.acquire(json!({"count": 3}))["code"], "SEATS_FULL");
    elsewhere.kill();
    stranger.kill();
    let all = waiting.answer();
    assert_eq!((&all["code"], &all["count"]), (&json!("GRANTED"), &json!(3)), "{all}");
}

#[test]
fn a_machine_that_is_cut_off_ends_its_seats_at_the_deadline() {
    let Some(fleet) = Fleet::start(2, 3, 1, TTL) else { return };
    let (mut one, mut other, mut third) = (fleet.holder(0), fleet.holder(0), fleet.holder(1));
    assert_eq!(one.acquire(json!({}))["code"], "GRANTED");
    third.ask_for_seat(json!({"wait_ms": A_MINUTE}));
    fleet.cut(0);
    let status = fleet.wait_until(0, "cut_off");
    let deadline: jiff::Timestamp = status["deadline"].as_str().unwrap().parse().unwrap();
    let refused = other.acquire(json!({}));
    assert_eq!(refused["code"], "FLEET_UNREACHABLE", "{refused}");
    let seats = || fleet.machines[0].daemon.admin("seat_list", json!({}))["items"].clone();
    let mut last_seen = jiff::Timestamp::now();
    let ended = eventually("the seat ends", || {
        let before = jiff::Timestamp::now();
        if seats() == json!([]) {
            return Ok(jiff::Timestamp::now());
        }
        last_seen = before;
        Err("it goes on".to_owned())
    });
    let tolerance = Duration::from_millis(1_500);
    assert!(ended >= deadline, "not before the deadline: {ended} and {deadline}");
    assert!(
        last_seen <= deadline + tolerance,
        "not after the deadline: {last_seen} and {deadline}"
    );
    wait_for_an_end(&fleet, 0, "fleet_lost");
    let granted = third.answer();
    assert_eq!(granted["code"], "GRANTED", "{granted}");
    assert!(jiff::Timestamp::now() >= deadline, "another machine has it only then");
    // And in again: who had it has not, and there is still one in all.
    fleet.heal(0);
    fleet.wait_until(0, "in");
    assert_eq!(one.acquire(json!({}))["code"], "SEATS_FULL");
    fleet.wait_until_used(1, 1);
}

#[test]
fn a_cable_that_is_out_for_longer_than_a_lease_changes_no_count() {
    let Some(fleet) = Fleet::start(2, 3, 3, TTL) else { return };
    let (mut one, mut other) = (fleet.holder(0), fleet.holder(1));
    assert_eq!(one.acquire(json!({}))["code"], "GRANTED");
    assert_eq!(other.acquire(json!({}))["code"], "GRANTED");
    fleet.wait_until_used(1, 2);
    fleet.cut(0);
    // The lease runs out, and the other machine hears of it.
    fleet.wait_until_used(1, 1);
    fleet.heal(0);
    fleet.wait_until(0, "in");
    assert_eq!(one.acquire(json!({}))["code"], "GRANTED", "it has a seat again");
    fleet.wait_until_used(1, 2);
    never(TTL, || match fleet.used(1) {
        2 => Ok(()),
        used => Err(format!("{used} places are used")),
    });
    one.kill();
    other.kill();
    fleet.wait_until_used(0, 0);
}

#[test]
fn a_cable_that_is_out_for_a_moment_is_not_noticed_by_who_has_a_seat() {
    let Some(fleet) = Fleet::start(2, 3, 1, Duration::from_secs(10)) else { return };
    let (mut one, mut other) = (fleet.holder(0), fleet.holder(1));
    let seat = one.acquire(json!({}));
    assert_eq!(seat["code"], "GRANTED");
    fleet.cut(0);
    fleet.wait_until(0, "cut_off");
    fleet.heal(0);
    fleet.wait_until(0, "in");
    assert_eq!(one.acquire(json!({}))["seat"], seat["seat"], "the same seat");
    assert_eq!(other.acquire(json!({}))["code"], "SEATS_FULL");
    assert_eq!(ends(&fleet, 0, "fleet_lost") + ends(&fleet, 0, "superseded"), 0);
}

#[test]
fn a_daemon_that_slept_for_too_long_gives_no_stale_answer() {
    let Some(mut fleet) = Fleet::start(2, 1, 1, TTL) else { return };
    let (mut one, mut other) = (fleet.holder(0), fleet.holder(1));
    assert_eq!(one.acquire(json!({}))["code"], "GRANTED");
    fleet.machines[0].daemon.signal(Signal::SIGSTOP);
    let granted = other.acquire(json!({"wait_ms": A_MINUTE}));
    assert_eq!(granted["code"], "GRANTED", "{granted}");
    fleet.machines[0].daemon.signal(Signal::SIGCONT);
    let answer = one.acquire(json!({}));
    assert_eq!(answer["granted"], false, "the first answer is no stale one: {answer}");
    wait_for_an_end(&fleet, 0, "fleet_lost");
}

#[test]
fn seats_without_a_limit_are_not_of_the_fleet() {
    let Some(fleet) = Fleet::start(1, 1, NO_LIMIT, TTL) else { return };
    let mut one = fleet.holder(0);
    let seat = one.acquire(json!({}));
    assert_eq!((&seat["code"], &seat["capacity"]), (&json!("GRANTED"), &json!(null)), "{seat}");
    let goes_on = |what: &str| {
        never(TTL * 2, || {
            let list = fleet.machines[0].daemon.admin("seat_list", json!({}));
            match list["items"][0]["seat"] == seat["seat"] {
                true => Ok(()),
                false => Err(format!("{what}: {list}")),
            }
        });
    };
    goes_on("while the fleet is there");
    fleet.cut(0);
    fleet.wait_until(0, "cut_off");
    goes_on("while it is not");
    fleet.heal(0);
    fleet.wait_until(0, "in");
    assert_eq!(one.acquire(json!({}))["seat"], seat["seat"], "the same seat");
}

#[test]
fn a_cloned_machine_is_found_out() {
    let ttl = Duration::from_secs(6);
    let Some(mut fleet) = Fleet::start(1, 1, 4, ttl) else { return };
    let mut copy = fleet.machine("machine-0", 4);
    copy.daemon.stop();
    let state = copy.daemon.home().join("state");
    // All that the machine is, taken while it runs.
    std::fs::copy(fleet.state_file(0), state.join("fleet.json")).unwrap();
    copy.daemon.resume();
    fleet.machines.push(copy);
    let mut holders = [fleet.holder(0), fleet.holder(1)];
    let begun = Instant::now();
    let cloned = |fleet: &Fleet| {
        let logs = [0, 1].map(|it| fleet.machines[it].daemon.log());
        logs.iter().any(|it| it.contains("Cloned"))
    };
    eventually("one of the two finds it out", || {
        if cloned(&fleet) { Ok(()) } else { Err(fleet.machines[1].daemon.log()) }
    });
    let tolerance = ttl * 2;
    assert!(begun.elapsed() < ttl / 3 + tolerance, "within a renewal: {:?}", begun.elapsed());
    for machine in [0, 1] {
        fleet.wait_until(machine, "in");
    }
    let ids = [0, 1].map(|it| fleet.status(it)["machine"].clone());
    assert_ne!(ids[0], ids[1], "each is a machine of its own");
    holders.iter_mut().for_each(|it| assert_eq!(it.acquire(json!({}))["code"], "GRANTED"));
    fleet.wait_until_used(0, 2);
}

#[test]
fn a_restored_store_is_refused_until_somebody_says_that_it_was_meant() {
    let Some(mut fleet) = Fleet::start(2, 1, 2, TTL) else { return };
    let (mut one, mut other) = (fleet.holder(0), fleet.holder(1));
    let (data, backup) = (fleet.etcd.data(0), fleet.etcd.data(9));
    fleet.etcd.kill_member(0);
    copy_directory(&data, &backup);
    fleet.etcd.start_member(0);
    fleet.etcd.wait_until_healthy();
    let seat = one.acquire(json!({"wait_ms": A_MINUTE}));
    assert_eq!(seat["code"], "GRANTED", "{seat}");
    assert_eq!(other.acquire(json!({"wait_ms": A_MINUTE}))["code"], "GRANTED");
    // A store is known by how far it had come: further than one that is restored comes by ending the leases of all.
    (0..2).for_each(|it| wait_for_beats(&fleet, it, 4));
    fleet.etcd.kill_member(0);
    std::fs::remove_dir_all(&data).unwrap();
    copy_directory(&backup, &data);
    // One machine finds its lease, the other asks when that has run out.
    fleet.machines[1].daemon.signal(Signal::SIGSTOP);
    fleet.etcd.start_member(0);
    fleet.wait_until(0, "refused");
    let engine = super::fleet_engines::etcd(fleet.etcd.endpoints());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    eventually("the leases of before run out", || match runtime.block_on(engine.list()) {
        Ok(listing) if listing.machines.is_empty() => Ok(()),
        other => Err(format!("{other:?}")),
    });
    fleet.machines[1].daemon.signal(Signal::SIGCONT);
    fleet.wait_until(1, "refused");
    let refused = fleet.holder(0).acquire(json!({}));
    assert_eq!(refused["code"], "FLEET_UNREACHABLE", "{refused}");
    let restored = eventually("it is certain that nothing of before is in use", || {
        let restored = fleet.machines[0].daemon.try_admin("fleet_restored", json!({}));
        restored.map_err(|it| format!("{it:?}"))
    });
    assert_eq!(restored["epoch"], 1, "{restored}");
    (0..2).for_each(|it| drop(fleet.wait_until(it, "in")));
    let again = one.acquire(json!({}));
    assert_eq!(again["code"], "GRANTED", "{again}");
    assert!(again["fence"].as_u64() > seat["fence"].as_u64(), "{again} after {seat}");
}

/// Until a machine has heard of so many renewals more of every machine.
fn wait_for_beats(fleet: &Fleet, machine: usize, more: u64) {
    // What a machine knows of the others is of its last renewal: of who came since, nothing.
    let beats = || -> Result<Vec<u64>, String> {
        let status = fleet.status(machine);
        let machines = status["machines"].as_array().unwrap();
        let beats: Vec<u64> = machines.iter().map(|it| it["beat"].as_u64().unwrap()).collect();
        if beats.len() == fleet.machines.len() { Ok(beats) } else { Err(status.to_string()) }
    };
    let before = eventually("all machines are known", beats);
    eventually("all machines have renewed", || {
        let now = beats()?;
        let all = before.iter().zip(&now).all(|(before, now)| now >= &(before + more));
        if all { Ok(()) } else { Err(format!("{before:?} {now:?}")) }
    });
}

#[test]
fn an_emptied_store_is_refused() {
    let Some(mut fleet) = Fleet::start(1, 1, 1, TTL) else { return };
    let data = fleet.etcd.data(0);
    fleet.etcd.kill_member(0);
    std::fs::remove_dir_all(&data).unwrap();
    fleet.etcd.start_member(0);
    let status = fleet.wait_until(0, "refused");
    assert!(status["why"].as_str().unwrap().contains("restored"), "{status}");
    assert_eq!(fleet.holder(0).acquire(json!({}))["code"], "FLEET_UNREACHABLE");
}

#[test]
fn an_administrator_drains_a_machine_and_puts_one_out() {
    let Some(fleet) = Fleet::start(2, 1, 2, TTL) else { return };
    let (mut one, mut other) = (fleet.holder(0), fleet.holder(1));
    assert_eq!(one.acquire(json!({}))["code"], "GRANTED");
    assert_eq!(other.acquire(json!({}))["code"], "GRANTED");
    let drained = fleet.machines[0].daemon.admin("fleet_drain", json!({}));
    assert_eq!(drained["draining"], true, "{drained}");
    assert_eq!(fleet.holder(0).acquire(json!({}))["code"], "FLEET_UNREACHABLE");
    assert_eq!(one.acquire(json!({}))["code"], "GRANTED", "what is held goes on");
    fleet.machines[0].daemon.admin("fleet_drain", json!({"on": false}));
    let evict = |machine: &str| -> Value {
        let told = fleet.machines[0].daemon.try_admin("fleet_evict", json!({"machine": machine}));
        told.unwrap_or_else(|it| json!({"refused": format!("{it:?}")}))
    };
    assert!(evict("nobody").get("refused").is_some());
    let evicted = evict("machine-1");
    assert!(evicted["certain_at"].is_string(), "{evicted}");
    eventually("the machine has no seats", || {
        let list = fleet.machines[1].daemon.admin("seat_list", json!({"product": ACME}));
        if list["items"] == json!([]) { Ok(()) } else { Err(list.to_string()) }
    });
    wait_for_an_end(&fleet, 1, "revoked");
    fleet.wait_until_used(0, 1);
    let status = fleet.wait_until(1, "in");
    assert_eq!(status["draining"], true, "it gives nothing until somebody says so: {status}");
    let audit = fleet.machines[0].daemon.admin("audit_list", json!({"limit": 100}));
    assert!(audit.to_string().contains("fleet_evicted"), "{audit}");
}

#[test]
fn a_sale_drains_the_places_that_are_gone_wherever_they_are() {
    let Some(fleet) = Fleet::start(2, 1, 1, TTL) else { return };
    fleet.licence.mint(&fleet.anvil, fleet.wallet.address(), 8);
    let (mut one, mut other) = (fleet.holder(0), fleet.holder(1));
    assert_eq!(one.acquire(json!({"wait_ms": A_MINUTE}))["code"], "GRANTED");
    assert_eq!(other.acquire(json!({"wait_ms": A_MINUTE}))["code"], "GRANTED");
    let stranger = crate::support::stage::stranger();
    fleet.licence.transfer(&fleet.anvil, fleet.wallet.address(), stranger, 8);
    eventually("exactly one of the two is drained", || {
        let states: Vec<Value> = [0, 1]
            .map(|it| fleet.machines[it].daemon.admin("seat_list", json!({}))["items"].clone())
            .into_iter()
            .flat_map(|it| it.as_array().cloned().unwrap_or_default())
            .map(|it| it["state"].clone())
            .collect();
        let draining = states.iter().filter(|it| *it == "draining").count();
        if (states.len(), draining) == (2, 1) { Ok(()) } else { Err(format!("{states:?}")) }
    });
}

/// The one that so many hundredths are not above, in microseconds.
fn percentile(times: &mut [Duration], hundredths: usize) -> u128 {
    times.sort();
    times[(times.len() - 1) * hundredths / 100].as_micros()
}

#[test]
fn a_seat_of_a_fleet_costs_little_more_than_two_transactions() {
    use entitled_core::fleet::{MachineId, Record, Slot, TokenKey};

    let Some(fleet) = Fleet::start(1, 1, 8, Duration::from_secs(10)) else { return };
    const ROUNDS: u64 = 200;
    // The floor: a slot is made and given back, by the engine alone.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let engine = super::fleet_engines::etcd(fleet.etcd.endpoints());
    let mut bare = runtime.block_on(async {
        let record = Record {
            v: Record::VERSION,
            name: String::new(),
            beat: 0,
            random: String::new(),
            version: String::new(),
            draining: false,
        };
        let ttl = Duration::from_secs(60);
        let joined = engine.join(MachineId([1; 8]), record, ttl).await.unwrap().unwrap();
        let slot = Slot { token: TokenKey([1; 16]), number: 0 };
        let mut times = Vec::new();
        for claim in 0..ROUNDS {
            let begun = Instant::now();
            let places = engine.claim(joined, vec![slot], claim).await.unwrap().unwrap();
            engine.release(places).await.unwrap();
            times.push(begun.elapsed());
        }
        times
    });
    let mut line = Line::connect(&fleet.machines[0].daemon.socket());
    let (mut acquired, begun) = (Vec::new(), Instant::now());
    let ask = json!({"product": ACME, "bind": "connection"});
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let seat = line.call("seat_acquire", &ask).unwrap();
        assert_eq!(seat["code"], "GRANTED", "{seat}");
        acquired.push(begun.elapsed());
        line.call("seat_release", &json!({"seat": seat["seat"]})).unwrap();
    }
    let each = begun.elapsed() / u32::try_from(ROUNDS).unwrap();
    let (floor, floor_99) = (percentile(&mut bare, 50), percentile(&mut bare, 99));
    let (half, most) = (percentile(&mut acquired, 50), percentile(&mut acquired, 99));
    eprintln!("bare claim and release: p50 {floor} us, p99 {floor_99} us");
    eprintln!("seat_acquire: p50 {half} us, p99 {most} us; with its release {each:?}");
    assert!(half < floor * 5 + 20_000, "{half} us beside {floor} us");
}
