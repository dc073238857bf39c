use std::net::Ipv4Addr;

use super::*;

const WEB: &str = "system:serviceaccount:shop:web";
const JOBS: &str = "system:serviceaccount:shop:jobs";

/// Shows very many tokens in one name, from very many addresses.
fn show(limits: &Limits, subject: &str) {
    for number in 0..1_000_u32 {
        let token = [number.to_be_bytes(); 8].concat().try_into().unwrap();
        limits.may_ask(&token, subject, Ipv4Addr::from_bits(number % 100).into());
    }
}

#[test]
fn what_is_shown_in_one_name_uses_up_nothing_of_another() {
    let limits = Limits::new(vec![WEB.to_owned(), JOBS.to_owned(), "jane".to_owned()]);
    show(&limits, WEB);
    show(&limits, "somebody");
    let here = Ipv4Addr::LOCALHOST.into();
    for subject in [JOBS, "jane"] {
        assert!(limits.may_ask(&[1; 32], subject, here), "{subject}");
    }
}

#[test]
fn known_tokens_of_one_name_use_up_nothing_of_another() {
    let limits = Limits::new(vec![WEB.to_owned(), JOBS.to_owned()]);
    let here = Ipv4Addr::LOCALHOST.into();
    limits.learn([1; 32], true);
    limits.learn([2; 32], true);
    let shown = (0..10_000).filter(|_| limits.may_ask(&[1; 32], WEB, here)).count();
    assert!(shown < 10_000, "there is a bound");
    assert!(limits.may_ask(&[2; 32], JOBS, here));
}

#[test]
fn a_service_account_that_no_client_is_known_by_is_not_expected() {
    let limits = Limits::new(vec![WEB.to_owned()]);
    assert!(limits.expects(WEB));
    for subject in
        [JOBS, "system:serviceaccount:shop", "", "jane", "SYSTEM:serviceaccount:shop:web"]
    {
        assert!(!limits.expects(subject), "{subject}");
    }
    let limits = Limits::new(vec![WEB.to_owned(), "https://issuer#jane".to_owned()]);
    assert!(limits.expects("jane") && !limits.expects(JOBS));
}
