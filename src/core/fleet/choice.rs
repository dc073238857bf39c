//! Which free slots a machine tries.

use std::collections::BTreeMap;

use super::ids::{MachineId, Naming, Slot, TokenKey};
use crate::domain::entitlement::Counted;
use crate::domain::ids::ProductId;

/// What a machine has proven of a pool: for each key how many seats it is good for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer(BTreeMap<TokenKey, u32>);

impl FromIterator<(TokenKey, u32)> for Offer {
    /// Of a key that comes twice the greater number counts.
    fn from_iter<I: IntoIterator<Item = (TokenKey, u32)>>(places: I) -> Self {
        let mut offer = BTreeMap::new();
        for (key, places) in places {
            let known: &mut u32 = offer.entry(key).or_default();
            *known = places.max(*known);
        }
        Self(offer)
    }
}

impl Offer {
    /// The places of what was counted, each good for so many seats as often as it meets its grant's rule. Where slots are
    /// named by the token alone, nobody can tell one account's from another's, and so each token is good for its seats once.
    pub fn of(product: &ProductId, counted: &[Counted], seats: u32, naming: Naming) -> Self {
        let places = |it: &Counted| {
            let times = if naming == Naming::ByToken { it.times.min(1) } else { it.times };
            (TokenKey::of(product, &it.share, naming), times.saturating_mul(seats))
        };
        counted.iter().map(places).collect()
    }

    pub fn has(&self, slot: &Slot) -> bool {
        self.0.get(&slot.token).is_some_and(|places| slot.number < *places)
    }

    /// Whether it has places of that name.
    pub fn names(&self, token: &TokenKey) -> bool {
        self.0.contains_key(token)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> u64 {
        self.0.values().map(|it| u64::from(*it)).sum()
    }

    /// All slots once, beginning at the one of this place in the order of all. There may be billions.
    fn slots_from(&self, start: u64) -> impl Iterator<Item = Slot> {
        let (mut before, mut begin) = (0, (0, 0));
        for (index, places) in self.0.values().enumerate() {
            let places = u64::from(*places);
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
        let first = self.0.iter().skip(index).take(1).map(move |(it, end)| (it, number..*end));
        let next = self.0.iter().skip(index + 1).chain(self.0.iter().take(index));
        let last = self.0.iter().skip(index).take(1).map(move |(it, _)| (it, 0..number));
        first.chain(next.map(|(it, end)| (it, 0..*end))).chain(last).flat_map(slots)
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
