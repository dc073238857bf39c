use super::*;

fn call(to: u8, words: &[u8]) -> Call {
    let words = words.iter().flat_map(|it| B256::with_last_byte(*it).0);
    let data = [9; 4].into_iter().chain(words).collect::<Vec<_>>();
    Call { to: Address::repeat_byte(to), data: data.into() }
}

#[test]
fn a_call_is_concerned_by_a_word_it_names_at_its_own_contract() {
    let mut event_hints = EventHints::default();
    event_hints.note(Address::repeat_byte(1), [B256::with_last_byte(7)]);
    assert!(event_hints.concern(&call(1, &[7])) && event_hints.concern(&call(1, &[3, 7])));
    assert!(!event_hints.concern(&call(1, &[8])) && !event_hints.concern(&call(1, &[])));
    assert!(!event_hints.concern(&call(2, &[7])));
    assert!(!event_hints.concern(&Call { to: Address::repeat_byte(1), data: "7".into() }));
}

#[test]
fn the_newest_are_kept_and_no_more_than_there_is_room_for() {
    let mut event_hints = EventHints::default();
    let word = |it: usize| B256::left_padding_from(&it.to_be_bytes());
    event_hints.note(Address::ZERO, (0..3 * EventHints::WORDS).map(word));
    let words = &event_hints.0[&Address::ZERO];
    assert_eq!((words.known.len(), words.order.len()), (EventHints::WORDS, EventHints::WORDS));
    assert!(
        words.known.contains(&word(3 * EventHints::WORDS - 1)) && !words.known.contains(&word(0))
    );
    for contract in 0..1_000_u64 {
        event_hints.note(Address::left_padding_from(&contract.to_be_bytes()), [B256::ZERO]);
    }
    assert!(event_hints.0.len() <= EventHints::CONTRACTS);
}
