//! Which free slots a machine tries.

use super::ids::{MachineId, Slot};
use crate::seats::{Offer, TokenKey};

/// Places that are in use in a fleet at most, of all products: every machine reads all of them with each renewal, in one
/// answer that has its limit.
pub const MOST_PLACES: usize = 32_000;

impl Offer {
    pub fn has(&self, slot: &Slot) -> bool {
        slot.number < self.places(&slot.token)
    }

    /// All slots once, beginning at the one of this place in the order of all. There may be billions.
    fn slots_from(&self, start: u64) -> impl Iterator<Item = Slot> {
        let (mut before, mut begin) = (0, (0, 0));
        for (index, places) in self.iter().map(|(_, places)| places).enumerate() {
            let places = u64::from(places);
            if start < before + places {
                begin = (index, u32::try_from(start - before).unwrap_or(0));
                break;
            }
            before += places;
        }
        let (index, number) = begin;
        let slots = |(token, numbers): (&TokenKey, std::ops::Range<u32>)| {
            let token = *token;
            numbers.map(move |number| Slot { token, number })
        };
        let first = self.iter().skip(index).take(1).map(move |(it, end)| (it, number..end));
        let next = self.iter().skip(index + 1).chain(self.iter().take(index));
        let last = self.iter().skip(index).take(1).map(move |(it, _)| (it, 0..number));
        first.chain(next.map(|(it, end)| (it, 0..end))).chain(last).flat_map(slots)
    }
}

/// So many slots that are not taken, or none. Each machine begins elsewhere, so that they seldom try the same one, and
/// after each attempt that found somebody else there somewhere else.
pub fn choose(
    machine: MachineId,
    attempt: u32,
    offer: &Offer,
    count: u32,
    is_taken: impl Fn(&Slot) -> bool,
) -> Option<Vec<Slot>> {
    let len = offer.len();
    if count == 0 || u64::from(count) > len {
        return None;
    }
    let start = u64::from_be_bytes(machine.0).wrapping_add(u64::from(attempt) * 7_919) % len;
    let wanted = usize::try_from(count).ok()?;
    let free: Vec<Slot> = offer.slots_from(start).filter(|it| !is_taken(it)).take(wanted).collect();
    (free.len() == wanted).then_some(free)
}

/// How many slots are not taken, as far as `most`.
pub fn count_free(offer: &Offer, most: u32, is_taken: impl Fn(&Slot) -> bool) -> u32 {
    let free = offer.slots_from(0).filter(|it| !is_taken(it));
    free.zip(0..most).fold(0, |count, _| count + 1)
}
