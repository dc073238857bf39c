use super::*;

fn wallet(number: u8) -> Address {
    Address::repeat_byte(number)
}

fn of(product: &str, finality: Finality) -> Of {
    (product.parse().unwrap(), ChainId(1), finality)
}

#[test]
fn who_was_not_reached_is_the_first_next_time_and_each_product_has_its_own_turns() {
    let (turns, wallets) = (Turns::default(), [1, 2, 3].map(wallet));
    let (at_head, settled) = (of("acme", Finality::Latest), of("acme", Finality::Finalized));
    assert_eq!(turns.in_order(&at_head, &wallets), wallets, "as they come, when nobody was");
    turns.reached(&at_head, wallet(1), 7);
    assert_eq!(turns.in_order(&at_head, &wallets), [2, 3, 1].map(wallet));
    turns.reached(&at_head, wallet(2), 8);
    assert_eq!(turns.in_order(&at_head, &wallets), [3, 1, 2].map(wallet));
    for other in [settled, of("other", Finality::Latest)] {
        assert_eq!(turns.in_order(&other, &wallets), wallets, "{other:?}");
    }
}

#[test]
fn of_very_many_those_of_the_later_looks_are_remembered() {
    let (turns, of) = (Turns::default(), of("acme", Finality::Latest));
    let wallet = |number: u64| Address::left_padding_from(&number.to_be_bytes());
    let many = 3 * MOST as u64;
    (1..=many).for_each(|it| turns.reached(&of, wallet(it), it));
    assert!(turns.known().len() <= MOST);
    let asked = [wallet(many), wallet(many - 1), wallet(1)];
    assert_eq!(turns.in_order(&of, &asked), [wallet(1), wallet(many - 1), wallet(many)]);
}

#[test]
fn each_has_as_long_as_the_others_and_no_less_than_it_takes() {
    let now = Instant::now();
    let turn = |waiting, seconds: u64| {
        let end = now + Duration::from_secs(seconds);
        (turn_of_first(waiting, now, end) - now).as_secs()
    };
    for (waiting, seconds, expected) in
        [(1, 45, 45), (4, 45, 45), (5, 40, 20), (8, 40, 20), (9, 45, 15), (400, 45, 10)]
    {
        assert_eq!(turn(waiting, seconds), expected, "{waiting} in {seconds} s");
    }
    assert_eq!(turn(9, 3), 3, "no more than there is");
    assert_eq!(turn_of_first(9, now + Duration::from_secs(1), now), now + Duration::from_secs(1));
}
