//! The `[seats]` section.

use std::time::Duration;

use super::super::document::Node;
use super::super::seats::{Overage, SeatTerms, SeatUnit};
use super::super::section::{Section, duration, one_of, text};

const UNITS: [(&str, SeatUnit); 4] = [
    ("process", SeatUnit::Process),
    ("uid", SeatUnit::Uid),
    ("cgroup", SeatUnit::Cgroup),
    ("machine", SeatUnit::Machine),
];

const SECOND: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30 * 86_400);
/// Ten times as much again as was sold.
const MOST_PERCENT: u32 = 1_000;

pub(super) fn seats(file: &mut Section<'_>) -> SeatTerms {
    let usual = SeatTerms::default();
    let mut section = file.section("seats");
    let unit = section.or("unit", usual.unit, one_of(&UNITS));
    let overage = section.or("overage", usual.overage, overage);
    let surge = section.optional("surge", duration(SECOND, LONGEST));
    if surge.is_some() && overage == Overage::None {
        section
            .flaw("surge", "is how long `overage` is allowed, and needs one other than \"none\"");
    }
    let max_linger = section.or("max_linger", usual.max_linger, duration(Duration::ZERO, LONGEST));
    let drain = section.or("drain", usual.drain, duration(Duration::ZERO, LONGEST));
    section.finish();
    SeatTerms { unit, overage, surge, max_linger, drain }
}

/// `none`, `+2` or `x1.25`.
fn overage(node: &Node) -> Result<Overage, String> {
    let wrong = || {
        "must be \"none\", a number of seats such as \"+2\", or a factor such as \"x1.25\" (up to x11)".to_owned()
    };
    let text = text(node)?;
    if text == "none" {
        return Ok(Overage::None);
    }
    if let Some(more) = text.strip_prefix('+') {
        let more = more.parse().ok().filter(|it| *it > 0 && !more.starts_with('+'));
        return more.map(Overage::Plus).ok_or_else(wrong);
    }
    let factor = text.strip_prefix('x').ok_or_else(wrong)?;
    let (whole, hundredths) = factor.split_once('.').unwrap_or((factor, "0"));
    let digits = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    if !digits(whole) || !digits(hundredths) || hundredths.len() > 2 {
        return Err(wrong());
    }
    let whole: u32 = whole.parse().map_err(|_| wrong())?;
    let part: u32 = format!("{hundredths:0<2}").parse().map_err(|_| wrong())?;
    let percent = whole.checked_mul(100).and_then(|it| it.checked_add(part));
    let percent = percent.and_then(|it| it.checked_sub(100)).ok_or_else(wrong)?;
    if !(1..=MOST_PERCENT).contains(&percent) {
        return Err(wrong());
    }
    Ok(Overage::Times { percent })
}

#[cfg(test)]
mod tests;
