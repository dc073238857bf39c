use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn of_many_uses_ten_a_minute_are_told_and_the_others_counted() {
    let log = UseLog::telling(10);
    let told: Vec<_> = (0..300).filter_map(|_| log.note(1, at(0))).collect();
    assert_eq!(told, [0; 10]);
    assert_eq!(log.note(2, at(0)), Some(0), "another user's are told");
    assert_eq!(log.note(1, at(59)), None);
    assert_eq!(log.note(1, at(60)), Some(291));
    assert_eq!(log.note(1, at(60)), Some(0));
    assert_eq!(log.note(1, at(-1)), Some(0), "a clock that was set back silences nobody");
}

#[test]
fn of_many_users_no_more_are_remembered_than_were_there_lately() {
    let log = UseLog::telling(10);
    for uid in 0..5_000 {
        log.note(uid, at(0));
    }
    for uid in 0..100 {
        log.note(uid, at(100));
    }
    assert!(log.users.lock().unwrap().len() <= 100);
}
