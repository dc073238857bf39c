use super::*;
use alloy_primitives::hex;

const WALLET: Address = Address::repeat_byte(2);
const OTHER: Address = Address::repeat_byte(3);

fn id(number: u64) -> U256 {
    U256::from(number)
}

fn log(event: &impl SolEvent) -> Log {
    Log { address: OTHER, data: event.encode_log_data() }
}

fn single(to: Address, number: u64, value: u64) -> Log {
    let (operator, from) = (OTHER, OTHER);
    log(&TransferSingle { operator, from, to, id: id(number), value: id(value) })
}

fn batch(numbers: &[u64], values: &[u64]) -> Log {
    let all = |it: &[u64]| it.iter().copied().map(id).collect();
    let (ids, values) = (all(numbers), all(values));
    log(&TransferBatch { operator: OTHER, from: OTHER, to: WALLET, ids, values })
}

#[test]
fn the_events_are_those_of_the_standards() {
    let begins = |topic: alloy_primitives::B256, known: [u8; 4]| topic[..4] == known;
    assert!(begins(TransferSingle::SIGNATURE_HASH, hex!("c3d58168")));
    assert!(begins(TransferBatch::SIGNATURE_HASH, hex!("4a39dc06")));
    assert!(begins(UpdateUser::SIGNATURE_HASH, hex!("4e06b4e7")));
}

#[test]
fn a_token_comes_by_itself_among_others_or_to_be_used() {
    let user = |user, number| log(&UpdateUser { tokenId: id(number), user, expires: 1 });
    for (what, log, brings_it) in [
        ("single", single(WALLET, 7, 1), true),
        ("to another", single(OTHER, 7, 1), false),
        ("of another id", single(WALLET, 8, 1), false),
        ("none of it", single(WALLET, 7, 0), false),
        ("batch", batch(&[1, 7], &[1, 2]), true),
        ("batch without", batch(&[1, 8], &[1, 2]), false),
        ("batch with none of it", batch(&[1, 7], &[1, 0]), false),
        ("batch cut short", batch(&[1, 7], &[1]), false),
        ("user", user(WALLET, 7), true),
        ("another user", user(OTHER, 7), false),
    ] {
        assert_eq!(brings(&log, id(7), WALLET), brings_it, "{what}");
    }
}

#[test]
fn an_event_that_cannot_be_read_brings_nothing() {
    let mut garbled = batch(&[7], &[1]);
    garbled.data.data = vec![0xff; 64].into();
    assert!(!brings(&garbled, id(7), WALLET));
}
