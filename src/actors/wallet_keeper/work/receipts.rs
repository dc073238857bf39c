//! The last part of a receipt: that the key is on this machine now, where it is one of ours.
//!
//! Never: hands out a receipt that does not pass everything that whoever gets it will hold it against.

use actix::prelude::*;
use alloy_primitives::Bytes;

use super::ledger::ask;
use super::tools::{Tools, failed, record_of, worked};
use crate::actors::ownership_ledger::FindWallet;
use crate::actors::tier_cache::Draft;
use crate::actors::wallet_keeper::WalletKeeper;
use crate::actors::wallet_keeper::messages::{CompleteReceipt, Completed, KeeperError, Reply};
use crate::keys;
use entitled_core::domain::customer::Wallet;
use entitled_core::domain::ids::{Account, Timestamp};
use entitled_core::domain::wallet_proof::personal_message_hash;
use entitled_core::receipt::{Control, Demands, Receipt, control_text, verify};

impl Tools {
    async fn complete(self, order: CompleteReceipt) -> Reply<Completed> {
        let CompleteReceipt { draft, nonce, uid, now } = order;
        let none = KeeperError::NotFound { what: "wallet of this customer" };
        let (address, customer) = (draft.wallet, draft.customer);
        let found = ask(&self.ledger.find_wallet, FindWallet { address }).await?;
        let (wallet, sealed) =
            found.filter(|(it, _)| it.active && it.customer == customer).ok_or(none)?;
        let record = match draft.link {
            Some(_) => None,
            None => Some(record_of(&wallet, sealed)?),
        };
        let tools = self.clone();
        let work = move || {
            let control = match (draft.link.clone(), record) {
                (Some(link), _) => {
                    Control::Linked { message: link.message, signature: link.signature }
                }
                (None, record) => {
                    let record = record.unwrap_or_default();
                    let nonce = nonce.clone().unwrap_or_default();
                    keys::with_clean_stack(|| {
                        tools.sign_for(&draft, (&wallet, &record), (nonce, now))
                    })?
                }
            };
            let Draft { evidence, publisher, .. } = draft;
            let receipt = Receipt { evidence, control }.to_text();
            let nonce = nonce.as_ref().map(AsRef::as_ref);
            // Made here it is our own word, where the product asks for no more.
            let accept_maker = true;
            let demands = Demands { nonce, accept_maker, ..Demands::new(&publisher, now) };
            let verified = verify(receipt.as_bytes(), &demands)
                .map_err(|fault| KeeperError::Receipt { source: fault.into() })?;
            Ok(Completed { receipt, verified })
        };
        worked("make a receipt", self.cpu.run(uid, work).await)
    }

    fn sign_for(
        &self,
        draft: &Draft,
        (wallet, record): (&Wallet, &[u8]),
        (nonce, now): (Bytes, Timestamp),
    ) -> Reply<Control> {
        let Wallet { address, customer, .. } = *wallet;
        let issued_at = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let account = Account { chain: draft.evidence.token.collection.chain, address };
        let about = (&draft.product, account, customer);
        let text = control_text(about, draft.evidence.digest(), &nonce, issued_at);
        let key = self.unseal(address, customer, record)?;
        let signature = key.sign(personal_message_hash(text.as_bytes())).map_err(failed("sign"))?;
        let signature = signature.as_bytes();
        Ok(Control::Managed { wallet: address, customer, issued_at, nonce, signature })
    }
}

impl Handler<CompleteReceipt> for WalletKeeper {
    type Result = ResponseActFuture<Self, Reply<Completed>>;

    fn handle(&mut self, order: CompleteReceipt, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.tools.clone().complete(order).into_actor(self))
    }
}
