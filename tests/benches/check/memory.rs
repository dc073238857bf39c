//! What the daemon holds in memory: idle, for each verdict, and after ten million checks.

use std::time::Duration;

use serde_json::json;

use crate::report::Row;
use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::settings::{ProductFile, Settings};
use crate::support::socket::Line;
use crate::support::wallet::Wallet;

/// Verdicts are made of so many customers with a licence and so many products.
const CUSTOMERS: u8 = 20;
const PRODUCTS: usize = 100;

pub fn tell_idle(pid: i32) {
    // Until the start has settled: nothing tells when that is.
    std::thread::sleep(Duration::from_secs(1));
    tell("memory_idle", format!("{:.1} MB", resident(pid) / 1e6), ("MB", resident(pid) / 1e6));
}

pub fn tell_load(pid: i32, mut load: impl FnMut()) {
    let before = resident(pid);
    load();
    let grown = (resident(pid) - before) / 1e6;
    tell("memory_load", format!("{grown:+.1} MB"), ("MB", grown));
}

/// Valid verdicts of customers who each hold a licence, as administrators ask for them.
pub fn measure_verdicts() {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let mut settings = Settings::new([anvil.url()]);
    for number in 0..PRODUCTS {
        let product = ProductFile::acme(&licence.collection()).named(&format!("product-{number}"));
        settings = settings.product(product.set("refresh", "\"1h\""));
    }
    let mut daemon = Daemon::start(&settings);
    let mut customers = Vec::new();
    for number in 1..=CUSTOMERS {
        let made = daemon.admin("customer_create", json!({"name": format!("customer {number}")}));
        let id = made["id"].as_str().unwrap().to_owned();
        let wallet = Wallet::numbered(number);
        licence.mint(&anvil, wallet.address(), u64::from(number));
        daemon.link_for(&wallet, &id);
        customers.push(id);
    }
    let ask = |line: &mut Line, customer: &String, product: usize| {
        let params = json!({"product": format!("product-{product}"), "customer": customer, "wait_ms": 30_000});
        let verdict = line.call("entitlement_check", &params).unwrap();
        assert_eq!(verdict["code"], "VALID", "{verdict}");
    };
    // One of each customer first, so that what is known of wallets and chain does not count.
    let mut line = Line::connect(&daemon.admin_socket());
    customers.iter().for_each(|it| ask(&mut line, it, 0));
    let before = resident(daemon.pid());
    for product in 1..PRODUCTS {
        customers.iter().for_each(|it| ask(&mut line, it, product));
    }
    let each = (resident(daemon.pid()) - before) / (customers.len() * (PRODUCTS - 1)) as f64;
    tell("memory_verdict", format!("{each:.0} bytes"), ("bytes", each));
}

fn tell(id: &str, ours: String, judged: (&str, f64)) {
    Row { id, ours, peer: String::new(), processor: None, judged: &[judged] }.tell();
}

/// In bytes.
pub fn resident(pid: i32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|it| it.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}
