use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

#[test]
fn passphrases_are_tried_a_few_times_a_minute() {
    let mut custody = Custody::default();
    for second in 0..5 {
        assert!(custody.may_try(at(second)), "{second}");
        custody.wrong.push_back(at(second));
    }
    assert!(!custody.may_try(at(5)));
    assert!(!custody.may_try(at(59)));
    assert!(custody.may_try(at(61)));
}

#[test]
fn a_clock_set_back_does_not_lock_anybody_out() {
    let mut custody = Custody::default();
    custody.wrong.extend((0..5).map(at));
    assert!(custody.may_try(at(-3_600)));
}

#[test]
fn a_restart_in_the_middle_is_not_taken_for_one_under_way() {
    let state = RotationState::UnderWay;
    let rotation = Some(Rotation { progress: Arc::default(), state });
    let custody = Custody { rotation, unlocking: true, ..Custody::default() }.restarted();
    assert!(!custody.is_rotating() && !custody.unlocking);
}
