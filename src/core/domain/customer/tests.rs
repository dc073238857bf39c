use super::*;
use crate::domain::ownership::Finality;
use alloy_primitives::B256;

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
        accepted,
    }
}

#[test]
fn a_contract_gives_way_to_no_less_trust_and_a_key_to_nobody() {
    let other = CustomerId::Uid(1001);
    let contract = linked(Some(at(1, Trust::Quorum)));
    assert!(contract.gives_way(other, &at(1, Trust::Quorum)));
    assert!(contract.gives_way(other, &at(1, Trust::Consensus)));
    assert!(!contract.gives_way(other, &at(1, Trust::Single)));
    assert!(!contract.gives_way(other, &at(2, Trust::Consensus)), "elsewhere it may be another's");
    assert!(!contract.gives_way(contract.customer, &at(1, Trust::Quorum)), "it is theirs already");
    assert!(!linked(None).gives_way(other, &at(1, Trust::Consensus)), "a key stands for it");
    let managed = Wallet { custody: Custody::Managed, ..contract };
    assert!(!managed.gives_way(other, &at(1, Trust::Consensus)), "its key is here");
}
