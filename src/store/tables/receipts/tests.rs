use super::*;
use crate::store::tables::wallets::{self, NewWallet, Origin};
use crate::store::testing::{Bench, asked, at};

const ALICE: CustomerId = CustomerId::Uid(1000);
const WALLET: Address = Address::repeat_byte(1);

fn product(id: &str) -> ProductId {
    id.parse().unwrap()
}

fn link(text: &str) -> LinkProof {
    LinkProof { message: text.to_owned(), signature: vec![1, 2, 3].into() }
}

fn linked(bench: &Bench, proof: Option<LinkProof>) {
    let origin = Origin::Linked { nonce: None, contract: None, proof: proof.map(Box::new) };
    let new = NewWallet { address: WALLET, customer: ALICE, label: None, origin };
    bench.change(move |it| wallets::add(it, new, &asked(1))).unwrap();
}

fn found(bench: &Bench, id: &str) -> ReceiptParts {
    let id = product(id);
    bench.store.read(move |it| parts(it, (WALLET, ALICE), &id)).unwrap()
}

fn kept(bench: &Bench, id: &str, byte: u8) -> KeptEvidence {
    let evidence = KeptEvidence { made_at: at(7), wallet: WALLET, bytes: vec![byte; 3] };
    let id = product(id);
    let given = evidence.clone();
    bench.change(move |it| keep(it, (ALICE, &id), &given)).unwrap();
    evidence
}

#[test]
fn how_a_wallet_was_linked_is_kept_as_long_as_it_is() {
    let bench = Bench::new();
    linked(&bench, Some(link("first")));
    assert_eq!(found(&bench, "acme-cad").link, Some(link("first")));
    // What a link of an earlier program lacks, stays lacking; a newer one takes the older one's place.
    linked(&bench, Some(link("second")));
    assert_eq!(found(&bench, "acme-cad").link, Some(link("second")));
    bench.change(move |it| wallets::remove(it, WALLET, ALICE, false, &asked(2))).unwrap();
    assert_eq!(found(&bench, "acme-cad"), ReceiptParts::default());
    linked(&bench, None);
    assert_eq!(found(&bench, "acme-cad").link, None);
}

#[test]
fn the_evidence_made_last_is_kept_for_each_product() {
    let bench = Bench::new();
    linked(&bench, None);
    kept(&bench, "acme-cad", 1);
    let newer = kept(&bench, "acme-cad", 2);
    let other = kept(&bench, "acme-cad-pro", 3);
    assert_eq!(found(&bench, "acme-cad").evidence, Some(newer));
    assert_eq!(found(&bench, "acme-cad-pro").evidence, Some(other));
    assert_eq!(found(&bench, "acme").evidence, None);
    bench.change(move |it| wallets::remove(it, WALLET, ALICE, false, &asked(2))).unwrap();
    assert_eq!(found(&bench, "acme-cad-pro").evidence, None);
}

#[test]
fn what_was_kept_without_its_wallet_is_made_anew() {
    let bench = Bench::new();
    linked(&bench, None);
    let form = [&[FORM_BEFORE], schema::time(at(7)).as_slice(), &[1; 300]].concat();
    let key = schema::evidence(ALICE, &product("acme-cad"));
    bench.change(move |it| it.put(Table::Evidence, &key, &form)).unwrap();
    assert_eq!(found(&bench, "acme-cad").evidence, None);
    let anew = kept(&bench, "acme-cad", 2);
    assert_eq!(found(&bench, "acme-cad").evidence, Some(anew));
}
