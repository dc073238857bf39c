//! What each part promises, and a seeded play of machines whose clocks run at different speeds and whose words are late
//! or lost, judged after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use alloy_primitives::{Address, U256};

use super::*;
use crate::domain::entitlement::{Counted, Share};
use crate::domain::ids::{ChainId, Collection, ProductId, Standard};
use crate::seats::BootTime;

/// The key of token 7, as it was before amounts were counted.
const OWNED: &str = "b8c3ab794644a633c0655acb6f74a6a4";

fn record(beat: u64) -> Record {
    Record {
        v: Record::VERSION,
        name: String::new(),
        beat,
        random: beat.to_string(),
        version: String::new(),
        draining: false,
    }
}

#[test]
fn a_deadline_is_before_the_lease_can_end() {
    for (ttl, deadline) in [(60_000, 58_000), (3_000, 2_700), (10_000, 9_000)] {
        let term = Term(Duration::from_millis(ttl));
        assert_eq!(term.deadline(BootTime(1_000)), BootTime(1_000 + deadline));
        assert!(term.renew_after() * 2 + term.patience() <= Duration::from_millis(deadline));
    }
}

#[test]
fn a_beat_says_whose_it_is() {
    let another = Record { random: "another".to_owned(), ..record(6) };
    for (found, verdict) in [
        (Some(record(6)), Ok(())),
        (Some(another), Err(BeatFault::Cloned)),
        (Some(record(9)), Err(BeatFault::Cloned)),
        (Some(record(4)), Err(BeatFault::Restored)),
        (None, Err(BeatFault::Gone)),
    ] {
        assert_eq!(judge(&record(5), &record(6), found.as_ref()), verdict, "{found:?}");
    }
}

#[test]
fn slots_are_tried_where_they_are_free_and_all_of_them_or_none() {
    let token = |it: u8| TokenKey([it; 16]);
    let offer = Offer::from_iter([(token(1), 3), (token(2), 3)]);
    for machine in (0..40).map(|it| MachineId([it; 8])) {
        let all = choose(machine, 0, &offer, 6, |_| false).unwrap();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 6);
        assert!(all.iter().all(|it| offer.has(it)));
        let left = choose(machine, 1, &offer, 2, |it| it.token == token(1)).unwrap();
        assert!(left.iter().all(|it| it.token == token(2)));
        assert_eq!(choose(machine, 0, &offer, 4, |it| it.token == token(1)), None);
        assert_eq!(choose(machine, 0, &offer, 7, |_| false), None);
        assert_eq!(choose(machine, 0, &Offer::default(), 1, |_| false), None);
    }
    let first = |it: u8| choose(MachineId([it; 8]), 0, &offer, 1, |_| false).unwrap()[0];
    let begun: BTreeSet<Slot> = (0..40).map(first).collect();
    assert!(begun.len() > 1, "machines begin elsewhere");
}

#[test]
fn slots_of_tokens_that_are_good_for_different_numbers_are_each_tried_once() {
    let token = |it: u8| TokenKey([it; 16]);
    let offer = Offer::from_iter([(token(1), 1), (token(2), 0), (token(3), 4), (token(1), 3)]);
    for attempt in 0..20 {
        let all = choose(MachineId([9; 8]), attempt, &offer, 7, |_| false).unwrap();
        let of = |it: u8| {
            let own = all.iter().filter(|slot| slot.token == token(it));
            own.map(|slot| slot.number).collect::<BTreeSet<_>>()
        };
        assert_eq!((of(1), of(2), of(3)), ((0..3).collect(), BTreeSet::new(), (0..4).collect()));
        assert!(all.iter().all(|it| offer.has(it)));
        assert_eq!(choose(MachineId([9; 8]), attempt, &offer, 8, |_| false), None);
    }
    assert!(!offer.has(&Slot { token: token(1), number: 3 }), "of one that comes twice the more");
    // Of billions the free ones are found at once.
    let vast = Offer::from_iter([(token(1), u32::MAX), (token(2), u32::MAX)]);
    for attempt in 0..20 {
        let chosen = choose(MachineId([0xee; 8]), attempt, &vast, 1_000, |it| it.number % 2 == 0);
        assert_eq!(chosen.unwrap().len(), 1_000);
    }
}

fn share(id: u64, account: Option<u8>) -> Share {
    let standard = if account.is_some() { Standard::Erc1155 } else { Standard::Erc721 };
    let contract = Address::repeat_byte(0xcc);
    let token = Collection { chain: ChainId(1), standard, contract }.token(U256::from(id));
    Share { token, account: account.map(Address::repeat_byte) }
}

#[test]
fn what_one_account_has_of_an_id_is_no_place_of_another() {
    let product: ProductId = "acme-cad".parse().unwrap();
    let key = |share: Share, naming| TokenKey::of(&product, &share, naming);
    let (one, other) = (share(7, Some(1)), share(7, Some(2)));
    assert_ne!(key(one, Naming::ByShare), key(other, Naming::ByShare));
    assert_ne!(key(one, Naming::ByShare), key(one, Naming::ByToken));
    // As daemons named it that knew of no shares: what one alone can have has its name for ever.
    assert_eq!(key(one, Naming::ByToken), key(other, Naming::ByToken));
    let owned = share(7, None);
    assert_eq!(key(owned, Naming::ByShare), key(owned, Naming::ByToken));
    assert_eq!(key(owned, Naming::ByToken).to_string(), OWNED);
}

#[test]
fn where_slots_are_named_by_token_an_id_is_good_for_its_seats_once() {
    let product: ProductId = "acme-cad".parse().unwrap();
    let counted = |account, times| Counted { share: share(7, Some(account)), times, of: times };
    let counted = [counted(1, 3), counted(2, 2)];
    let places = |naming| {
        let offer = Offer::of(&product, &counted, 2, naming);
        (0..20).rev().find(|it| choose(MachineId([1; 8]), 0, &offer, *it, |_| false).is_some())
    };
    assert_eq!(places(Naming::ByShare), Some(10));
    assert_eq!(places(Naming::ByToken), Some(2));
}

#[test]
fn only_an_empty_store_names_its_slots_anew() {
    let (mut table, ttl) = (Table::default(), Duration::from_secs(3));
    let meta = Meta { fleet: FleetId([7; 16]), epoch: 0, naming: Naming::ByToken };
    let seen = table.open(Some(meta)).0.unwrap();
    let joined = table.join(BootTime(0), MachineId([1; 8]), record(0), ttl).unwrap();
    assert_eq!(table.rename(BootTime(1), seen), None, "a machine is there");
    assert!(table.keep_alive(BootTime(2_000), joined.lease));
    assert_eq!(table.rename(BootTime(4_999), seen), None, "it still is");
    let another = Found { written: Revision(9), ..seen };
    assert_eq!(table.rename(BootTime(5_000), another), None, "it is not as it was seen");
    let written = table.rename(BootTime(5_000), seen).expect("it is gone");
    let meta = Meta { naming: Naming::ByShare, ..meta };
    assert_eq!(table.open(None).0, Some(Found { meta, written }));
    assert_eq!(table.rename(BootTime(5_001), seen), None, "once");
}

#[test]
fn a_fence_grows_with_revisions_and_restores_and_fits_into_every_parser() {
    let fence = |epoch, revision| Fence::new(epoch, Revision(revision)).0;
    // What a machine alone gives in the year 2040.
    assert!(fence(0, 1) > 2_208_988_800_000_000);
    assert!(fence(0, 2) > fence(0, 1) && fence(1, 1) > fence(0, 1 << 39));
    assert!(fence(6_000, 1 << 39) < 1 << 53);
}

// ---- the play

struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % end
    }
}

#[derive(Debug, Clone)]
enum Ask {
    Join(MachineId),
    Renew(Joined, Record, Record),
    Claim(Joined, Slot, u64),
    Release(Slot, Revision),
}

#[derive(Debug, Clone)]
enum Told {
    Joined(Option<Joined>),
    /// With the places that are the machine's own.
    Renewed(Result<BTreeMap<Slot, Revision>, BeatFault>),
    Claimed(Slot, Option<Revision>),
    Lost,
}

/// Something that arrives: a question at the store, or an answer at a machine.
#[derive(Debug, Clone)]
enum Event {
    Ask { machine: usize, life: u64, sent: BootTime, ask: Ask, answered: bool },
    Tell { machine: usize, life: u64, sent: BootTime, told: Told },
    Turn { machine: usize },
}

#[derive(Debug, Default)]
struct Machine {
    /// Thousandths by which its clock is too fast or too slow.
    drift: i64,
    life: u64,
    joined: Option<Joined>,
    last: u64,
    deadline: BootTime,
    /// The deadline that is written down: that of before the last renewal.
    written: BootTime,
    /// The daemon was started again, and has not heard of its places yet.
    is_new: bool,
    held: BTreeMap<Slot, Revision>,
    in_use: BTreeSet<Slot>,
    busy: bool,
}

const TTL: Duration = Duration::from_millis(3_000);
const MACHINES: usize = 4;
const SLOTS: u32 = 5;

struct World {
    /// For who has to play it again.
    seed: u64,
    dice: Dice,
    now: u64,
    table: Table,
    machines: Vec<Machine>,
    events: BTreeMap<(u64, u64), Event>,
    number: u64,
    /// Half of what is sent is lost while a machine is cut off.
    cut: [bool; MACHINES],
    grants: u64,
    highest: BTreeMap<Slot, Revision>,
    ended_by_deadline: u64,
    kept: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let machines = (0..MACHINES).map(|_| Machine {
            drift: i64::try_from(dice.below(121)).unwrap() - 60,
            ..Machine::default()
        });
        let machines = machines.collect();
        let mut world = Self {
            seed,
            dice,
            now: 1_000_000,
            table: Table::default(),
            machines,
            events: BTreeMap::new(),
            number: 0,
            cut: [false; MACHINES],
            grants: 0,
            highest: BTreeMap::new(),
            ended_by_deadline: 0,
            kept: 0,
        };
        (0..MACHINES).for_each(|machine| world.after(1, Event::Turn { machine }));
        world
    }

    fn after(&mut self, wait: u64, event: Event) {
        self.number += 1;
        self.events.insert((self.now + wait, self.number), event);
    }

    /// As the machine measures it.
    fn local(&self, machine: usize) -> BootTime {
        let now = i64::try_from(self.now).unwrap();
        BootTime(u64::try_from(now + now / 1_000 * self.machines[machine].drift).unwrap())
    }

    fn ask(&mut self, machine: usize, ask: Ask) {
        let (sent, life) = (self.local(machine), self.machines[machine].life);
        let lost = |world: &mut Self| world.dice.below(20) == 0 || world.cut[machine];
        let (there, back) = (lost(self), lost(self));
        // Some questions are very late.
        let wait = if self.dice.below(30) == 0 { 4_000 } else { 1 + self.dice.below(100) };
        if !there {
            self.after(wait, Event::Ask { machine, life, sent, ask, answered: !back });
        }
        if there || back {
            self.after(500, Event::Tell { machine, life, sent, told: Told::Lost });
        }
        self.machines[machine].busy = true;
    }

    fn step(&mut self) {
        let ((at, _), event) = self.events.pop_first().unwrap();
        self.now = at;
        match event {
            Event::Ask { machine, life, sent, ask, answered } => {
                let told = self.serve(ask);
                let wait = 1 + self.dice.below(100);
                if answered {
                    self.after(wait, Event::Tell { machine, life, sent, told });
                }
            }
            Event::Tell { machine, life, sent, told } => {
                self.end_what_is_over(machine);
                if self.machines[machine].life == life {
                    self.hear(machine, sent, told);
                }
            }
            Event::Turn { machine } => {
                let wait = 20 + self.dice.below(200);
                self.after(wait, Event::Turn { machine });
                self.end_what_is_over(machine);
                self.turn(machine);
            }
        }
        self.judge();
    }

    fn serve(&mut self, ask: Ask) -> Told {
        let now = BootTime(self.now);
        match ask {
            Ask::Join(id) => Told::Joined(self.table.join(now, id, record(0), TTL)),
            Ask::Renew(joined, last, next) => {
                if !self.table.keep_alive(now, joined.lease) {
                    return Told::Renewed(Err(BeatFault::Gone));
                }
                let beaten = self.table.beat(now, &joined, &last, next.clone());
                let judged = beaten.or_else(|found| judge(&last, &next, found.as_ref()));
                let listed = self.table.list(now).slots.into_iter();
                let own = listed.filter(|(_, it)| it.is(joined.machine));
                Told::Renewed(judged.map(|()| own.map(|(slot, it)| (slot, it.created)).collect()))
            }
            Ask::Claim(joined, slot, claim) => {
                let claimed = self.table.claim(now, &joined, &[slot], claim);
                Told::Claimed(slot, claimed.and_then(|it| Some(it.first()?.1)))
            }
            Ask::Release(slot, created) => {
                self.table.release(now, &slot, created);
                Told::Lost
            }
        }
    }

    fn end_what_is_over(&mut self, machine: usize) {
        let now = self.local(machine);
        let it = &mut self.machines[machine];
        if now >= it.deadline {
            self.ended_by_deadline += it.in_use.len() as u64;
            it.in_use.clear();
        }
    }

    fn hear(&mut self, machine: usize, sent: BootTime, told: Told) {
        let now = self.local(machine);
        let it = &mut self.machines[machine];
        it.busy = false;
        match told {
            Told::Joined(Some(joined)) => {
                (it.joined, it.last) = (Some(joined), 0);
                it.deadline = Term(TTL).deadline(sent);
                it.written = it.deadline;
                it.held.clear();
                it.in_use.clear();
                it.is_new = false;
            }
            Told::Renewed(Ok(own)) => {
                it.last += 1;
                it.deadline = it.deadline.max(Term(TTL).deadline(sent));
                if std::mem::take(&mut it.is_new) {
                    it.in_use.retain(|slot| own.contains_key(slot));
                    self.kept += it.in_use.len() as u64;
                    it.held = own;
                }
            }
            Told::Renewed(Err(_)) => {
                it.joined = None;
                it.in_use.clear();
            }
            Told::Claimed(slot, Some(created)) => {
                it.held.insert(slot, created);
                if now < it.deadline {
                    it.in_use.insert(slot);
                    self.grants += 1;
                    let before = self.highest.insert(slot, created);
                    assert!(
                        before < Some(created),
                        "ENTITLED_SEED={}: a fence is higher than all before",
                        self.seed
                    );
                }
            }
            Told::Joined(None) | Told::Claimed(_, None) | Told::Lost => {}
        }
    }

    fn turn(&mut self, machine: usize) {
        let dice = self.dice.below(100);
        let drawn = self.dice.below(u64::MAX);
        if dice == 0 {
            self.cut[machine] = !self.cut[machine];
        }
        let it = &mut self.machines[machine];
        if dice == 1 {
            // The daemon is killed, and started again. It knows who it was and who has seats; some programs have ended.
            it.life += 1;
            if drawn.is_multiple_of(3) {
                it.in_use.pop_first();
            }
            it.held.clear();
            (it.busy, it.is_new, it.deadline) = (false, true, it.written);
        }
        if it.busy {
            return;
        }
        let Some(joined) = it.joined else {
            return self.ask(machine, Ask::Join(MachineId(drawn.to_be_bytes())));
        };
        if it.is_new {
            let (last, next) = (record(it.last), record(it.last + 1));
            return self.ask(machine, Ask::Renew(joined, last, next));
        }
        let idle: Vec<(Slot, Revision)> = it
            .held
            .iter()
            .filter(|(slot, _)| !it.in_use.contains(slot))
            .map(|(a, b)| (*a, *b))
            .collect();
        if let Some((slot, created)) = idle.first() {
            it.held.remove(slot);
            return self.ask(machine, Ask::Release(*slot, *created));
        }
        match dice {
            // A program ends.
            2..30 => drop(it.in_use.pop_first()),
            30..70 => {
                it.written = it.deadline;
                let (last, next) = (record(it.last), record(it.last + 1));
                self.ask(machine, Ask::Renew(joined, last, next));
            }
            _ => {
                let offer = Offer::from_iter([(TokenKey([0; 16]), SLOTS)]);
                let held = it.held.clone();
                let attempt = u32::try_from(drawn % 16).unwrap();
                let slot = choose(joined.machine, attempt, &offer, 1, |it| held.contains_key(it));
                if let Some(slot) = slot {
                    self.ask(machine, Ask::Claim(joined, slot[0], drawn));
                }
            }
        }
    }

    /// No place is used by two, whatever any of them believes.
    fn judge(&self) {
        let mut used = BTreeSet::new();
        for (number, machine) in self.machines.iter().enumerate() {
            if self.local(number) >= machine.deadline {
                continue;
            }
            for slot in &machine.in_use {
                assert!(
                    used.insert(*slot),
                    "ENTITLED_SEED={}: {slot:?} is used twice at {}",
                    self.seed,
                    self.now
                );
            }
        }
    }
}

#[test]
fn no_place_is_used_by_two_whatever_is_late_or_lost() {
    let number = |name: &str| std::env::var(name).ok().and_then(|it| it.parse().ok());
    let seeds = match number("ENTITLED_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..9_u64,
    };
    for seed in seeds {
        let mut world = World::new(seed);
        for _ in 0..number("ENTITLED_STEPS").unwrap_or(60_000) {
            world.step();
        }
        assert!(
            world.grants > 500,
            "ENTITLED_SEED={seed}: something happens: {} seats",
            world.grants
        );
        assert!(
            world.ended_by_deadline > 5,
            "ENTITLED_SEED={seed}: and ends by the deadline: {}",
            world.ended_by_deadline
        );
        assert!(world.kept > 5, "ENTITLED_SEED={seed}: and outlives a daemon: {}", world.kept);
    }
}

#[test]
fn every_epoch_that_there_may_be_has_fences_that_every_parser_of_json_keeps() {
    let last = Revision((1 << 40) - 1);
    let fence = |epoch| Fence::new(epoch, last).0;
    assert!(fence(Fence::LAST_EPOCH) < 1 << 53);
    assert!(fence(Fence::LAST_EPOCH + 1) >= 1 << 53, "it is the last");
    assert!(fence(1) > fence(0), "a later one has higher ones");
}
