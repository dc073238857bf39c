//! Answer pages: who has a slot of one, and whom it is bound to.
//!
//! What a slot says is written where the cache is. Here it is found out, and with each change again, whom the caller's user stands
//! for, and its answer is kept at hand as a subscription's is.

use std::sync::Arc;

use jsonrpsee::Extensions;
use tokio::sync::oneshot;

use super::api::Api;
use super::entitlements::{AGAIN, Followed, Subscribed, WAIT_MS, wait};
use crate::actors::tier_cache::{Held, Key, NoSlot, PageOwner, PageQuestion, RENEWED};
use crate::rpc::error::{Code, RpcError};
use crate::rpc::wire;
use entitled_core::domain::ids::ProductId;
use entitled_core::domain::page_word::LEASE_MS;
use entitled_core::domain::peer::{Access, Permit};

const NOT_A_DELEGATE: &str =
    "revisions are shown to delegates, who ask for many customers: see `socket.delegates`";
const NEEDS_A_DESCRIPTOR: &str = "a page is handed over on a raw connection, in a request by itself: not by HTTP, by WebSocket or in a batch";

pub(super) async fn page(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::EntitlementPage,
) -> Result<wire::AnswerPage, RpcError> {
    let wait = wait(ask.wait_ms)?;
    let enclosure = ask.enclosure.ok_or_else(|| RpcError::invalid_params(NEEDS_A_DESCRIPTOR))?;
    let place = enclosure.place()?;
    let owner =
        PageOwner { uid: permit.uid(), account: permit.account(), is_exempt: enclosure.is_exempt };
    let product = ask.product.clone();
    let question =
        PageQuestion { product: ask.product, feature: ask.feature, publisher: ask.publisher };
    let (held, is_first) = api.reader.pages().give(owner, question)?;
    if is_first {
        let reader = api.reader.clone();
        tokio::spawn(renew(move || reader.renew_pages()));
    }
    let reply = wire::AnswerPage {
        slot: u64::try_from(held.slot).unwrap_or(u64::MAX),
        generation: held.generation,
        lease_ms: LEASE_MS,
        descriptor: enclosure.enclose(&held.descriptor),
    };
    let (says, said) = oneshot::channel();
    let mut extensions = Extensions::new();
    extensions.insert(enclosure.peer.clone());
    let slot = Bound { api, extensions, held, product, followed: None };
    enclosure.go_on(async move {
        let _place = place;
        slot.follow(says).await;
    });
    // What is not known by then stands in the slot once it is.
    let _ = tokio::time::timeout(wait, said).await;
    Ok(reply)
}

/// Whoever is told when customers' answers change learns of others than its own.
pub(super) async fn revisions(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::EntitlementRevisions,
) -> Result<wire::RevisionPage, RpcError> {
    let enclosure = ask.enclosure.ok_or_else(|| RpcError::invalid_params(NEEDS_A_DESCRIPTOR))?;
    if !(permit.is_delegate() || enclosure.is_exempt) {
        return Err(RpcError::new(Code::PermissionDenied, NOT_A_DELEGATE));
    }
    let place = enclosure.place()?;
    let watched = api.reader.revisions().watch();
    let (watcher, is_first) = watched.map_err(|it| RpcError::from(NoSlot::System(it)))?;
    if is_first {
        let revisions = Arc::clone(api.reader.revisions());
        tokio::spawn(renew(move || revisions.renew()));
    }
    let descriptor = enclosure.enclose(&watcher.descriptor);
    enclosure.go_on(async move {
        let _held = (place, watcher);
        std::future::pending().await
    });
    Ok(wire::RevisionPage { lease_ms: LEASE_MS, descriptor })
}

impl From<NoSlot> for RpcError {
    fn from(why: NoSlot) -> Self {
        let code = match why {
            NoSlot::System(_) => Code::Busy,
            NoSlot::Full | NoSlot::TooMany | NoSlot::TooManyOfUser => Code::LimitExceeded,
        };
        Self::new(code, why.to_string())
    }
}

/// Renews for as long as anybody wants it, which `renewed` says.
async fn renew(renewed: impl Fn() -> bool) {
    loop {
        tokio::time::sleep(RENEWED).await;
        if !renewed() {
            return;
        }
    }
}

/// A slot, and whose answer it says.
struct Bound {
    api: Arc<Api>,
    /// Who asked.
    extensions: Extensions,
    held: Held,
    product: ProductId,
    followed: Option<Followed>,
}

impl Bound {
    /// Never ends. Says by `says` when the slot has been written first.
    async fn follow(mut self, says: oneshot::Sender<()>) {
        let _counted = Subscribed::one_more(&self.api);
        let mut changes = self.api.reader.changes();
        let mut says = Some(says);
        loop {
            let is_bound = matches!(self.bind().await, Ok(true));
            if is_bound && let Some(says) = says.take() {
                // Nobody waits for it any more, perhaps.
                let _ = says.send(());
            }
            let Some(followed) = &mut self.followed else {
                tokio::time::sleep(AGAIN).await;
                continue;
            };
            tokio::select! {
                _ = changes.changed() => {}
                () = tokio::time::sleep(AGAIN), if !is_bound => {}
                changed = followed.told.changed() => if changed.is_err() {
                    // The cache was restarted, and knows no subscribers any more.
                    tokio::time::sleep(AGAIN).await;
                    self.followed = None;
                },
            }
        }
    }

    /// Has the slot say what is so for whom the caller stands for now. `false` when that has changed meanwhile.
    async fn bind(&mut self) -> Result<bool, RpcError> {
        let epoch = self.api.reader.epoch();
        let permit = self.api.admit(&self.extensions, Access::Anybody, None).await?;
        let key = Key { customer: permit.customer(), product: self.product.clone() };
        if self.followed.as_ref().is_none_or(|it| it.key != key) {
            self.followed = Some(self.api.follow(key.clone()).await?);
        }
        if !self.api.reader.bind_page(&self.held, &key, epoch) {
            return Ok(false);
        }
        if self.api.reader.peek(&key).is_none() {
            // What it comes to is written where it is put into the cache.
            self.api.verdict(key, std::time::Duration::from_millis(WAIT_MS)).await?;
        }
        Ok(true)
    }
}
