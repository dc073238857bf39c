//! What was seen at less trust than a product asks for: of a contract that is a wallet, and of a token.

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
    Anchor { attestation: Some(Box::new(attestation)), ..trusted(Trust::Consensus) }
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
        publisher: None,
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

/// What the owner's chain shows is not believed; nor may it take the place of what was, so that something older counts
/// again.
#[test]
fn what_is_not_trusted_brings_back_nothing_by_taking_a_trusted_ones_place() {
    let checkpoint = Checkpoint {
        chain: ChainId(1),
        root: ROOT,
        slot: None,
        max_age: Duration::from_secs(1),
        spec: None,
    };
    let product = Product { trust: Trust::Consensus, checkpoints: vec![checkpoint], ..product() };
    let code = |sightings: &[Sighting]| {
        let question = Question {
            product: &product.id,
            definition: Some(&product),
            publisher: None,
            customer: CustomerId::Uid(1000),
            holders: &[own_holder()],
            sightings,
            suspended: &BTreeSet::new(),
        };
        let (verdict, told) = (evaluate(&question, at(90)), explain(&question, at(90)));
        let doubted =
            told.iter().any(|it| it.outcome != Outcome::Yes && it.kind == StepKind::Ownership);
        assert!(doubted || verdict.code == Code::Valid, "{told:?}");
        verdict.code
    };
    let head =
        |number, checkpoint| Anchor { number, finality: Finality::Latest, ..signed(checkpoint) };
    let settled = held(50, 12, signed(ROOT));
    assert_eq!(code(&[settled.clone(), no_more(50, signed(ROOT))]), Code::Valid);
    let sold = [settled.clone(), gone(60, 12, head(55, ROOT)), no_more(60, head(55, ROOT))];
    assert_ne!(code(&sold), Code::Valid, "it was sold");
    for (number, trust) in [(40, Trust::Consensus), (39, Trust::Consensus), (40, Trust::Single)] {
        let own = Anchor { trust, ..head(number, B256::ZERO) };
        let taken = |word: fn(u64, u64, Anchor) -> Sighting| {
            code(&[settled.clone(), word(70, 12, own.clone()), no_more(70, own.clone())])
        };
        for said in [taken(held), taken(gone)] {
            assert_eq!(said, Code::TrustTooLow, "at {number} of {trust:?}");
        }
    }
}

/// A proof from checkpoint `root`, for a product that demands trust `consensus` and vouches for `named`.
fn from_checkpoint(root: u8, named: &[u8]) -> Verdict {
    let max_age = Duration::from_secs(1);
    let checkpoint = |it: &u8| Checkpoint {
        chain: ChainId(1),
        root: B256::repeat_byte(*it),
        slot: None,
        max_age,
        spec: None,
    };
    let product = Product {
        trust: Trust::Consensus,
        checkpoints: named.iter().map(checkpoint).collect(),
        ..product()
    };
    let attestation = Attestation {
        checkpoint: B256::repeat_byte(root),
        spec: None,
        built_in: false,
        slot: 640,
        period: 7,
        participation: 500,
        of: 512,
        signature_slot: 642,
        lineages: Vec::new(),
    };
    let signed = Anchor {
        attestation: Some(Box::new(attestation)),
        ..anchor(40, Finality::Finalized, Trust::Consensus)
    };
    let sightings = [held(50, 12, signed.clone()), no_more(50, signed)];
    let holder = own_holder();
    let question = Question {
        product: &product.id,
        definition: Some(&product),
        publisher: None,
        customer: CustomerId::Uid(1000),
        holders: &[holder],
        sightings: &sightings,
        suspended: &BTreeSet::new(),
    };
    let verdict = evaluate(&question, at(60));
    let steps = explain(&question, at(60));
    let committee = steps.iter().find(|it| it.kind == StepKind::Committee).unwrap();
    assert!(committee.reason.starts_with("500 of 512 signed at slot 642"), "{committee:?}");
    let refused = |it: &Step| it.kind == StepKind::Checkpoint && it.outcome == Outcome::No;
    assert_eq!(steps.iter().any(refused), !verdict.is_valid());
    verdict
}

#[test]
fn a_product_that_demands_consensus_rests_on_its_own_checkpoints() {
    assert_eq!(from_checkpoint(1, &[1, 2]).code, Code::Valid);
    for named in [&[][..], &[2][..]] {
        let verdict = from_checkpoint(1, named);
        assert_eq!(verdict.code, Code::TrustTooLow);
        assert!(verdict.detail.ends_with("the product does not vouch"), "{}", verdict.detail);
    }
}
