use super::*;
use alloy_primitives::{Address, Bytes, U256};
use revm::primitives::hardfork::SpecId;

const AT: Address = Address::repeat_byte(1);

fn touching(accounts: u64, ended: Result<Outcome, Stopped>) -> Attempt {
    let account = |it: u64| Need::Account(Address::from_word(U256::from(it).into()));
    let touched = (0..accounts).map(account).collect();
    Attempt { ended, touched, gas: 1_000, reads_block: false }
}

fn run() -> Run {
    Run::new(vec![Call { to: AT, data: Bytes::new() }], Asker::Ourselves)
}

#[test]
fn a_contract_that_looks_at_too_many_accounts_gets_no_answer() {
    for (accounts, ended) in [(64, Ok(Outcome::Halted)), (65, Err(Cause::Contract))] {
        let mut run = run();
        assert_eq!(run.note(0, &touching(accounts, Ok(Outcome::Halted))), None);
        assert_eq!(run.ended[0], Some(ended), "{accounts}");
    }
}

#[test]
fn a_contract_that_misses_too_often_gets_no_answer() {
    let (mut run, need) = (run(), Need::Slot(AT, U256::ZERO));
    for _ in 0..MISSES {
        assert_eq!(run.note(0, &touching(1, Err(Stopped::Missing(need)))), Some(need));
    }
    assert_eq!(run.note(0, &touching(1, Err(Stopped::Missing(need)))), None);
    assert_eq!(run.ended[0], Some(Err(Cause::Contract)));
}

#[test]
fn a_contract_that_a_stranger_chose_costs_less_and_takes_nothing_from_others() {
    let call = Call { to: AT, data: Bytes::new() };
    let mut run = Run::new(vec![call; 2], Asker::OfStranger);
    let need = Need::Slot(AT, U256::ZERO);
    for attempts in 1..=MISSES_OF_STRANGERS {
        assert_eq!(run.note(0, &touching(1, Err(Stopped::Missing(need)))), Some(need));
        assert_eq!(run.pending()[0], (0, GAS_OF_STRANGERS - attempts as u64 * 1_000));
    }
    assert_eq!(run.note(0, &touching(1, Err(Stopped::Missing(need)))), None);
    assert_eq!(run.ended, [Some(Err(Cause::Contract)), None]);
    run.took = BUSY * 10;
    assert!(!run.is_over());
}

#[test]
fn what_nobody_can_prove_and_what_takes_too_long_is_no_answer() {
    for stopped in [Stopped::Missing(Need::BlockHash(1)), Stopped::Limited] {
        let mut run = run();
        assert_eq!(run.note(0, &touching(1, Err(stopped))), None);
        assert_eq!(run.ended[0], Some(Err(Cause::Contract)), "{stopped:?}");
    }
}

#[test]
fn gas_is_counted_over_all_attempts() {
    let (mut run, need) = (run(), Need::Slot(AT, U256::ZERO));
    for attempts in 1..=200 {
        run.note(0, &touching(1, Err(Stopped::Missing(need))));
        assert_eq!(run.pending(), [(0, GAS - attempts * 1_000)]);
    }
}

#[test]
fn a_contract_that_burns_gas_before_each_miss_is_not_run_for_long() {
    use entitled_core::evm::execute::execute;
    use entitled_core::evm::gas_meter::Limits;
    use entitled_core::proof::state::testing::{having, prove_zero};
    // Grows its memory for 20 million gas, then reads slot after slot.
    let code = alloy_primitives::hex!("6000623030005260005b805450600101600956");
    let (facts, library) = having(AT, &code);
    let (mut run, mut used) = (run(), 0);
    while let [(index, gas)] = run.pending()[..] {
        let limits = Limits { gas, go_on: &|| true };
        let call = &run.calls[index].clone();
        let attempt = execute(
            (1, Rules::exactly(SpecId::OSAKA)),
            &Header::default(),
            (&facts, &library),
            call,
            limits,
        );
        used += attempt.gas;
        assert!(run.misses[0] < 10, "{attempt:?}");
        if let Some(Need::Slot(_, slot)) = run.note(index, &attempt) {
            prove_zero(&facts, AT, slot);
        }
    }
    assert_eq!(run.ended[0], Some(Err(Cause::Contract)));
    assert!((GAS..GAS + 31_000_000).contains(&used), "{used}");
}
