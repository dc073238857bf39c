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
    assert!(told[1].starts_with("product `acme`, grants[1].token: chain `eip155:5`"), "{told:?}");
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
