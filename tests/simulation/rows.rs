//! What is kept of sightings, in memory: written down as the store writes it, and beside it as it would stand had each
//! row been written anew with each look. What is read has to be the same.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use alloy_primitives::Address;
use entitled_core::domain::confirmed::{Confirmations, Holder, Revision, Row};
use entitled_core::domain::ids::{Collection, Token};
use entitled_core::domain::kept::{self, KeptSighting, Look, ReadRows, RowKey, WriteRows};
use entitled_core::domain::ownership::{Sighting, Target};

#[derive(Default)]
pub struct Rows {
    written: BTreeMap<(Collection, Address), Written>,
    plain: Plain,
    /// Parts of looks that changed no row.
    pub confirmed: u64,
}

/// What the store's file has of one wallet in one collection.
#[derive(Default)]
struct Written {
    confirmations: Confirmations,
    rows: BTreeMap<RowKey, Row>,
}

impl Rows {
    /// Keeps what of a look is news. `Err`: what is read then is not what each row by itself would say.
    pub fn keep(&mut self, look: &Look) -> Result<(), String> {
        for (place, part) in look.by_holder() {
            let written = self.written.entry(place).or_default();
            if written.confirmations.confirm(part.iter().copied()) {
                self.confirmed += 1;
            } else {
                let rows = written.rows.values().cloned();
                let holder = Holder::new(place, written.confirmations.clone(), rows);
                let mut holder = holder.ok_or("a row takes a look that is not recorded")?;
                holder.record(&part);
                let Revision { confirmations, put, removed } = holder.revision();
                written.confirmations = confirmations;
                written.rows.extend(put);
                written.rows.retain(|key, _| !removed.contains(key));
            }
        }
        let Ok(()) = kept::keep(&mut self.plain, look);
        for ((collection, wallet), _) in look.by_holder() {
            let (read, plain) =
                (self.of_wallet(collection, wallet), self.plain.of_wallet(collection, wallet));
            if read != plain {
                return Err(format!("kept is {plain:#?}, but what is read is {read:#?}"));
            }
        }
        Ok(())
    }

    fn all(&self, collection: Collection, wallet: Address) -> Vec<KeptSighting> {
        let Some(written) = self.written.get(&(collection, wallet)) else { return Vec::new() };
        let rows = written.rows.values().cloned();
        rows.map(|it| written.confirmations.read(wallet, it).unwrap()).collect()
    }
}

impl ReadRows for Rows {
    type Error = Infallible;

    fn of_wallet(
        &self,
        collection: Collection,
        wallet: Address,
    ) -> Result<Vec<KeptSighting>, Infallible> {
        Ok(self.all(collection, wallet))
    }

    fn rests(
        &self,
        collection: Collection,
        wallet: Address,
    ) -> Result<Vec<KeptSighting>, Infallible> {
        let mut rows = self.all(collection, wallet);
        rows.retain(|it| matches!(it.sighting.target, Target::Rest { .. }));
        Ok(rows)
    }

    fn of_token(&self, wallet: Address, token: Token) -> Result<Vec<KeptSighting>, Infallible> {
        let mut rows = self.all(token.collection, wallet);
        rows.retain(|it| it.sighting.target == Target::Token(token));
        Ok(rows)
    }

    fn tokens(
        &self,
        collection: Collection,
        wallet: Address,
    ) -> Result<BTreeSet<Token>, Infallible> {
        Ok(tokens(self.all(collection, wallet).iter().map(|it| &it.sighting)))
    }
}

fn tokens<'s>(sightings: impl Iterator<Item = &'s Sighting>) -> BTreeSet<Token> {
    let token = |it: &Sighting| match it.target {
        Target::Token(token) => Some(token),
        Target::Rest { .. } => None,
    };
    sightings.filter_map(token).collect()
}

/// Each row by itself.
#[derive(Default)]
struct Plain(BTreeMap<Address, BTreeMap<RowKey, KeptSighting>>);

impl Plain {
    fn filtered(&self, wallet: Address, of: impl Fn(&Target) -> bool) -> Vec<KeptSighting> {
        let own = self.0.get(&wallet).into_iter().flatten();
        own.filter(|(key, _)| of(&key.target)).map(|(_, row)| row.clone()).collect()
    }
}

impl ReadRows for Plain {
    type Error = Infallible;

    fn of_wallet(
        &self,
        collection: Collection,
        wallet: Address,
    ) -> Result<Vec<KeptSighting>, Infallible> {
        Ok(self.filtered(wallet, |it| it.collection() == collection))
    }

    fn rests(
        &self,
        collection: Collection,
        wallet: Address,
    ) -> Result<Vec<KeptSighting>, Infallible> {
        let rest =
            |it: &Target| matches!(it, Target::Rest { collection: of, .. } if *of == collection);
        Ok(self.filtered(wallet, rest))
    }

    fn of_token(&self, wallet: Address, token: Token) -> Result<Vec<KeptSighting>, Infallible> {
        Ok(self.filtered(wallet, |it| *it == Target::Token(token)))
    }

    fn tokens(
        &self,
        collection: Collection,
        wallet: Address,
    ) -> Result<BTreeSet<Token>, Infallible> {
        let rows = self.filtered(wallet, |it| it.collection() == collection);
        Ok(tokens(rows.iter().map(|it| &it.sighting)))
    }
}

impl WriteRows for Plain {
    fn row(&self, key: &RowKey) -> Result<Option<KeptSighting>, Infallible> {
        Ok(self.0.get(&key.wallet).and_then(|it| it.get(key)).cloned())
    }

    fn put_row(&mut self, key: &RowKey, row: &KeptSighting) -> Result<(), Infallible> {
        self.0.entry(key.wallet).or_default().insert(key.clone(), row.clone());
        Ok(())
    }

    fn remove_row(&mut self, key: &RowKey) -> Result<(), Infallible> {
        self.0.entry(key.wallet).or_default().remove(key);
        Ok(())
    }
}
