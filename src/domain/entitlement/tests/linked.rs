//! At what trust a wallet is known to be the customer's, where a contract says so and no key.

use super::*;

const ROOT: B256 = B256::repeat_byte(3);

fn trusted(trust: Trust) -> Anchor {
    anchor(40, Finality::Finalized, trust)
}

/// Signed by validators who were followed from this checkpoint.
fn signed(checkpoint: B256) -> Anchor {
    let attestation = Attestation {
        checkpoint,
        spec: None,
        built_in: false,
        slot: 640,
        period: 7,
        participation: 500,
        of: 512,
        signature_slot: 642,
        lineages: Vec::new(),
    };
    Anchor { attestation: Some(attestation), ..trusted(Trust::Consensus) }
}

/// The code for a product of this trust that vouches for [`ROOT`], of a token that the wallet is proven to hold from
/// there.
fn code(trust: Trust, accepted: Option<Anchor>) -> Code {
    let checkpoint = Checkpoint {
        chain: ChainId(1),
        root: ROOT,
        slot: None,
        max_age: Duration::from_secs(1),
        spec: None,
    };
    let product = Product { trust, checkpoints: vec![checkpoint], ..product() };
    let contract = ContractWallet { chain: collection().chain, accepted };
    let contracts = BTreeMap::from([(wallet(1), contract)]);
    let holder = Holder { contracts, ..own_holder() };
    let question = Question {
        product: &product.id,
        definition: Some(&product),
        customer: CustomerId::Uid(1000),
        holders: &[holder],
        sightings: &[held(50, 12, signed(ROOT)), no_more(50, signed(ROOT))],
        suspended: &BTreeSet::new(),
    };
    let verdict = evaluate(&question, at(60));
    let told = explain(&question, at(60));
    let refused = |it: &Step| it.kind == StepKind::Wallet && it.outcome == Outcome::No;
    assert_eq!(told.iter().any(refused), verdict.detail.contains("link it again"), "{told:?}");
    assert_eq!(told.iter().any(refused), verdict.code == Code::TrustTooLow, "{told:?}");
    verdict.code
}

/// On a chain of somebody's own, a contract that says yes can stand at any address.
#[test]
fn a_contract_wallet_counts_at_the_trust_at_which_it_accepted_its_link() {
    let (low, valid) = (Code::TrustTooLow, Code::Valid);
    for (trust, accepted, wanted) in [
        (Trust::Single, None, valid),
        (Trust::Quorum, None, low),
        (Trust::Consensus, None, low),
        (Trust::Quorum, Some(trusted(Trust::Single)), low),
        (Trust::Quorum, Some(trusted(Trust::Quorum)), valid),
        (Trust::Quorum, Some(signed(B256::ZERO)), valid),
        (Trust::Consensus, Some(trusted(Trust::Quorum)), low),
        (Trust::Consensus, Some(trusted(Trust::Consensus)), low),
        (Trust::Consensus, Some(signed(B256::ZERO)), low),
        (Trust::Consensus, Some(signed(ROOT)), valid),
    ] {
        assert_eq!(code(trust, accepted.clone()), wanted, "{trust:?} {accepted:?}");
    }
}
