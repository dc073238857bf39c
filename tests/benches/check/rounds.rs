//! Two sides take turns, so that a disturbed machine disturbs both.
//!
//! A round is some blocks of each side, one after the other; its percentiles and its processor time count once, and of
//! all rounds the median. Ratios are made within a round.

use std::time::Instant;

use crate::report::{Row, median};

/// How often what is done: at least five rounds.
#[derive(Clone, Copy)]
pub struct Plan {
    pub rounds: usize,
    pub blocks: usize,
    pub block: usize,
    /// Requests in one go.
    pub requests: usize,
}

/// Who is asked: a process, and one go of asking it.
pub struct Side<'a> {
    pub pid: i32,
    pub go: Box<dyn FnMut() + 'a>,
}

/// Of one side in one round, in microseconds: a go at the median and at the 99th percentile; processor time of the
/// server for each request.
#[derive(Default)]
struct Round {
    times: Vec<f64>,
    processor: f64,
}

/// Of both sides, over all rounds.
pub struct Compared {
    pub ours: Figures,
    pub peer: Figures,
    /// Ours as a multiple of the peer's.
    pub ratio: Figures,
}

#[derive(Clone, Copy)]
pub struct Figures {
    pub p50: f64,
    pub p99: f64,
    /// Requests a second, over all of a round.
    pub rate: f64,
    pub processor: f64,
}

impl Plan {
    pub fn play<'a>(self, mut ours: Side<'a>, mut peer: Side<'a>) -> Compared {
        // Once so that both are warm.
        for side in [&mut ours, &mut peer] {
            (0..self.block).for_each(|_| (side.go)());
        }
        let rounds: Vec<[Figures; 2]> = (0..self.rounds)
            .map(|_| {
                let mut round = [Round::default(), Round::default()];
                for _ in 0..self.blocks {
                    round[0].block(&mut ours, self);
                    round[1].block(&mut peer, self);
                }
                round.map(|it| it.figures(self))
            })
            .collect();
        let side = |of: usize| Figures::median(rounds.iter().map(|it| it[of]));
        let ratio = Figures::median(rounds.iter().map(|[ours, peer]| Figures {
            p50: ours.p50 / peer.p50,
            p99: ours.p99 / peer.p99,
            rate: ours.rate / peer.rate,
            processor: ours.processor / peer.processor,
        }));
        Compared { ours: side(0), peer: side(1), ratio }
    }
}

impl Round {
    fn block(&mut self, side: &mut Side<'_>, plan: Plan) {
        let before = processor_time(side.pid);
        self.times.extend((0..plan.block).map(|_| timed(&mut side.go)));
        self.processor += processor_time(side.pid) - before;
    }

    fn figures(mut self, plan: Plan) -> Figures {
        self.times.sort_unstable_by(f64::total_cmp);
        let (goes, all) = (self.times.len(), self.times.iter().sum::<f64>());
        let requests = (goes * plan.requests) as f64;
        Figures {
            p50: self.times[goes / 2],
            p99: self.times[goes * 99 / 100],
            rate: requests / all * 1e6,
            processor: self.processor / requests,
        }
    }
}

impl Figures {
    fn median(of: impl Iterator<Item = Self> + Clone) -> Self {
        let middle = |it: fn(&Self) -> f64| median(of.clone().map(|round| it(&round)).collect());
        Self {
            p50: middle(|it| it.p50),
            p99: middle(|it| it.p99),
            rate: middle(|it| it.rate),
            processor: middle(|it| it.processor),
        }
    }

    fn latency(&self) -> String {
        format!("{:.1} / {:.1} µs", self.p50, self.p99)
    }

    fn throughput(&self) -> String {
        match self.rate {
            rate @ 1e6.. => format!("{:.2} M/s", rate / 1e6),
            rate => format!("{:.0} k/s", rate / 1e3),
        }
    }
}

impl Compared {
    /// A row about how long one go takes.
    pub fn tell_latency(&self, id: &str) {
        let judged = [("p50", self.ratio.p50), ("p99", self.ratio.p99)];
        self.tell(id, (self.ours.latency(), self.peer.latency()), &judged);
    }

    /// A row about how many requests there are in a second.
    pub fn tell_throughput(&self, id: &str) {
        let judged = [("rate", self.ratio.rate), ("processor", self.ratio.processor)];
        self.tell(id, (self.ours.throughput(), self.peer.throughput()), &judged);
    }

    fn tell(&self, id: &str, (ours, peer): (String, String), judged: &[(&str, f64)]) {
        let processor = Some((self.ours.processor, self.peer.processor));
        Row { id, ours, peer, processor, judged }.tell();
    }
}

/// In microseconds.
pub fn timed(work: &mut (impl FnMut() + ?Sized)) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64() * 1e6
}

/// What a process has had of processors until now, in microseconds: the sum over its threads, from
/// `/proc/PID/task/TID/schedstat`, whose first number is nanoseconds (Documentation/scheduler/sched-stats.rst).
pub fn processor_time(pid: i32) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let nanoseconds = threads.map(|thread| {
        // A thread may have ended meanwhile.
        let text = std::fs::read_to_string(thread.unwrap().path().join("schedstat"));
        let first = text.ok().and_then(|it| it.split(' ').next()?.parse::<f64>().ok());
        first.unwrap_or_default()
    });
    nanoseconds.sum::<f64>() / 1e3
}
