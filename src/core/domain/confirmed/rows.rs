//! The rows of a [`Holder`], as [`kept`](super::super::kept) reads and changes them.

use std::collections::BTreeSet;
use std::convert::Infallible;

use alloy_primitives::Address;

use super::Holder;
use crate::domain::ids::{Collection, Token};
use crate::domain::kept::{KeptSighting, ReadRows, RowKey, WriteRows};
use crate::domain::ownership::{Finality, IdRanges, Target};
use crate::domain::rule::{Rule, Terms};

impl Holder {
    fn is(&self, collection: Collection, wallet: Address) -> bool {
        (self.collection, self.wallet) == (collection, wallet)
    }

    /// The rows from the first of a target on.
    fn from(&self, target: Target) -> impl Iterator<Item = (&RowKey, &KeptSighting)> {
        let (terms, finality) = (Terms::direct(Rule::Owner), Finality::Latest);
        let first = RowKey { wallet: self.wallet, target, terms, finality, proven: false };
        self.rows.range(first..)
    }
}

impl ReadRows for Holder {
    type Error = Infallible;

    fn of_wallet(
        &self,
        collection: Collection,
        wallet: Address,
    ) -> Result<Vec<KeptSighting>, Infallible> {
        let rows = self.rows.values().filter(|_| self.is(collection, wallet));
        Ok(rows.cloned().collect())
    }

    fn rests(
        &self,
        collection: Collection,
        wallet: Address,
    ) -> Result<Vec<KeptSighting>, Infallible> {
        let first = Target::Rest { collection: self.collection, ids: IdRanges::every() };
        let rows = self.from(first).filter(|_| self.is(collection, wallet));
        Ok(rows.map(|it| it.1.clone()).collect())
    }

    fn of_token(&self, wallet: Address, token: Token) -> Result<Vec<KeptSighting>, Infallible> {
        if !self.is(token.collection, wallet) {
            return Ok(Vec::new());
        }
        let own = Target::Token(token);
        let rows = self.from(own.clone()).take_while(|it| it.0.target == own);
        Ok(rows.map(|it| it.1.clone()).collect())
    }

    fn tokens(
        &self,
        collection: Collection,
        wallet: Address,
    ) -> Result<BTreeSet<Token>, Infallible> {
        let token = |key: &RowKey| match key.target {
            Target::Token(token) => Some(token),
            Target::Rest { .. } => None,
        };
        let keys = self.rows.keys().filter(|_| self.is(collection, wallet));
        Ok(keys.filter_map(token).collect())
    }
}

impl WriteRows for Holder {
    fn row(&self, key: &RowKey) -> Result<Option<KeptSighting>, Infallible> {
        Ok(self.rows.get(key).cloned())
    }

    fn put_row(&mut self, key: &RowKey, row: &KeptSighting) -> Result<(), Infallible> {
        self.rows.insert(key.clone(), row.clone());
        Ok(())
    }

    fn remove_row(&mut self, key: &RowKey) -> Result<(), Infallible> {
        self.rows.remove(key);
        Ok(())
    }
}
