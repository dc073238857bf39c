use super::*;
use crate::store::testing::{Bench, asked};

#[test]
fn notices_stay_until_they_are_acknowledged_once() {
    let bench = Bench::new();
    for turn in 0..10 {
        bench
            .change(move |it| {
                add(it, AuditAction::StoreRecovered, &format!("turn {turn}"), &asked(turn))
            })
            .unwrap();
    }
    let kept = bench.store.read(all).unwrap();
    assert_eq!((kept.len(), kept[0].said.as_str(), kept[7].said.as_str()), (8, "turn 2", "turn 9"));
    assert_eq!(bench.change(|it| acknowledge(it, &asked(11))).unwrap(), kept);
    assert_eq!(bench.store.read(all).unwrap(), []);
    let audited = bench.actions();
    assert_eq!(bench.change(|it| acknowledge(it, &asked(12))).unwrap(), []);
    assert_eq!(bench.actions(), audited, "nothing to acknowledge is nothing to write");
}
