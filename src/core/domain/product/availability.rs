//! What of a product cannot be had on a machine, as its chains are configured: a mistake of the vendor or of the
//! administrator, which a customer must not take for a missing licence.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Product;
use crate::domain::ids::{ChainId, Collection, ProductId};
use crate::domain::ownership::Trust;

/// What is wrong, where in the product file, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub product: ProductId,
    /// As in the mistakes of a product file: `grants[0].token`.
    pub key: String,
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "product `{}`, {}: {}", self.product, self.key, self.message)
    }
}

/// What of a product cannot be had on these chains, whatever is on them.
pub fn warnings(product: &Product, chains: &BTreeMap<ChainId, Trust>) -> Vec<Warning> {
    let mut found = Vec::new();
    for (index, chain) in first_grants(product, |it| it.chain) {
        let Some(trust) = chains.get(&chain) else {
            let message = format!(
                "chain `{chain}` is not configured, so that nothing granted on it can be proven; configure it in a `[[chain]]`, or correct the token"
            );
            found.push(warning(product, format!("grants[{index}].token"), message));
            continue;
        };
        if *trust < product.trust {
            let (asked, given) = (product.trust.as_str(), trust.as_str());
            let message = format!(
                "asks for `{asked}`, and chain `{chain}` is configured with trust `{given}`, so that no licence on it can be valid; configure the chain with `{asked}`, or ask for `{given}`"
            );
            found.push(warning(product, "trust".to_owned(), message));
        }
    }
    found
}

/// Of which contracts there is nothing on the chain.
pub fn without_contract(product: &Product, absent: &BTreeSet<Collection>) -> Vec<Warning> {
    let of = first_grants(product, |it| it).into_iter().filter(|(_, it)| absent.contains(it));
    let tell = |(index, it): (usize, Collection)| {
        let message = format!(
            "there is no contract at {} on chain `{}`, so that nobody can hold anything of it; correct the address or the chain",
            it.contract, it.chain
        );
        warning(product, format!("grants[{index}].token"), message)
    };
    of.map(tell).collect()
}

fn warning(product: &Product, key: String, message: String) -> Warning {
    Warning { product: product.id.clone(), key, message }
}

/// What the grants name, each with the first grant that does, in the order of the file.
fn first_grants<T: Ord + Copy>(
    product: &Product,
    named: impl Fn(Collection) -> T,
) -> Vec<(usize, T)> {
    let mut seen = BTreeSet::new();
    let all = product.grants.iter().map(|it| named(it.collection)).enumerate();
    all.filter(|(_, it)| seen.insert(*it)).collect()
}

#[cfg(test)]
mod tests;
