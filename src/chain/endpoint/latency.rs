//! How fast an endpoint answered lately. Pure.
//!
//! Owned by: one `health`.

use std::collections::VecDeque;
use std::time::Duration;

/// Answers remembered.
const REMEMBERED: usize = 64;
/// Fewer than this say nothing about the slow ones.
const TELLING: usize = 8;
/// How long to wait for an answer before asking another endpoint as well: the usual, and the bounds.
const USUAL: Duration = Duration::from_secs(1);
const LEAST: Duration = Duration::from_millis(50);
const MOST: Duration = Duration::from_secs(4);

#[derive(Debug, Default)]
pub(in crate::chain) struct Latency(VecDeque<Duration>);

impl Latency {
    pub(in crate::chain) fn note(&mut self, took: Duration) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(took);
    }

    /// What so many of a hundred answers were not slower than.
    pub(in crate::chain) fn percentile(&self, of_hundred: usize) -> Option<Duration> {
        let mut sorted: Vec<Duration> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        let at = (sorted.len() * of_hundred).div_ceil(100).max(1);
        sorted.get(at - 1).copied()
    }

    /// How long its silence is nothing unusual.
    pub(in crate::chain) fn patience(&self) -> Duration {
        if self.0.len() < TELLING {
            return USUAL;
        }
        self.percentile(95).unwrap_or(USUAL).clamp(LEAST, MOST)
    }

    /// A class of speed: endpoints of one class are asked as they are configured, so that the order does
    /// not change with every answer.
    pub(in crate::chain) fn class(&self) -> u8 {
        match self.percentile(50).map(|it| it.as_millis()) {
            None | Some(0..=149) => 0,
            Some(150..=599) => 1,
            Some(600..=2_399) => 2,
            Some(_) => 3,
        }
    }
}

#[cfg(test)]
mod tests;
