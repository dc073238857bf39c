use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::seats::parse_policy;

fn uid_of(name: &str) -> Option<u32> {
    ["root", "alice", "bob", "carol", "dave", "buildbot"]
        .iter()
        .position(|it| *it == name)
        .map(|at| if at == 0 { 0 } else { 1_000 + u32::try_from(at).unwrap() })
}

fn import(text: &str, feature: &str) -> (Policy, Vec<(usize, String)>) {
    let (product, tier) = ("acme-cad".parse().unwrap(), "pro".parse().unwrap());
    let about = OptionsFor { product: &product, tier: Some(&tier), feature };
    let imported = import_options(text, &about, uid_of);
    let file = parse_policy(&Arc::from("acme.toml"), &imported.policy);
    let file = file.unwrap_or_else(|it| panic!("{it:?} of\n{}", imported.policy));
    assert_eq!((file.product, file.tier), (product, Some(tier)));
    (file.policy, imported.left_out.into_iter().map(|it| (it.line, it.why)).collect())
}

/// As a department of a university has it.
const DEPARTMENT: &str = r#"# options for vendor daemon acmed
REPORTLOG +/var/log/flexlm/acmed.rl
NOLOG QUEUED
GROUP cad_staff alice bob \
      carol
GROUP nightly buildbot
HOST_GROUP lab lab01 lab02 lab03

RESERVE 1 acme_cad USER alice
RESERVE 2 acme_cad GROUP nightly      # the nightly build
MAX 2 acme_cad GROUP cad_staff
MAX 1 acme_cad USER dave
INCLUDE acme_cad GROUP cad_staff
INCLUDE acme_cad USER buildbot
EXCLUDE acme_cad USER mallory
EXCLUDE acme_cad HOST_GROUP lab
INCLUDE acme_sim USER dave
TIMEOUT acme_cad 3600
LINGER acme_cad 600
BORROW_LOWWATER acme_cad 3
MAX_BORROW_HOURS acme_cad 72
MAX_OVERDRAFT acme_cad 2
"#;

#[test]
fn what_can_be_said_is_said_and_the_rest_is_told_by_line() {
    let (policy, left_out) = import(DEPARTMENT, "acme_cad");
    assert_eq!(policy.reserve, [(Who::Uid(1_001), 1), (Who::Uid(1_005), 2)]);
    assert_eq!(policy.max, [(Who::Uid(1_004), 1)]);
    assert_eq!(policy.include, [1_001, 1_002, 1_003, 1_005].map(Who::Uid));
    assert_eq!(policy.exclude, []);
    assert_eq!((policy.linger, policy.low_water), (Duration::from_secs(600), 3));
    assert_eq!(policy.max_borrow, Duration::from_secs(72 * 3_600));
    let lines: Vec<usize> = left_out.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [2, 3, 7, 11, 15, 16, 17, 18, 22], "{left_out:?}");
    let why = |line: usize| left_out.iter().find(|it| it.0 == line).unwrap().1.clone();
    for (line, wanted) in [
        (11, "needs a group of the system"),
        (15, "no user `mallory`"),
        (16, "on the machine that asks"),
        (17, "the feature `acme_sim`"),
        (18, "ends with its process"),
        (22, "vendor's to say"),
    ] {
        assert!(why(line).contains(wanted), "{line}: {}", why(line));
    }
}

#[test]
fn all_features_and_keywords_of_any_case_are_understood() {
    let text = "includeall user alice\nExcludeAll User bob\nEXCLUDE \"acme_cad\" user carol\n\n  # nothing\n";
    let (policy, left_out) = import(text, "acme_cad");
    assert_eq!(left_out, []);
    assert_eq!(policy.include, [Who::Uid(1_001)]);
    assert_eq!(policy.exclude, [Who::Uid(1_002), Who::Uid(1_003)]);
}

#[test]
fn nothing_is_lost_without_a_word() {
    for (line, wanted) in [
        ("EXCLUDE acme_cad:VERSION=2.0 USER alice", "told apart by `VERSION=2.0`"),
        ("EXCLUDE \"acme_cad VERSION=2.0\" USER alice", "told apart by `VERSION=2.0`"),
        ("EXCLUDE acme_cad PROJECT moon", "says of itself"),
        ("EXCLUDE acme_cad DISPLAY tty1", "no displays"),
        ("EXCLUDE acme_cad INTERNET 10.0.*.*", "on the machine that asks"),
        ("EXCLUDE acme_cad GROUP nobody", "no GROUP `nobody`"),
        ("EXCLUDE acme_cad USER alice bob", "not understood"),
        ("EXCLUDE acme_cad", "more or fewer words"),
        ("RESERVE many acme_cad USER alice", "no whole number"),
        ("LINGER acme_cad 99999999", "no whole number up to 2592000"),
        ("MAX_BORROW_HOURS acme_cad 1000", "no whole number up to 720"),
        ("EXCLUDE_BORROW acme_cad USER alice", "who may borrow"),
        ("FROBNICATE acme_cad", "not known"),
    ] {
        let (policy, left_out) = import(&format!("# one\n{line}"), "acme_cad");
        assert_eq!(policy, crate::seats::usual_policy(), "{line}");
        assert_eq!((left_out.len(), left_out[0].0), (1, 2), "{line}: {left_out:?}");
        assert!(left_out[0].1.contains(wanted), "{line}: {left_out:?}");
    }
}

/// A group of whom one is not known is not taken in part: who is in it and has another name here would be let in.
#[test]
fn a_rule_is_taken_whole_or_not_at_all() {
    let (policy, left_out) = import("GROUP g alice mallory\nEXCLUDE acme_cad GROUP g", "acme_cad");
    assert_eq!(policy.exclude, []);
    assert!(left_out[0].1.contains("no user `mallory`"), "{left_out:?}");
}
