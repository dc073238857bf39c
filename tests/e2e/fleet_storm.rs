//! Daemons, programs, members of etcd and cables fail at random, and at no instant are there more seats than were bought.
//!
//! `ENTITLED_STORM_SECONDS` says how long (`make storm`: ten minutes), `ENTITLED_SEED` which storm; a failure names both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;

use crate::support::eventually;
use crate::support::fleet::Fleet;
use crate::support::seat_holder::SeatHolder;
use crate::support::socket::Line;
use crate::support::stage::ACME;

const MACHINES: usize = 3;
const MEMBERS: usize = 3;
const PROGRAMS: usize = 3;
const CAPACITY: usize = 4;
const AN_HOUR: Duration = Duration::from_secs(3_600);
const TTL: Duration = Duration::from_secs(3);

struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(drawn).unwrap() % end
    }
}

/// From when to when somebody had a seat.
#[derive(Debug, Clone, Copy)]
struct Interval {
    from: Timestamp,
    to: Timestamp,
}

/// In the order in which they count where they happen at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Granted,
    Ended,
    Killed,
}

type Happened = (Timestamp, What, String);

struct Storm {
    fleet: Fleet,
    /// What each daemon has told.
    told: Vec<Arc<Mutex<Vec<Happened>>>>,
    dice: Dice,
    programs: Vec<Vec<SeatHolder>>,
    /// When each daemon was killed, and the seats that it had when it was there again.
    kills: Vec<Vec<(Timestamp, BTreeSet<String>)>>,
    cut: [bool; MACHINES],
    done: BTreeMap<&'static str, usize>,
}

impl Storm {
    fn program(&self, machine: usize) -> SeatHolder {
        let mut program = self.fleet.holder(machine);
        program.ask_for_seat(json!({"wait_ms": 600_000}));
        program
    }

    fn replace(&mut self, machine: usize, program: usize) {
        self.programs[machine][program].kill();
        self.programs[machine][program] = self.program(machine);
    }

    fn kill_daemon(&mut self, machine: usize) {
        let killed = Timestamp::now();
        self.fleet.machines[machine].daemon.kill();
        self.fleet.machines[machine].daemon.resume();
        self.listen(machine);
        let list = self.fleet.machines[machine].daemon.admin("seat_list", json!({"product": ACME}));
        let items = list["items"].as_array().unwrap();
        let kept = items.iter().map(|it| it["seat"].as_str().unwrap().to_owned()).collect();
        self.kills[machine].push((killed, kept));
        // Who has a seat goes on. Who waited has to ask again.
        let holders: BTreeSet<i64> = items.iter().filter_map(|it| it["pid"].as_i64()).collect();
        for program in 0..PROGRAMS {
            let pid = i64::from(self.programs[machine][program].pid().as_raw());
            if holders.contains(&pid) {
                *self.done.entry("seats kept by a restart").or_default() += 1;
            } else {
                self.replace(machine, program);
            }
        }
    }

    fn cables(&mut self, machine: usize) {
        self.cut[machine] = !self.cut[machine];
        if self.cut[machine] { self.fleet.cut(machine) } else { self.fleet.heal(machine) }
    }

    /// At most one is down, so that there is mostly a quorum.
    fn member(&mut self, member: usize) {
        match (0..MEMBERS).find(|it| !self.fleet.etcd.is_running(*it)) {
            Some(down) => self.fleet.etcd.start_member(down),
            None => self.fleet.etcd.kill_member(member),
        }
    }

    fn step(&mut self) {
        let machine = self.dice.below(MACHINES);
        let what = match self.dice.below(20) {
            0 => {
                self.kill_daemon(machine);
                "daemons killed"
            }
            1..=3 => {
                self.cables(machine);
                "cables pulled or put in"
            }
            4 | 5 => {
                let member = self.dice.below(MEMBERS);
                self.member(member);
                "members killed or started"
            }
            _ => {
                let program = self.dice.below(PROGRAMS);
                self.replace(machine, program);
                "programs killed"
            }
        };
        *self.done.entry(what).or_default() += 1;
    }

    /// Everything works again.
    fn calm(&mut self) {
        for machine in 0..MACHINES {
            if self.cut[machine] {
                self.cables(machine);
            }
        }
        for member in 0..MEMBERS {
            if !self.fleet.etcd.is_running(member) {
                self.fleet.etcd.start_member(member);
            }
        }
        self.fleet.etcd.wait_until_healthy();
        for machine in 0..MACHINES {
            self.fleet.wait_until(machine, "in");
        }
    }

    /// As the daemons tell it themselves.
    fn history(&self) -> Vec<Interval> {
        let now = Timestamp::now();
        let mut history = Vec::new();
        for (told, kills) in self.told.iter().zip(&self.kills) {
            let mut happened: Vec<Happened> = told.lock().unwrap().clone();
            happened.extend(kills.iter().map(|(at, _)| (*at, What::Killed, String::new())));
            happened.sort();
            let mut kept = kills.iter().map(|(_, kept)| kept);
            let mut open: BTreeMap<String, Timestamp> = BTreeMap::new();
            for (at, what, seat) in happened {
                let ended: Vec<Timestamp> = match what {
                    What::Granted => open.insert(seat, at).into_iter().collect(),
                    What::Ended => open.remove(&seat).into_iter().collect(),
                    // Those that the next daemon does not have ended with this one. What it has and nobody heard of was
                    // given at the last moment.
                    What::Killed => {
                        let kept = kept.next().unwrap();
                        for seat in kept {
                            open.entry(seat.clone()).or_insert(at);
                        }
                        open.extract_if(.., |it, _| !kept.contains(it)).map(|it| it.1).collect()
                    }
                };
                history.extend(ended.into_iter().map(|from| Interval { from, to: at }));
            }
            history.extend(open.into_values().map(|from| Interval { from, to: now }));
        }
        history
    }

    /// Writes down what a daemon tells from now on, until it ends.
    fn listen(&self, machine: usize) {
        let mut line = Line::connect(&self.fleet.machines[machine].daemon.admin_socket());
        line.call("seat_subscribe", &json!({"product": ACME})).unwrap();
        let told = Arc::clone(&self.told[machine]);
        std::thread::spawn(move || {
            while let Some(notice) = line.hear_within(AN_HOUR) {
                let news = &notice["params"]["result"];
                let what = match news["event"].as_str() {
                    Some("granted") => What::Granted,
                    Some("ended") => What::Ended,
                    _ => continue,
                };
                let at = news["at"].as_str().unwrap().parse().unwrap();
                let seat = news["seat"]["seat"].as_str().unwrap().to_owned();
                told.lock().unwrap().push((at, what, seat));
            }
        });
    }
}

/// The most that were held at one instant, and when.
fn most_at_once(history: &[Interval]) -> (usize, Timestamp) {
    let mut turns: Vec<(Timestamp, bool)> = Vec::new();
    for it in history {
        // What ends where another begins does not overlap with it.
        turns.extend([(it.from, true), (it.to, false)]);
    }
    turns.sort();
    let (mut held, mut most) = (0, (0, Timestamp::UNIX_EPOCH));
    for (at, begins) in turns {
        held = if begins { held + 1 } else { held - 1 };
        if held > most.0 {
            most = (held, at);
        }
    }
    most
}

fn number(name: &str, or: u64) -> u64 {
    std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(or)
}

#[test]
fn the_judge_of_histories_counts_right() {
    let at = |second: i64| Timestamp::from_second(second).unwrap();
    let held = |from, to| Interval { from: at(from), to: at(to) };
    assert_eq!(most_at_once(&[held(0, 5), held(5, 9), held(9, 12)]).0, 1);
    assert_eq!(most_at_once(&[held(0, 6), held(5, 9), held(8, 12)]), (2, at(5)));
    assert_eq!(most_at_once(&[held(0, 9), held(1, 8), held(2, 7)]), (3, at(2)));
}

#[test]
fn in_a_storm_there_are_never_more_seats_than_were_bought() {
    let seconds = number("ENTITLED_STORM_SECONDS", 25);
    let seed = number("ENTITLED_SEED", u64::from(std::process::id()) << 20 | 1);
    eprintln!("ENTITLED_SEED={seed} ENTITLED_STORM_SECONDS={seconds}");
    let Some(fleet) = Fleet::start(MACHINES, MEMBERS, CAPACITY as u32, TTL) else { return };
    let mut storm = Storm {
        fleet,
        told: (0..MACHINES).map(|_| Arc::default()).collect(),
        dice: Dice(seed | 1),
        programs: Vec::new(),
        kills: vec![Vec::new(); MACHINES],
        cut: [false; MACHINES],
        done: BTreeMap::new(),
    };
    for machine in 0..MACHINES {
        storm.listen(machine);
        let programs = (0..PROGRAMS).map(|_| storm.program(machine)).collect();
        storm.programs.push(programs);
    }
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(seconds) {
        storm.step();
        // Failures are apart, at random.
        std::thread::sleep(Duration::from_millis(storm.dice.below(200) as u64));
        let (most, at) = most_at_once(&storm.history());
        assert!(most <= CAPACITY, "seed {seed}: {most} seats of {CAPACITY} at {at}");
    }
    storm.calm();
    // Nine programs want one of four, and there is no place that nobody has.
    let held = |storm: &Storm| -> usize {
        let seats = (0..MACHINES)
            .map(|it| storm.fleet.machines[it].daemon.admin("seat_list", json!({"product": ACME})));
        seats.map(|it| it["items"].as_array().unwrap().len()).sum()
    };
    eventually("all seats are used again", || {
        let (held, used) = (held(&storm), storm.fleet.used(0));
        if (held, used) == (CAPACITY, CAPACITY as u64) {
            Ok(())
        } else {
            Err(format!("{held} held, {used} places used"))
        }
    });
    let history = storm.history();
    let (most, at) = most_at_once(&history);
    assert_eq!(most, CAPACITY, "seed {seed}: at {at}");
    let grants = history.len();
    eprintln!("{grants} seats were given; {:?}", storm.done);
    assert!(grants > usize::try_from(seconds).unwrap(), "{grants} seats in {seconds} s");
    storm.programs.clear();
    storm.fleet.wait_until_used(0, 0);
}
