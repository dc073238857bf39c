//! Code, calls and headers made to break whoever runs them: each comes to an end that is one of ours.

use proptest::prelude::*;

use super::*;

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

/// Every number is as great as it can be.
fn greatest() -> Header {
    Header {
        number: u64::MAX,
        timestamp: u64::MAX,
        gas_limit: u64::MAX,
        gas_used: u64::MAX,
        difficulty: U256::MAX,
        mix_hash: B256::repeat_byte(0xff),
        base_fee_per_gas: Some(u64::MAX),
        blob_gas_used: Some(u64::MAX),
        excess_blob_gas: Some(u64::MAX),
        slot_number: Some(u64::MAX),
        ..Header::default()
    }
}

/// Runs code in a state where every contract that comes with the EVM is proven to be no account.
fn run(code: &[u8], header: &Header, fork: SpecId) -> Attempt {
    let (facts, library) = having(AT, code);
    for number in (0..=0x20).chain([0x100_u64]) {
        let address = Address::from_word(B256::from(U256::from(number)));
        locked(&facts).learn(address, ProvenAccount { account: None, slots: Vec::new() });
    }
    let call = Call { to: AT, data: Bytes::from(vec![0xff; 100]) };
    let limits = Limits { gas: 3_000_000, go_on: &|| true };
    execute((u64::MAX, Rules::exactly(fork)), header, (&facts, &library), &call, limits)
}

fn push(word: U256) -> Vec<u8> {
    [&[0x7f][..], &word.to_be_bytes::<32>()].concat()
}

/// Numbers at which lengths, offsets and jumps overflow.
fn edges() -> Vec<U256> {
    let power = |bits: usize| U256::ONE << bits;
    let mut found = vec![U256::ZERO, U256::ONE, U256::MAX, U256::from(0x20), U256::from(0x100)];
    for bits in [5, 16, 31, 32, 63, 64, 128, 255] {
        found.extend([power(bits), power(bits) - U256::ONE, U256::MAX - power(bits)]);
    }
    found
}

/// Each instruction with a number at the edge, in every place it takes one from.
#[test]
fn no_instruction_breaks_at_the_edge_of_a_number() {
    for fork in FORKS {
        for edge in edges() {
            for opcode in 0..=0xff_u8 {
                let code = [push(edge).repeat(7), vec![opcode, 0x5f, 0x5f, 0xf3]].concat();
                run(&code, &greatest(), fork);
                let low = [push(U256::ONE).repeat(6), push(edge), vec![opcode, 0]].concat();
                run(&low, &Header::default(), fork);
            }
        }
    }
}

/// The contracts that come with the EVM, of all lengths of what they are given, true ones and false ones.
#[test]
fn no_contract_of_the_evms_own_breaks_by_what_it_is_given() {
    let patterns = [vec![U256::ZERO], vec![U256::MAX], edges()];
    let addresses: Vec<u64> = (1..=0x12).chain([0x100]).collect();
    for fork in [SpecId::BERLIN, SpecId::CANCUN, SpecId::OSAKA, SpecId::AMSTERDAM] {
        for pattern in &patterns {
            let words = pattern.iter().cycle().take(40).enumerate();
            let stored: Vec<u8> = words
                .flat_map(|(at, word)| {
                    [push(*word), push(U256::from(32 * at)), vec![0x52]].concat()
                })
                .collect();
            for length in [0, 1, 32, 64, 96, 97, 128, 160, 192, 213, 256, 288, 384, 512, 1_280_u64]
            {
                for address in &addresses {
                    // CALL(gas, address, 0, 0, length, 0, 64)
                    let arguments = [64, 0, length, 0, 0, *address].map(|it| push(U256::from(it)));
                    let code = [&stored[..], &arguments.concat(), &[0x5a, 0xf1, 0]].concat();
                    let ended = run(&code, &greatest(), fork).ended;
                    // What costs more than there is (BLAKE2 of as many rounds as there can be) is stopped.
                    let known = ended.is_ok() || ended == Err(Stopped::Limited);
                    assert!(known, "{address:#x}: {ended:?}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_code_breaks_whoever_runs_it(
        parts in proptest::collection::vec(
            prop_oneof![
                any::<u8>().prop_map(|it| vec![it]),
                (0..edges().len()).prop_map(|it| push(edges()[it])),
                (0..64_u8).prop_map(|it| vec![0x60, it]),
            ],
            0..100,
        ),
        fork in 0..FORKS.len(),
        great in any::<bool>(),
    ) {
        let header = if great { greatest() } else { Header::default() };
        let attempt = run(&parts.concat(), &header, FORKS[fork]);
        prop_assert!(attempt.gas <= 32_000_000, "{} gas", attempt.gas);
    }
}
