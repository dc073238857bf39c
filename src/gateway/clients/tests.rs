use super::*;

pub(in crate::gateway) fn client(customer: &str) -> Client {
    let settings = settings::Client {
        name: "one".to_owned(),
        customer: customer.parse().unwrap(),
        token: None,
        subject: None,
        vouched_by: None,
        certificate: None,
        scopes: vec![Scope::Entitlements],
        products: Vec::new(),
        rate: 1,
        burst: 2,
        streams: 1,
    };
    Client::new(&settings, Together { clients: 1, streams: 1 })
}

#[test]
fn each_client_has_a_rate_of_its_own() {
    let (one, other) = (client("customer:1"), client("customer:2"));
    assert_eq!((0..5).filter(|_| one.may_ask_now()).count(), 2);
    assert!(other.may_ask_now());
}
