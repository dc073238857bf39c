use super::*;

const CHAIN: ChainId = ChainId(1);

fn root(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

fn named(byte: u8) -> Checkpoint {
    Checkpoint { chain: CHAIN, root: root(byte), slot: None, max_age: DEFAULT_MAX_AGE, spec: None }
}

fn lineage(byte: u8, age_s: u64, rest_s: u64) -> Lineage {
    Lineage { root: root(byte), age_s, rest_s }
}

/// Began from the first of `lineages`.
fn claiming(lineages: &[Lineage]) -> Attestation {
    Attestation {
        checkpoint: lineages[0].root,
        spec: None,
        built_in: false,
        slot: 1,
        period: 0,
        participation: 400,
        of: 512,
        signature_slot: 2,
        lineages: lineages.to_vec(),
    }
}

fn from(byte: u8) -> Attestation {
    claiming(&[lineage(byte, 60, 900)])
}

fn vouched(checkpoints: &[Checkpoint], it: &Attestation) -> bool {
    objection(checkpoints, CHAIN, it).is_none()
}

#[test]
fn a_product_accepts_the_checkpoints_it_names_and_no_others() {
    assert!(vouched(&[named(1), named(2)], &from(2)));
    assert!(!vouched(&[named(1)], &from(2)));
    let built_in = Attestation { built_in: true, ..from(2) };
    assert!(!vouched(&[named(1)], &built_in));
}

#[test]
fn a_product_that_names_none_of_the_chain_accepts_what_the_program_brings_along() {
    let built_in = Attestation { built_in: true, ..from(2) };
    let elsewhere = Checkpoint { chain: ChainId(5), ..named(2) };
    for checkpoints in [&[][..], &[elsewhere][..]] {
        assert!(vouched(checkpoints, &built_in));
        assert!(!vouched(checkpoints, &from(2)));
    }
    let other_rules = Attestation { spec: Some(root(9)), ..built_in };
    assert!(!vouched(&[], &other_rules));
}

#[test]
fn what_the_program_brings_along_may_be_no_older_than_usual_whoever_allows_more() {
    let day = 86_400;
    let old = Attestation { built_in: true, ..claiming(&[lineage(2, 15 * day, 0)]) };
    assert!(!vouched(&[], &old));
    let patient = Checkpoint { max_age: Duration::from_secs(90 * day), ..named(2) };
    assert!(vouched(&[patient], &old));
}

#[test]
fn the_specification_must_be_the_one_the_vendor_means() {
    let own = Attestation { spec: Some(root(9)), ..from(1) };
    assert!(!vouched(&[named(1)], &own));
    let pinned = Checkpoint { spec: Some(root(9)), ..named(1) };
    assert!(vouched(&[pinned], &own));
    assert!(!vouched(&[pinned], &from(1)));
}

#[test]
fn a_checkpoint_that_the_attestation_may_claim_will_do() {
    let both = claiming(&[lineage(2, 60, 900), lineage(1, 60, 900)]);
    assert!(vouched(&[named(1)], &both) && vouched(&[named(2)], &both));
    assert!(!vouched(&[named(3)], &both));
}

#[test]
fn each_product_says_for_itself_how_old_a_checkpoint_may_be_and_how_long_its_client_may_rest() {
    let hour = Checkpoint { max_age: Duration::from_secs(3_600), ..named(1) };
    for (lineage, good) in [
        (lineage(1, 3_600, 3_600), true),
        (lineage(1, 3_601, 0), false),
        (lineage(1, 0, 3_601), false),
    ] {
        let attestation = claiming(&[lineage]);
        assert_eq!(vouched(&[hour], &attestation), good, "{lineage:?}");
        assert!(vouched(&[named(1)], &attestation), "another product allows more");
        assert!(vouched(&[hour, named(1)], &attestation), "its more patient word counts");
    }
    let aged = objection(&[hour], CHAIN, &claiming(&[lineage(1, 7_200, 0)])).unwrap();
    assert!(aged.to_string().ends_with("was 2h old when it was begun from; the product allows 1h"));
    let rested = objection(&[hour], CHAIN, &claiming(&[lineage(1, 0, 7_200)])).unwrap();
    assert!(rested.to_string().ends_with("had rested for 2h; the product allows 1h"));
}

/// As it was kept before lineages were: an agreement that was made since says nothing of it.
#[test]
fn what_was_kept_in_the_old_form_claims_its_own_checkpoint_alone() {
    let kept = format!(
        r#"{{"checkpoint":"{}","built_in":false,"slot":36,"period":2,"participation":503,"of":512,"signature_slot":47}}"#,
        root(2)
    );
    let old: Attestation = serde_json::from_str(&kept).unwrap();
    assert!(vouched(&[named(2)], &old));
    assert!(!vouched(&[named(1)], &old) && !vouched(&[], &old));
    assert_eq!(serde_json::to_string(&old).unwrap(), kept);
}
