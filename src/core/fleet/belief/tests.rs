use super::*;
use crate::fleet::Meta;

const FLEET: FleetId = FleetId([7; 16]);
/// When what is known was written.
const WRITTEN: u64 = 50;

fn known(epoch: u32) -> Known {
    Known {
        fleet: Some(FLEET),
        epoch,
        written: Some(Revision(WRITTEN)),
        naming: Some(Naming::ByShare),
        went_back: false,
        credit: MOST_RESTORED,
    }
}

fn found(epoch: u32, written: u64) -> Found {
    let meta = Meta { fleet: FLEET, epoch, naming: Naming::ByShare };
    Found { meta, written: Revision(written) }
}

fn doubted(known: &Known, found: &Found) -> Doubt {
    match believe(known, found) {
        Belief::Doubted(doubt) => doubt,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_later_epoch_is_believed_for_as_long_as_there_is_credit() {
    for (epoch, belief) in [
        (20, Belief::Believed),
        (21, Belief::Believed),
        (23, Belief::Believed),
        (24, Belief::Doubted(Doubt::Ahead)),
        (6_000, Belief::Doubted(Doubt::Ahead)),
    ] {
        let known = Known { credit: 3, ..known(20) };
        assert_eq!(believe(&known, &found(epoch, 60)), belief, "{epoch}");
        // Also who has seen that the store went back, and whenever that was written: an administrator has said so.
        let known = Known { went_back: epoch > 20, ..known };
        assert_eq!(believe(&known, &found(epoch, 60)), belief, "{epoch}");
    }
    assert_eq!(
        believe(&known(20), &found(21, 5)),
        Belief::Believed,
        "in another life of the store"
    );
}

#[test]
fn an_earlier_epoch_is_put_back_where_it_was_written_after_the_later_one() {
    for epoch in 4..20 {
        assert_eq!(believe(&known(20), &found(epoch, WRITTEN + 1)), Belief::PutBack, "{epoch}");
    }
    assert_eq!(
        doubted(&known(20), &found(3, WRITTEN + 1)),
        Doubt::Behind,
        "nobody would believe it"
    );
}

#[test]
fn a_store_that_has_gone_back_is_never_put_right_by_a_machine() {
    for epoch in 0..=20 {
        let before = found(epoch, WRITTEN - 1);
        assert_eq!(doubted(&known(20), &before), Doubt::Restored, "{epoch}: written before");
        let went_back = Known { went_back: true, ..known(20) };
        let since = found(epoch, WRITTEN + 1);
        assert_eq!(doubted(&went_back, &since), Doubt::Restored, "{epoch}: by its revision");
    }
    // A daemon of before has not noted when that was.
    let unknown = Known { written: None, ..known(20) };
    assert_eq!(doubted(&unknown, &found(19, WRITTEN + 1)), Doubt::Restored);
    assert_eq!(believe(&unknown, &found(20, 1)), Belief::Believed);
}

#[test]
fn another_fleet_and_other_names_are_not_believed_at_any_epoch() {
    let other = FleetId([8; 16]);
    for epoch in [0, 10, 11, 9_999] {
        let mut found = found(epoch, WRITTEN + 1);
        found.meta.fleet = other;
        assert_eq!(doubted(&known(10), &found), Doubt::Another);
    }
    for (epoch, naming) in [(9, Naming::ByToken), (10, Naming::ByToken), (11, Naming::ByToken)] {
        let mut found = found(epoch, WRITTEN + 1);
        found.meta.naming = naming;
        assert_eq!(doubted(&known(10), &found), Doubt::Renamed, "{epoch}");
        let coming = Known { naming: None, ..known(10) };
        assert!(!matches!(believe(&coming, &found), Belief::Doubted(_)), "{epoch}");
    }
}

#[test]
fn a_new_machine_is_as_one_that_knows_of_no_restoring() {
    let new = Known { credit: MOST_RESTORED, ..Known::default() };
    assert_eq!(believe(&new, &found(0, 1)), Belief::Believed);
    assert_eq!(believe(&new, &found(MOST_RESTORED, 1)), Belief::Believed);
    assert_eq!(doubted(&new, &found(MOST_RESTORED + 1, 1)), Doubt::Ahead);
}

#[test]
fn credit_comes_back_in_a_day_and_not_before() {
    let at = |hours: u64| BootTime(1_000_000 + hours * 3_600_000);
    let mut credit = Credit::default();
    assert_eq!(credit.left(at(0)), MOST_RESTORED);
    credit.spend(at(0), 10);
    assert_eq!(credit.left(at(0)), 6);
    assert_eq!((credit.left(at(1)), credit.left(at(3))), (6, 8));
    credit.spend(at(3), 8);
    assert_eq!(credit.left(at(3)), 0);
    assert_eq!((credit.left(at(23)), credit.left(at(27))), (13, MOST_RESTORED));
    assert_eq!(credit.left(at(1_000_000)), MOST_RESTORED, "and no more");
    // Looking often costs nothing.
    let mut looked = Credit::default();
    looked.spend(at(0), MOST_RESTORED);
    (0..24).for_each(|it| looked.spend(at(it), 0));
    assert_eq!(looked.left(at(24)), MOST_RESTORED);
}

/// Whoever writes there as much as they like, and machines that look at any time, restart and are new: when they stop, all
/// machines are of one epoch after a look or two, without a word.
#[test]
fn whatever_is_written_all_machines_come_to_one_epoch_when_it_is_mended() {
    for seed in 1..400_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut below = |end: u64| {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            state.wrapping_mul(0x2545_f491_4f6c_dd1d) % end
        };
        let mut store = found(0, 1);
        let mut machines = [known(0); 3];
        machines.iter_mut().for_each(|it| it.written = Some(store.written));
        let mut credits = [Credit::default(); 3];
        let mut look = |at: usize, store: &mut Found, machines: &mut [Known; 3]| {
            let it = &mut machines[at];
            it.credit = credits[at].left(BootTime(0));
            match believe(it, store) {
                Belief::Believed => {}
                Belief::PutBack => {
                    store.meta.epoch = it.epoch;
                    store.written.0 += 1;
                }
                Belief::Doubted(_) => return,
            }
            assert!(store.meta.epoch >= it.epoch, "an epoch only grows");
            credits[at].spend(BootTime(0), store.meta.epoch - it.epoch);
            (it.epoch, it.written) = (store.meta.epoch, Some(store.written));
        };
        for _ in 0..40 {
            match below(3) {
                0 => {
                    store.meta.epoch = u32::try_from(below(20)).unwrap();
                    store.written.0 += 1;
                }
                _ => look(usize::try_from(below(3)).unwrap(), &mut store, &mut machines),
            }
        }
        // What stood there at first.
        store = found(0, store.written.0 + 1);
        for _ in 0..2 {
            (0..3).for_each(|it| look(it, &mut store, &mut machines));
        }
        let latest = machines.iter().map(|it| it.epoch).max().unwrap();
        assert!(latest <= MOST_RESTORED, "{latest}");
        for it in &machines {
            assert_eq!((it.epoch, store.meta.epoch), (latest, latest), "{seed}: {machines:?}");
        }
    }
}
