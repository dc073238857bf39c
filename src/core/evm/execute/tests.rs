use super::*;
use crate::proof::account_proof::ProvenAccount;
use crate::proof::state::testing::having;
use alloy_primitives::{B256, hex};
use revm::primitives::hardfork::SpecId;

mod hostile;

const AT: Address = Address::repeat_byte(0xc0);

const UNLIMITED: Limits<'_> = Limits { gas: u64::MAX, go_on: &|| true };

fn running(code: &[u8]) -> Attempt {
    limited(code, UNLIMITED)
}

fn limited(code: &[u8], limits: Limits<'_>) -> Attempt {
    let header = Header {
        number: 7,
        timestamp: 1_700_000_000,
        base_fee_per_gas: Some(1),
        requests_hash: Some(B256::ZERO),
        ..Header::default()
    };
    let (facts, library) = having(AT, code);
    let call = Call { to: AT, data: Bytes::new() };
    execute((31_337, Rules::exactly(SpecId::OSAKA)), &header, (&facts, &library), &call, limits)
}

/// Code that returns what `push` leaves on the stack.
fn returning(push: &[u8]) -> U256 {
    let code = [push, &hex!("5f5260205ff3")].concat();
    match running(&code).ended {
        Ok(Outcome::Returned(word)) => U256::from_be_slice(&word),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_contract_sees_the_block_and_nobody() {
    for (what, opcode, seen) in [
        ("number", 0x43, 7),
        ("timestamp", 0x42, 1_700_000_000),
        ("base fee", 0x48, 1),
        ("chain id", 0x46, 31_337),
        ("caller", 0x33, 0),
        ("origin", 0x32, 0),
        ("gas price", 0x3a, 0),
    ] {
        assert_eq!(returning(&[opcode]), U256::from(seen), "{what}");
    }
}

#[test]
fn whoever_reads_the_block_is_found_out() {
    for opcode in 0x30..=0x4b_u8 {
        // With enough on the stack for whatever it takes; the hash is one of before all that is kept.
        let code = [&hex!("5f5f5f5f")[..], &[opcode, 0]].concat();
        let attempt = running(&code);
        let reads = (0x40..=0x45).contains(&opcode) || [0x48, 0x4a, 0x4b].contains(&opcode);
        assert_eq!(attempt.reads_block, reads, "{opcode:#x}");
    }
}

fn missing(need: Need) -> Result<Outcome, Stopped> {
    Err(Stopped::Missing(need))
}

#[test]
fn what_is_not_proven_stops_it() {
    assert_eq!(running(&hex!("600754")).ended, missing(Need::Slot(AT, U256::from(7))));
    let other = Address::with_last_byte(0xaa);
    assert_eq!(running(&hex!("60aa31")).ended, missing(Need::Account(other)));
}

#[test]
fn the_hash_of_an_earlier_block_is_refused() {
    assert_eq!(running(&hex!("600640")).ended, missing(Need::BlockHash(6)));
}

/// Jumps to its beginning for ever.
const LOOP: [u8; 3] = hex!("5b5f56");

#[test]
fn an_endless_loop_ends() {
    assert_eq!(running(&LOOP).ended, Ok(Outcome::Halted));
}

#[test]
fn an_endless_loop_ends_at_its_limit_of_gas() {
    let limits = Limits { gas: 100_000, ..UNLIMITED };
    let attempt = limited(&LOOP, limits);
    assert_eq!(attempt.ended, Err(Stopped::Limited));
    assert!((100_000..200_000).contains(&attempt.gas), "{}", attempt.gas);
}

#[test]
fn an_endless_loop_ends_soon_when_told_to() {
    let asked = std::cell::Cell::new(0);
    let go_on = || {
        asked.set(asked.get() + 1);
        asked.get() < 3
    };
    let attempt = limited(&LOOP, Limits { gas: u64::MAX, go_on: &go_on });
    assert_eq!(attempt.ended, Err(Stopped::Limited));
    assert!(attempt.gas < 50_000, "{}", attempt.gas);
}

#[test]
fn who_calls_itself_is_told_to_stop_as_often_as_who_jumps() {
    // CALL(gas, self), again and again in a row, without a jump.
    let code = hex!("5f5f5f5f5f305af150").repeat(1_000);
    let asked = std::cell::Cell::new(0);
    let go_on = || {
        asked.set(asked.get() + 1);
        asked.get() < 50
    };
    assert_eq!(
        limited(&code, Limits { gas: u64::MAX, go_on: &go_on }).ended,
        Err(Stopped::Limited)
    );
    assert_eq!(asked.get(), 50, "stopped at once, and nobody asked again");
}

#[test]
fn gas_is_counted_until_something_is_missing() {
    // Four constants, and what it costs to try for an unproven slot.
    let attempt = running(&hex!("5f5f5f600754"));
    assert_eq!(attempt.gas, 9 + 100);
}

#[test]
fn what_a_caller_passed_on_and_was_not_used_does_not_count() {
    // Calls itself some two hundred times deep, and reads the slot there.
    let attempt = running(&hex!("5a620dbba010600d57600754005b5f5f5f5f5f305af1"));
    assert_eq!(attempt.ended, missing(Need::Slot(AT, U256::from(7))));
    assert!((10_000..100_000).contains(&attempt.gas), "{}", attempt.gas);
}

#[test]
fn no_code_is_a_proven_answer_and_an_unproven_account_is_none() {
    let (facts, library) = (Mutex::new(Facts::default()), Mutex::new(Library::default()));
    let call = Call { to: AT, data: Bytes::new() };
    let ended = || {
        let state = (&facts, &library);
        execute((1, Rules::exactly(SpecId::OSAKA)), &Header::default(), state, &call, UNLIMITED)
            .ended
    };
    assert_eq!(ended(), missing(Need::Account(AT)));
    locked(&facts).learn(AT, ProvenAccount { account: None, slots: Vec::new() });
    assert_eq!(ended(), Ok(Outcome::NoCode));
}
