//! What a vendor says of floating seats: the `[seats]` section of a product file.

use std::time::Duration;

/// What one seat covers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum SeatUnit {
    /// Each process has a seat of its own.
    #[default]
    Process,
    /// All processes of a user share one.
    Uid,
    /// All processes of a control group share one: of a service or a container.
    Cgroup,
    /// All processes of the machine share one.
    Machine,
}

/// What may be used beyond the capacity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Overage {
    #[default]
    None,
    /// So many seats.
    Plus(u32),
    /// So many hundredths of the capacity, rounded down.
    Times { percent: u32 },
}

/// The rules of a product's seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatTerms {
    pub unit: SeatUnit,
    pub overage: Overage,
    /// For how long overage is allowed at a time, and for how long not afterwards; `None`, always.
    pub surge: Option<Duration>,
    /// The longest time that an administrator may have a seat wait for its unit after its end.
    pub max_linger: Duration,
    /// How long a seat goes on that has lost its capacity.
    pub drain: Duration,
}

impl Default for SeatTerms {
    fn default() -> Self {
        Self {
            unit: SeatUnit::default(),
            overage: Overage::default(),
            surge: None,
            max_linger: Duration::from_secs(600),
            drain: Duration::from_secs(900),
        }
    }
}
