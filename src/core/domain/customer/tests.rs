use super::*;
use crate::domain::ownership::{Finality, Trust};
use alloy_primitives::B256;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn at(chain: u64, trust: Trust) -> Anchor {
    Anchor {
        chain: ChainId(chain),
        number: 7,
        hash: B256::repeat_byte(7),
        time: Timestamp::UNIX_EPOCH,
        finality: Finality::Latest,
        trust,
        attestation: None,
    }
}

/// Linked to user 1000.
fn linked(accepted: Option<Anchor>) -> Wallet {
    Wallet {
        address: Address::repeat_byte(1),
        customer: CustomerId::Uid(1000),
        custody: Custody::Linked,
        label: None,
        active: true,
        added_at: Timestamp::UNIX_EPOCH,
        removed_at: None,
        chain: accepted.as_ref().map(|it| it.chain),
        accepted_at: accepted.as_ref().map(|_| Timestamp::UNIX_EPOCH),
        accepted,
    }
}

#[test]
fn a_contract_gives_way_to_no_less_trust_and_a_key_to_nobody() {
    let other = CustomerId::Uid(1001);
    let contract = linked(Some(at(1, Trust::Quorum)));
    let spoke = |it: &Wallet, chain, trust| it.gives_way(other, Some((&at(chain, trust), NOW)));
    assert!(spoke(&contract, 1, Trust::Quorum) && spoke(&contract, 1, Trust::Consensus));
    assert!(!spoke(&contract, 1, Trust::Single));
    assert!(!spoke(&contract, 2, Trust::Consensus), "elsewhere it may be another's");
    let before = Anchor { number: at(1, Trust::Quorum).number - 1, ..at(1, Trust::Consensus) };
    assert!(!contract.gives_way(other, Some((&before, NOW))), "it has spoken since");
    assert!(
        !contract.gives_way(contract.customer, Some((&at(1, Trust::Quorum), NOW))),
        "theirs already"
    );
    assert!(contract.gives_way(other, None), "its key comes before what stands there for a while");
    assert!(!linked(None).gives_way(other, None), "a key stands for it");
    assert!(!spoke(&linked(None), 1, Trust::Consensus), "a key stands for it");
    let managed = Wallet { custody: Custody::Managed, ..contract };
    assert!(!spoke(&managed, 1, Trust::Consensus), "its key is here");
    assert!(!managed.gives_way(other, None), "its key is here");
}

#[test]
fn a_contract_gives_way_where_it_was_linked_by_a_block_of_no_chain() {
    let other = CustomerId::Uid(1001);
    let second = |it| Timestamp::from_second(it).unwrap();
    let invented = |time, trust| {
        let accepted = Anchor { number: 9_000_000_000, time: second(time), ..at(1, trust) };
        Wallet { accepted_at: Some(second(1_000)), ..linked(Some(accepted)) }
    };
    let speaks = |time| Anchor { time: second(time), ..at(1, Trust::Single) };
    let of_its_time = invented(1_001, Trust::Single);
    let takes = |wallet: &Wallet, it: &Anchor| wallet.gives_way(other, Some((it, second(1_100))));
    assert!(takes(&of_its_time, &speaks(1_002)));
    assert!(!takes(&of_its_time, &speaks(1_000)), "it may be an older one");
    assert!(takes(&invented(5_000, Trust::Single), &speaks(1_002)), "of the future");
    let met_once = Wallet { accepted_at: None, ..invented(5_000, Trust::Single) };
    assert!(!takes(&met_once, &speaks(1_002)), "nobody knows when it was met");
    assert!(!takes(&invented(1_001, Trust::Quorum), &speaks(1_002)), "less trust");
    let by_more = Anchor { trust: Trust::Quorum, ..speaks(1_002) };
    assert!(!takes(&invented(5_000, Trust::Quorum), &by_more), "several named it");
}
