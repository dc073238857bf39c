//! What the keeper makes of what a chain says of a signature.

use alloy_primitives::B256;

use super::*;
use crate::actors::chain_verifier::Stands;
use entitled_core::domain::ownership::{Anchor, Finality, Trust};

/// A ChainVerifier that always says the same, or never answers.
struct Chains(Option<Result<Result<SignedBy, NotSigned>, Cause>>);

/// Where it says so.
fn place() -> Anchor {
    Anchor {
        chain: ChainId(1),
        number: 7,
        hash: B256::repeat_byte(7),
        time: noon().at,
        finality: Finality::Latest,
        trust: Trust::Quorum,
        attestation: None,
    }
}

impl Actor for Chains {
    type Context = Context<Self>;
}

impl Handler<CheckSignature> for Chains {
    type Result = ResponseFuture<Result<Stands, VerifierError>>;
    fn handle(&mut self, _: CheckSignature, _: &mut Self::Context) -> Self::Result {
        match self.0 {
            Some(said) => {
                let said = said.map(|by| (by, place()));
                let said = said.map_err(|cause| VerifierError::Unknown { cause });
                Box::pin(async move { said })
            }
            None => Box::pin(std::future::pending()),
        }
    }
}

/// A house whose chains say this of every signature.
fn house_where(said: Option<Result<Result<SignedBy, NotSigned>, Cause>>) -> House {
    let dir = tempfile::tempdir().unwrap();
    let ledger = MemoryLedger::default().start();
    let keys = KeyRing::open(KeySource::File(dir.path().join("kek")), None);
    let machine = MachineName::read_or_make(&dir.path().join("machine-id")).unwrap();
    let chains = Chains(said).start().recipient();
    let keeper = WalletKeeper::new(&ledger, keys, machine).with_chains(chains).start();
    House { keeper, ledger, dir }
}

/// Nobody's signature, such as only a contract could accept.
const STRANGE: &str = "0x1234";

#[actix::test]
async fn only_a_link_by_a_contract_is_bound_to_a_chain() {
    for (said, chain) in [
        (SignedBy::Contract, Some(ChainId(1))),
        (SignedBy::Counterfactual, Some(ChainId(1))),
        (SignedBy::Key, None),
    ] {
        let house = house_where(Some(Ok(Ok(said))));
        let set = house.challenge(outside_key().address()).await;
        let wallet = house.link(&set.message, STRANGE, IN_TIME).await.unwrap();
        assert_eq!(wallet.chain, chain, "{said:?}");
        assert_eq!(wallet.accepted, chain.map(|_| place()), "{said:?}");
    }
    let house = house_where(Some(Ok(Ok(SignedBy::Contract))));
    let set = house.challenge(outside_key().address()).await;
    let wallet = house.link(&set.message, &signed(&set.message), IN_TIME).await.unwrap();
    assert_eq!((wallet.chain, wallet.accepted), (None, None), "its key signed: no chain was asked");
}

#[actix::test]
async fn a_chains_no_and_its_silence_are_told_apart() {
    let reply_where = |said| async move {
        let house = house_where(Some(said));
        let set = house.challenge(outside_key().address()).await;
        let refused = house.link(&set.message, STRANGE, IN_TIME).await;
        assert!(house.link(&set.message, &signed(&set.message), IN_TIME).await.is_ok());
        refused
    };
    let no = reply_where(Ok(Err(NotSigned::ByNobody))).await;
    assert!(matches!(no, Err(KeeperError::SignatureInvalid { .. })), "{no:?}");
    let away = reply_where(Err(Cause::Unreachable)).await;
    assert!(matches!(away, Err(KeeperError::Unknown { .. })), "{away:?}");
    let never = reply_where(Err(Cause::NotConfigured)).await;
    assert!(matches!(never, Err(KeeperError::SignatureInvalid { .. })), "{never:?}");
}

/// To ask again would not help before it is deployed; and it is no answer about the wallet.
#[actix::test]
async fn a_wallet_that_has_to_be_deployed_first_is_told_so() {
    let house = house_where(Some(Ok(Err(NotSigned::DeployFirst))));
    let set = house.challenge(outside_key().address()).await;
    let link = house.link(&set.message, STRANGE, IN_TIME).await.map(drop);
    let question = VerifyMessage {
        address: outside_key().address(),
        payload: Payload::Text("hello".into()),
        signature: STRANGE.to_owned(),
        chain: Some(ChainId(1)),
        uid: UID,
    };
    let verify = house.keeper.send(question).await.unwrap().map(drop);
    for told in [link, verify] {
        let Err(KeeperError::SignatureInvalid { why }) = told else { panic!("{told:?}") };
        assert!(why.starts_with("deploy the wallet first"), "{why}");
    }
}

#[actix::test]
async fn a_contract_that_takes_its_time_keeps_nobody_out() {
    let house = house_where(None);
    let set = house.challenge(outside_key().address()).await;
    let asking = house.link(&set.message, STRANGE, IN_TIME);
    let signature = signed(&set.message);
    let linking = house.link(&set.message, &signature, IN_TIME);
    tokio::pin!(asking, linking);
    let first = futures_util::future::select(asking, linking).await;
    assert!(matches!(first, futures_util::future::Either::Right((Ok(_), _))));
}

#[actix::test]
async fn a_mirrored_signature_is_refused_whatever_a_chain_says() {
    let house = house_where(Some(Ok(Ok(SignedBy::Contract))));
    let address = outside_key().address();
    let good = outside_key().sign_message_sync(b"hello").unwrap();
    let order = alloy_primitives::uint!(
        0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256
    );
    let mirrored = alloy_primitives::Signature::new(good.r(), order - good.s(), !good.v());
    let question = VerifyMessage {
        address,
        payload: Payload::Text("hello".into()),
        signature: mirrored.to_string(),
        chain: Some(ChainId(1)),
        uid: UID,
    };
    let reply = house.keeper.send(question).await.unwrap();
    assert!(matches!(reply, Err(KeeperError::SignatureInvalid { .. })), "{reply:?}");
}

#[actix::test]
async fn what_a_contract_says_of_a_signature_comes_with_its_block_and_what_a_key_says_without() {
    let ask = |said, signature: &str, chain| {
        let question = VerifyMessage {
            address: outside_key().address(),
            payload: Payload::Text("hello".into()),
            signature: signature.to_owned(),
            chain,
            uid: UID,
        };
        async move {
            let house = house_where(Some(Ok(said)));
            house.keeper.send(question).await.unwrap().unwrap()
        }
    };
    let chain = Some(ChainId(1));
    for (said, valid, method, anchor) in [
        (Ok(SignedBy::Contract), true, Method::Eip1271, Some(place())),
        (Ok(SignedBy::Counterfactual), true, Method::Erc6492, Some(place())),
        (Ok(SignedBy::Key), true, Method::Eip191, None),
        // A no is true of that block only, too.
        (Err(NotSigned::ByNobody), false, Method::Eip191, Some(place())),
    ] {
        assert_eq!(ask(said, STRANGE, chain).await, Verified { valid, method, anchor }, "{said:?}");
    }
    let by_key = Verified { valid: true, method: Method::Eip191, anchor: None };
    assert_eq!(ask(Err(NotSigned::ByNobody), &signed("hello"), chain).await, by_key);
    assert_eq!(ask(Err(NotSigned::ByNobody), &signed("hello"), None).await, by_key);
}

/// On each it may obey somebody else, and both are right.
#[actix::test]
async fn a_contract_that_is_linked_on_another_chain_is_told_which() {
    let house = house_where(Some(Ok(Ok(SignedBy::Contract))));
    let set = house.challenge(outside_key().address()).await;
    let contract = Some(Anchor { chain: ChainId(10), ..place() });
    let new = NewWallet {
        address: outside_key().address(),
        customer: CustomerId::Uid(4_711),
        label: None,
        origin: Origin::Linked { nonce: None, contract, proof: None },
    };
    house.ledger.send(AddWallet { new, asked: noon() }).await.unwrap().unwrap();
    let refused = house.link(&set.message, STRANGE, IN_TIME).await;
    let Err(KeeperError::Conflict { why }) = refused else { panic!("{refused:?}") };
    assert!(why.contains("another customer, as a contract on eip155:10"), "{why}");
}
