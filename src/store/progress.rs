//! What the store is busy with, for who waits for it.

use std::fmt;
use std::sync::Arc;

/// What is being done, and how much of it is, in thousandths, where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub what: &'static str,
    pub done: Option<u16>,
}

impl Step {
    /// Of `done` things out of `total`.
    pub(in crate::store) fn of(what: &'static str, done: u64, total: u64) -> Self {
        let share = done.saturating_mul(1_000).checked_div(total).unwrap_or(1_000);
        Self { what, done: Some(u16::try_from(share).unwrap_or(1_000).min(1_000)) }
    }

    /// A share between 0 and 1.
    pub(in crate::store) fn at(what: &'static str, share: f64) -> Self {
        let reached = |it: &u16| f64::from(*it) <= share * 1_000.0;
        Self { what, done: Some((1..=1_000).take_while(reached).last().unwrap_or(0)) }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)?;
        self.done.map_or(Ok(()), |it| write!(f, ": {} %", it / 10))
    }
}

/// Hears what is being done, whenever it gets on.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<dyn Fn(Step) + Send + Sync>>);

impl Progress {
    pub fn told_to(hear: impl Fn(Step) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hear)))
    }

    pub(in crate::store) fn begins(&self, what: &'static str) {
        self.tell(Step { what, done: None });
    }

    pub(in crate::store) fn tell(&self, step: Step) {
        if let Some(hear) = &self.0 {
            hear(step);
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "told" } else { "not told" })
    }
}

#[cfg(test)]
mod tests;
