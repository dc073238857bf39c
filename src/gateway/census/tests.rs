use super::*;
use std::time::Duration;

fn limits(connections: usize, connections_per_address: usize) -> Limits {
    Limits {
        connections,
        connections_per_address,
        in_flight: 1,
        streams: 1,
        request_bytes: 1,
        head: Duration::ZERO,
        write: Duration::ZERO,
        idle: Duration::ZERO,
        max_age: Duration::ZERO,
    }
}

fn at(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn the_addresses_that_one_machine_has_by_ipv6_are_counted_together() {
    let (census, limits) = (Arc::new(Census::default()), limits(8, 2));
    let mut places = vec![census.admit(at("2001:db8:0:1::1"), &limits).unwrap()];
    places.push(census.admit(at("2001:db8:0:1:ffff::2"), &limits).unwrap());
    assert!(census.admit(at("2001:db8:0:1:8000::3"), &limits).is_none());
    places.push(census.admit(at("2001:db8:0:2::1"), &limits).unwrap());
    places.remove(0);
    assert!(census.admit(at("2001:db8:0:1::9"), &limits).is_some());
}

#[test]
fn an_address_of_ipv4_is_the_same_however_it_is_written() {
    let (census, limits) = (Arc::new(Census::default()), limits(8, 1));
    let _place = census.admit(at("192.0.2.1"), &limits).unwrap();
    assert!(census.admit(at("::ffff:192.0.2.1"), &limits).is_none());
    assert!(census.admit(at("192.0.2.2"), &limits).is_some());
}
