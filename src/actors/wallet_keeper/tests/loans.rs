//! The machine's own key, and what no key here signs.

use super::*;
use crate::actors::ownership_ledger::{FindMachineKey, KeepMachineKey};
use entitled_core::loan::SeatRequest;

impl Handler<FindMachineKey> for MemoryLedger {
    type Result = Result<Option<(Address, Vec<u8>)>, LedgerError>;
    fn handle(&mut self, _: FindMachineKey, _: &mut Self::Context) -> Self::Result {
        Ok(self.machine.clone())
    }
}

impl Handler<KeepMachineKey> for MemoryLedger {
    type Result = Result<(Address, Vec<u8>), LedgerError>;
    fn handle(&mut self, order: KeepMachineKey, _: &mut Self::Context) -> Self::Result {
        Ok(self.machine.get_or_insert((order.address, order.sealed)).clone())
    }
}

fn request(uid: u32) -> SignRequest {
    SignRequest {
        product: "acme-cad".parse().unwrap(),
        time: std::time::Duration::from_secs(3_600),
        label: None,
        uid,
        now: noon().at,
    }
}

#[actix::test]
async fn a_machine_has_one_key_and_every_request_another_nonce() {
    let house = house();
    let open = || house.keeper.send(OpenMachineKey { uid: UID });
    let none = open().await.unwrap();
    assert!(matches!(none, Err(KeeperError::NotFound { .. })), "{none:?}");
    let mut seen = Vec::new();
    for uid in [UID, UID + 1] {
        let signed = house.keeper.send(request(uid)).await.unwrap().unwrap();
        assert_eq!(SeatRequest::read(signed.text.as_bytes()), Ok(signed.request.clone()));
        seen.push(signed.request);
    }
    assert_eq!(seen[0].machine, seen[1].machine);
    assert_ne!(seen[0].nonce, seen[1].nonce);
    assert_eq!(open().await.unwrap().unwrap(), seen[0].machine);
}

#[actix::test]
async fn no_key_signs_a_loan_or_a_receipt_for_whoever_asks_for_a_signature() {
    let house = house();
    let wallet = house.create().await.unwrap();
    let sign = |text: &'static str| house.sign(wallet.address, wallet.customer, text);
    for text in ["entitled seat loan 1\n\nanything", "entitled receipt 1\n\nanything"] {
        let refused = sign(text).await;
        assert!(matches!(refused, Err(KeeperError::BadInput { .. })), "{refused:?}");
    }
    assert!(sign("a seat of entitled, lent").await.is_ok());
}
