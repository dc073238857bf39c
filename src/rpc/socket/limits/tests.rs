use super::*;

fn peer(uid: u32) -> Peer {
    Peer {
        uid,
        gid: uid,
        pid: Some(1),
        door: Door::Public,
        account: uid,
        chose_gid: false,
        shares_uid: false,
    }
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let limits = Limits::default();
    assert_eq!(limits.request_bytes, 65_536);
    assert_eq!((limits.depth, limits.batch, limits.in_flight), (64, 32, 32));
    assert_eq!((limits.connections, limits.connections_per_uid), (256, 64));
    assert_eq!((limits.connections_reserved, limits.in_flight_per_uid), (32, 128));
    assert_eq!(limits.reply_bytes_per_uid, 16 << 20);
    assert_eq!((limits.rate_per_second, limits.rate_burst), (200, 2_000));
    assert_eq!((limits.subscriptions, limits.send_queue), (16, 64));
    assert_eq!((limits.first_byte.as_secs(), limits.write.as_secs()), (10, 10));
    assert_eq!((limits.idle.as_secs(), limits.drain.as_secs()), (3_600, 5));
}

#[test]
fn a_user_over_its_rate_is_refused_and_others_are_not() {
    let limits = Limits { rate_per_second: 1, rate_burst: 3, ..Limits::default() };
    let rates = Rates::new(&limits);
    let allowed = |uid| (0..10).filter(|_| rates.allow(&limits, &peer(uid))).count();
    assert!((3..=4).contains(&allowed(7)), "the burst and no more");
    assert!(allowed(8) >= 3, "each user has a burst of its own");
    assert_eq!(allowed(0), 10, "root is exempt");
}

#[test]
fn changes_are_a_handful_and_administrators_have_no_limit() {
    let rates = WriteRates::new(500);
    let allowed =
        |peer: &Peer| (0..40).filter(|_| rates.allow(peer, CustomerId::Uid(peer.uid))).count();
    assert_eq!(allowed(&peer(7)), 12);
    assert_eq!(allowed(&peer(8)), 12, "each user has a burst of its own");
    for exempt in [peer(0), peer(500), Peer { door: Door::Admin, ..peer(9) }] {
        assert_eq!(allowed(&exempt), 40, "{exempt:?}");
    }
}

#[test]
fn users_who_went_quiet_are_forgotten() {
    let limits = Limits { rate_per_second: 1_000_000, rate_burst: 1, ..Limits::default() };
    let rates = Rates::new(&limits);
    for uid in 1..=(2 * u32::try_from(REMEMBERED_USERS).unwrap()) {
        rates.allow(&limits, &peer(uid));
    }
    rates.forget_the_quiet();
    assert!(rates.by_account.len() <= REMEMBERED_USERS);
}
