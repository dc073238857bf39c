use super::*;
use proptest::prelude::*;

const BLOCK_TIME: u64 = 12;

fn pace_at(now: u64) -> Pace {
    Pace { now, block_time: Duration::from_secs(BLOCK_TIME) }
}

/// Long after every block here, unless it says otherwise.
fn pace() -> Pace {
    pace_at(1_000_000_000)
}

fn named(header: Header) -> KnownBlock {
    KnownBlock { hash: header.hash_slow(), header, attestation: None, at: Instant::now() }
}

/// A chain from block 0, of which each fork has other blocks.
fn chain(fork: u8, before: &[KnownBlock], to: u64) -> Vec<KnownBlock> {
    let mut blocks = before.to_vec();
    while blocks.len() as u64 <= to {
        let number = blocks.len() as u64;
        let parent_hash = blocks.last().map_or(B256::ZERO, |it| it.hash);
        let timestamp = number * BLOCK_TIME;
        let extra_data = vec![fork].into();
        blocks.push(named(Header {
            number,
            parent_hash,
            timestamp,
            extra_data,
            ..Header::default()
        }));
    }
    blocks
}

fn seeing(blocks: &[KnownBlock]) -> HeadOrder {
    let mut head_order = HeadOrder::default();
    for it in blocks {
        head_order.saw(it.hash, &it.header);
    }
    head_order
}

fn head(head_order: &mut HeadOrder, block: &KnownBlock) -> Result<bool, NotNext> {
    head_order.admit(Finality::Latest, block, pace())
}

fn is_behind(answer: &Result<bool, NotNext>) -> bool {
    matches!(answer, Err(NotNext::Behind { .. }))
}

#[test]
fn who_is_late_is_behind_whether_the_way_is_known_or_not() {
    let blocks = chain(0, &[], 10);
    for seen in [&blocks[..], &[]] {
        let mut head_order = seeing(seen);
        assert!(head(&mut head_order, &blocks[10]).unwrap());
        for late in &blocks[..10] {
            assert!(is_behind(&head(&mut head_order, late)), "{}", late.header.number);
        }
        assert!(head(&mut head_order, &blocks[10]).unwrap(), "the newest may be named again");
    }
}

#[test]
fn a_reorganisation_is_shown_where_the_way_is_known() {
    let blocks = chain(0, &[], 10);
    let fork = chain(1, &blocks[..7], 12);
    let mut head_order = seeing(&blocks);
    head(&mut head_order, &blocks[10]).unwrap();
    assert!(is_behind(&head(&mut head_order, &fork[6])), "of both");
    assert!(head_order.would_go_back(Finality::Latest, &fork[8], pace()));
    assert!(head(&mut head_order, &fork[8]).unwrap(), "shorter");
    assert!(head(&mut head_order, &fork[9]).unwrap(), "and it goes on from there");
    assert!(is_behind(&head(&mut head_order, &fork[8])), "of which the next is late");

    let mut head_order = seeing(&[]);
    head(&mut head_order, &blocks[10]).unwrap();
    assert!(is_behind(&head(&mut head_order, &fork[8])), "the way is not known");
    assert!(head(&mut head_order, &fork[9]).unwrap(), "the newest block names its parent itself");
    head(&mut head_order, &blocks[10]).unwrap();
    assert!(head(&mut head_order, &fork[10]).unwrap(), "as high");
    assert!(head(&mut head_order, &fork[12]).unwrap(), "higher");
}

#[test]
fn a_block_is_shown_to_be_of_the_chain_by_the_way_to_it_or_from_it() {
    let blocks = chain(0, &[], 20);
    let (fork, other) = (chain(1, &blocks[..8], 20), chain(2, &[], 20));
    let mut head_order = seeing(&blocks[..13]);
    fork.iter().chain(&other).for_each(|it| head_order.saw(it.hash, &it.header));
    let shown = |head_order: &mut HeadOrder, it: &KnownBlock| {
        let is_shown = head_order.is_shown(Finality::Latest, it.hash, &it.header);
        assert_ne!(head_order.leaps(Finality::Latest), is_shown, "the next is likely to be alike");
        is_shown
    };
    assert!(head_order.leaps(Finality::Latest), "where nothing is known, there is no way from it");
    head(&mut head_order, &blocks[10]).unwrap();
    assert!(head_order.leaps(Finality::Finalized), "of which nothing is known");
    for known in [10, 11, 12, 13, 5, 0] {
        assert!(shown(&mut head_order, &blocks[known]), "{known}");
    }
    assert!(!shown(&mut head_order, &blocks[14]), "block 13 was not seen");
    for number in [0, 9, 10, 11, 20] {
        assert!(!shown(&mut head_order, &other[number]), "{number} of another chain");
    }
    for number in [8, 10, 11, 20] {
        assert!(!shown(&mut head_order, &fork[number]), "{number} after a reorganisation");
    }
    assert!(shown(&mut head_order, &blocks[12]));
}

/// A block that was known once may be of a fork that is gone: it shows nothing of the way to the newest one.
#[test]
fn what_was_reorganised_meanwhile_shows_nothing() {
    let blocks = chain(0, &[], 10);
    let fork = chain(1, &blocks[..7], 20);
    let mut head_order = seeing(&blocks);
    head(&mut head_order, &blocks[8]).unwrap();
    head(&mut head_order, &fork[20]).unwrap();
    assert!(is_behind(&head(&mut head_order, &fork[8])), "an honest endpoint that is late");
}

#[test]
fn what_is_final_is_final() {
    let (blocks, fork) = (chain(0, &[], 10), chain(1, &[], 10));
    let mut head_order = seeing(&blocks);
    let finalized = |head_order: &mut HeadOrder, it: &KnownBlock| {
        head_order.admit(Finality::Finalized, it, pace())
    };
    assert!(finalized(&mut head_order, &blocks[6]).unwrap());
    assert!(is_behind(&finalized(&mut head_order, &blocks[5])));
    let other = finalized(&mut head_order, &fork[6]);
    assert!(matches!(other, Err(NotNext::Disagreement { number: 6 })), "{other:?}");
    assert!(is_behind(&finalized(&mut head_order, &fork[5])), "and cannot be reorganised");
    for finality in [Finality::Latest, Finality::Safe] {
        let below = head_order.admit(finality, &blocks[5], pace());
        assert!(is_behind(&below), "no head is below a finalized block");
        assert!(head_order.admit(finality, &blocks[6], pace()).is_ok());
    }
    let earlier = Header { number: 7, timestamp: 1, ..Header::default() };
    assert!(is_behind(&finalized(&mut head_order, &named(earlier))), "time does not go back");
}

/// One liar is believed for its own answer, where one endpoint is, and makes nobody else late.
#[test]
fn a_block_from_the_future_raises_nothing() {
    let blocks = chain(0, &[], 10);
    let now = 10 * BLOCK_TIME;
    for finality in [Finality::Latest, Finality::Safe, Finality::Finalized] {
        let mut head_order = seeing(&blocks);
        let mut admit = |it: &KnownBlock| head_order.admit(finality, it, pace_at(now)).unwrap();
        assert!(admit(&blocks[9]));
        let later = Header { number: 11, timestamp: now + AHEAD + 1, ..Header::default() };
        assert!(!admit(&named(later)), "by its own time");
        let farther = Header { number: 1_000, timestamp: now, ..Header::default() };
        assert!(!admit(&named(farther)), "by more blocks than the time allows");
        assert!(admit(&blocks[10]), "the honest go on");
    }
}

#[test]
fn a_liar_that_was_the_first_to_be_asked_is_forgotten() {
    let blocks = chain(0, &[], 10);
    let pace = pace_at(10 * BLOCK_TIME);
    for finality in [Finality::Latest, Finality::Finalized] {
        let mut head_order = seeing(&blocks);
        let far = Header { number: 1_000, timestamp: 10 * BLOCK_TIME, ..Header::default() };
        assert!(head_order.admit(finality, &named(far), pace).unwrap());
        assert!(is_behind(&head_order.admit(Finality::Latest, &blocks[10], pace)), "at first");
        assert!(head_order.would_go_back(Finality::Latest, &blocks[10], pace));
        assert_eq!(head_order.forget_impossible(&blocks[10].header, pace), Some(1_000));
        assert!(head_order.admit(Finality::Latest, &blocks[10], pace).unwrap());
    }
}

/// As after `anvil_mine` with a hundred blocks: the newest one and the finalized one have the same time.
#[test]
fn a_chain_mined_at_once_is_warned_of_once() {
    let pace = pace_at(10 * BLOCK_TIME);
    let at = |number| named(Header { number, timestamp: 10 * BLOCK_TIME, ..Header::default() });
    let (settled, newest) = (at(8), at(72));
    let mut head_order = HeadOrder::default();
    let mut look = |newest: &KnownBlock| {
        let warned = head_order.forget_impossible(&settled.header, pace);
        assert!(head_order.admit(Finality::Finalized, &settled, pace).unwrap());
        assert!(head_order.admit(Finality::Latest, newest, pace).is_ok());
        warned
    };
    assert_eq!([look(&newest), look(&newest), look(&newest)], [None, Some(72), None]);
    assert_eq!([look(&at(80)), look(&at(80)), look(&at(80))], [None, Some(80), None]);
}

/// Who is very late is so in time as well.
#[test]
fn an_old_view_makes_nothing_impossible() {
    let blocks = chain(0, &[], 2_000);
    let mut head_order = seeing(&[]);
    head(&mut head_order, &blocks[2_000]).unwrap();
    for late in [0, 1, 1_000, 1_999] {
        assert!(!head_order.would_go_back(Finality::Latest, &blocks[late], pace()), "{late}");
        assert!(is_behind(&head(&mut head_order, &blocks[late])), "{late}");
    }
}

#[test]
fn a_head_is_missing_until_somebody_has_it_again() {
    let blocks = chain(0, &[], 10);
    let mut head_order = seeing(&blocks);
    head(&mut head_order, &blocks[9]).unwrap();
    let first = head_order.missing_since(Instant::now());
    let later = Instant::now() + Duration::from_secs(60);
    head_order.saw(blocks[8].hash, &blocks[8].header);
    assert_eq!(head_order.missing_since(later), first, "older blocks are no sign of it");
    head_order.saw(blocks[10].hash, &blocks[10].header);
    assert_eq!(head_order.missing_since(later), later, "a newer one is");
    head_order.begin_anew();
    assert!(head(&mut head_order, &blocks[3]).unwrap());
}

#[test]
fn of_what_validators_signed_the_later_slot_counts() {
    let (blocks, fork) = (chain(0, &[], 10), chain(1, &[], 10));
    let signed = |block: &KnownBlock, slot: u64| {
        let attestation = Attestation {
            checkpoint: B256::ZERO,
            spec: None,
            built_in: true,
            slot,
            period: 0,
            participation: 512,
            of: 512,
            signature_slot: slot + 1,
            lineages: Vec::new(),
        };
        KnownBlock { attestation: Some(Box::new(attestation)), ..block.clone() }
    };
    let mut head_order = HeadOrder::default();
    for (block, slot, newest) in
        [(&blocks[9], 20, 9), (&blocks[8], 19, 9), (&fork[8], 21, 8), (&blocks[10], 22, 10)]
    {
        head_order.admit_signed(Finality::Latest, &signed(block, slot)).unwrap();
        let known = head_order.newest(Finality::Latest).unwrap();
        assert_eq!(known.header.number, newest, "slot {slot}");
    }
}

proptest! {
    /// Whatever is named in whatever order of one chain, what is newest never goes back.
    #[test]
    fn one_chain_never_goes_back(order in prop::collection::vec(0_usize..40, 1..60), known in 0_usize..40) {
        let blocks = chain(0, &[], 40);
        let mut head_order = seeing(&blocks[..known]);
        let mut highest = 0;
        for at in order {
            let answer = head(&mut head_order, &blocks[at]);
            prop_assert_eq!(answer.is_ok(), at >= highest);
            highest = highest.max(at);
            let newest = head_order.newest(Finality::Latest).unwrap().header.number;
            prop_assert_eq!(newest, highest as u64);
        }
    }

    /// However forks take turns, what may not be named is late on the chain whose newest block is known.
    #[test]
    fn only_who_is_late_is_behind(order in prop::collection::vec((any::<bool>(), 5_usize..20), 1..40)) {
        let blocks = chain(0, &[], 20);
        let fork = chain(1, &blocks[..8], 20);
        let mut head_order = seeing(&blocks);
        fork.iter().for_each(|it| head_order.saw(it.hash, &it.header));
        let mut newest: Option<(bool, usize)> = None;
        for (forked, at) in order {
            let named = if forked { &fork[at] } else { &blocks[at] };
            let is_late = newest.is_some_and(|(on_fork, top)| {
                at < top && (on_fork == forked || at < 8)
            });
            prop_assert_eq!(head(&mut head_order, named).is_err(), is_late);
            if !is_late {
                newest = Some((forked, at));
            }
        }
    }
}

#[test]
fn a_run_goes_on_from_the_newest_block_of_the_one_before() {
    let blocks = chain(0, &[], 12);
    let kept = |it: &KnownBlock| {
        let Header { number, timestamp, .. } = it.header;
        KnownBlock { header: Header { number, timestamp, ..Header::default() }, ..it.clone() }
    };
    let mut head_order = HeadOrder::default();
    head_order.go_on_from(Finality::Latest, kept(&blocks[10]), Trust::Single);
    head_order.go_on_from(Finality::Finalized, kept(&blocks[5]), Trust::Single);
    for late in &blocks[..10] {
        assert!(is_behind(&head(&mut head_order, late)), "{}", late.header.number);
    }
    let final_before = head_order.admit(Finality::Finalized, &blocks[4], pace());
    assert!(is_behind(&final_before), "{final_before:?}");
    assert!(head(&mut head_order, &blocks[11]).unwrap());
    assert!(is_behind(&head(&mut head_order, &blocks[10])), "from here on this run's own counts");
    // A fork of what is known of this run is followed, down to what was final.
    let fork = chain(1, &blocks[..9], 11);
    fork.iter().for_each(|it| head_order.saw(it.hash, &it.header));
    blocks.iter().for_each(|it| head_order.saw(it.hash, &it.header));
    assert!(head(&mut head_order, &fork[10]).unwrap());
    head_order.begin_anew();
    assert!(head(&mut head_order, &blocks[1]).unwrap());
}

/// It was kept when something else told the present, or by a clock that was wrong.
#[test]
fn of_an_earlier_run_no_block_from_the_future_of_one_endpoint_counts() {
    let blocks = chain(0, &[], 400);
    let now = 100 * BLOCK_TIME;
    let after = |trust| {
        let mut head_order = seeing(&[]);
        for finality in [Finality::Latest, Finality::Finalized] {
            head_order.go_on_from(finality, blocks[400].clone(), trust);
        }
        head_order
    };
    let mut alone = after(Trust::Single);
    assert!(!alone.would_go_back(Finality::Latest, &blocks[100], pace_at(now)));
    assert_eq!(alone.admit(Finality::Finalized, &blocks[98], pace_at(now)), Ok(true));
    assert_eq!(alone.admit(Finality::Latest, &blocks[100], pace_at(now)), Ok(true));
    // When its time has come, as when the clock was wrong and is put right, it counts.
    assert!(is_behind(&head(&mut after(Trust::Single), &blocks[100])));
    // What more than one said was so counts for a clock that was set back as well.
    let both = after(Trust::Quorum).admit(Finality::Latest, &blocks[100], pace_at(now));
    assert!(is_behind(&both), "{both:?}");
}

/// Each step as long as may be, with as many blocks as may be: from where the honest are no more than a minute adds up.
#[test]
fn small_steps_into_the_future_do_not_add_up() {
    let blocks = chain(0, &[], 100);
    let now = 100 * BLOCK_TIME;
    let mut head_order = seeing(&blocks);
    head(&mut head_order, &blocks[100]).unwrap();
    let (mut number, mut highest) = (100, 100);
    for step in 0..1_000 {
        number += 1 + step % 32;
        let timestamp = now + step;
        let ahead = Header { number, timestamp, ..Header::default() };
        if head_order.admit(Finality::Latest, &named(ahead), pace_at(now)).unwrap() {
            highest = number;
        }
    }
    assert!(highest > 100 + 500, "{highest}");
    let time = head_order.newest(Finality::Latest).unwrap().header.timestamp;
    assert!(time <= now + AHEAD, "{time}");
    // The honest chain's next block shows that so many cannot have come in a minute.
    let next = Header { number: 101, timestamp: now, ..Header::default() };
    assert!(head_order.would_go_back(Finality::Latest, &named(next.clone()), pace_at(now)));
    assert_eq!(head_order.forget_impossible(&next, pace_at(now)), Some(highest));
    assert!(head_order.admit(Finality::Latest, &named(next), pace_at(now)).unwrap());
}

/// The same chain by another configuration.
#[test]
fn an_order_that_takes_over_goes_on_where_the_other_is() {
    let blocks = chain(0, &[], 10);
    let mut before = seeing(&blocks);
    head(&mut before, &blocks[9]).unwrap();
    let mut after = HeadOrder::default();
    // What the ledger knows of is older.
    after.go_on_from(Finality::Latest, blocks[5].clone(), Trust::Single);
    after.take_over(&before, Trust::Single, Trust::Single);
    assert!(is_behind(&head(&mut after, &blocks[8])));
    assert!(head(&mut after, &blocks[9]).unwrap());

    let mut again = HeadOrder::default();
    again.go_on_from(Finality::Latest, blocks[10].clone(), Trust::Single);
    again.take_over(&after, Trust::Single, Trust::Single);
    assert!(is_behind(&head(&mut again, &blocks[9])), "the higher of the two bounds");

    let mut stricter = HeadOrder::default();
    stricter.take_over(&before, Trust::Single, Trust::Quorum);
    assert!(head(&mut stricter, &blocks[8]).unwrap(), "one endpoint's word bounds no quorum");
}
