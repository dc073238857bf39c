//! Who controls the wallet: the link that its owner signed, or its key at hand. Pure.

use alloy_primitives::{Address, B256, Bytes, hex};
use jiff::SignedDuration;

use super::fault::ReceiptFault;
use super::format::{Control, Evidence};
use crate::domain::ids::{Account, CustomerId, ProductId, Timestamp};
use crate::domain::wallet_proof::{
    CLOCK_TOLERANCE_S, parse_signature, personal_message_hash, read_link, recover,
};
use crate::receipt::question::Link;

/// Whose wallet it is, as far as that can be told without a chain.
pub(crate) struct Controlled {
    pub(crate) wallet: Address,
    pub(crate) customer: CustomerId,
    /// Where no key stands for the link: what its contract has to accept.
    pub(crate) contract: Option<Link>,
    pub(crate) is_managed: bool,
}

/// How the text begins that a receipt is signed by. A key here signs no text of somebody else's that begins so.
const HEADLINE: &str = "entitled receipt";

/// Whether a text is one by which a receipt would be made.
pub fn is_statement(text: &str) -> bool {
    text.starts_with(HEADLINE)
}

/// The text that the key of a managed wallet signs. It is no other text that anybody is asked to sign, and names everything
/// that the receipt is about; `nonce` ties it to whoever asks.
pub fn text(
    (product, wallet, customer): (&ProductId, Account, CustomerId),
    evidence: B256,
    nonce: &[u8],
    issued_at: Timestamp,
) -> String {
    let nonce = if nonce.is_empty() { "none".to_owned() } else { hex::encode_prefixed(nonce) };
    format!(
        "{HEADLINE} 1\n\n\
         The key of this wallet is on the machine that made this receipt. This is not a transaction.\n\n\
         Product: {product}\nWallet: {wallet}\nCustomer: {customer}\nEvidence: {evidence}\n\
         Nonce: {nonce}\nIssued At: {issued_at}"
    )
}

impl Control {
    pub(super) fn check(
        &self,
        (product, evidence): (&ProductId, &Evidence),
        nonce: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Controlled, ReceiptFault> {
        match self {
            Self::Linked { message, signature } => linked(message, signature, now),
            Self::Managed { wallet, customer, issued_at, nonce: own, signature } => {
                // An empty one ties it to nobody.
                if nonce.is_some_and(|it| it.is_empty() || it != own.as_ref()) {
                    return Err(ReceiptFault::Nonce);
                }
                not_later(*issued_at, now)?;
                let account = Account { chain: evidence.token.collection.chain, address: *wallet };
                let about = (product, account, *customer);
                let text = text(about, evidence.digest(), own, *issued_at);
                if !is_by_key(&text, signature, *wallet) {
                    return Err(ReceiptFault::Signature);
                }
                let (wallet, customer) = (*wallet, *customer);
                Ok(Controlled { wallet, customer, contract: None, is_managed: true })
            }
        }
    }
}

fn linked(message: &str, signature: &Bytes, now: Timestamp) -> Result<Controlled, ReceiptFault> {
    let link = read_link(message).ok_or(ReceiptFault::NotALink)?;
    not_later(link.issued_at, now)?;
    let wallet = link.wallet.address;
    let by_key = is_by_key(message, signature, wallet);
    let contract = (!by_key).then(|| Link {
        chain: link.wallet.chain,
        hash: personal_message_hash(message.as_bytes()),
        signature: signature.clone(),
    });
    Ok(Controlled { wallet, customer: link.customer, contract, is_managed: false })
}

/// By the account's key, in the one form that such a signature is written in.
pub(crate) fn is_by_key(message: &str, signature: &[u8], wallet: Address) -> bool {
    if !matches!(signature, [.., 27 | 28]) {
        return false;
    }
    let hash = personal_message_hash(message.as_bytes());
    let signature = parse_signature(&hex::encode_prefixed(signature));
    signature.and_then(|it| recover(hash, &it)) == Ok(wallet)
}

pub(crate) fn not_later(at: Timestamp, now: Timestamp) -> Result<(), ReceiptFault> {
    let latest =
        now.checked_add(SignedDuration::from_secs(CLOCK_TOLERANCE_S)).unwrap_or(Timestamp::MAX);
    if at > latest { Err(ReceiptFault::Future { at }) } else { Ok(()) }
}

/// Whether a block of this time has come, as far as clocks agree.
pub(super) fn has_come(at: Timestamp, now: Timestamp) -> Result<(), ReceiptFault> {
    not_later(at, now)
}
