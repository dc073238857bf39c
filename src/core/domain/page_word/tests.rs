use super::*;

const OWN: u32 = 77;
const NOW: u64 = 5_000_000;

fn word(said: Said, until_ms: u64) -> [u64; 2] {
    Word { said, generation: OWN, until_ms }.sealed()
}

#[test]
fn an_answer_holds_for_its_lease_and_no_longer() {
    for said in [Said::Ask, Said::Yes, Said::No, Said::NotKnown] {
        let slot = word(said, NOW + LEASE_MS);
        assert_eq!(read(slot, OWN, NOW), Reading::Said(said));
        assert_eq!(read(slot, OWN, NOW + LEASE_MS - 1), Reading::Said(said));
        assert_eq!(read(slot, OWN, NOW + LEASE_MS), Reading::Lost);
        assert_eq!(read(slot, OWN, NOW + 10 * LEASE_MS), Reading::Lost);
    }
}

/// A program in a time namespace, or one that was restored elsewhere, must not believe for as long as its clock is behind.
#[test]
fn an_answer_that_holds_for_longer_than_any_may_is_by_another_clock() {
    assert_eq!(read(word(Said::Yes, NOW + LEASE_MS + 1), OWN, NOW), Reading::Lost);
    assert_eq!(read(word(Said::Yes, NOW + 1_000_000), OWN, NOW), Reading::Lost);
}

#[test]
fn an_answer_to_somebody_else_is_none() {
    let slot = word(Said::Yes, NOW + 1);
    assert_eq!(read(slot, OWN + 1, NOW), Reading::Lost);
    let last = Word { said: Said::Yes, generation: GENERATIONS - 1, until_ms: NOW + 1 }.sealed();
    assert_eq!(read(last, GENERATIONS - 1, NOW), Reading::Said(Said::Yes));
}

#[test]
fn an_empty_page_says_nothing() {
    assert_eq!(read([0, 0], 0, 0), Reading::Torn);
}

/// Whoever writes may be anywhere within its copy, in either direction and by any width, at each of the reader's loads.
#[test]
fn what_is_read_while_it_is_written_is_one_of_both_answers_or_torn() {
    let before = Word { said: Said::Yes, generation: OWN, until_ms: NOW + 3 };
    let afterwards = [
        Word { said: Said::No, generation: OWN, until_ms: NOW + 70_003 },
        Word { said: Said::No, generation: OWN, until_ms: NOW + 3 },
        Word { said: Said::Ask, generation: OWN + 1, until_ms: NOW + 1_999 },
    ];
    let mut torn = 0;
    for after in afterwards {
        let (old, new) = (before.bytes(), after.bytes());
        // Which bytes are new already, when the first and when the second word is loaded.
        for mix in 0..=u16::MAX {
            let byte = |at: usize| if mix >> at & 1 == 1 { new[at] } else { old[at] };
            let load = |from: usize| u64::from_ne_bytes(std::array::from_fn(|at| byte(from + at)));
            let seen = [load(0), load(8)];
            if seen == before.sealed() || seen == after.sealed() {
                continue;
            }
            assert_eq!(read(seen, OWN, NOW), Reading::Torn, "{mix:b}");
            torn += 1;
        }
    }
    assert!(torn > 100_000, "{torn}");
}

#[test]
fn a_revision_is_read_by_whoever_does_not_know_it_yet_while_it_is_renewed() {
    let sealed = Word { said: Said::Yes, generation: OWN, until_ms: NOW + LEASE_MS }.sealed();
    assert_eq!(revision(sealed, NOW), Ok(Some(OWN)));
    assert_eq!(revision(sealed, NOW + LEASE_MS), Ok(None));
    assert_eq!(revision([sealed[0], sealed[1] ^ 1], NOW), Err(Torn));
    assert_eq!(revision([0, 0], NOW), Err(Torn), "an empty page says nothing");
}

/// SHA-256 of `customer:1` and of `customer:2`, by another program.
#[test]
fn a_customers_slot_follows_from_its_name() {
    assert_eq!(slot_of(CustomerId::Numbered(1)), 0x3a);
    assert_eq!(slot_of(CustomerId::Numbered(2)), 0x94);
    assert!(slot_of(CustomerId::Machine) < SLOTS);
}
