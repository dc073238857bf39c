//! The least rules of a block are told from its header. Nodes at every fork, programs of a few bytes that only some
//! forks can run: what comes out is the same as at the node, or nothing where a later fork may tell otherwise.

use alloy_primitives::{Address, Bytes, U256, hex};
use entitled_core::domain::evm_fork::EvmFork;
use entitled_core::domain::ownership::{Cause, Finality};
use serde_json::json;

use crate::differential::{Stand, Subject, open_by, report};
use crate::support::anvil::Anvil;

/// Each leaves one word on the stack: what it is, the fork it came with, and its code.
const PROGRAMS: &[(&str, &[u8])] = &[
    ("the chain's id (Istanbul)", &hex!("46")),
    ("its own balance (Istanbul)", &hex!("47")),
    ("the base fee (London)", &hex!("48")),
    ("difficulty or randomness (Paris)", &hex!("44")),
    ("a zero in one byte (Shanghai)", &hex!("5f")),
    ("the hash of a blob (Cancun)", &hex!("600049")),
    ("the blobs' base fee (Cancun)", &hex!("4a")),
    ("a transient slot (Cancun)", &hex!("600760015d60015c")),
    ("memory, copied (Cancun)", &hex!("60076000526020600060205e602051")),
    ("points of BLS12-381 (Prague)", &hex!("600060006101006000600b5afa503d")),
    ("leading zeros (Osaka)", &hex!("60071e")),
    ("a signature of P-256 (Osaka)", &hex!("366000600037600060003660006101005afa503d")),
    ("the slot's number (Amsterdam)", &hex!("4b")),
    ("the block's number", &hex!("43")),
    ("the block's time", &hex!("42")),
    ("the gas limit", &hex!("45")),
    ("who gets the fees", &hex!("41")),
    ("the balance of who gets the fees", &hex!("4131")),
    ("the hash of nobody's code", &hex!("60ee3f")),
    ("the hash of a precompile's code", &hex!("60013f")),
    ("the balance of who asks", &hex!("3331")),
    ("a call with value", &hex!("6000600060006000600130195af1")),
    ("a contract that ends itself", &hex!("6130ff6000526002601e6000f0")),
    ("gas for a cold slot", &hex!("60075a600754505a9003")),
    ("gas for a warm slot", &hex!("600754505a600754505a9003")),
    ("gas for a cold account", &hex!("5a60ee31505a9003")),
    ("gas for a warm account", &hex!("60ee31505a60ee31505a9003")),
    ("gas for who gets the fees", &hex!("5a4131505a9003")),
    ("gas for who asks", &hex!("5a3331505a9003")),
    ("gas for itself", &hex!("5a3031505a9003")),
    ("gas for a precompile", &hex!("5a600131505a9003")),
    ("gas for a written slot", &hex!("5a60016007555a9003")),
];

/// What differs by design, and at which fork; at every one where none is named.
const DIFFERENT: &[(&str, &str)] = &[
    // A header with a base fee and without difficulty is of Paris; this node makes such before it, too.
    ("london", "difficulty or randomness (Paris)"),
    // Whose account is warm because it gets the fees would differ from block to block.
    ("", "gas for who gets the fees"),
];

const FORKS: [&str; 8] =
    ["Berlin", "London", "Paris", "Shanghai", "Cancun", "Prague", "Osaka", "Amsterdam"];

/// Whether a program gets no answer, because a later fork than that of the header may tell otherwise.
fn is_in_doubt(fork: &str, what: &str) -> bool {
    let place = |it: &dyn Fn(&str) -> bool| FORKS.iter().position(|name| it(name)).unwrap_or(0);
    let since = match what {
        // Each chain has a fraction of its own.
        "the blobs' base fee (Cancun)" => return true,
        "a contract that ends itself" => "(Cancun)",
        other => other,
    };
    place(&|name| since.ends_with(&format!("({name})")))
        > place(&|name| name.eq_ignore_ascii_case(fork))
}

/// A true signature, from the vectors of EIP-7951.
const P256: [u8; 160] = hex!(
    "4cee90eb86eaa050036147a12d49004b6b9c72bd725d39d4785011fe190f0b4d"
    "a73bd4903f0ce3b639bbbf6e8e80d16931ff4bcf5993d58468e8fb19086e8cac"
    "36dbcd03009df8c59286b162af3bd7fcc0450c9aa81be5d10d312af6c66b1d60"
    "4aebd3099c618202fcfe16ae7770b0c49ab5eadf74b754204a3bb6060e44eff3"
    "7618b065f9832de4ca6ca971a7a1adc826d0f7c00181a5fb2ddf79ae00b4e10e"
);

/// Returns the word on top of the stack.
const RETURN: [u8; 8] = hex!("60005260206000f3");

async fn compare(fork: &str) {
    let mut stand = Stand::new(Anvil::with(&["--hardfork", fork]));
    let different = |what: &str| {
        DIFFERENT.iter().any(|(at, which)| *which == what && (*at == fork || at.is_empty()))
    };
    let mut in_doubt = Vec::new();
    for (number, (what, program)) in PROGRAMS.iter().enumerate() {
        if different(what) {
            continue;
        }
        let address = Address::from_word(U256::from(0xc0de_0000 + number).into());
        let code = hex::encode_prefixed([*program, &RETURN].concat());
        stand.anvil.call("anvil_setCode", json!([address, code]));
        stand.anvil.call("anvil_setBalance", json!([address, "0x7"]));
        // Storage that is not empty: a slot that was never written has to be proven.
        let word = format!("{:#066x}", 1);
        stand.anvil.set_storage(&address.to_string(), &word, &word);
        if is_in_doubt(fork, what) {
            in_doubt.push((address, what));
            continue;
        }
        let questions = vec![((*what).to_owned(), Bytes::from_static(&P256))];
        stand.subjects.push(Subject { name: fork.to_owned(), address, questions });
    }
    stand.anvil.mine(2);
    let osaka = (fork == "osaka").then_some(EvmFork::Osaka);
    let chain = open_by(osaka, 31_337, stand.anvil.url());
    let block = chain.anchor(Finality::Latest).await.unwrap();
    for (address, what) in in_doubt {
        let ours = chain.call(&block, address, Bytes::from_static(&P256)).await;
        assert_eq!(ours, Err(Cause::Contract), "{what}");
    }
    report(&stand.differences(&chain, &block).await);
}

macro_rules! forks {
    ($($fork:ident)*) => {$(
        #[tokio::test]
        async fn $fork() {
            compare(stringify!($fork)).await;
        }
    )*};
}

forks! { berlin london paris shanghai cancun prague osaka }
