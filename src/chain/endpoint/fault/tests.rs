use super::*;
use alloy_primitives::{Address, B256};

#[test]
fn each_kind_is_at_its_place() {
    for (index, (kind, word)) in FaultKind::ALL.iter().enumerate() {
        assert_eq!((*kind as usize, kind.word()), (index, *word));
    }
}

#[test]
fn what_we_did_ourselves_is_no_fault_of_the_endpoint() {
    let mut faults = Faults::default();
    for error in [EndpointError::Late, EndpointError::OverBudget, EndpointError::Busy] {
        faults.note(&error, "eth_getProof", Instant::now());
    }
    assert!(faults.last.is_none());
}

#[test]
fn a_lie_leaves_evidence_that_later_faults_do_not_wipe_out() {
    let mut faults = Faults::default();
    let slot = B256::with_last_byte(7);
    let source = ProofError::MissingSlot { address: Address::ZERO, slot };
    faults.note(&EndpointError::Refuted { source }, "eth_getProof", Instant::now());
    faults.note(&EndpointError::Garbled, "eth_chainId", Instant::now());
    let evidence = faults.evidence.clone().unwrap();
    assert!(evidence.asked.contains(&slot.to_string()), "{}", evidence.asked);
    assert!(evidence.finding.contains("not answered"), "{}", evidence.finding);
    assert_eq!(faults.last.as_ref().map(|it| it.kind), Some(FaultKind::Garbled));
    assert_eq!((faults.count(FaultKind::Lying), faults.count(FaultKind::Garbled)), (1, 1));
}
