//! What happened on a chain, and which verdicts it concerns.

use actix::prelude::*;

use crate::actors::chain_verifier::{ChainEvent, ChainNews, Concerned};
use crate::actors::tier_cache::TierCache;
use crate::actors::tier_cache::reader::{Cached, Key};
use entitled_core::domain::entitlement::Code;
use entitled_core::domain::product::Product;

impl Handler<ChainNews> for TierCache {
    type Result = ();

    fn handle(&mut self, news: ChainNews, context: &mut Self::Context) {
        if let ChainEvent::Lost { cause } = &news.what {
            tracing::warn!(event = "chain_lost", chain = %news.chain, %cause, "chain lost");
            return;
        }
        if let ChainEvent::Found = &news.what {
            tracing::info!(event = "chain_found", chain = %news.chain, "chain found");
        }
        let products = self.parts.reader.products();
        let concerned: Vec<Key> = self
            .parts
            .reader
            .entries()
            .into_iter()
            .filter(|(key, cached)| {
                let product = products.products.get(&key.product);
                product.is_some_and(|it| concerns(&news, &it.product, cached))
            })
            .map(|(key, _)| Key::clone(&key))
            .collect();
        for key in concerned {
            self.fly(key, true, context);
        }
        // Of whom nothing is cached, what is known may be young all the same.
        let misses = |key: &&Key| {
            let product = products.products.get(&key.product);
            let known = self.flights.contains_key(*key) || self.parts.reader.peek(key).is_some();
            !known && product.is_some_and(|it| may_concern(&news, &it.product))
        };
        let missed: Vec<Key> = self.due.keys().filter(misses).cloned().collect();
        self.missed.extend(missed);
        // What is being worked out may rest on the block before.
        for (key, flight) in &mut self.flights {
            let product = products.products.get(&key.product);
            let on_chain = product.is_some_and(|it| it.product.chains().contains(&news.chain));
            match news.what {
                ChainEvent::Head => flight.block_came |= on_chain,
                _ => flight.again |= on_chain,
            }
        }
    }
}

/// Whether it is about what a product's grants come to, for anybody.
fn may_concern(news: &ChainNews, product: &Product) -> bool {
    product.chains().contains(&news.chain)
        && match &news.what {
            ChainEvent::Reorg => true,
            ChainEvent::Changed { contract, .. } => {
                product.grants.iter().any(|it| it.heeds(*contract))
            }
            // What a new block or a chain that is found again settles is not young.
            ChainEvent::Head | ChainEvent::Lost { .. } | ChainEvent::Found => false,
        }
}

fn concerns(news: &ChainNews, product: &Product, cached: &Cached) -> bool {
    let on_chain = product.chains().contains(&news.chain);
    on_chain
        && match &news.what {
            ChainEvent::Lost { .. } => false,
            ChainEvent::Reorg => true,
            ChainEvent::Found => matches!(cached.verdict.code, Code::Grace | Code::Undetermined),
            // Each block may settle what was only seen early.
            ChainEvent::Head => cached.awaits_block,
            ChainEvent::Changed { contract, concerned, .. } => {
                let own = match concerned {
                    Concerned::Everybody => true,
                    Concerned::Wallets(wallets) => {
                        cached.wallets.iter().any(|it| wallets.contains(it))
                    }
                };
                // Who stands behind a wallet is known only once it is looked at.
                let grants = &product.grants;
                grants.iter().any(|it| it.heeds(*contract) && (own || !it.reach.is_direct()))
            }
        }
}
