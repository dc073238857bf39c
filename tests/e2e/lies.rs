//! An endpoint that lies. A customer who holds a token must never be told `NOT_HELD`, and one who holds none
//! never anything valid; what cannot be proven is `UNDETERMINED`.
//!
//! Each case has two contracts: of one the wallet holds token 7, of the other token 7 is somebody else's.

use std::time::Duration;

use alloy_consensus::Header;
use alloy_primitives::Address;
use serde_json::Value;

use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::faults::{self, Fault};
use crate::support::proxy::Proxy;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::stranger;
use crate::support::wallet::Wallet;

struct Case {
    daemon: Daemon,
    proxy: Proxy,
    held: Contract,
    other: Contract,
    wallet: Wallet,
    anvil: Anvil,
}

fn product(id: &str, contract: &Contract) -> ProductFile {
    let more = r#"tokens_of = "ids""#;
    ProductFile::new(id).tier("pro", 20, "").grant(
        "pro",
        &contract.collection(),
        &format!("{more}\nids = [\"7\"]"),
    )
}

impl Case {
    fn new() -> Self {
        let anvil = Anvil::start();
        let (held, other) = (Contract::licence(&anvil), Contract::licence(&anvil));
        let wallet = Wallet::numbered(1);
        held.mint(&anvil, wallet.address(), 7);
        other.mint(&anvil, stranger(), 7);
        anvil.finalize();
        let proxy = Proxy::start(&anvil.address());
        let settings = Settings::new([proxy.url()])
            .product(product("held", &held))
            .product(product("other", &other));
        let daemon = Daemon::start(&settings);
        Self { daemon, proxy, held, other, wallet, anvil }
    }

    /// The lie is told from before the first look on.
    fn undetermined_from_the_start(self) {
        self.daemon.link(&self.wallet);
        self.honestly("held", &["NOT_HELD", "VALID"]);
        self.honestly("other", &["VALID", "GRACE", "NOT_HELD"]);
        assert_eq!(self.daemon.code("held"), "UNDETERMINED");
        assert_eq!(self.daemon.code("other"), "UNDETERMINED");
        self.proxy.heal();
        self.daemon.wait_for_code("held", "VALID");
        self.daemon.wait_for_code("other", "NOT_HELD");
    }

    fn honestly(&self, product: &str, never: &[&str]) {
        self.daemon.never_answers(product, never, Duration::from_millis(700));
    }
}

/// One test for each lie.
macro_rules! lies {
    ($($name:ident: $case:ident => $fault:expr;)*) => {$(
        #[test]
        fn $name() {
            let $case = Case::new();
            for fault in $fault {
                $case.proxy.add(fault);
            }
            $case.undetermined_from_the_start();
        }
    )*};
}

lies! {
    a_forged_owner_is_refused: case => [faults::owned_by(case.wallet.address())];
    a_forged_count_is_refused: case => [faults::slot_values(alloy_primitives::B256::with_last_byte(1))];
    a_slot_claimed_empty_with_a_cut_proof_is_refused: case => [faults::slots_zero_with_cut_proofs()];
    a_slot_claimed_empty_without_proof_is_refused: case => [faults::slots_zero_without_proofs()];
    storage_claimed_empty_is_refused: case => [faults::storage_hash()];
    a_forged_code_hash_is_refused: case => [faults::code_hash()];
    altered_code_is_refused: case => [faults::code_byte()];
    a_contract_claimed_absent_is_refused: case => [faults::account_absent()];
    a_proof_of_another_account_is_refused: case => [faults::other_account(Address::repeat_byte(0x77))];
    a_renamed_proof_of_another_account_is_refused: case =>
        faults::other_account_renamed(case.held.address, case.other.address);
    a_forged_state_root_is_refused: case => [faults::state_root()];
    a_forged_time_is_refused: case => [faults::header_time()];
    a_forged_block_hash_is_refused: case => [faults::block_hash()];
}

/// Which chain an endpoint is on is asked before anything else, so that the lie is there at the start.
#[test]
fn another_chain_is_refused() {
    let mut case = Case::new();
    case.proxy.fault(faults::chain_id("0x1"));
    case.daemon.restart();
    case.undetermined_from_the_start();
}

#[test]
fn a_lie_begun_later_never_turns_into_a_wrong_answer() {
    let case = Case::new();
    case.daemon.link(&case.wallet);
    case.daemon.wait_for_code("held", "VALID");
    case.daemon.wait_for_code("other", "NOT_HELD");
    case.proxy.fault(faults::slots_zero_with_cut_proofs());
    case.anvil.mine(1);
    case.daemon.never_answers("held", &["NOT_HELD"], Duration::from_secs(3));
    case.proxy.fault(faults::owned_by(case.wallet.address()));
    case.anvil.mine(1);
    case.daemon.never_answers("other", &["VALID", "GRACE"], Duration::from_secs(3));
}

#[test]
fn a_sale_hidden_by_a_lie_is_not_proven_undone() {
    let case = Case::new();
    case.daemon.link(&case.wallet);
    case.daemon.wait_for_code("held", "VALID");
    case.held.transfer(&case.anvil, case.wallet.address(), stranger(), 7);
    case.daemon.wait_for_code("held", "NOT_HELD");
    case.proxy.fault(faults::owned_by(case.wallet.address()));
    case.anvil.mine(1);
    case.daemon.never_answers("held", &["VALID", "GRACE"], Duration::from_secs(2));
}

#[test]
fn another_genesis_is_another_chain() {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let wallet = Wallet::numbered(1);
    licence.mint(&anvil, wallet.address(), 7);
    let settings = |genesis: &Value| {
        let product = ProductFile::acme(&licence.collection());
        let mut settings = Settings::new([anvil.url()]).product(product);
        settings.genesis = Some(genesis.as_str().unwrap().to_owned());
        settings
    };
    let wrong = Daemon::start(&settings(&anvil.block("latest")["hash"]));
    wrong.link(&wallet);
    wrong.never_answers("acme-cad", &["VALID", "NOT_HELD"], Duration::from_secs(1));
    assert_eq!(wrong.code("acme-cad"), "UNDETERMINED");

    let right = Daemon::start(&settings(&anvil.block("0x0")["hash"]));
    right.link(&wallet);
    right.wait_for_code("acme-cad", "VALID");
}

/// Two chains and a proxy: before the first, where the wallet holds nothing. On the other, which is higher, it does.
struct TwoChains {
    anvil: Anvil,
    other: Anvil,
    licence: Contract,
    wallet: Wallet,
    proxy: Proxy,
    daemon: Daemon,
}

impl TwoChains {
    fn with(other: Anvil) -> Self {
        let anvil = Anvil::start();
        let licence = Contract::licence(&anvil);
        assert_eq!(Contract::licence(&other), licence);
        let wallet = Wallet::numbered(1);
        licence.mint(&other, wallet.address(), 7);
        licence.mint(&anvil, stranger(), 7);
        anvil.finalize();
        other.mine(60);
        let proxy = Proxy::start(&anvil.address());
        let product = ProductFile::acme(&licence.collection());
        let mut settings = Settings::new([proxy.url()]).product(product);
        settings.genesis = anvil.block("0x0")["hash"].as_str().map(str::to_owned);
        let mut daemon = Daemon::prepare(&settings);
        let text = settings.text(daemon.home());
        daemon.write_config(&text.replace("poll =", "retry = \"200ms\"\npoll ="));
        daemon.resume();
        daemon.link(&wallet);
        daemon.wait_for_code("acme-cad", "NOT_HELD");
        Self { anvil, other, licence, wallet, proxy, daemon }
    }

    fn never_held(&self) {
        self.daemon.never_answers("acme-cad", &["VALID", "GRACE"], Duration::from_secs(3));
        self.daemon.wait_for_log("an endpoint is on another chain");
    }
}

fn of_another_genesis() -> Anvil {
    Anvil::start_in_the_past(Duration::from_secs(600))
}

/// A node that is started again at the same address for another network, or a name that leads elsewhere.
#[test]
fn an_endpoint_that_becomes_another_chain_says_nothing_of_this_one() {
    for other in [Anvil::with(&["--chain-id", "4242"]), of_another_genesis()] {
        let it = TwoChains::with(other);
        it.proxy.lead_to(&it.other.address());
        it.never_held();
        it.proxy.lead_to(&it.anvil.address());
        it.licence.mint(&it.anvil, it.wallet.address(), 8);
        let verdict = it.daemon.wait_for_code("acme-cad", "VALID");
        assert!(verdict["anchor"]["number"].as_u64() < Some(60), "{verdict}");
    }
}

#[test]
fn of_two_chains_behind_one_name_the_other_says_nothing() {
    let it = TwoChains::with(of_another_genesis());
    it.proxy.alternate_with(&it.other.address());
    it.never_held();
}

#[test]
fn left_out_events_hide_nothing_that_is_proven_otherwise() {
    let anvil = Anvil::start();
    let licence = Contract::deploy(&anvil, "PlainLicence", None);
    let wallet = Wallet::numbered(1);
    licence.mint(&anvil, wallet.address(), 7);
    let proxy = Proxy::start(&anvil.address());
    proxy.fault(faults::no_logs());
    let product = ProductFile::new("acme-cad").tier("pro", 20, "").grant(
        "pro",
        &licence.collection(),
        r#"tokens_of = "logs""#,
    );
    let daemon = Daemon::start(&Settings::new([proxy.url()]).product(product));
    daemon.link(&wallet);
    // balanceOf proves that there is one, and nobody says which.
    daemon.never_answers("acme-cad", &["NOT_HELD", "VALID"], Duration::from_secs(1));
    assert_eq!(daemon.code("acme-cad"), "UNDETERMINED");
}

#[test]
fn a_stale_endpoint_does_not_bring_back_what_was_sold() {
    let case = Case::new();
    case.daemon.link(&case.wallet);
    case.daemon.wait_for_code("held", "VALID");
    let before = case.anvil.block_number();
    case.held.transfer(&case.anvil, case.wallet.address(), stranger(), 7);
    case.anvil.finalize();
    case.daemon.wait_for_code("held", "NOT_HELD");
    case.anvil.finalize();
    case.proxy.fault(faults::head_stays_at(before));
    // A head that goes back may be a reorganisation, but one below the finalized block is none.
    case.daemon.never_answers("held", &["VALID", "GRACE"], Duration::from_secs(2));
}

/// Trouble is not a lie, but must lead to the same caution.
macro_rules! troubles {
    ($($name:ident => $fault:expr;)*) => {$(
        #[test]
        fn $name() {
            let case = Case::new();
            case.proxy.fault($fault);
            case.undetermined_from_the_start();
        }
    )*};
}

troubles! {
    a_connection_closed_is_unknown => Fault::Drop;
    an_answer_cut_off_is_unknown => Fault::Cut;
    too_many_requests_is_unknown => Fault::too_many_requests();
    a_broken_server_is_unknown => Fault::Status { status: 500, headers: &[] };
    a_broken_gateway_is_unknown => Fault::Status { status: 502, headers: &[] };
    a_redirect_is_not_followed => Fault::Status { status: 307, headers: &[("Location", "http://127.0.0.1:9/")] };
    a_page_instead_of_an_answer_is_unknown => Fault::body("<html>Sign in to the hotel's network");
    an_empty_answer_is_unknown => Fault::body("");
    null_for_everything_is_unknown => Fault::body(r#"{"jsonrpc":"2.0","id":0,"result":null}"#);
    an_error_for_everything_is_unknown => Fault::Error { code: -32000, message: "missing trie node" };
}

#[test]
fn an_endpoint_too_slow_to_answer_is_unknown() {
    let case = Case::new();
    case.proxy.fault(Fault::Delay(Duration::from_secs(20)));
    case.daemon.link(&case.wallet);
    let verdict = case
        .daemon
        .call("entitlement_check", serde_json::json!({"product": "held", "wait_ms": 500}));
    assert_eq!(verdict["code"], "UNDETERMINED", "{verdict}");
}

#[test]
fn endless_answers_cost_little_memory() {
    for fault in [Fault::oversized(200 << 20), Fault::GzipBomb { size: 1 << 30 }] {
        let mut case = Case::new();
        case.proxy.fault(fault);
        case.daemon.link(&case.wallet);
        case.daemon.never_answers("held", &["VALID", "NOT_HELD"], Duration::from_secs(2));
        let peak = case.daemon.peak_memory();
        assert!(peak < 150 << 20, "{} MiB", peak >> 20);
        case.proxy.heal();
        case.daemon.wait_for_code("held", "VALID");
    }
}

/// They hash to their names, and no chain has such blocks.
#[test]
fn blocks_of_impossible_numbers_and_times_end_nothing() {
    let mut case = Case::new();
    case.daemon.link(&case.wallet);
    case.daemon.wait_for_code("held", "VALID");
    for alter in [
        |it: &mut Header| it.number = u64::MAX,
        |it: &mut Header| it.number = u64::MAX - 1,
        |it: &mut Header| it.timestamp = 0,
        |it: &mut Header| it.timestamp = u64::MAX,
        |it: &mut Header| (it.number, it.timestamp) = (u64::MAX, u64::MAX),
        |it: &mut Header| (it.gas_limit, it.base_fee_per_gas) = (u64::MAX, None),
        |it: &mut Header| (it.gas_limit, it.base_fee_per_gas) = (0, Some(u64::MAX)),
        |it: &mut Header| it.excess_blob_gas = Some(u64::MAX),
    ] {
        for again in [false, true] {
            case.proxy.fault(faults::invented_head(alter));
            if again {
                case.daemon.restart();
            }
            let before = case.proxy.calls("eth_getBlockByNumber");
            eventually("its blocks are asked for", || {
                match case.proxy.calls("eth_getBlockByNumber") - before {
                    0..5 => Err("not yet".to_owned()),
                    _ => Ok(()),
                }
            });
            case.daemon.never_answers("held", &["NOT_HELD"], Duration::from_millis(300));
            case.proxy.heal();
            case.daemon.wait_for_code("held", "VALID");
            case.anvil.mine(1);
        }
    }
    assert!(!case.daemon.log().contains("panic: "), "{}", case.daemon.log());
}

/// Whoever names a block of their own making names the root of its state too.
#[test]
fn a_state_without_a_bottom_ends_nothing() {
    let mut case = Case::new();
    case.daemon.link(&case.wallet);
    case.daemon.wait_for_code("held", "VALID");
    for fault in faults::bottomless_state() {
        case.proxy.add(fault);
    }
    let before = case.proxy.calls("eth_capabilities");
    case.daemon.restart();
    eventually("the endpoint was examined, its proof too", || {
        match case.proxy.calls("eth_capabilities") - before {
            0 => Err(case.daemon.log_of_this_start()),
            _ => Ok(()),
        }
    });
    case.proxy.heal();
    case.daemon.wait_for_code("held", "VALID");
    // Who follows the chain is still there.
    case.held.transfer(&case.anvil, case.wallet.address(), stranger(), 7);
    case.daemon.wait_for_code("held", "NOT_HELD");
    assert!(!case.daemon.log().contains("panic: "), "{}", case.daemon.log());
}

/// What is reckoned of a header before a contract runs is reckoned of any number in it, and at once.
#[test]
fn no_number_in_a_header_keeps_a_contract_from_being_run() {
    let mut case = Case::new();
    case.daemon.link(&case.wallet);
    case.daemon.wait_for_code("held", "VALID");
    for excess in [
        |it: &mut Header| it.excess_blob_gas = Some(u64::MAX),
        |it: &mut Header| {
            it.excess_blob_gas = Some(500_000_000);
        },
    ] {
        case.proxy.fault(faults::invented_head(excess));
        case.proxy.add(faults::state_of_the_head());
        case.daemon.restart();
        // Under `single` that head counts, and all else of it is true.
        let (token, wallet) = (case.held.token(7), case.wallet.address());
        let ask = serde_json::json!({"token": token, "wallet": wallet});
        eventually("the contract is asked at that head", || {
            match case.daemon.try_call("token_verify", ask.clone()) {
                Ok(said) if said["holding"] == "held" => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        case.proxy.heal();
    }
    assert!(!case.daemon.log().contains("panic: "), "{}", case.daemon.log());
}

/// Not long, but so many values that reading them takes a hundred times the memory.
#[test]
fn dense_answers_cost_little_memory() {
    let mut case = Case::new();
    let parts = format!("[{}0]", r#"{"":0},"#.repeat((7 << 20) / 7));
    for method in ["eth_getBlockByNumber", "eth_syncing"] {
        let result = format!(r#"{{"more":{parts},"hash":"0x00"}}"#);
        case.proxy.fault_in(method, Fault::Result(result.into()));
        let before = case.proxy.calls(method);
        case.daemon.restart();
        eventually("it is asked", || match case.proxy.calls(method) - before {
            0 => Err("not yet".to_owned()),
            _ => Ok(()),
        });
        case.daemon.never_answers("held", &["VALID"], Duration::from_secs(2));
        let peak = case.daemon.peak_memory();
        assert!(peak < 150 << 20, "{method}: {} MiB", peak >> 20);
        case.proxy.heal();
    }
}

#[test]
fn an_endpoint_that_refuses_batches_is_asked_singly() {
    let case = Case::new();
    case.proxy.fault(Fault::RefuseBatches);
    case.daemon.link(&case.wallet);
    case.daemon.wait_for_code("held", "VALID");
}

#[test]
fn an_endpoint_that_knows_no_blocks_by_hash_is_asked_by_number() {
    let case = Case::new();
    case.proxy.fault(Fault::RefuseBlockHashes);
    case.daemon.link(&case.wallet);
    case.daemon.wait_for_code("held", "VALID");
    case.daemon.wait_for_code("other", "NOT_HELD");
}
