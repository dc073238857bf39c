//! Which rules a block is run by, and that nobody is told what only these rules say.

use std::sync::Mutex;

use alloy_primitives::{B256, Bytes, U256, hex, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};

use super::*;
use crate::evm::execute::{Call, Outcome, Stopped, execute};
use crate::evm::gas_meter::Limits;
use crate::proof::account_proof::ProvenAccount;
use crate::proof::state::{Facts, Library};

const FORKS: [SpecId; 8] = [
    SpecId::BERLIN,
    SpecId::LONDON,
    SpecId::MERGE,
    SpecId::SHANGHAI,
    SpecId::CANCUN,
    SpecId::PRAGUE,
    SpecId::OSAKA,
    SpecId::AMSTERDAM,
];
const OF_NOBODY: ChainId = ChainId(31_337);
const OUTER: Address = Address::repeat_byte(0xc0);
const INNER: Address = Address::repeat_byte(0xc1);
/// As Arbitrum has it: no contract, but code that cannot be run.
const ARB_SYS: Address = address!("0x0000000000000000000000000000000000000064");

/// How code ends at [`OUTER`], where that of another is at [`INNER`].
fn ended(rules: Rules, outer: &[u8], inner: &[u8]) -> Result<Outcome, Stopped> {
    let (mut facts, mut library) = (Facts::default(), Library::default());
    let nobody = ProvenAccount { account: None, slots: Vec::new() };
    for number in (0..=0x20_u64).chain([0x100, 0x800]) {
        facts.learn(Address::from_word(U256::from(number).into()), nobody.clone());
    }
    for creator in [OUTER, INNER] {
        facts.learn(creator.create(0), nobody.clone());
    }
    for (address, code) in [(OUTER, outer), (INNER, inner), (ARB_SYS, &[0xfe])] {
        let code_hash = keccak256(code);
        let account =
            TrieAccount { code_hash, storage_root: EMPTY_ROOT_HASH, ..TrieAccount::default() };
        facts.learn(address, ProvenAccount { account: Some(account), slots: Vec::new() });
        library.learn(address, code_hash, Bytes::copy_from_slice(code));
    }
    let state = (&Mutex::new(facts), &Mutex::new(library));
    let header = Header { base_fee_per_gas: Some(1), ..Header::default() };
    let call = Call { to: OUTER, data: Bytes::new() };
    let limits = Limits { gas: u64::MAX, go_on: &|| true };
    execute((OF_NOBODY.0, rules), &header, state, &call, limits).ended
}

/// How a contract ends that asks another, and names an owner of its own where that fails, as `try` and `catch` do: 1 for
/// what the other said, 2 for its own.
fn swallowing(rules: Rules, inner: &[u8]) -> Result<Outcome, Stopped> {
    // CALL(gas / 2, INNER), and 2 less what it says.
    let ask = [&hex!("60006000600060006000")[..], &[0x73], INNER.as_slice(), &hex!("60025a04f1")];
    let outer = [&ask.concat()[..], &hex!("60020360005260206000f3")].concat();
    ended(rules, &outer, inner)
}

fn word(number: u64) -> Result<Outcome, Stopped> {
    Ok(Outcome::Returned(B256::from(U256::from(number)).to_vec().into()))
}

/// Calls what lies at an address, and fails if that fails.
fn asking(at: u16) -> Vec<u8> {
    let [high, low] = at.to_be_bytes();
    let ask = [&hex!("6000600060a060006000")[..], &[0x61, high, low], &hex!("5af1")].concat();
    // And jumps nowhere then.
    [&ask[..], &hex!("15600057")].concat()
}

#[test]
fn an_owner_that_a_contract_names_because_rules_are_old_is_no_answer() {
    // What it does, the rules a header may tell, the first by which it is known what comes out, and what does.
    let table: [(&str, &[u8], SpecId, SpecId, u64); 9] = [
        ("a zero in one byte", &hex!("5f50"), SpecId::LONDON, SpecId::SHANGHAI, 1),
        ("randomness", &hex!("4450"), SpecId::LONDON, SpecId::MERGE, 1),
        ("a transient slot", &hex!("60005c"), SpecId::SHANGHAI, SpecId::CANCUN, 1),
        ("memory, copied", &hex!("6000600060005e"), SpecId::MERGE, SpecId::CANCUN, 1),
        ("a created contract", &hex!("600060006000f0"), SpecId::LONDON, SpecId::SHANGHAI, 1),
        ("leading zeros", &hex!("60071e"), SpecId::PRAGUE, SpecId::OSAKA, 1),
        ("the slot's number", &hex!("4b50"), SpecId::OSAKA, SpecId::AMSTERDAM, 1),
        ("a large power", &asking(5), SpecId::PRAGUE, SpecId::OSAKA, 1),
        ("nothing of the kind", &hex!("6000"), SpecId::BERLIN, SpecId::BERLIN, 1),
    ];
    for (what, inner, told, known, said) in table {
        assert_eq!(swallowing(Rules::at_least(known), inner), word(said), "{what}");
        assert_eq!(swallowing(Rules::exactly(known), inner), word(said), "{what}");
        if told < known {
            let doubt = Err(Stopped::RulesInDoubt);
            assert_eq!(swallowing(Rules::at_least(told), inner), doubt, "{what}");
            assert!(swallowing(Rules::exactly(told), inner).is_ok(), "{what}");
        }
    }
}

#[test]
fn what_no_fork_here_has_is_in_doubt_where_nobody_knows_all_rules() {
    let doubt = Err(Stopped::RulesInDoubt);
    // An instruction of nobody's, and contracts that come with the EVM of Arbitrum, Moonbeam and others.
    for inner in [&hex!("0c50")[..], &asking(0x64), &asking(0x800), &asking(0x12)] {
        assert_eq!(swallowing(Rules::at_least(SpecId::AMSTERDAM), inner), doubt, "{inner:x?}");
        assert!(swallowing(Rules::exactly(SpecId::AMSTERDAM), inner).is_ok(), "{inner:x?}");
    }
    // What is invalid on purpose is so everywhere.
    assert_eq!(swallowing(Rules::at_least(SpecId::BERLIN), &hex!("fefe")), word(2));
}

/// It rises by another fraction on each chain, and with each number of blobs there may be.
#[test]
fn the_price_of_blobs_is_never_known() {
    let doubt = Err(Stopped::RulesInDoubt);
    for rules in [Rules::at_least(SpecId::OSAKA), Rules::exactly(SpecId::OSAKA)] {
        assert_eq!(swallowing(rules, &hex!("4a50")), doubt);
    }
    assert_eq!(swallowing(Rules::exactly(SpecId::SHANGHAI), &hex!("4a50")), word(2));
    assert_eq!(swallowing(Rules::at_least(SpecId::SHANGHAI), &hex!("4a50")), doubt);
}

/// Nothing that a later fork changed can be forgotten here: it is tried.
#[test]
fn whatever_ends_otherwise_by_a_later_fork_is_in_doubt_before() {
    let later = |fork: SpecId| FORKS.into_iter().filter(move |it| *it > fork);
    for instruction in 0..=0xff_u8 {
        let code =
            [&hex!("6001").repeat(7)[..], &[instruction], &hex!("60005260206000f3")].concat();
        for fork in FORKS {
            let before = ended(Rules::exactly(fork), &code, &[]);
            for after in later(fork) {
                let is_same = ended(Rules::exactly(after), &code, &[]) == before;
                let doubted = Rules::at_least(fork).doubt(instruction);
                assert!(is_same || doubted, "{instruction:#x}: {fork:?}, {after:?}");
            }
        }
    }
    for number in 1..=0x200_u64 {
        let address = Address::from_word(U256::from(number).into());
        let is_there =
            |fork| Precompiles::new(PrecompileSpecId::from_spec_id(fork)).contains(&address);
        for fork in FORKS {
            let comes = later(fork).any(|it| is_there(it) && !is_there(fork));
            assert!(
                !comes || Rules::at_least(fork).doubt_call(address, &[]),
                "{number:#x}: {fork:?}"
            );
        }
    }
}

#[test]
fn a_header_tells_the_least_there_is() {
    let some = Some(B256::ZERO);
    let london = Header { base_fee_per_gas: Some(1), difficulty: U256::ONE, ..Header::default() };
    let paris = Header { difficulty: U256::ZERO, ..london.clone() };
    let shanghai = Header { withdrawals_root: some, ..paris.clone() };
    let cancun = Header { parent_beacon_block_root: some, ..shanghai.clone() };
    let prague = Header { requests_hash: some, ..cancun.clone() };
    let amsterdam = Header { block_access_list_hash: some, ..prague.clone() };
    for (header, told) in [
        (&Header::default(), SpecId::BERLIN),
        (&london, SpecId::LONDON),
        (&paris, SpecId::MERGE),
        (&shanghai, SpecId::SHANGHAI),
        (&cancun, SpecId::CANCUN),
        (&prague, SpecId::PRAGUE),
        (&amsterdam, SpecId::AMSTERDAM),
    ] {
        let rules = |named| Rules::at(OF_NOBODY, header, named);
        assert_eq!(rules(Named::default()), Rules::at_least(told));
        // A name that has grown old is no reason to go by older rules than the header shows.
        let cancun = Named { at_least: Some(EvmFork::Cancun), exactly: None };
        assert_eq!(rules(cancun), Rules::at_least(told.max(SpecId::CANCUN)));
        // Who follows a chain by its specification knows.
        let exactly = Named { exactly: Some(EvmFork::Prague), ..cancun };
        assert_eq!(rules(exactly), Rules::exactly(SpecId::PRAGUE));
    }
}

/// Of which Prague and Osaka have the same headers.
#[test]
fn when_a_fork_came_to_mainnet_is_known_without_its_validators() {
    let at = |chain, timestamp| {
        let header = Header { requests_hash: Some(B256::ZERO), timestamp, ..Header::default() };
        Rules::at(ChainId(chain), &header, Named::default())
    };
    assert_eq!(at(1, 1_764_798_550), Rules::at_least(SpecId::PRAGUE));
    assert_eq!(at(1, 1_764_798_551), Rules::at_least(SpecId::OSAKA));
    assert_eq!(at(100, 1_764_798_551), Rules::at_least(SpecId::PRAGUE));
}

#[test]
fn how_long_code_may_be_is_for_each_chain_to_say() {
    // A contract of one byte more than Ethereum allows; what CREATE says of it is what it returns.
    let init = hex!("6160016000f3");
    let outer = [&hex!("65")[..], &init, &hex!("6000526006601a6000f060005260206000f3")].concat();
    assert_eq!(ended(Rules::exactly(SpecId::OSAKA), &outer, &[]), word(0));
    let doubted = ended(Rules::at_least(SpecId::OSAKA), &outer, &[]);
    assert_eq!(doubted, Err(Stopped::RulesInDoubt));
}
