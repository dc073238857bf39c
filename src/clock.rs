//! The only reader of the time.
//!
//! Owns: the wall clock, the monotonic clock, and for each chain the newest time proven on it (its floor), and the newest
//! that does not rest on one endpoint's word.
//! Asked by: everybody who needs to know when. Never: waits, or believes a clock that runs backwards.
//!
//! Nothing outside the process can move this clock but the system's own; only [`Clock::manual`], which a
//! test must build the program with, makes one that is moved by hand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::SignedDuration;
use nix::time::{ClockId, clock_gettime};

use entitled_core::domain::ids::{ChainId, Timestamp};
use entitled_core::domain::ownership::Trust;

/// How far the wall clock may be behind a chain before it counts as rolled back. Blocks are stamped by
/// other machines, whose clocks may be a little ahead of ours.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(120);

/// What time it is. Clones share one state.
#[derive(Debug, Clone)]
pub struct Clock(Arc<State>);

#[derive(Debug)]
struct State {
    hands: Source,
    course: Mutex<Course>,
    floors: RwLock<Floors>,
    /// Those of them that a quorum or validators vouch for.
    vouched: RwLock<Floors>,
    /// How late it is for what was lent to this machine.
    loans: RwLock<Option<Floor>>,
}

/// How the wall clock goes: never back. Both clocks in what has passed since their beginning: every check reckons with
/// these, and a date is made of the outcome only.
#[derive(Debug)]
struct Course {
    /// At which time, by either clock, it began to be counted.
    wall: Duration,
    monotonic: Duration,
    /// The latest time ever answered, and when that was.
    latest: Duration,
    answered: Duration,
}

type Floors = BTreeMap<ChainId, Floor>;

/// The newest time proven, as on a chain, and what it came to when we learnt it: since then time has passed there too.
#[derive(Debug, Clone, Copy)]
struct Floor {
    proven: Timestamp,
    reached: Timestamp,
    learnt: Duration,
}

impl Floor {
    fn by_now(self, monotonic: Duration) -> Timestamp {
        later(self.reached, monotonic.saturating_sub(self.learnt))
    }
}

#[derive(Debug)]
enum Source {
    System,
    Manual(Hands),
}

/// One reading of both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// As [`Clock::now`] tells it.
    pub now: Timestamp,
    /// As [`Clock::monotonic`] tells it.
    pub monotonic: Duration,
}

/// Moves a clock made by [`Clock::manual`].
#[derive(Debug, Clone)]
pub struct Hands(Arc<Mutex<(Timestamp, Duration)>>);

impl Hands {
    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        let mut hands = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *hands = (later(hands.0, by), hands.1.saturating_add(by));
    }

    /// Sets the wall clock, forwards or backwards, while no time passes.
    pub fn set_wall(&self, at: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = at;
    }

    fn read(&self) -> (Duration, Duration) {
        let (at, monotonic) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (since_epoch(at), monotonic)
    }
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::new(Source::System)
    }

    /// A clock that shows `at` until its hands are moved. For tests.
    pub fn manual(at: Timestamp) -> (Self, Hands) {
        let hands = Hands(Arc::new(Mutex::new((at, Duration::from_secs(1_000)))));
        (Self::new(Source::Manual(hands.clone())), hands)
    }

    fn new(hands: Source) -> Self {
        let (wall, monotonic) = hands.read();
        Self(Arc::new(State {
            hands,
            course: Mutex::new(Course { wall, monotonic, latest: wall, answered: monotonic }),
            floors: RwLock::default(),
            vouched: RwLock::default(),
            loans: RwLock::default(),
        }))
    }

    /// The wall clock, which within this process never runs backwards.
    ///
    /// It is never behind an earlier answer, nor behind the wall clock at the start plus the time that has
    /// passed since: setting the system's clock back buys nobody time. Where an earlier answer is ahead of both, because
    /// the system's clock was, time goes on from there at half its pace until they have caught up: it never stands still,
    /// so that what was seen then grows old, and it does not stay ahead for good.
    pub fn now(&self) -> Timestamp {
        self.moment().now
    }

    /// [`Clock::now`] and [`Clock::monotonic`] at once.
    pub fn moment(&self) -> Moment {
        let (wall, monotonic) = self.0.hands.read();
        let mut course = self.0.course.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = monotonic.saturating_sub(course.monotonic);
        let shown = wall.max(course.wall.saturating_add(passed));
        let half = monotonic.saturating_sub(course.answered) / 2;
        course.latest = shown.max(course.latest.saturating_add(half));
        course.answered = course.answered.max(monotonic);
        Moment { now: date(course.latest), monotonic }
    }

    /// It is `at` now or later for what was lent to this machine: an earlier run of the daemon has seen that time.
    pub fn raise_loans(&self, at: Timestamp) {
        let reached = self.loans_now().max(at);
        let floor = Floor { proven: at, reached, learnt: self.monotonic() };
        *self.0.loans.write().unwrap_or_else(PoisonError::into_inner) = Some(floor);
    }

    /// [`Clock::now`] for what was lent to this machine: not before what an earlier run has seen, plus the time that has
    /// passed since the start. Nothing else is held against that: the clock may have been wrong then.
    pub fn loans_now(&self) -> Timestamp {
        let floor = *self.0.loans.read().unwrap_or_else(PoisonError::into_inner);
        let Moment { now, monotonic } = self.moment();
        floor.map_or(now, |it| it.by_now(monotonic).max(now))
    }

    /// [`Clock::now`], and not before the newest time proven on any of `chains`, plus the time that has passed since
    /// it was learnt: a clock that is behind the chain does not make time stand still.
    pub fn now_on(&self, chains: impl IntoIterator<Item = ChainId>) -> Timestamp {
        self.not_before(&self.0.floors, chains)
    }

    /// [`Clock::now_on`] one chain, by those of its floors only that do not rest on one endpoint's word: the present to
    /// hold such a word against. By the other one a liar would itself move what its blocks are compared with.
    pub fn vouched_now_on(&self, chain: ChainId) -> Timestamp {
        self.not_before(&self.0.vouched, [chain])
    }

    fn not_before(
        &self,
        floors: &RwLock<Floors>,
        chains: impl IntoIterator<Item = ChainId>,
    ) -> Timestamp {
        let floors = floors.read().unwrap_or_else(PoisonError::into_inner);
        let monotonic = self.monotonic();
        let by_now = |chain| floors.get(&chain).map(|it| it.by_now(monotonic));
        let highest = chains.into_iter().filter_map(by_now).max();
        highest.map_or_else(|| self.now(), |floor| floor.max(self.now()))
    }

    /// Notes that `chain` has proven the time `at`, so far trusted; `true` when that is news. Only ever pass the time of
    /// a proven, finalized block: the floor cannot be lowered again.
    pub fn raise_floor(&self, chain: ChainId, at: Timestamp, trust: Trust) -> bool {
        if trust > Trust::Single {
            self.raise(&self.0.vouched, chain, at);
        }
        self.raise(&self.0.floors, chain, at)
    }

    fn raise(&self, floors: &RwLock<Floors>, chain: ChainId, at: Timestamp) -> bool {
        let mut floors = floors.write().unwrap_or_else(PoisonError::into_inner);
        let before = floors.get(&chain).copied();
        let news = before.is_none_or(|it| it.proven < at);
        if news {
            let learnt = self.monotonic();
            let reached = before.map_or(at, |it| it.by_now(learnt).max(at));
            floors.insert(chain, Floor { proven: at, reached, learnt });
        }
        news
    }

    /// The newest time proven on `chain`.
    pub fn floor(&self, chain: ChainId) -> Option<Timestamp> {
        self.0.floors.read().unwrap_or_else(PoisonError::into_inner).get(&chain).map(|it| it.proven)
    }

    /// The time that `chain` has come to by what was proven on it, whatever the wall clock shows.
    pub fn reached(&self, chain: ChainId) -> Option<Timestamp> {
        let floor =
            self.0.floors.read().unwrap_or_else(PoisonError::into_inner).get(&chain).copied();
        floor.map(|it| it.by_now(self.monotonic()))
    }

    /// Whether the system's clock is clearly behind what `chain` has proven.
    pub fn is_rolled_back(&self, chain: ChainId) -> bool {
        let (wall, _) = self.0.hands.read();
        self.floor(chain).is_some_and(|floor| floor.duration_since(date(wall)) > TOLERANCE)
    }

    /// What a program reads that answers from a page: `CLOCK_MONOTONIC_COARSE`, the only one it can read in a few
    /// nanoseconds. It stands while the machine sleeps, so nothing but a lease of seconds is measured by it.
    pub fn program_time(&self) -> Duration {
        match &self.0.hands {
            // Where it is forbidden, zero has every lease be over.
            Source::System => by(ClockId::CLOCK_MONOTONIC_COARSE),
            Source::Manual(hands) => hands.read().1,
        }
    }

    /// Time since an arbitrary point; goes on while the machine sleeps, and nobody can set it.
    pub fn monotonic(&self) -> Duration {
        self.0.hands.read().1
    }
}

impl Source {
    fn read(&self) -> (Duration, Duration) {
        match self {
            Self::System => (by(ClockId::CLOCK_REALTIME), since_boot()),
            Self::Manual(hands) => hands.read(),
        }
    }
}

/// `CLOCK_BOOTTIME`: unlike `CLOCK_MONOTONIC`, it counts the time a laptop lies closed.
fn since_boot() -> Duration {
    // Linux has had this clock since 2.6.39. Where it is forbidden, zero leaves the wall clock in charge.
    by(ClockId::CLOCK_BOOTTIME)
}

/// What that clock of the system shows, from its beginning; zero where it shows nothing, or a time before that.
fn by(clock: ClockId) -> Duration {
    clock_gettime(clock).map_or(Duration::ZERO, |it| of_system(it.tv_sec(), it.tv_nsec()))
}

fn of_system(seconds: i64, nanoseconds: i64) -> Duration {
    match (u64::try_from(seconds), u32::try_from(nanoseconds)) {
        (Ok(seconds), Ok(nanoseconds)) => Duration::new(seconds, nanoseconds),
        _ => Duration::ZERO,
    }
}

/// The date so long after the epoch, as far as the calendar goes: to the end of the year 9999.
fn date(since_epoch: Duration) -> Timestamp {
    i64::try_from(since_epoch.as_secs())
        .ok()
        .and_then(|it| Timestamp::new(it, since_epoch.subsec_nanos().cast_signed()).ok())
        .unwrap_or(Timestamp::MAX)
}

/// How long after the epoch `at` is; a time before it is the epoch.
fn since_epoch(at: Timestamp) -> Duration {
    Duration::try_from(at.as_duration()).unwrap_or_default()
}

/// `at` plus `by`, at most the end of time.
fn later(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| at.checked_add(by).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
