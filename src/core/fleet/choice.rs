//! Which free slots a machine tries.

use super::ids::{MachineId, Slot, TokenKey};

/// What a machine has proven of a pool: tokens, and how many seats each is good for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    pub tokens: Vec<TokenKey>,
    pub seats: u32,
}

impl Offer {
    pub fn has(&self, slot: &Slot) -> bool {
        slot.number < self.seats && self.tokens.contains(&slot.token)
    }

    fn len(&self) -> u64 {
        self.tokens.len() as u64 * u64::from(self.seats)
    }

    fn slot(&self, at: u64) -> Option<Slot> {
        let seats = u64::from(self.seats).max(1);
        let token = *self.tokens.get(usize::try_from(at / seats).ok()?)?;
        Some(Slot { token, number: u32::try_from(at % seats).ok()? })
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
    let probed = (0..len).filter_map(|step| offer.slot((start + step) % len));
    let wanted = usize::try_from(count).ok()?;
    let free: Vec<Slot> = probed.filter(|it| !is_taken(it)).take(wanted).collect();
    (free.len() == wanted).then_some(free)
}
