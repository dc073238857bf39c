//! Several machines that share the seats of one token over real etcd.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::anvil::Anvil;
use super::contract::Contract;
use super::daemon::Daemon;
use super::etcd::{Etcd, Link};
use super::eventually;
use super::seat_holder::SeatHolder;
use super::settings::{ProductFile, Settings};
use super::stage::ACME;
use super::wallet::Wallet;
use super::world::World;

/// Seats of a token of which there are as many as anybody wants.
pub const NO_LIMIT: u32 = 0;

pub struct Machine {
    pub daemon: Daemon,
    /// To each member.
    pub links: Vec<Link>,
}

pub struct Fleet {
    // Dropped in this order.
    pub machines: Vec<Machine>,
    pub etcd: Etcd,
    pub licence: Contract,
    pub anvil: Anvil,
    pub wallet: Wallet,
    ttl: Duration,
}

impl Fleet {
    /// Every machine knows the wallet, which holds token 7; each token is good for `seats`. `None` where etcd is missing.
    pub fn start(machines: usize, members: usize, seats: u32, ttl: Duration) -> Option<Self> {
        let mut fleet = Self::over(Etcd::start(members)?, ttl);
        for number in 0..machines {
            let machine = fleet.machine(&format!("machine-{number}"), seats);
            fleet.machines.push(machine);
        }
        for number in 0..machines {
            fleet.wait_until(number, "in");
        }
        Some(fleet)
    }

    /// Of no machine yet.
    pub fn over(etcd: Etcd, ttl: Duration) -> Self {
        let anvil = Anvil::start();
        let licence = Contract::licence(&anvil);
        let wallet = Wallet::numbered(1);
        licence.mint(&anvil, wallet.address(), 7);
        Self { machines: Vec::new(), etcd, licence, anvil, wallet, ttl }
    }

    /// Another machine of the fleet, started.
    pub fn machine(&self, name: &str, seats: u32) -> Machine {
        self.machine_in(None, name, seats)
    }

    /// The same, with the clocks of `world`.
    pub fn machine_in(&self, world: Option<World>, name: &str, seats: u32) -> Machine {
        let links: Vec<Link> =
            (0..self.etcd.len()).map(|it| Link::to(self.etcd.address(it))).collect();
        let endpoints: Vec<String> = links.iter().map(Link::endpoint).collect();
        let settings = self.settings(name, seats, &endpoints);
        let mut daemon = Daemon::prepare(&settings);
        if let Some(world) = world {
            daemon.enter(world);
        }
        daemon.resume();
        daemon.link(&self.wallet);
        daemon.wait_for_code(ACME, "VALID");
        Machine { daemon, links }
    }

    pub fn settings(&self, name: &str, seats: u32, endpoints: &[String]) -> Settings {
        let limit = if seats == NO_LIMIT { String::new() } else { format!("seats = {seats}\n") };
        let tier = format!("{limit}features = {{ export = true }}");
        let grant = r#"tokens_of = "enumerable""#;
        let product = ProductFile::new(ACME).tier("pro", 20, &tier);
        let product = product.grant("pro", &self.licence.collection(), grant);
        let ttl = self.ttl.as_secs();
        Settings::new([self.anvil.url()]).product(product).more(&format!(
            "[fleet]\nengine = \"etcd\"\nname = \"t\"\nmachine = \"{name}\"\nttl = \"{ttl}s\"\nendpoints = {endpoints:?}"
        ))
    }

    pub fn holder(&self, machine: usize) -> SeatHolder {
        SeatHolder::start(&self.machines[machine].daemon.socket())
    }

    pub fn status(&self, machine: usize) -> Value {
        self.machines[machine].daemon.admin("fleet_status", json!({}))
    }

    /// Until a machine stands so with the store.
    pub fn wait_until(&self, machine: usize, standing: &str) -> Value {
        eventually(&format!("machine {machine} is {standing}"), || {
            let status = self.status(machine);
            if status["standing"] == standing { Ok(status) } else { Err(status.to_string()) }
        })
    }

    /// Places in use in all of the fleet, as a machine hears of them.
    pub fn used(&self, machine: usize) -> u64 {
        self.status(machine)["places"].as_u64().unwrap()
    }

    pub fn wait_until_used(&self, machine: usize, used: u64) {
        eventually(&format!("machine {machine} hears of {used} places in use"), || {
            let found = self.used(machine);
            if found == used { Ok(()) } else { Err(format!("{found}: {}", self.status(machine))) }
        });
    }

    pub fn cut(&self, machine: usize) {
        self.machines[machine].links.iter().for_each(Link::cut);
    }

    pub fn heal(&self, machine: usize) {
        self.machines[machine].links.iter().for_each(Link::heal);
    }

    pub fn state_file(&self, machine: usize) -> PathBuf {
        self.machines[machine].daemon.home().join("state/fleet.json")
    }
}
