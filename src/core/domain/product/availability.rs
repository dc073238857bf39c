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
mod tests {
    use super::*;
    use crate::domain::product::parse;

    fn product(trust: &str, tokens: &[&str]) -> Product {
        let mut text = format!(
            "product = \"acme\"\nname = \"Acme\"\nversion = 1\ntrust = {trust:?}\n[tiers.pro]\nrank = 1\n"
        );
        for token in tokens {
            text.push_str(&format!("[[grants]]\ntier = \"pro\"\ntoken = {token:?}\n"));
        }
        parse(&text).unwrap()
    }

    const HERE: &str = "eip155:1/erc721:0x5FbDB2315678afecb367f032d93F642f64180aa3";
    const THERE: &str = "eip155:5/erc721:0x5FbDB2315678afecb367f032d93F642f64180aa3";

    fn told(product: &Product, trust: Trust) -> Vec<String> {
        let chains = BTreeMap::from([(ChainId(1), trust)]);
        warnings(product, &chains).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_can_be_had_is_no_reason_to_warn() {
        let product = product("quorum", &[HERE, HERE]);
        assert!(told(&product, Trust::Quorum).is_empty());
        assert!(told(&product, Trust::Consensus).is_empty());
        assert!(without_contract(&product, &BTreeSet::new()).is_empty());
    }

    #[test]
    fn product_key_and_cure_are_named_once_for_each_chain() {
        let told = told(&product("quorum", &[HERE, THERE, HERE, THERE]), Trust::Single);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("product `acme`, trust: asks for `quorum`"), "{told:?}");
        assert!(
            told[1].starts_with("product `acme`, grants[1].token: chain `eip155:5`"),
            "{told:?}"
        );
    }

    #[test]
    fn a_contract_that_is_not_there_is_named() {
        let product = product("single", &[HERE, THERE]);
        let absent = BTreeSet::from([product.grants[1].collection]);
        let told = without_contract(&product, &absent);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].key, "grants[1].token");
        assert!(told[0].message.contains("0x5FbDB2315678afecb367f032d93F642f64180aa3"), "{told:?}");
    }
}
