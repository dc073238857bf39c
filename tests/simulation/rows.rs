//! The rows of sightings, in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use alloy_primitives::Address;
use entitled_core::domain::ids::{Collection, Token};
use entitled_core::domain::kept::{KeptSighting, ReadRows, RowKey, WriteRows};
use entitled_core::domain::ownership::Target;

#[derive(Default)]
pub struct Rows(BTreeMap<Address, BTreeMap<RowKey, KeptSighting>>);

impl Rows {
    fn filtered(&self, wallet: Address, of: impl Fn(&Target) -> bool) -> Vec<KeptSighting> {
        let own = self.0.get(&wallet).into_iter().flatten();
        own.filter(|(key, _)| of(&key.target)).map(|(_, row)| row.clone()).collect()
    }
}

impl ReadRows for Rows {
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
        let own = self.0.get(&wallet).into_iter().flatten().map(|(key, _)| key);
        let token = |key: &RowKey| match key.target {
            Target::Token(token) if token.collection == collection => Some(token),
            _ => None,
        };
        Ok(own.filter_map(token).collect())
    }
}

impl WriteRows for Rows {
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
