//! What requests carry. By name, or by position in the order of the fields.

use alloy_primitives::{Address, B256};
use jsonrpsee::Extensions;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use entitled_core::domain::ids::{self, ChainId, CustomerId, ProductId, Timestamp, Token};
use entitled_core::domain::publisher::PublisherKey;
use entitled_core::domain::secret::Secret;

/// What every request's parameters can be asked for.
pub trait Params {
    /// The customer it names, where it may name one.
    fn customer(&self) -> Option<CustomerId> {
        None
    }

    /// Learns who asks, where that matters beyond the permit.
    fn meet(&mut self, _: &Extensions) {}

    /// Makes it ask for what is known now, where it would wait for the chain.
    fn wait_no_more(&mut self) {}
}

macro_rules! requests {
    ($($(#[$note:meta])* $name:ident { $($(#[$field_note:meta])* $field:ident: $kind:ty),* $(,)? })*) => {$(
        $(#[$note])*
        #[derive(Debug, Clone, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$field_note])* pub $field: $kind),* }
    )*};
}

macro_rules! name_customer {
    ($($name:ident),*) => {$(
        impl Params for $name {
            fn customer(&self) -> Option<CustomerId> {
                self.customer
            }
        }
    )*};
}

macro_rules! may_wait {
    ($($name:ident),*) => {$(
        impl Params for $name {
            fn customer(&self) -> Option<CustomerId> {
                self.customer
            }

            fn wait_no_more(&mut self) {
                self.wait_ms = Some(0);
            }
        }
    )*};
}

macro_rules! name_nobody {
    ($($name:ident),*) => {$( impl Params for $name {} )*};
}

pub(super) use {name_customer, name_nobody, requests};

requests! {
    Nothing {}
    /// For whom: on the admin socket any customer; elsewhere only one's own, which is the default.
    OfCustomer {
        #[serde(default)] #[schemars(with = "Option<String>")]
        customer: Option<CustomerId>,
    }
    EntitlementCheck {
        #[schemars(with = "String")]
        product: ProductId,
        /// Also require this feature.
        #[serde(default)]
        feature: Option<String>,
        /// The minisign public key that must have signed the product's file.
        #[serde(default)] #[schemars(with = "Option<String>")]
        publisher: Option<PublisherKey>,
        /// How long a cold check may wait for the chain, in milliseconds: 0 to 30,000; 2,000 if absent.
        #[serde(default)]
        wait_ms: Option<u64>,
        #[serde(default)] #[schemars(with = "Option<String>")]
        customer: Option<CustomerId>,
    }
    EntitlementReceipt {
        #[schemars(with = "String")]
        product: ProductId,
        /// 1 to 64 bytes in hexadecimal, chosen by whoever will verify the receipt.
        #[serde(default)]
        nonce: Option<String>,
        #[serde(default)] #[schemars(with = "Option<String>")]
        customer: Option<CustomerId>,
    }
    ReceiptImport {
        /// The receipt's text, from its first mark to its last.
        receipt: String,
    }
    OfProduct {
        #[schemars(with = "String")]
        product: ProductId,
        #[serde(default)] #[schemars(with = "Option<String>")]
        customer: Option<CustomerId>,
    }
    OfSubscription {
        /// What `entitlement_subscribe` answered.
        subscription: u64,
    }
    EntitlementList {
        #[serde(default)]
        wait_ms: Option<u64>,
        #[serde(default)] limit: Option<u64>,
        #[serde(default)] cursor: Option<String>,
        #[serde(default)] #[schemars(with = "Option<String>")]
        customer: Option<CustomerId>,
    }
    WalletCreate {
        #[serde(default)] label: Option<String>,
        #[serde(default)] #[schemars(with = "Option<String>")]
        customer: Option<CustomerId>,
    }
    /// A page of a list.
    Page {
        /// At most this many, 1 to 1,000; 100 if absent.
        #[serde(default)] limit: Option<u64>,
        /// `next_cursor` of the page before.
        #[serde(default)] cursor: Option<String>,
        #[serde(default)] #[schemars(with = "Option<String>")]
        customer: Option<CustomerId>,
    }
    WalletChallenge {
        #[serde(deserialize_with = "address")] #[schemars(with = "String")]
        address: Address,
        /// The chain the message names; `eip155:1` if absent.
        #[serde(default)] #[schemars(with = "Option<String>")]
        chain: Option<ChainId>,
        #[serde(default)] #[schemars(with = "Option<String>")]
        customer: Option<CustomerId>,
    }
    WalletLink {
        /// The text of `wallet_challenge`, unchanged.
        message: String,
        /// In hexadecimal: 65 bytes by a key, or what a contract on the message's chain accepts (ERC-1271,
        /// ERC-6492).
        signature: String,
        #[serde(default)] #[schemars(with = "Option<String>")]
        customer: Option<CustomerId>,
    }
    /// One of: `keystore` with `passphrase`; `private_key`; `mnemonic`, perhaps with `path`.
    WalletImport {
        /// A keystore of Web3 Secret Storage, version 3: the object, or a text that holds it.
        #[serde(default)] keystore: Option<serde_json::Value>,
        /// Opens the keystore.
        #[serde(default)] #[schemars(with = "Option<String>")]
        passphrase: Option<Secret>,
        /// 64 hexadecimal digits.
        #[serde(default)] #[schemars(with = "Option<String>")]
        private_key: Option<Secret>,
        /// 12 to 24 English words of BIP-39.
        #[serde(default)] #[schemars(with = "Option<String>")]
        mnemonic: Option<Secret>,
        /// Which key of the mnemonic, by BIP-32; `m/44'/60'/0'/0/0` if absent.
        #[serde(default)] path: Option<String>,
        #[serde(default)] label: Option<String>,
        #[serde(default)] #[schemars(with = "Option<String>")]
        customer: Option<CustomerId>,
    }
    WalletExport {
        #[serde(deserialize_with = "address")] #[schemars(with = "String")]
        address: Address,
        /// Seals the keystore; 1 to 1,024 bytes.
        #[schemars(with = "String")]
        passphrase: Secret,
        #[serde(default)] #[schemars(with = "Option<String>")]
        customer: Option<CustomerId>,
    }
    WalletSign {
        #[serde(deserialize_with = "address")] #[schemars(with = "String")]
        address: Address,
        /// A text to sign by EIP-191; or `typed_data`.
        #[serde(default)] message: Option<String>,
        /// EIP-712 typed data to sign.
        #[serde(default)] typed_data: Option<serde_json::Value>,
        #[serde(default)] #[schemars(with = "Option<String>")]
        customer: Option<CustomerId>,
    }
    WalletVerify {
        #[serde(deserialize_with = "address")] #[schemars(with = "String")]
        address: Address,
        /// In hexadecimal; 65 bytes unless a contract is to judge it.
        signature: String,
        #[serde(default)] message: Option<String>,
        #[serde(default)] typed_data: Option<serde_json::Value>,
        /// Where a contract wallet lives. Without it, only the key of the address is considered.
        #[serde(default)] #[schemars(with = "Option<String>")]
        chain: Option<ChainId>,
    }
    WalletUnlink {
        #[serde(deserialize_with = "address")] #[schemars(with = "String")]
        address: Address,
        /// Also destroy the key of a managed wallet, for ever.
        #[serde(default)] destroy_key: bool,
        #[serde(default)] #[schemars(with = "Option<String>")]
        customer: Option<CustomerId>,
    }
    TokenVerify {
        #[schemars(with = "String")]
        token: Token,
        /// Whether this wallet holds it; who holds it if absent.
        #[serde(default, deserialize_with = "some_address")] #[schemars(with = "Option<String>")]
        wallet: Option<Address>,
    }
    TokenList {
        #[serde(default)] #[schemars(with = "Option<String>")]
        product: Option<ProductId>,
        #[serde(default)] limit: Option<u64>,
        #[serde(default)] cursor: Option<String>,
        #[serde(default)] #[schemars(with = "Option<String>")]
        customer: Option<CustomerId>,
    }
    TierList {
        #[serde(default)] #[schemars(with = "Option<String>")]
        product: Option<ProductId>,
        #[serde(default)] limit: Option<u64>,
        #[serde(default)] cursor: Option<String>,
    }
    ProductList {
        #[serde(default)] limit: Option<u64>,
        #[serde(default)] cursor: Option<String>,
    }
    OwnershipList {
        #[serde(default)] active: Option<bool>,
        #[serde(default)] limit: Option<u64>,
        #[serde(default)] cursor: Option<String>,
        #[serde(default)] #[schemars(with = "Option<String>")]
        customer: Option<CustomerId>,
    }
    OwnershipRecord {
        #[schemars(with = "String")]
        token: Token,
        #[serde(deserialize_with = "address")] #[schemars(with = "String")]
        wallet: Address,
        /// The hash of the transaction that brought the token.
        #[serde(default)] #[schemars(with = "Option<String>")]
        transaction: Option<B256>,
        #[serde(default)] #[schemars(with = "Option<String>")]
        customer: Option<CustomerId>,
    }
    OwnershipHistory {
        #[schemars(with = "String")]
        token: Token,
        #[serde(default)] limit: Option<u64>,
        #[serde(default)] cursor: Option<String>,
    }
    ProductInstall {
        /// The product file.
        toml: String,
        /// Its `.minisig` file: the publisher's signature.
        #[serde(default)]
        signature: Option<String>,
    }
    ProductCheck {
        /// A product file that is not installed; all installed products if absent.
        #[serde(default)] toml: Option<String>,
    }
    ProductTrust {
        #[schemars(with = "String")]
        product: ProductId,
        /// The minisign public key whose files the product takes from now on; `null`: anybody's.
        #[serde(deserialize_with = "given")] #[schemars(with = "Option<String>")]
        publisher: Option<PublisherKey>,
    }
    ProductRemove {
        #[schemars(with = "String")]
        product: ProductId,
    }
    StoreBackup {
        /// The name of a new file in the state directory, alone or with that directory's path before it; the next
        /// of the kept backups if absent.
        #[serde(default)] path: Option<String>,
    }
    OwnershipSuspend {
        #[schemars(with = "String")]
        token: Token,
        reason: String,
    }
    KeysUnlock {
        /// 8 to 1,024 bytes, as they were when it was set.
        #[schemars(with = "String")]
        passphrase: Secret,
        /// Choose this as the passphrase, where there is none yet.
        #[serde(default)] set: bool,
    }
    KeysRotate {
        /// The new one, where the keys are kept by a passphrase; else to be left out.
        #[serde(default)] #[schemars(with = "Option<String>")]
        passphrase: Option<Secret>,
    }
    /// With nothing but the chain: go on at once, and say how far it is. Else one of the objects of the beacon
    /// API, in its envelope or without.
    ChainSync {
        #[schemars(with = "String")]
        chain: ChainId,
        /// The root of the checkpoint that `bootstrap` belongs to.
        #[serde(default)] #[schemars(with = "Option<String>")]
        checkpoint: Option<B256>,
        #[serde(default)] bootstrap: Option<serde_json::Value>,
        /// One update, or a list of them in the order of their periods.
        #[serde(default)] updates: Option<serde_json::Value>,
        #[serde(default)] finality_update: Option<serde_json::Value>,
        #[serde(default)] optimistic_update: Option<serde_json::Value>,
    }
    AuditList {
        #[serde(default)] #[schemars(with = "Option<String>")]
        since: Option<Timestamp>,
        #[serde(default)] limit: Option<u64>,
        #[serde(default)] cursor: Option<String>,
        /// Only the last entries, so many of them; still oldest first.
        #[serde(default)] last: Option<u64>,
    }
}

may_wait!(EntitlementCheck, EntitlementList);
name_customer!(
    OfCustomer,
    OfProduct,
    EntitlementReceipt,
    WalletCreate,
    Page,
    WalletChallenge,
    WalletLink,
    WalletImport,
    WalletExport,
    WalletSign,
    WalletUnlink,
    TokenList,
    OwnershipList,
    OwnershipRecord
);
name_nobody!(
    Nothing,
    WalletVerify,
    TokenVerify,
    TierList,
    ProductList,
    OwnershipHistory,
    ProductInstall,
    ProductCheck,
    ProductTrust,
    ReceiptImport,
    ProductRemove,
    StoreBackup,
    OwnershipSuspend,
    KeysUnlock,
    KeysRotate,
    ChainSync,
    AuditList
);

/// A value that may be `null`, and may not be left out.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(from)
}

fn address<'de, D: Deserializer<'de>>(from: D) -> Result<Address, D::Error> {
    let text = String::deserialize(from)?;
    ids::parse_address(&text).map_err(serde::de::Error::custom)
}

fn some_address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Address>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.map(|it| ids::parse_address(&it)).transpose().map_err(serde::de::Error::custom)
}
