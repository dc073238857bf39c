//! Places for connections, and what is under way over all connections of a user.

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

struct Room {
    census: Arc<Census>,
    figures: Arc<SocketFigures>,
    limits: Limits,
}

impl Room {
    fn new(limits: Limits) -> Self {
        Self { census: Arc::default(), figures: Arc::default(), limits }
    }

    fn admit(&self, uid: u32) -> Result<Seat, Full> {
        self.admit_peer(&peer(uid))
    }

    fn admit_peer(&self, peer: &Peer) -> Result<Seat, Full> {
        self.census.admit(peer, &self.limits, &self.figures)
    }
}

#[test]
fn one_user_has_its_share_of_connections_and_gets_them_back() {
    let room = Room::new(Limits { connections_per_uid: 2, ..Limits::default() });
    let _first = room.admit(7).unwrap();
    let second = room.admit(7).unwrap();
    assert_eq!(room.admit(7).unwrap_err(), Full::User);
    assert!(room.admit(8).is_ok(), "another user is not touched");
    drop(second);
    assert!(room.admit(7).is_ok());
    assert_eq!(room.figures.connections_open.get(), 1);
    assert_eq!(room.figures.connections_total.get(), 4);
}

#[test]
fn subordinate_uids_share_the_places_of_their_owner() {
    let room = Room::new(Limits { connections_per_uid: 2, ..Limits::default() });
    let of = |uid: u32, account: u32| Peer { account, ..peer(uid) };
    let _one = room.admit_peer(&of(100_001, 7)).unwrap();
    let _two = room.admit_peer(&of(100_002, 7)).unwrap();
    assert_eq!(room.admit(7).unwrap_err(), Full::User);
    assert_eq!(room.admit_peer(&of(100_003, 7)).unwrap_err(), Full::User);
    assert!(room.admit(8).is_ok());
}

#[test]
fn places_are_kept_for_root_and_the_admin_door() {
    let limits = Limits {
        connections: 8,
        connections_reserved: 2,
        connections_per_uid: 2,
        ..Limits::default()
    };
    let room = Room::new(limits);
    let seats: Vec<Seat> = (1..=6).map(|uid| room.admit(uid).unwrap()).collect();
    assert_eq!(room.admit(9).unwrap_err(), Full::Daemon);
    let admin = Peer { door: Door::Admin, ..peer(9) };
    let by_admin_door = room.admit_peer(&admin).unwrap();
    let root = room.admit(0).unwrap();
    assert_eq!(room.admit(0).unwrap_err(), Full::Daemon, "all places are taken");
    assert_eq!(room.admit_peer(&admin).unwrap_err(), Full::Daemon);
    drop((by_admin_door, root));
    assert_eq!(room.admit(9).unwrap_err(), Full::Daemon, "they stay kept");
    drop(seats);
    assert!(room.admit(9).is_ok());
}

#[test]
fn root_is_free_of_the_share_but_not_of_the_whole() {
    let room = Room::new(Limits { connections: 3, connections_per_uid: 1, ..Limits::default() });
    let seats: Vec<Seat> = (0..3).map(|_| room.admit(0).unwrap()).collect();
    assert_eq!(room.admit(0).unwrap_err(), Full::Daemon);
    assert_eq!(room.admit(9).unwrap_err(), Full::Daemon);
    drop(seats);
    assert!(room.admit(9).is_ok());
}

#[test]
fn a_full_house_has_a_place_for_ourselves() {
    let room = Room::new(Limits { connections: 1, connections_per_uid: 1, ..Limits::default() });
    let _seat = room.admit(7).unwrap();
    assert_eq!(room.admit(7).unwrap_err(), Full::Daemon);
    let pid = i32::try_from(std::process::id()).ok();
    let ourselves = nix::unistd::geteuid().as_raw();
    assert!(room.admit_peer(&Peer { pid, ..peer(ourselves) }).is_ok());
    // Who connected to a socket that was there before us may have had our number.
    let another = room.admit_peer(&Peer { pid, ..peer(ourselves + 1) });
    assert_eq!(another.unwrap_err(), Full::Daemon);
}

#[test]
fn what_is_under_way_counts_over_all_connections_and_outlives_them() {
    let limits = Limits { in_flight_per_uid: 3, reply_bytes_per_uid: 100, ..Limits::default() };
    let room = Room::new(limits);
    let one = room.admit(7).unwrap();
    let two = room.admit(7).unwrap();
    let flights: Vec<Taken> =
        [&one, &one, &two].iter().map(|it| it.share().begin().unwrap()).collect();
    assert!(two.share().begin().is_none());
    let reply = one.share().hold(60).unwrap();
    assert!(two.share().hold(41).is_err() && two.share().hold(40).is_ok());
    drop((one, two));
    let again = room.admit(7).unwrap();
    assert!(again.share().begin().is_none(), "hanging up does not empty the account");
    assert_eq!(again.share().hold(41).unwrap_err(), Crowded::User);
    drop((flights, reply));
    assert!(again.share().begin().is_some() && again.share().hold(100).is_ok());
    let other = room.admit(8).unwrap();
    assert!(other.share().hold(100).is_ok(), "each user has an account of its own");
    let root = room.admit(0).unwrap();
    assert!((0..10).all(|_| root.share().hold(1_000).is_ok()), "root is exempt");
}

#[test]
fn many_users_together_leave_some_bytes_for_whoever_comes() {
    let limits = Limits { reply_bytes_per_uid: 1_000, request_bytes: 1, ..Limits::default() };
    let room = Room::new(limits);
    let seats: Vec<Seat> = (1..=200).map(|uid| room.admit(uid).unwrap()).collect();
    let mut held = Vec::new();
    for _ in 0..10 {
        held.extend(seats.iter().filter_map(|it| it.share().hold(100).ok()));
        held.extend(seats.iter().filter_map(|it| it.share().hold(10).ok()));
    }
    let of_all = || room.census.bytes.load(Ordering::Relaxed);
    let most = 4_000 + seats.len() * 1_000 / 64;
    assert!((3_000..most).contains(&of_all()), "{}", of_all());
    let newcomer = room.admit(201).unwrap();
    assert_eq!(newcomer.share().hold(1_000).unwrap_err(), Crowded::All);
    assert!(newcomer.share().hold(1).is_ok());
    let root = room.admit(0).unwrap();
    let whole = root.share().hold(1_000_000).unwrap();
    assert!(newcomer.share().hold(1).is_ok(), "what root has takes nothing from others");
    drop((held, whole));
    assert_eq!(of_all(), 0);
    assert!(newcomer.share().hold(1_000).is_ok());
}

#[test]
fn who_takes_all_that_is_left_one_after_another_leaves_the_next_a_part() {
    let limits = Limits { reply_bytes_per_uid: 64_000, request_bytes: 1, ..Limits::default() };
    let room = Room::new(limits);
    let greedy: Vec<Seat> = (1..=60).map(|uid| room.admit(uid).unwrap()).collect();
    let mut held = Vec::new();
    for seat in &greedy {
        for amount in [64_000, 10_000, 1_000, 100, 10, 1] {
            held.extend(std::iter::from_fn(|| seat.share().hold(amount).ok()));
        }
    }
    let newcomer = room.admit(61).unwrap();
    let part = newcomer.share().hold(1_000).unwrap();
    assert_eq!(newcomer.share().hold(1).unwrap_err(), Crowded::All);
    drop((held, part));
    assert_eq!(room.census.bytes.load(Ordering::Relaxed), 0);
}

#[test]
fn one_user_alone_has_all_that_a_user_may_have() {
    let room = Room::new(Limits { reply_bytes_per_uid: 1_000, ..Limits::default() });
    let (one, two) = (room.admit(7).unwrap(), room.admit(8).unwrap());
    let held = one.share().hold(1_000).unwrap();
    assert_eq!(one.share().hold(1).unwrap_err(), Crowded::User);
    assert!(two.share().hold(1_000).is_ok(), "another user is not touched");
    drop(held);
}

#[test]
fn what_is_longer_than_a_user_may_have_has_to_be_alone() {
    let limits = Limits { reply_bytes_per_uid: 1_000, request_bytes: 1_000, ..Limits::default() };
    let room = Room::new(limits);
    let seat = room.admit(7).unwrap();
    let long = seat.share().hold(3_000).unwrap();
    assert!(seat.share().hold(1).is_err());
    drop(long);
    let short = seat.share().hold(1).unwrap();
    assert!(seat.share().hold(3_000).is_err());
    drop(short);
    assert!(seat.share().hold(16_001).is_err(), "there is no room for it at all");
}
