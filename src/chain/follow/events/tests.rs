use super::*;
use alloy_primitives::{Bytes, U256, b256};
use entitled_core::standards::erc721::{CONSECUTIVE, TRANSFER};

const ONE: Address = Address::repeat_byte(1);
const TWO: Address = Address::repeat_byte(2);
const THREE: Address = Address::repeat_byte(3);

fn log(signature: &str, rest: &[B256]) -> Log {
    let topics = std::iter::once(keccak256(signature)).chain(rest.iter().copied()).collect();
    Log::new_unchecked(Address::ZERO, topics, Bytes::new())
}

fn wallets(of: &[Address]) -> Option<Concerned> {
    Some(Concerned::Wallets(of.iter().copied().collect()))
}

#[test]
fn topics_are_those_seen_on_the_chain() {
    let topics = topics();
    for known in [
        TRANSFER,
        CONSECUTIVE,
        b256!("c3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62"),
        b256!("4a39dc06d4c0dbc64b70af90fd698a233a518aa5d07e595d983b8c0526c8f7fb"),
    ] {
        assert!(topics.contains(&known), "{known}");
    }
    assert_eq!(topics.len(), EVENTS.len(), "each once");
}

/// The first bytes, as block explorers show them.
#[test]
fn topics_begin_as_they_are_known() {
    for (signature, begin) in [
        ("UpdateUser(uint256,address,uint64)", "4e06b4e7"),
        ("SubscriptionUpdate(uint256,uint64)", "2ec2be2c"),
        ("Upgraded(address)", "bc7cd75a"),
    ] {
        let topic = keccak256(signature).to_string();
        assert!(topic.starts_with(&format!("0x{begin}")), "{signature}: {topic}");
    }
}

#[test]
fn transfers_concern_both_sides() {
    let (operator, from, to) =
        (Address::repeat_byte(9).into_word(), ONE.into_word(), TWO.into_word());
    let id = B256::with_last_byte(7);
    let both = wallets(&[ONE, TWO]);
    assert_eq!(concerned(&log(EVENTS[0].0, &[from, to, id])), both);
    assert_eq!(concerned(&log(EVENTS[1].0, &[id, from, to])), both);
    assert_eq!(concerned(&log(EVENTS[2].0, &[operator, from, to])), both);
    assert_eq!(concerned(&log(EVENTS[3].0, &[operator, from, to])), both);
}

#[test]
fn a_transfer_of_erc_20_concerns_nobody() {
    let topics = [ONE.into_word(), TWO.into_word()];
    assert_eq!(concerned(&log(EVENTS[0].0, &topics)), None);
}

#[test]
fn what_names_no_wallet_concerns_everybody() {
    let (id, user) = (B256::with_last_byte(7), ONE.into_word());
    let update = log("UpdateUser(uint256,address,uint64)", &[id, user]);
    assert_eq!(concerned(&update), Some(Concerned::Everybody));
}

fn transfer(contract: u8, from: Address, to: Address) -> Log {
    let id = B256::with_last_byte(7);
    let mut log = log(EVENTS[0].0, &[from.into_word(), to.into_word(), id]);
    log.address = Address::repeat_byte(contract);
    log
}

#[test]
fn more_of_a_contract_concern_all_of_them() {
    let mut changes = Changes::default();
    assert!(changes.take(&transfer(1, ONE, TWO)) && changes.take(&transfer(1, TWO, THREE)));
    assert!(changes.take(&transfer(2, ONE, TWO)));
    assert!(!changes.take(&log("Other(address)", &[ONE.into_word()])));
    let mut upgraded = log("Upgraded(address)", &[ONE.into_word()]);
    upgraded.address = Address::repeat_byte(2);
    assert!(changes.take(&upgraded) && changes.take(&transfer(2, ONE, THREE)));
    let told = changes.into_inner();
    assert_eq!(told.get(&Address::repeat_byte(1)), wallets(&[ONE, TWO, THREE]).as_ref());
    assert_eq!(told.get(&Address::repeat_byte(2)), Some(&Concerned::Everybody));
    assert_eq!(told.len(), 2);
}

/// Who fills a block with them would otherwise have every chain stand still.
#[test]
fn an_event_costs_the_same_however_many_were_before_it() {
    let number = |it: usize| Address::from_word(U256::from(it).into());
    let pair = |it: usize| transfer(1, number(it % 4_999), number(5_000 + it % 4_999));
    let logs: Vec<_> = (0..10_000).map(pair).collect();
    let begun = std::time::Instant::now();
    let mut alone = 0;
    for log in &logs {
        let mut changes = Changes::default();
        alone += usize::from(changes.take(log));
    }
    let floor = begun.elapsed();
    let begun = std::time::Instant::now();
    let mut changes = Changes::default();
    let taken = logs.iter().filter(|it| changes.take(it)).count();
    let together = begun.elapsed();
    assert_eq!((alone, taken), (logs.len(), logs.len()));
    assert!(together < floor * 40, "{together:?} beside {floor:?}, one by one");
    let told = changes.into_inner();
    let Some(Concerned::Wallets(all)) = told.get(&Address::repeat_byte(1)) else { panic!() };
    assert_eq!(all.len(), 9_998);
}

#[test]
fn very_many_wallets_are_everybody() {
    let mut changes = Changes::default();
    for number in 0..10_001_usize {
        let to = Address::from_word(U256::from(number + 1).into());
        assert!(changes.take(&transfer(1, Address::ZERO, to)));
    }
    assert_eq!(changes.into_inner().into_values().next(), Some(Concerned::Everybody));
}

#[test]
fn every_wallet_is_at_a_place_the_event_has() {
    for (signature, topics, wallets) in EVENTS {
        assert!((1..=4).contains(&topics), "{signature}");
        assert!(wallets.iter().all(|at| (1..topics).contains(at)), "{signature}");
    }
}

#[test]
fn what_is_not_known_concerns_nobody() {
    assert_eq!(concerned(&log("Approval(address,address,uint256)", &[B256::ZERO; 3])), None);
    assert_eq!(concerned(&Log::new_unchecked(Address::ZERO, Vec::new(), Bytes::new())), None);
}
