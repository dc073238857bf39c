//! What a receipt proves, and to whom.

use alloy_primitives::{Address, Bytes, U256, hex};
use alloy_signer::SignerSync as _;
use alloy_sol_types::SolValue as _;
use jiff::SignedDuration;
use minisign::KeyPair;
use revm::primitives::hardfork::SpecId;

use super::scene::{CHAIN, CONTRACT, Custody, OWNERS, Scene};
use crate::domain::entitlement::{Code, Verdict};
use crate::domain::ids::CustomerId;
use crate::domain::ownership::{Finality, Trust};
use crate::evm::execute::Call;
use crate::evm::gas_meter::Limits;
use crate::evm::rules::Rules;
use crate::evm::session::Session;
use crate::receipt::{
    Binding, BlockEvidence, Control, Demands, LARGEST, Receipt, ReceiptFault, Unanswered, Verified,
    Vouched, verify,
};

fn judged(scene: &Scene) -> Result<Verified, ReceiptFault> {
    scene.judge(&scene.receipt())
}

fn not_valid(found: Result<Verified, ReceiptFault>) -> Verdict {
    match found {
        Err(ReceiptFault::NotValid { verdict }) => *verdict,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_receipt_proves_what_the_daemon_would_say() {
    let scene = Scene::new(Trust::Consensus, Custody::Key);
    let Verified { verdict, binding, vouched, version, sighting } = judged(&scene).unwrap();
    assert_eq!((verdict.code, verdict.trust), (Code::Valid, Some(Trust::Consensus)));
    assert_eq!(verdict.tier.unwrap().as_str(), "pro");
    assert_eq!(verdict.token, Some(scene.token));
    assert_eq!(verdict.wallet.unwrap().address, scene.wallet);
    assert_eq!(verdict.customer, CustomerId::Uid(1000));
    assert_eq!(verdict.publisher, Some(scene.publisher()));
    let anchor = verdict.anchor.unwrap();
    assert_eq!((anchor.hash, anchor.finality), (scene.header.hash_slow(), Finality::Finalized));
    assert_eq!(anchor.attestation.unwrap().participation, 27);
    assert_eq!((binding, vouched), (Binding::None, Vouched::Validators));
    assert_eq!((sighting.wallet, version), (scene.wallet, 1));
}

#[test]
fn a_contract_stands_for_its_wallet_at_the_block_of_the_receipt() {
    let scene = Scene::new(Trust::Consensus, Custody::Contract);
    let verdict = judged(&scene).unwrap().verdict;
    assert_eq!((verdict.code, verdict.wallet.unwrap().address), (Code::Valid, scene.wallet));

    // Another's signature, or another text, is not what it stands for.
    let mut receipt = scene.receipt();
    let Control::Linked { message, .. } = &mut receipt.control else { panic!() };
    *message = message.replace("abcdefgh12345678", "abcdefgh12345679");
    assert_eq!(scene.judge(&receipt), Err(ReceiptFault::LinkRefused));
}

/// The wallet's contract says yes in a world in which somebody is paid, and nobody was.
#[test]
fn a_link_that_rests_on_what_nobody_did_proves_nothing() {
    // Writes when it is told anything, else says what is written.
    const SALE: [u8; 18] = hex!("36600c575f545f5260205ff35b60015f5500");
    let at = Address::repeat_byte(0x5a);
    // Says ERC-1271's yes where the sale says so.
    let ask = [&hex!("60205f5f5f73")[..], at.as_slice(), &hex!("5afa50")].concat();
    let wallet = [&ask[..], &hex!("5f51602357005b631626ba7e60e01b5f5260205ff3")].concat();
    let mut scene = Scene::new(Trust::Consensus, Custody::Contract);
    let account = scene.wallet;
    scene.state().contract(account, &wallet, &[]);
    scene.state().contract(at, &SALE, &[]);
    scene.settle();
    let envelope = hex!("6492649264926492649264926492649264926492649264926492649264926492");
    let content = (at, Bytes::from_static(b"pay"), Bytes::new()).abi_encode_params();
    scene.link_signature = [&content[..], &envelope].concat().into();
    let header = scene.header.clone();
    let pieces = scene.state().pieces(&header, |(facts, library)| {
        let owner =
            Call { to: CONTRACT, data: [&hex!("6352211e")[..], &[0; 31], &[7]].concat().into() };
        let mut session = Session::new(
            (CHAIN.0, Rules::exactly(SpecId::OSAKA)),
            &header,
            (facts, library),
            Limits { gas: 30_000_000, go_on: &|| true },
        );
        session.ask(&owner).unwrap();
        let asked = Call { to: account, data: Bytes::new() };
        session.ask(&asked).unwrap();
        session.touched().clone()
    });
    let evidence = scene.evidence_of(pieces);
    let control = scene.control(&evidence);
    let found = scene.judge(&Receipt { evidence, control });
    assert_eq!(found, Err(ReceiptFault::LinkRefused));
}

#[test]
fn a_nonce_ties_the_receipt_of_a_managed_wallet_to_whoever_asked() {
    let mut scene = Scene::new(Trust::Single, Custody::Managed);
    scene.nonce = b"mine".to_vec();
    let ask = |scene: &Scene, nonce: Option<&[u8]>| {
        let publisher = scene.publisher();
        let demands = Demands::new(&publisher, scene.now());
        let demands = Demands { nonce, accept_maker: true, ..demands };
        verify(scene.receipt().to_text().as_bytes(), &demands)
    };
    assert_eq!(ask(&scene, Some(b"mine")).unwrap().binding, Binding::Nonce);
    assert_eq!(ask(&scene, None).unwrap().binding, Binding::Key);
    assert_eq!(ask(&scene, Some(b"another's")), Err(ReceiptFault::Nonce));
    assert_eq!(ask(&scene, Some(b"")), Err(ReceiptFault::Nonce));

    // Nor does nothing tie it to anybody.
    scene.nonce.clear();
    assert_eq!(ask(&scene, Some(b"")), Err(ReceiptFault::Nonce));

    // A linked wallet's receipt is nobody's in particular, and says so.
    let linked = Scene::new(Trust::Single, Custody::Key);
    assert_eq!(ask(&linked, Some(b"mine")).unwrap().binding, Binding::None);
}

#[test]
fn what_a_managed_wallet_signed_for_one_receipt_serves_no_other() {
    let scene = Scene::new(Trust::Single, Custody::Managed);
    let other = Scene::new(Trust::Single, Custody::Managed);
    let receipt = Receipt { evidence: scene.receipt().evidence, control: other.receipt().control };
    assert_eq!(scene.judge(&receipt), Err(ReceiptFault::Signature));
}

#[test]
fn one_publishers_receipt_is_nothing_to_another() {
    let scene = Scene::new(Trust::Single, Custody::Key);
    let other = KeyPair::generate_unencrypted_keypair().unwrap().pk.to_base64().parse().unwrap();
    let text = scene.receipt().to_text();
    let found = verify(text.as_bytes(), &Demands::new(&other, scene.now()));
    assert!(matches!(found, Err(ReceiptFault::Publisher(_))), "{found:?}");

    // Nor is a file that was edited under the same signature.
    let mut receipt = scene.receipt();
    receipt.evidence.product.text = receipt.evidence.product.text.replace("14d", "15d");
    let found = scene.judge(&receipt);
    assert!(matches!(found, Err(ReceiptFault::Publisher(_))), "{found:?}");
}

#[test]
fn a_signed_file_that_names_no_publisher_is_no_products() {
    let mut scene = Scene::new(Trust::Single, Custody::Key);
    let from = scene.product.find("[publisher]").unwrap();
    let to = scene.product.find("[tiers.pro]").unwrap();
    scene.product.replace_range(from..to, "");
    assert_eq!(judged(&scene), Err(ReceiptFault::Product));
}

#[test]
fn its_time_bounds_what_it_proves() {
    let mut scene = Scene::new(Trust::Single, Custody::Key);
    scene.product = scene.product.replace("14d", "3h");
    let text = scene.receipt().to_text();
    let block = i64::try_from(scene.header.timestamp).unwrap();
    let at = |seconds: i64| {
        let now = jiff::Timestamp::from_second(block + seconds).unwrap();
        scene.judge_at(&text, now)
    };
    assert!(at(0).is_ok());
    assert!(at(3 * 3_600 - 1).is_ok());
    let over = not_valid(at(3 * 3_600));
    assert_eq!(over.code, Code::Undetermined);
    // Before its block there was nothing to prove, but for clocks that differ a little.
    assert!(at(-60).is_ok());
    assert!(matches!(at(-121), Err(ReceiptFault::Future { .. })));
}

#[test]
fn a_product_that_demands_validators_takes_nobodys_word() {
    for trust in [Trust::Single, Trust::Quorum] {
        let scene = Scene::new(Trust::Consensus, Custody::Key);
        let mut receipt = scene.receipt();
        receipt.evidence.block = BlockEvidence::Claimed { trust, finality: Finality::Finalized };
        assert_eq!(not_valid(scene.judge(&receipt)).code, Code::TrustTooLow);
    }
    // Written as more than it can be, it is not.
    let scene = Scene::new(Trust::Consensus, Custody::Key);
    let mut receipt = scene.receipt();
    let finality = Finality::Finalized;
    receipt.evidence.block = BlockEvidence::Claimed { trust: Trust::Consensus, finality };
    assert_eq!(not_valid(scene.judge(&receipt)).code, Code::TrustTooLow);
}

/// What a publisher signed once, somebody can show for good.
#[test]
fn an_older_file_of_the_publishers_does_not_where_a_later_one_is_demanded() {
    let mut scene = Scene::new(Trust::Consensus, Custody::Key);
    scene.product = format!("version = 2\n{}", scene.product);
    let (text, publisher) = (scene.receipt().to_text(), scene.publisher());
    let demanding = |min_version| {
        let demands = Demands { min_version, ..Demands::new(&publisher, scene.now()) };
        verify(text.as_bytes(), &demands).map(|it| it.version)
    };
    assert_eq!([0, 1, 2].map(demanding), [Ok(2), Ok(2), Ok(2)]);
    for least in [3, u32::MAX] {
        assert_eq!(demanding(least), Err(ReceiptFault::OlderFile { version: 2, least }));
    }
}

#[test]
fn the_makers_word_does_only_where_it_is_accepted() {
    for trust in [Trust::Single, Trust::Quorum, Trust::Consensus] {
        let scene = Scene::new(trust, Custody::Managed);
        let (text, publisher) = (scene.receipt().to_text(), scene.publisher());
        let plain = Demands::new(&publisher, scene.now());
        let accepting = Demands { accept_maker: true, ..plain };
        let [plain, accepting] = [plain, accepting].map(|it| verify(text.as_bytes(), &it));
        let vouched = accepting.unwrap().vouched;
        let wanted = match trust {
            Trust::Consensus => Ok(Vouched::Validators),
            Trust::Single | Trust::Quorum => Err(ReceiptFault::Unvouched),
        };
        assert_eq!(plain.map(|it| it.vouched), wanted);
        assert_eq!(vouched == Vouched::Validators, trust == Trust::Consensus);
    }
}

#[test]
fn trust_is_told_as_it_is() {
    for trust in [Trust::Single, Trust::Quorum] {
        let scene = Scene::new(trust, Custody::Key);
        let found = judged(&scene).unwrap();
        assert_eq!((found.verdict.trust, found.vouched), (Some(trust), Vouched::Maker));
        assert_eq!(found.verdict.anchor.unwrap().attestation, None);
    }
}

#[test]
fn a_checkpoint_counts_as_long_as_the_product_says() {
    let mut scene = Scene::new(Trust::Consensus, Custody::Key);
    let chain = "[[checkpoint]]\n";
    scene.product = scene.product.replace(chain, &format!("{chain}max_age = \"90m\"\n"));
    let text = scene.receipt().to_text();
    let at = |minutes: i64| {
        let now = scene.now().checked_add(SignedDuration::from_mins(minutes)).unwrap();
        scene.judge_at(&text, now)
    };
    assert!(at(0).is_ok());
    assert!(matches!(at(90), Err(ReceiptFault::Checkpoint(_))));
}

#[test]
fn checkpoints_that_the_product_does_not_name_begin_nothing() {
    let scene = Scene::new(Trust::Consensus, Custody::Key);
    let mut other = Scene::new(Trust::Consensus, Custody::Key);
    other.network.replace_committee(0, 9);
    let mut receipt = scene.receipt();
    receipt.evidence.block = BlockEvidence::Signed {
        specification: Some(scene.network.specification()),
        path: other.path().into(),
    };
    assert!(matches!(scene.judge(&receipt), Err(ReceiptFault::Checkpoint(_))));

    // Under another specification the same checkpoint is another.
    let mut receipt = scene.receipt();
    let BlockEvidence::Signed { specification, .. } = &mut receipt.evidence.block else { panic!() };
    *specification = specification.take().map(|it| it.replace("simulated", "invented"));
    assert!(matches!(scene.judge(&receipt), Err(ReceiptFault::Checkpoint(_))));
    let BlockEvidence::Signed { specification, .. } = &mut receipt.evidence.block else { panic!() };
    *specification = None;
    assert_eq!(scene.judge(&receipt), Err(ReceiptFault::Specification));
}

#[test]
fn a_header_of_another_block_is_not_the_signed_one() {
    let scene = Scene::new(Trust::Consensus, Custody::Key);
    let mut receipt = scene.receipt();
    let mut header = scene.header.clone();
    header.timestamp -= 12;
    receipt.evidence.header = alloy_rlp::encode(&header).into();
    assert_eq!(scene.judge(&receipt), Err(ReceiptFault::Header));
    receipt.evidence.header = [&receipt.evidence.header[..], &[0]].concat().into();
    assert_eq!(scene.judge(&receipt), Err(ReceiptFault::Header));
}

#[test]
fn the_contract_decides_over_the_state_in_the_receipt_alone() {
    let mut sold = Scene::new(Trust::Consensus, Custody::Key);
    let buyer = U256::from(0xb0b_u64);
    sold.state().contract(CONTRACT, &OWNERS, &[(U256::from(7), buyer)]);
    sold.settle();
    assert_eq!(sold.evidence(), Err(Unanswered::NotHeld));

    let scene = Scene::new(Trust::Consensus, Custody::Key);
    let mut receipt = scene.receipt();
    receipt.evidence.token.id = U256::from(8);
    assert!(matches!(
        scene.judge(&receipt),
        Err(ReceiptFault::StateMissing | ReceiptFault::NotHeld)
    ));
    let mut receipt = scene.receipt();
    receipt.evidence.nodes.pop();
    assert_eq!(scene.judge(&receipt), Err(ReceiptFault::StateMissing));
    let mut receipt = scene.receipt();
    receipt.evidence.codes.clear();
    assert_eq!(scene.judge(&receipt), Err(ReceiptFault::StateMissing));
}

#[test]
fn nothing_lies_in_it_on_which_nothing_rests() {
    let scene = Scene::new(Trust::Consensus, Custody::Key);
    let receipt = scene.receipt();
    let mut twice = receipt.clone();
    let last = twice.evidence.nodes.last().unwrap().clone();
    twice.evidence.nodes.push(last);
    assert_eq!(scene.judge(&twice), Err(ReceiptFault::StateSurplus));
    let mut turned = receipt.clone();
    turned.evidence.nodes.reverse();
    assert_eq!(scene.judge(&turned), Err(ReceiptFault::StateSurplus));
    let mut stuffed = receipt.clone();
    stuffed.evidence.codes.push(Bytes::from_static(b"hidden"));
    assert_eq!(scene.judge(&stuffed), Err(ReceiptFault::StateSurplus));
    let mut stuffed = receipt;
    stuffed.evidence.nodes.push(Bytes::from_static(b"hidden"));
    assert_eq!(scene.judge(&stuffed), Err(ReceiptFault::StateSurplus));
}

#[test]
fn a_link_is_signed_for_entitled_and_by_the_wallet() {
    let scene = Scene::new(Trust::Single, Custody::Key);
    let mut receipt = scene.receipt();
    let Control::Linked { message, .. } = &mut receipt.control else { panic!() };
    // A text by which somebody was let in elsewhere links nothing.
    *message = message.replace("entitled:link", "https://elsewhere.example/login");
    assert_eq!(scene.judge(&receipt), Err(ReceiptFault::NotALink));

    // Nor does what a site had signed in its own name, of which a wallet does not warn.
    for name in ["elsewhere.example", "entitled-0123456789ab.localhost.example", "localhost"] {
        let Control::Linked { message, .. } = scene.receipt().control else { panic!() };
        let message = message.replacen("entitled-0123456789ab.localhost", name, 1);
        let signature = scene.owner.sign_message_sync(message.as_bytes()).unwrap();
        let signature = Bytes::copy_from_slice(&signature.as_bytes());
        let receipt =
            Receipt { control: Control::Linked { message, signature }, ..scene.receipt() };
        assert_eq!(scene.judge(&receipt), Err(ReceiptFault::NotALink), "{name}");
    }

    // Another's signature: no key stands for the wallet, and at its address is no contract.
    let other = Scene::new(Trust::Single, Custody::Managed);
    let mut receipt = scene.receipt();
    let Control::Managed { signature: foreign, .. } = other.receipt().control else { panic!() };
    let Control::Linked { signature, .. } = &mut receipt.control else { panic!() };
    *signature = Bytes::copy_from_slice(&foreign);
    assert_eq!(scene.judge(&receipt), Err(ReceiptFault::StateMissing));
}

#[test]
fn a_receipt_is_small() {
    let scene = Scene::new(Trust::Consensus, Custody::Managed);
    let text = scene.receipt().to_text();
    assert!(text.len() < 32 * 1024, "{} bytes", text.len());
    assert!(text.len() < LARGEST);
}

/// Where the block is its maker's word, so is all that stands in its header.
#[test]
fn a_header_of_its_makers_own_is_judged_at_once() {
    for excess in [0, 400_000_000, u64::MAX] {
        let mut scene = Scene::new(Trust::Single, Custody::Key);
        scene.header.excess_blob_gas = Some(excess);
        assert!(judged(&scene).is_ok(), "{excess}");
    }
}
