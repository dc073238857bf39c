use super::*;

#[test]
fn the_bar_fills() {
    assert!(bar(0, 0).starts_with("[....."));
    assert_eq!(bar(500, 1_000).matches('#').count(), WIDTH / 2);
    assert_eq!(bar(1_000, 1_000).matches('#').count(), WIDTH);
    assert_eq!(bar(2, 1).matches('#').count(), WIDTH);
}
