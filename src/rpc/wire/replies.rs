//! What replies carry. Clients must ignore fields they do not know.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::chains::ChainHealth;
use super::fleet::FleetHealth;
use super::sets;

macro_rules! replies {
    ($($(#[$note:meta])* $name:ident { $($(#[$field_note:meta])* $field:ident: $kind:ty),* $(,)? })*) => {$(
        $(#[$note])*
        #[derive(Debug, Clone, Serialize, JsonSchema)]
        pub struct $name { $($(#[$field_note])* pub $field: $kind),* }
    )*};
}

/// A boolean, a number or a text.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Feature {
    Flag(bool),
    Whole(i64),
    Number(f64),
    Text(String),
}

/// A page of a list, and where the next begins; `null` at the end.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "ListOf{T}")]
pub struct Listed<T> {
    pub items: Vec<T>,
    pub next_cursor: Option<String>,
}

replies! {
    /// A verdict's proof, and what it comes to.
    Receipt {
        /// A text to be kept or sent as it is; `entitled_core::receipt` and `libentitled` verify it.
        receipt: String,
        /// What whoever verifies it now is told.
        verdict: Verdict,
    }
    /// What a receipt that was taken proves.
    ReceiptImported {
        verdict: Verdict,
    }
    /// The answer for a customer and a product.
    Verdict {
        product: String,
        valid: bool,
        /// `VALID`, `GRACE`, `NO_PRODUCT`, `NO_WALLET`, `NOT_HELD`, `EXPIRED`, `FEATURE_MISSING`, `SUSPENDED`, `TRUST_TOO_LOW`, `UNDETERMINED` or `PUBLISHER_MISMATCH`.
        #[schemars(with = "sets::VerdictCode")]
        code: &'static str,
        /// For people.
        detail: String,
        tier: Option<String>,
        rank: Option<u32>,
        features: BTreeMap<String, Feature>,
        /// How many may use it at a time, where the tier says so.
        seats: Option<u32>,
        /// The minisign public key that signed the product's file; `null` when none did.
        publisher: Option<String>,
        customer: String,
        wallet: Option<String>,
        token: Option<String>,
        /// Seen before the finality the product asks for.
        provisional: bool,
        /// `fresh`, `stale` or `grace`.
        #[schemars(with = "sets::Freshness")]
        freshness: &'static str,
        /// `single`, `quorum` or `consensus`; `fake` in every verdict of a fake (`entitled --fake`).
        #[schemars(with = "Option<sets::Trust>")]
        trust: Option<&'static str>,
        anchor: Option<Anchor>,
        verified_at: Option<String>,
        stale_after: Option<String>,
        grace_until: Option<String>,
        expires_at: Option<String>,
        /// When the answer changes by time alone, if nothing new is learned before; rounded up.
        seconds_until_change: Option<i64>,
    }
    /// The block a verification is pinned to.
    Anchor {
        chain: String,
        number: u64,
        hash: String,
        time: String,
        /// `latest`, `safe` or `finalized`.
        #[schemars(with = "sets::Finality")]
        finality: &'static str,
    }
    Explanation {
        #[serde(flatten)]
        verdict: Verdict,
        steps: Vec<Step>,
    }
    Step {
        /// `grant`, `token`, `wallet`, `ownership`, `block` or `anchor`; where validators signed, `committee` and `checkpoint`. In the
        /// place of `wallet`, `loan` for a seat that was lent to this machine: by whom, and until when.
        #[schemars(with = "sets::StepKind")]
        step: &'static str,
        subject: String,
        /// `yes`, `no` or `unknown`.
        #[schemars(with = "sets::Outcome")]
        outcome: &'static str,
        reason: String,
        /// How many of the token count, where the rule counts them: a decimal number.
        #[serde(skip_serializing_if = "Option::is_none")]
        held: Option<String>,
        /// How many the rule asks for.
        #[serde(skip_serializing_if = "Option::is_none")]
        min: Option<String>,
    }
    Wallet {
        address: String,
        customer: String,
        /// `managed` or `linked`.
        #[schemars(with = "sets::Custody")]
        custody: &'static str,
        label: Option<String>,
        active: bool,
        added_at: String,
        removed_at: Option<String>,
        /// For a contract wallet: the one chain it counts on. A wallet held by a key counts on all.
        chain: Option<String>,
    }
    Challenge {
        /// The text to sign, by EIP-4361.
        message: String,
        nonce: String,
        expires_at: String,
    }
    Signature { signature: String }
    Verified {
        valid: bool,
        /// `eip191` or `eip712` by a key; `eip1271` or `erc6492` by a contract.
        #[schemars(with = "sets::SignatureMethod")]
        method: entitled_core::domain::wallet_proof::Method,
        /// How far the block is trusted at which a contract was asked. Absent where no contract had a say: a key needs no trust.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<sets::Trust>")]
        trust: Option<&'static str>,
        /// That block: the answer is true of it, be it a yes or a no.
        #[serde(skip_serializing_if = "Option::is_none")]
        anchor: Option<Anchor>,
    }
    HeldToken {
        token: String,
        product: Option<String>,
        tier: Option<String>,
        wallet: String,
        customer: Option<String>,
        active: bool,
    }
    Tier {
        product: String,
        name: String,
        rank: u32,
        price: Option<Price>,
        features: BTreeMap<String, Feature>,
        seats: Option<u32>,
        expires_at: Option<String>,
    }
    Price {
        amount: String,
        currency: String,
        per: Option<String>,
    }
    Product {
        id: String,
        name: String,
        version: u32,
        /// The minisign public key that signed the file; `null` when none did.
        publisher: Option<String>,
        /// The file it comes from.
        source: String,
        #[schemars(with = "sets::Trust")]
        trust: &'static str,
        #[schemars(with = "sets::Finality")]
        finality: &'static str,
        provisional: bool,
        refresh_s: f64,
        grace_s: f64,
        tiers: Vec<Tier>,
        grants: Vec<Grant>,
    }
    Grant {
        tier: String,
        /// The collection.
        token: String,
        /// `1-999`; empty for every id.
        ids: Vec<String>,
        /// `owner`, `balance`, `user`, `subscription`, `expiry` or `unlock`.
        #[schemars(with = "sets::Rule")]
        rule: &'static str,
        /// For rule `balance`: how many are enough.
        min: Option<String>,
        /// The rights with which a vault's delegation counts, all zero for all of them; `null` if none does.
        delegation: Option<String>,
        /// Whether what a token-bound account holds counts.
        token_bound: bool,
        #[schemars(with = "sets::TokensOf")]
        tokens_of: &'static str,
    }
    Customer {
        id: String,
        name: String,
        external_id: Option<String>,
        uids: Vec<u32>,
        metadata: BTreeMap<String, String>,
        active: bool,
        created_at: String,
    }
    CustomerTier {
        tier: String,
        rank: u32,
        features: BTreeMap<String, Feature>,
        token: String,
        wallet: String,
    }
    AuditEntry {
        number: u64,
        at: String,
        by: String,
        action: String,
        subject: String,
        detail: String,
        previous: String,
        hash: String,
    }
    AuditState {
        entries: u64,
        ok: bool,
        broken_at: Option<u64>,
        head: String,
    }
    StoreFigures {
        schema: u32,
        file_bytes: u64,
        customers: u64,
        wallets: u64,
        ownerships: u64,
        sightings: u64,
        audit_entries: u64,
        commits: u64,
        changes: u64,
    }
    StoreBackedUp {
        /// Where the backup is.
        path: String,
        bytes: u64,
    }
    StoreAcknowledged {
        /// What nobody need be told of any more.
        acknowledged: Vec<String>,
    }
    Version {
        version: &'static str,
        /// The version of this API; grows when something is added.
        api: u32,
        git: &'static str,
        built: &'static str,
        /// The name in which this machine asks wallets to sign, such as `entitled-0123456789ab.localhost`; `null` of a fake.
        machine: Option<String>,
    }
    Health {
        /// `ok` or `degraded`.
        #[schemars(with = "sets::DaemonState")]
        status: &'static str,
        /// Whether this is a fake (`entitled --fake`), which answers what a file says and proves nothing.
        fake: bool,
        actors: Vec<ActorHealth>,
        chains: Vec<ChainHealth>,
        store: StoreHealth,
        seats: SeatsHealth,
        /// `null`: the machine is in no fleet, or it is not known.
        fleet: Option<FleetHealth>,
        uptime_s: u64,
        version: &'static str,
    }
    ActorHealth { name: &'static str, #[schemars(with = "sets::ActorState")] state: &'static str, restarts: u32 }
    StoreHealth {
        /// `ok` or `unavailable`.
        #[schemars(with = "sets::StoreState")]
        status: &'static str,
        /// That the store was lost, set aside, begun afresh or restored, until an administrator acknowledges it.
        recovered: Option<String>,
    }
    /// Floating seats in `system_health`: totals, without whose they are.
    SeatsHealth {
        /// `unavailable`: the part that keeps them does not answer; or this is a fake, which has none.
        #[schemars(with = "sets::SeatsState")]
        status: &'static str,
        /// How many are in use on this machine, of all products; `null` where it is not known.
        used: Option<u64>,
        /// How many requests wait for one.
        waiting: Option<u64>,
        /// Whether those that are held are written down: else some would be lost if the daemon were started again.
        kept: Option<bool>,
    }
    Reload {
        products: usize,
        /// Product files with mistakes: `FILE: line N: …`.
        faults: Vec<String>,
        /// What of the products cannot be had as the chains are configured: `product ID, KEY: what is wrong; what to do`.
        warnings: Vec<String>,
        /// Settings that took effect.
        applied: Vec<String>,
        /// Settings that changed and need a restart.
        needs_restart: Vec<String>,
    }
    ChainSynced {
        /// Whether something was learned from what was brought.
        learned: bool,
        /// How far the light client is: as `sync` in `chain_status`.
        sync: Option<super::SyncStatus>,
    }
    Installed {
        product: String,
        /// What of it cannot be had as the chains are configured: `product ID, KEY: what is wrong; what to do`.
        warnings: Vec<String>,
    }
    ProductChecked {
        products: Vec<String>,
        /// As in `product_install`.
        warnings: Vec<String>,
        /// The chains that were asked: those the products name, and without `toml` all.
        chains: Vec<ChainProven>,
        /// The first 16 grants of each product, on chains at which something could be proven.
        grants: Vec<GrantChecked>,
    }
    ChainProven {
        chain: String,
        /// Whether an account was proven at its head just now.
        proven: bool,
        /// Why not.
        cause: Option<String>,
        /// Each endpoint, which was asked by itself; empty with `toml`.
        endpoints: Vec<EndpointProven>,
    }
    EndpointProven {
        url: String,
        /// Whether it proved an account at its own head just now.
        proven: bool,
        /// Why not.
        cause: Option<String>,
    }
    GrantChecked {
        product: String,
        /// As in the mistakes of a product file: `grants[0]`.
        key: String,
        contract: String,
        rule: &'static str,
        /// Whether the contract answered what the rule asks, proven at the head.
        answers: bool,
        /// Why not.
        cause: Option<String>,
    }
    Removed { removed: bool }
    Trusted {
        product: String,
        /// Whose files the product takes from now on; `null`: anybody's.
        publisher: Option<String>,
    }
}
