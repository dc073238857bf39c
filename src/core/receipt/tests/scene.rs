//! A vendor, a product, a token, whoever holds it, and a beacon chain: receipts of every kind.

use std::io::Cursor;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256, address, hex};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use minisign::KeyPair;
use serde_json::{Value, json};

use super::state::State;
use crate::domain::ids::{Account, ChainId, Collection, CustomerId, Standard, Timestamp, Token};
use crate::domain::ownership::{Anchor, Finality, Rule, Terms, Trust, Via};
use crate::domain::publisher::PublisherKey;
use crate::domain::wallet_proof::{challenge, personal_message_hash};
use crate::light_client::{Bootstrap, FinalityUpdate, Path, Specification, TipUpdate, Update};
use crate::receipt::{
    BlockEvidence, Control, Demands, Evidence, Link, Question, Receipt, ReceiptFault,
    SignedProduct, Unanswered, Verified, control_text, verify,
};
use crate::sync_committee::{Network, Signed};

pub(crate) const CONTRACT: Address = address!("0x1111111111111111111111111111111111111111");
pub(crate) const CHAIN: ChainId = ChainId(31_337);
/// Answers every question with the slot that its first argument names: of `ownerOf(id)` that is the owner.
pub(crate) const OWNERS: [u8; 12] = hex!("6004355460005260206000f3");
/// Answers `isValidSignature` with its word where the hash is the one in slot 0.
const ACCEPTS: [u8; 49] = hex!(
    "600054600435147f1626ba7e000000000000000000000000000000000000000000000000000000000260005260206000f3"
);

const CHECKPOINT: u64 = 16;
/// Of the block that is final at the end.
const FINAL: u64 = 3 * 32 + 10;
const ATTESTED: u64 = FINAL + 9;

/// How a receipt comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Custody {
    Key,
    Contract,
    Managed,
}

pub(crate) struct Scene {
    pub(crate) pair: KeyPair,
    pub(crate) owner: PrivateKeySigner,
    pub(crate) network: Network,
    pub(crate) product: String,
    pub(crate) token: Token,
    pub(crate) wallet: Address,
    pub(crate) via: Vec<Via>,
    pub(crate) terms: Terms,
    pub(crate) custody: Custody,
    pub(crate) trust: Trust,
    state: State,
    pub(crate) header: Header,
    link: String,
    /// For the contract that is the wallet.
    pub(crate) link_signature: Bytes,
    pub(crate) nonce: Vec<u8>,
}

impl Scene {
    pub(crate) fn new(trust: Trust, custody: Custody) -> Self {
        let owner = PrivateKeySigner::from_slice(&[7; 32]).unwrap();
        let wallet = match custody {
            Custody::Contract => Address::repeat_byte(0x77),
            Custody::Key | Custody::Managed => owner.address(),
        };
        let network = Network::small();
        let (root, _) = network.bootstrap(CHECKPOINT);
        let collection =
            Collection { chain: CHAIN, standard: Standard::Erc721, contract: CONTRACT };
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        let mut scene = Self {
            product: product(&pair.pk.to_base64(), trust, (root, &network.specification())),
            pair,
            owner,
            network,
            token: collection.token(U256::from(7)),
            wallet,
            via: Vec::new(),
            terms: Terms::direct(Rule::Owner),
            custody,
            trust,
            state: State::default(),
            header: Header::default(),
            link: String::new(),
            link_signature: Bytes::from_static(b"whatever"),
            nonce: Vec::new(),
        };
        scene.link = scene.link_text();
        let holds = (U256::from(7), U256::from_be_bytes(wallet.into_word().0));
        let others = (8_u64..40).map(|id| (U256::from(id), U256::from(id) << 3));
        let slots: Vec<_> = others.chain([holds]).collect();
        scene.state.contract(CONTRACT, &OWNERS, &slots);
        if custody == Custody::Contract {
            let hash = personal_message_hash(scene.link.as_bytes());
            scene.state.contract(wallet, &ACCEPTS, &[(U256::ZERO, hash.into())]);
        }
        scene.settle();
        scene
    }

    /// The block over the state as it is now.
    pub(crate) fn settle(&mut self) {
        self.header = Header {
            state_root: self.state.root(),
            number: FINAL,
            timestamp: self.time(FINAL),
            base_fee_per_gas: Some(7),
            withdrawals_root: Some(B256::repeat_byte(1)),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::repeat_byte(2)),
            requests_hash: Some(B256::repeat_byte(3)),
            ..Header::default()
        };
        let mut block: Value = serde_json::to_value(&self.header).unwrap();
        block["hash"] = json!(self.header.hash_slow());
        self.network.blocks.insert(FINAL, block);
    }

    pub(crate) fn state(&mut self) -> &mut State {
        &mut self.state
    }

    fn time(&self, slot: u64) -> u64 {
        self.network.genesis_time + slot * self.network.seconds_per_slot
    }

    /// Some slots after the block.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_second(i64::try_from(self.time(ATTESTED + 5)).unwrap()).unwrap()
    }

    pub(crate) fn publisher(&self) -> PublisherKey {
        self.pair.pk.to_base64().parse().unwrap()
    }

    fn link_text(&self) -> String {
        let wallet = Account { chain: CHAIN, address: self.wallet };
        let issued = Timestamp::from_second(1_700_000_000).unwrap();
        let domain = "entitled-0123456789ab.localhost";
        challenge(domain, "abcdefgh12345678".into(), wallet, CustomerId::Uid(1000), issued).message
    }

    pub(crate) fn path(&self) -> Path {
        let specification = self.specification();
        let bytes = |it: &Value| it.to_string().into_bytes();
        let (_, bootstrap) = self.network.bootstrap(CHECKPOINT);
        let bootstrap = Bootstrap::from_json(&bytes(&bootstrap)).unwrap();
        let signed = |finalized: u64, attested: u64| Signed {
            finalized,
            attested,
            signature: attested + 3,
            participants: 27,
        };
        let updates: Vec<Update> = (0..3)
            .map(|period| self.network.update(signed(period * 32 + 8, period * 32 + 24)))
            .map(|it| Update::from_json(&bytes(&it)).unwrap())
            .collect();
        let tip = self.network.finality_update(signed(FINAL, ATTESTED));
        let tip = FinalityUpdate::from_json(&bytes(&tip)).unwrap();
        let tip = TipUpdate::Finality(&tip);
        Path::build(&specification, &bootstrap, &updates, tip).unwrap()
    }

    pub(crate) fn specification(&self) -> Specification {
        Specification::parse(&self.network.specification()).unwrap()
    }

    fn anchor(&self) -> Anchor {
        Anchor {
            chain: CHAIN,
            number: FINAL,
            hash: self.header.hash_slow(),
            time: Timestamp::from_second(i64::try_from(self.header.timestamp).unwrap()).unwrap(),
            finality: Finality::Finalized,
            trust: self.trust,
            attestation: None,
        }
    }

    pub(crate) fn sign_product(&self, text: &str) -> SignedProduct {
        let signed =
            minisign::sign(None, &self.pair.sk, Cursor::new(text), Some("acme-cad.toml"), None);
        SignedProduct::new(text, &signed.unwrap().into_string()).unwrap()
    }

    pub(crate) fn evidence(&self) -> Result<Evidence, Unanswered> {
        let link = self.contract_link();
        let question = Question {
            token: self.token,
            terms: self.terms,
            wallet: self.wallet,
            via: &self.via,
            link: link.as_ref(),
        };
        let pieces = self.state.evidence(&self.header, (&question, &self.anchor()))?;
        Ok(self.evidence_of(pieces))
    }

    /// Evidence of so many nodes and codes.
    pub(crate) fn evidence_of(&self, (nodes, codes): (Vec<Bytes>, Vec<Bytes>)) -> Evidence {
        let block = match self.trust {
            Trust::Consensus => BlockEvidence::Signed {
                specification: Some(self.network.specification()),
                path: self.path().into(),
            },
            trust => BlockEvidence::Claimed { trust, finality: Finality::Finalized },
        };
        Evidence {
            product: self.sign_product(&self.product),
            token: self.token,
            grant: 0,
            via: self.via.clone(),
            block,
            header: alloy_rlp::encode(&self.header).into(),
            nodes,
            codes,
        }
    }

    fn contract_link(&self) -> Option<Link> {
        (self.custody == Custody::Contract).then(|| Link {
            chain: CHAIN,
            hash: personal_message_hash(self.link.as_bytes()),
            signature: self.link_signature.clone(),
        })
    }

    pub(crate) fn control(&self, evidence: &Evidence) -> Control {
        let sign = |text: &str| self.owner.sign_message_sync(text.as_bytes()).unwrap().as_bytes();
        match self.custody {
            Custody::Key => {
                let signature = Bytes::from(sign(&self.link));
                Control::Linked { message: self.link.clone(), signature }
            }
            Custody::Contract => {
                let signature = self.link_signature.clone();
                Control::Linked { message: self.link.clone(), signature }
            }
            Custody::Managed => {
                let (wallet, customer, issued_at) = (self.wallet, CustomerId::Machine, self.now());
                let id = "acme-cad".parse().unwrap();
                let about = (&id, Account { chain: CHAIN, address: wallet }, customer);
                let text = control_text(about, evidence.digest(), &self.nonce, issued_at);
                let (nonce, signature) = (self.nonce.clone().into(), sign(&text));
                Control::Managed { wallet, customer, issued_at, nonce, signature }
            }
        }
    }

    pub(crate) fn receipt(&self) -> Receipt {
        let evidence = self.evidence().unwrap();
        let control = self.control(&evidence);
        Receipt { evidence, control }
    }

    /// What somebody makes of a text who takes its maker's word.
    pub(crate) fn judge_at(&self, text: &str, now: Timestamp) -> Result<Verified, ReceiptFault> {
        let publisher = self.publisher();
        let demands = Demands { accept_maker: true, ..Demands::new(&publisher, now) };
        verify(text.as_bytes(), &demands)
    }

    pub(crate) fn judge(&self, receipt: &Receipt) -> Result<Verified, ReceiptFault> {
        self.judge_at(&receipt.to_text(), self.now())
    }
}

/// A product file with one tier, for whoever holds any token of the contract.
pub(crate) fn product(key: &str, trust: Trust, (root, spec): (B256, &str)) -> String {
    let spec = ring::digest::digest(&ring::digest::SHA256, spec.as_bytes());
    let (trust, spec) = (trust.as_str(), hex::encode(spec));
    format!(
        "product = \"acme-cad\"\nname = \"Acme CAD\"\ntrust = \"{trust}\"\ngrace = \"14d\"\n\
         [publisher]\nkey = \"{key}\"\n\
         [tiers.pro]\nrank = 20\nfeatures = {{ export = true }}\n\
         [[grants]]\ntier = \"pro\"\ntoken = \"{CHAIN}/erc721:{CONTRACT}\"\n\
         [[checkpoint]]\nchain = \"{CHAIN}\"\nroot = \"{root}\"\nspec = \"sha256:{spec}\"\n"
    )
}
