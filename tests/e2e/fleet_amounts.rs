//! Machines that share what accounts have of a token (ERC-1155): together they give what the balances are good for.

use std::time::Duration;

use serde_json::{Value, json};

use entitled_core::fleet::{FleetId, MachineId, Meta, Naming, Record};

use crate::fleet_engines::etcd as engine;
use crate::support::anvil::Anvil;
use crate::support::daemon::Daemon;
use crate::support::etcd::Etcd;
use crate::support::eventually;
use crate::support::licences::Editions;
use crate::support::seat_holder::SeatHolder;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::ACME;
use crate::support::wallet::Wallet;

const TTL: Duration = Duration::from_secs(3);
const A_MINUTE: u64 = 60_000;

struct Site {
    // Dropped in this order.
    machines: Vec<Daemon>,
    etcd: Etcd,
    anvil: Anvil,
    editions: Editions,
}

impl Site {
    fn new() -> Option<Self> {
        let etcd = Etcd::start(1)?;
        let anvil = Anvil::start();
        let editions = Editions::deploy(&anvil);
        Some(Self { machines: Vec::new(), etcd, anvil, editions })
    }

    /// Another machine, which knows a wallet that has so many of edition 7; each is good for `seats`.
    fn add(&mut self, wallet: u8, amount: u64, seats: u32) {
        let wallet = Wallet::numbered(wallet);
        if amount > 0 {
            self.editions.issue(&self.anvil, wallet.address(), 7, amount);
        }
        let product = ProductFile::new(ACME).tier("pro", 20, &format!("seats = {seats}")).grant(
            "pro",
            &self.editions.token(7),
            "rule = \"balance\"",
        );
        let (name, ttl) = (self.machines.len(), TTL.as_secs());
        let fleet = format!(
            "[fleet]\nengine = \"etcd\"\nname = \"t\"\nmachine = \"m-{name}\"\nttl = \"{ttl}s\"\nendpoints = {:?}",
            self.etcd.endpoints()
        );
        let daemon =
            Daemon::start(&Settings::new([self.anvil.url()]).product(product).more(&fleet));
        daemon.link(&wallet);
        daemon.wait_for_code(ACME, "VALID");
        self.machines.push(daemon);
        self.wait_until_in(name);
    }

    fn wait_until_in(&self, machine: usize) {
        eventually(&format!("machine {machine} is in"), || {
            let status = self.machines[machine].admin("fleet_status", json!({}));
            if status["standing"] == "in" { Ok(()) } else { Err(status.to_string()) }
        });
    }

    /// A seat for a process of its own, on this machine.
    fn seat(&self, machine: usize) -> Result<SeatHolder, Value> {
        let mut holder = SeatHolder::start(&self.machines[machine].socket());
        let answer = holder.acquire(json!({}));
        if answer["granted"] == true { Ok(holder) } else { Err(answer) }
    }

    /// As many as are given, by these machines in turn, until each has refused one.
    fn fill(&self, machines: &[usize]) -> Vec<SeatHolder> {
        let mut given = Vec::new();
        let mut open: Vec<usize> = machines.to_vec();
        while !open.is_empty() {
            open.retain(|machine| match self.seat(*machine) {
                Ok(holder) => {
                    given.push(holder);
                    true
                }
                Err(refused) => {
                    assert_eq!(refused["code"], "SEATS_FULL", "{refused}");
                    false
                }
            });
            assert!(given.len() < 100, "it comes to an end");
        }
        given
    }

    fn places(&self, machine: usize) -> Value {
        self.machines[machine].admin("fleet_status", json!({}))["places"].clone()
    }

    fn states(&self, machine: usize) -> Vec<String> {
        let list = self.machines[machine].admin("seat_list", json!({}));
        let items = list["items"].as_array().unwrap().iter();
        items.map(|it| it["state"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn machines_share_one_balance_and_never_give_more() {
    let Some(mut site) = Site::new() else { return };
    site.add(1, 3, 2);
    site.add(1, 0, 2);
    let given = site.fill(&[0, 1]);
    assert_eq!(given.len(), 6, "three, each good for two");
    assert_eq!(site.places(0), 6);
    drop(given);
}

#[test]
fn what_one_account_has_of_an_id_is_no_place_of_another() {
    let Some(mut site) = Site::new() else { return };
    site.add(1, 3, 1);
    site.add(2, 1, 1);
    let (one, other) = (site.fill(&[0]), site.fill(&[1]));
    assert_eq!((one.len(), other.len()), (3, 1));
    assert_eq!(site.fill(&[0, 1]).len(), 0);
}

#[test]
fn after_a_part_is_sold_a_seat_goes_on_in_a_place_that_is_left() {
    let Some(mut site) = Site::new() else { return };
    site.add(1, 3, 1);
    site.add(1, 0, 1);
    let mut given = site.fill(&[0]);
    assert_eq!(given.len(), 3);
    // Two end, and whichever place the third has, there is one for it when one is left.
    given.remove(0).kill();
    given.remove(0).kill();
    eventually("two are free", || match site.places(1) {
        it if it == 1 => Ok(()),
        other => Err(other.to_string()),
    });
    let second = site.seat(1).map_err(|it| it.to_string()).unwrap();
    site.editions.take_back(&site.anvil, Wallet::numbered(1).address(), 7, 1);
    eventually("two are counted on each machine", || {
        let lists = [0, 1].map(|it| site.machines[it].admin("seat_list", json!({"product": ACME})));
        let is_so = |it: &Value| it["pools"].to_string().contains("\"capacity\":2");
        if lists.iter().all(is_so) { Ok(()) } else { Err(format!("{lists:?}")) }
    });
    eventually("both go on", || {
        let states = (site.states(0), site.states(1));
        let held = ["held".to_owned()];
        if states == (held.to_vec(), held.to_vec()) { Ok(()) } else { Err(format!("{states:?}")) }
    });
    let full = site.seat(0).err().unwrap();
    assert_eq!(full["code"], "SEATS_FULL", "{full}");
    // One more is sold: one of the two is drained, on whichever machine.
    site.editions.take_back(&site.anvil, Wallet::numbered(1).address(), 7, 1);
    eventually("one of the two is drained", || {
        let mut states = [site.states(0), site.states(1)].concat();
        states.sort();
        if states == ["draining", "held"] { Ok(()) } else { Err(format!("{states:?}")) }
    });
    second.kill();
}

/// As a daemon wrote it that knew of no amounts.
fn of_before(beat: u64) -> Record {
    Record {
        v: Record::VERSION,
        name: "old".to_owned(),
        beat,
        random: format!("{beat:016}"),
        version: "0.0.1".to_owned(),
        draining: false,
    }
}

#[test]
fn beside_machines_of_before_an_id_counts_once_until_the_store_has_been_empty() {
    let Some(mut site) = Site::new() else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let old = engine(site.etcd.endpoints());
    let meta = Meta { fleet: FleetId([7; 16]), epoch: 0, naming: Naming::ByToken };
    let joined = runtime.block_on(async {
        old.open(Some(meta)).await.unwrap();
        let ttl = Duration::from_secs(600);
        old.join(MachineId([1; 8]), of_before(0), ttl).await.unwrap().unwrap()
    });
    site.add(1, 3, 1);
    let given = site.fill(&[0]);
    assert_eq!(given.len(), 1, "an old machine would give places of the same id");
    drop(given);
    // It goes, and the daemon of now is stopped for longer than its lease.
    runtime.block_on(old.revoke(joined.lease)).unwrap();
    site.machines[0].stop();
    eventually("the store is empty", || {
        let listing = runtime.block_on(old.list()).map_err(|it| it.to_string())?;
        let is_empty = listing.machines.is_empty() && listing.slots.is_empty();
        if is_empty { Ok(()) } else { Err(format!("{listing:?}")) }
    });
    site.machines[0].resume();
    site.machines[0].wait_for_code(ACME, "VALID");
    site.wait_until_in(0);
    let (found, _) = runtime.block_on(old.open(None)).unwrap();
    assert_eq!(found.unwrap().meta.naming, Naming::ByShare);
    let mut first = SeatHolder::start(&site.machines[0].socket());
    let granted = first.acquire(json!({"wait_ms": A_MINUTE}));
    assert_eq!(granted["code"], "GRANTED", "{granted}");
    assert_eq!(site.fill(&[0]).len(), 2, "and two more");
}
