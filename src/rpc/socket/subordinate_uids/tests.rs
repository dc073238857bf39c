use super::*;

fn known(name: &str) -> Option<u32> {
    (name == "ada").then_some(1_000)
}

#[test]
fn a_subordinate_uid_counts_as_its_owner() {
    let text = "ada:100000:65536\n1001:165536:65536\nghost:231072:10\n";
    let uids =
        SubordinateUids { ranges: RwLock::new(parse(text, known)), ..SubordinateUids::default() };
    for (uid, account) in [
        (0, 0),
        (1_000, 1_000),
        (99_999, 99_999),
        (100_000, 1_000),
        (165_535, 1_000),
        (165_536, 1_001),
        (231_071, 1_001),
        (231_072, 231_072),
        (231_081, 231_072),
        (231_082, 231_082),
        (u32::MAX, u32::MAX),
    ] {
        assert_eq!(uids.account(uid), account, "{uid}");
    }
}

#[test]
fn what_is_no_range_is_passed_over() {
    let text = "\nada\nada:1\nada:x:1\nada:1:y\nada:0:65536\nada:5:0\n:5:5\nada:1:2:3\nada:-1:2\nada:99999999999:1\n";
    assert_eq!(parse(text, known), []);
}

#[test]
fn a_range_to_the_end_does_not_overflow() {
    let text = format!("ada:4294967290:{}", u32::MAX);
    let uids =
        SubordinateUids { ranges: RwLock::new(parse(&text, known)), ..SubordinateUids::default() };
    assert_eq!(uids.account(u32::MAX), 1_000);
    assert_eq!(uids.account(4_294_967_289), 4_294_967_289);
}

#[test]
fn a_gid_that_somebody_may_map_is_known() {
    let gids = RwLock::new(parse("ada:100000:65536\n", known));
    let subordinates = SubordinateUids { gids, ..SubordinateUids::default() };
    for (gid, is_held) in [(99_999, false), (100_000, true), (165_535, true), (165_536, false)] {
        assert_eq!(subordinates.hold_gid(gid), is_held, "{gid}");
    }
    assert_eq!(subordinates.account(100_000), 100_000, "of uids another file tells");
}
