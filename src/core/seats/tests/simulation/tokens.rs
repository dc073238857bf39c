//! The tokens of a play that several pools rest on: a vault's, that stands behind some of them, and wallets that go from one to
//! another. None of the pools hears of it at once.

use super::*;

const TOKENS: u8 = 5;

pub(super) struct Licences {
    /// How many seats each is good for, and behind which pools it stands with how many of them.
    all: BTreeMap<TokenKey, (u32, BTreeMap<PoolId, u32>)>,
    /// As each pool has heard of it.
    pub(super) offered: BTreeMap<PoolId, Offer>,
    pub(super) has_overage: bool,
}

impl Licences {
    pub(super) fn of(seed: u64) -> Option<Self> {
        let token = |it: u8| (TokenKey([it; 16]), (1 + u32::from(it % 3), BTreeMap::new()));
        let all = (0..TOKENS).map(token).collect();
        let has_overage = seed.is_multiple_of(4);
        let licences = Self { all, offered: BTreeMap::new(), has_overage };
        seed.is_multiple_of(2).then_some(licences)
    }

    fn seats(&self) -> u64 {
        self.all.values().map(|(seats, _)| u64::from(*seats)).sum()
    }
}

impl World {
    /// Some tokens are given away, delegated or taken back, and one of the pools hears of it.
    pub(super) fn move_tokens(&mut self, id: PoolId) {
        let Some(licences) = &mut self.licences else { return };
        for (seats, behind) in licences.all.values_mut() {
            let part = 1 + u32::try_from(self.dice.below(u64::from(*seats))).unwrap();
            match self.dice.below(6) {
                0 => *behind = BTreeMap::from([(id, *seats)]),
                1 => drop(behind.insert(id, part)),
                2 => drop(behind.remove(&id)),
                _ => {}
            }
        }
        let own = licences.all.iter().filter_map(|(key, (seats, behind))| {
            Some((*key, Part { own: *behind.get(&id)?, of: *seats }))
        });
        let offer: Offer = own.collect();
        licences.offered.insert(id, offer.clone());
        let supply = Supply::Seats(u32::try_from(offer.len()).unwrap());
        let until = self.dice.one_in(2).then(|| self.now.after(Duration::from_secs(200)));
        let capacity = Capacity { supply, until };
        self.capacity.insert(id, capacity);
        self.unproven.remove(&id);
        self.seats.set_supply(self.now, id, capacity, Some(offer));
    }

    /// The product says the same in other words.
    pub(super) fn hand_over(&mut self) {
        let (from, to) = if self.dice.one_in(2) { (0, 2) } else { (2, 0) };
        let known = |it| self.capacity.contains_key(&PoolId(it));
        if self.terms[&PoolId(0)].unit == self.terms[&PoolId(2)].unit && known(from) && known(to) {
            self.seats.hand_over(self.now, PoolId(from), PoolId(to));
        }
    }

    /// Never more are held than there are: by token, and of all tokens together, whoever has them.
    pub(super) fn judge_tokens(&self) {
        let Some(licences) = &self.licences else { return };
        let mut taken: BTreeMap<TokenKey, u32> = BTreeMap::new();
        let mut held = 0;
        for seat in self.seats.seats() {
            let placed: u32 = seat.places.iter().map(|(_, it)| it).sum();
            let is_whole = placed == seat.count;
            let lingers = matches!(seat.hold, Hold::Lingering { .. });
            held += if lingers { 0 } else { u64::from(seat.count) };
            assert!(
                if lingers { placed == 0 } else { is_whole || licences.has_overage },
                "{seat:?}"
            );
            assert!(placed <= seat.count, "{seat:?}");
            for (key, places) in &seat.places {
                *taken.entry(*key).or_default() += places;
            }
        }
        for (key, taken) in taken {
            let seats = licences.all[&key].0;
            assert!(taken <= seats, "{taken} of the {seats} seats of {key} are held");
        }
        let seats = licences.seats();
        assert!(licences.has_overage || held <= seats, "{held} are held of {seats}");
    }
}
