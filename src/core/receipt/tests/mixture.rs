//! Receipts made of parts of true ones; and true ones whose chain has another specification.

use alloy_primitives::{Address, U256, hex};
use alloy_signer_local::PrivateKeySigner;

use super::scene::{CONTRACT, Custody, OWNERS, Scene};
use crate::domain::ownership::Trust;
use crate::light_client::Specification;
use crate::light_client::tests::altered_specifications::alterations;
use crate::receipt::{BlockEvidence, Control, Evidence, Receipt, ReceiptFault};

fn word(address: Address) -> U256 {
    U256::from_be_bytes(address.into_word().0)
}

/// The same vendor's and the same chain's, at the same block or another: of another wallet, which holds another token.
fn other(of: &Scene, custody: Custody, later: bool) -> Scene {
    let mut scene = Scene::new(of.trust, custody);
    scene.pair = of.pair.clone();
    scene.product.clone_from(&of.product);
    scene.owner = PrivateKeySigner::from_slice(&[8; 32]).unwrap();
    let mine = of.wallet;
    scene.wallet = scene.owner.address();
    scene.token.id = U256::from(8);
    let theirs = (U256::from(8), word(scene.wallet));
    scene.state().contract(CONTRACT, &OWNERS, &[(U256::from(7), word(mine)), theirs]);
    if later {
        let more = (U256::from(99), U256::from(1));
        scene.state().contract(CONTRACT, &OWNERS, &[more]);
    }
    scene.settle();
    scene
}

/// A receipt that takes of the second what `which` says, and the rest of the first.
fn mixed((one, two): (&Receipt, &Receipt), which: u32) -> Receipt {
    let (a, b) = (one.evidence.clone(), two.evidence.clone());
    let takes = |part: u32| which >> part & 1 == 1;
    let evidence = Evidence {
        product: if takes(0) { b.product } else { a.product },
        token: if takes(1) { b.token } else { a.token },
        grant: if takes(2) { b.grant } else { a.grant },
        via: if takes(3) { b.via } else { a.via },
        block: if takes(4) { b.block } else { a.block },
        header: if takes(5) { b.header } else { a.header },
        nodes: if takes(6) { b.nodes } else { a.nodes },
        codes: if takes(7) { b.codes } else { a.codes },
    };
    let control = if takes(8) { two.control.clone() } else { one.control.clone() };
    Receipt { evidence, control }
}

#[test]
fn of_parts_of_true_receipts_no_other_true_one_can_be_made() {
    for (trust, custody) in
        [(Trust::Single, Custody::Managed), (Trust::Consensus, Custody::Managed)]
    {
        for later in [false, true] {
            let scene = Scene::new(trust, custody);
            let other = other(&scene, custody, later);
            let (one, two) = (scene.receipt(), other.receipt());
            assert!(scene.judge(&one).is_ok());
            assert!(other.judge(&two).is_ok());
            let mut true_ones = 0;
            for which in 0..1 << 9 {
                let mixture = mixed((&one, &two), which);
                let known = mixture == one || mixture == two;
                true_ones += u32::from(known);
                assert_eq!(scene.judge(&mixture).is_ok(), known, "{trust:?}, {which:09b}");
            }
            assert!((2..512).contains(&true_ones), "{true_ones}");
        }
    }
}

/// A linked wallet's text can be copied, and says nothing for another wallet.
#[test]
fn whoever_linked_a_wallet_has_nothing_of_what_another_holds() {
    let scene = Scene::new(Trust::Single, Custody::Key);
    let theirs = other(&scene, Custody::Key, false).receipt();
    let mut receipt = theirs;
    receipt.control = scene.receipt().control;
    assert!(matches!(receipt.control, Control::Linked { .. }));
    let found = scene.judge(&receipt);
    assert!(matches!(found, Err(ReceiptFault::NotHeld)), "{found:?}");
}

/// Whoever makes a receipt puts the specification into it; the product names which one counts.
#[test]
fn no_altered_specification_stands_for_the_one_that_the_product_names() {
    let scene = Scene::new(Trust::Consensus, Custody::Key);
    let receipt = scene.receipt();
    let text = scene.network.specification();
    let mut readable = 0;
    for altered in alterations(&text) {
        readable += u32::from(Specification::parse(&altered).is_ok());
        let mut receipt = receipt.clone();
        let BlockEvidence::Signed { specification, .. } = &mut receipt.evidence.block else {
            panic!()
        };
        *specification = Some(altered.clone());
        let found = scene.judge(&receipt);
        let refused =
            matches!(found, Err(ReceiptFault::Specification | ReceiptFault::Checkpoint(_)));
        assert!(refused, "{altered}\n{found:?}");
    }
    assert!(readable > 50, "{readable}");
}

/// A vendor who names a specification with a mistake has products that nobody is entitled to, or what is true: not a block
/// that nobody signed for.
#[test]
fn a_vendors_own_mistake_in_a_specification_makes_no_other_block_true() {
    let scene = Scene::new(Trust::Consensus, Custody::Key);
    let receipt = scene.receipt();
    let true_block = scene.judge(&receipt).unwrap().verdict.anchor.unwrap().hash;
    let text = scene.network.specification();
    let digest = |text: &str| {
        hex::encode(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref())
    };
    for altered in alterations(&text).iter().filter(|it| Specification::parse(it).is_ok()) {
        let named = scene.product.replace(&digest(&text), &digest(altered));
        assert_ne!(named, scene.product);
        let mut receipt = receipt.clone();
        receipt.evidence.product = scene.sign_product(&named);
        let BlockEvidence::Signed { specification, .. } = &mut receipt.evidence.block else {
            panic!()
        };
        *specification = Some(altered.clone());
        if let Ok(found) = scene.judge(&receipt) {
            assert_eq!(found.verdict.anchor.unwrap().hash, true_block, "{altered}");
        }
    }
}
