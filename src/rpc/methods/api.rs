//! Whom the methods ask, and the caller's permit, which each has made first.

use std::time::Duration;

use actix::Addr;
use jsonrpsee::Extensions;

use super::control::Control;
use crate::actors::chain_verifier::ChainVerifier;
use crate::actors::ownership_ledger::{Asked, CustomerOf, FindCustomer, OwnershipLedger};
use crate::actors::seat_keeper::SeatKeeper;
use crate::actors::supervisor::Tree;
use crate::actors::tier_cache::{TierCache, VerdictReader};
use crate::actors::wallet_keeper::WalletKeeper;
use crate::clock::Clock;
use crate::rpc::error::{Code, RpcError};
use crate::rpc::socket::groups::Groups;
use crate::rpc::socket::limits::{WRITE_BURST, WRITES_PER_MINUTE, WriteRates};
use entitled_core::domain::ids::CustomerId;
use entitled_core::domain::peer::{Access, Peer, Permit, permit};

/// How long an actor may take to answer.
pub(super) const ACTOR_TIME: Duration = Duration::from_secs(10);
/// How long a question that needs the chain may take.
pub(super) const CHAIN_TIME: Duration = Duration::from_secs(75);

/// Whom the methods ask.
pub struct Api {
    pub reader: VerdictReader,
    pub cache: Addr<TierCache>,
    pub ledger: Addr<OwnershipLedger>,
    pub keeper: Addr<WalletKeeper>,
    pub verifier: Addr<ChainVerifier>,
    pub seats: Addr<SeatKeeper>,
    pub clock: Clock,
    pub tree: Tree,
    pub control: Control,
    pub writes: WriteRates,
    pub groups: Groups,
}

impl Api {
    /// The caller's permit.
    pub(super) async fn admit(
        &self,
        extensions: &Extensions,
        access: Access,
        named: Option<CustomerId>,
    ) -> Result<Permit, RpcError> {
        let peer = extensions
            .get::<Peer>()
            .ok_or_else(|| RpcError::new(Code::PermissionDenied, "the caller is not known"))?;
        let own = self.customer_of(peer.uid).await?;
        let permit = permit(peer, access, own, named)?;
        // A number that was never given is a mistake of who asks; any uid may come to have a wallet.
        if let Some(id @ CustomerId::Numbered(_)) = named.filter(|it| *it != own) {
            let found = self.ledger.send(FindCustomer { id }).timeout(ACTOR_TIME).await??;
            found.ok_or_else(|| RpcError::not_found("customer"))?;
        }
        Ok(permit)
    }

    /// Counts a change by the caller's user, or for the customer that a delegate speaks for.
    pub(super) fn check_write(
        &self,
        extensions: &Extensions,
        customer: CustomerId,
    ) -> Result<(), RpcError> {
        check_write(&self.writes, extensions.get::<Peer>(), customer)
    }

    /// Which customer a user stands for.
    pub(super) async fn customer_of(&self, uid: u32) -> Result<CustomerId, RpcError> {
        if let Some(customer) = self.reader.customer_of(uid, self.clock.now()) {
            return Ok(customer);
        }
        let epoch = self.reader.epoch();
        let customer = self.ledger.send(CustomerOf { uid }).timeout(ACTOR_TIME).await??;
        self.reader.learn_customer(uid, customer, epoch, self.clock.now());
        Ok(customer)
    }

    /// Who asks for a change, and when.
    pub(super) fn asked(&self, permit: &Permit) -> Asked {
        Asked { by: permit.asker(), at: self.clock.now() }
    }
}

/// Counts a change by the user of `peer`, for `customer`.
pub(in crate::rpc) fn check_write(
    writes: &WriteRates,
    peer: Option<&Peer>,
    customer: CustomerId,
) -> Result<(), RpcError> {
    if peer.is_some_and(|peer| writes.allow(peer, customer)) {
        return Ok(());
    }
    let detail = format!(
        "a user may change {WRITES_PER_MINUTE} things a minute, and {WRITE_BURST} at once: wait ten seconds, or ask on the admin socket"
    );
    Err(RpcError::new(Code::LimitExceeded, detail))
}
