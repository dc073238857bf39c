//! The daemon, but for its actors, disk and network: what it knows, what it works out, what it answers and tells.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, U256};
use entitled::chain::head_order::{HeadOrder, KnownBlock, Pace};
use entitled_core::domain::entitlement::{Holder, Question, Verdict, evaluate, wants_look};
use entitled_core::domain::epoch::{Epoch, Epochs, Whose};
use entitled_core::domain::ids::{
    ChainId, Collection, CustomerId, ProductId, Standard, Timestamp, Token,
};
use entitled_core::domain::kept::{self, Look};
use entitled_core::domain::ownership::{
    Anchor, Cause, Finality, Finding, IdRanges, Reach, Rule, Sighting, Target, Trust,
};
use entitled_core::domain::product::{Grant, Product, Tier, TokensOf};
use entitled_core::domain::publication::Publication;

use tokio::time::Instant;

use crate::chain::{Block, Chain, SLOT, time};
use crate::judge::Judge;
use crate::rows::Rows;
use crate::steps::{CUSTOMERS, Fails, PRODUCTS, Random, Step, TOKENS, WALLETS};

pub type Key = (u8, u8);

/// Everything one evaluation rests on, as it was when it was gathered.
struct Scene {
    key: Key,
    epoch: Epoch,
    product: Rc<Product>,
    holders: Vec<Holder>,
    sightings: Vec<Sighting>,
    suspended: BTreeSet<Token>,
}

/// One look that has begun: its number and the blocks it is pinned to, or why there are none.
struct Begun {
    number: u64,
    seen_at: i64,
    blocks: Vec<(Finality, Result<Block, Cause>)>,
    fails: Fails,
}

/// One key being worked out: gathered, then perhaps looked at, then landed.
struct Flight {
    key: Key,
    must_look: bool,
    again: bool,
    scene: Option<Scene>,
    look: Option<Begun>,
    /// What it has for those who wait.
    landed: Option<Answer>,
}

/// A verdict, and what has to hold for as long as it is given.
#[derive(Clone)]
struct Answer {
    verdict: Verdict,
    epoch: Epoch,
}

pub struct Daemon {
    pub chain: Chain,
    /// Seconds.
    pub clock: i64,
    rows: Rows,
    pub products: Vec<Rc<Product>>,
    /// Whose each wallet is.
    pub wallets: [Option<u8>; WALLETS as usize],
    pub active: [bool; CUSTOMERS as usize],
    pub suspended: BTreeSet<usize>,
    epochs: Epochs,
    head_order: HeadOrder,
    /// The newest blocks that were recorded, from which the next run goes on.
    heads: BTreeMap<Finality, KnownBlock>,
    last_look: u64,
    cached: BTreeMap<Key, Answer>,
    flights: Vec<Flight>,
    told: BTreeMap<Key, Answer>,
    pub judge: Judge,
}

pub fn collection(other: bool) -> Collection {
    let contract = Address::repeat_byte(if other { 0xdd } else { 0xcc });
    Collection { chain: ChainId(1), standard: Standard::Erc721, contract }
}

pub fn token(index: usize, other: bool) -> Token {
    collection(other).token(U256::from(index))
}

pub fn address(wallet: u8) -> Address {
    Address::repeat_byte(wallet + 1)
}

pub fn customer(index: u8) -> CustomerId {
    if index == 0 { CustomerId::Machine } else { CustomerId::Uid(1000 + u32::from(index)) }
}

fn product(index: u8, random: &mut Random) -> Product {
    let finality =
        [Finality::Latest, Finality::Safe, Finality::Finalized][random.below(3) as usize];
    let tier = |name: &str, rank| Tier {
        name: name.parse().unwrap(),
        rank,
        price: None,
        features: Arc::default(),
        seats: None,
        expires_at: None,
    };
    Product {
        id: format!("product-{index}").parse::<ProductId>().unwrap(),
        name: format!("Product {index}"),
        version: 1,
        publisher: None,
        trust: if random.one_in(6) { Trust::Quorum } else { Trust::Single },
        finality,
        provisional: random.one_in(2),
        refresh: Duration::from_secs(30 + random.below(600)),
        grace: Duration::from_secs(600 + random.below(6_000)),
        tiers: vec![tier("starter", 10), tier("pro", 20)],
        grants: grants(false),
        checkpoints: Vec::new(),
        seats: entitled_core::domain::product::SeatTerms::default(),
    }
}

/// Token 0 grants `pro`, the others `starter`.
fn grants(other: bool) -> Vec<Grant> {
    let grant = |tier: &str, ids: IdRanges| Grant {
        tier: tier.parse().unwrap(),
        collection: collection(other),
        ids,
        rule: Rule::Subscription,
        reach: Reach::default(),
        tokens_of: TokensOf::Enumerable,
        from_block: 0,
    };
    let others = IdRanges::new([(U256::from(1), U256::from(TOKENS))]);
    vec![grant("pro", IdRanges::only(U256::ZERO)), grant("starter", others)]
}

impl Daemon {
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(!seed);
        let chain = Chain::new();
        Self {
            clock: chain.head().time,
            chain,
            rows: Rows::default(),
            products: (0..PRODUCTS).map(|it| Rc::new(product(it, &mut random))).collect(),
            wallets: [None; WALLETS as usize],
            active: [true; CUSTOMERS as usize],
            suspended: BTreeSet::new(),
            epochs: Epochs::default(),
            head_order: HeadOrder::default(),
            heads: BTreeMap::new(),
            last_look: 0,
            cached: BTreeMap::new(),
            flights: Vec::new(),
            told: BTreeMap::new(),
            judge: Judge::default(),
        }
    }

    /// Parts of looks that changed no row.
    pub fn confirmed(&self) -> u64 {
        self.rows.confirmed
    }

    /// Lets one thing happen. `Err` says what was answered or told that must not be.
    pub fn take(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Mine { blocks } => {
                (0..blocks).for_each(|_| self.chain.mine());
                self.clock = self.clock.max(self.chain.head().time);
            }
            Step::Send { token, to } => self.chain.holder[token] = to,
            Step::Until { token, seconds } => {
                let end = |it| if it < 0 { 0 } else { self.chain.head().time + it };
                self.chain.until[token] = seconds.map(end);
            }
            Step::Reorganise { depth } => {
                self.chain.reorganise(depth);
                self.clock = self.clock.max(self.chain.head().time);
            }
            Step::Wait { seconds } => {
                self.clock += seconds;
                return self.heed();
            }
            Step::Check { customer, product } => return self.check((customer, product)),
            Step::Subscribe { customer, product } => return self.subscribe((customer, product)),
            Step::Refresh { customer, product } => self.fly((customer, product), true),
            Step::Advance { which, late, fails } => return self.advance(which, (late, fails)),
            Step::Restart => self.restart(),
            change => return self.change(change),
        }
        Ok(())
    }

    /// What an administrator or a user changes: done, forgotten what rested on it, acknowledged.
    fn change(&mut self, step: Step) -> Result<(), String> {
        let whose = match step {
            Step::Suspend { token, on: true } if self.judge.seen.contains(&token) => {
                self.suspended.insert(token);
                Whose::Everybody
            }
            Step::Suspend { token, on: false } => {
                self.suspended.remove(&token);
                Whose::Everybody
            }
            Step::Activate { customer: of, on } => {
                self.active[usize::from(of)] = on;
                Whose::Customer(customer(of))
            }
            Step::Link { wallet, customer: of } if self.wallets[usize::from(wallet)].is_none() => {
                self.wallets[usize::from(wallet)] = Some(of);
                Whose::Customer(customer(of))
            }
            Step::Unlink { wallet } => match self.wallets[usize::from(wallet)].take() {
                Some(of) => Whose::Customer(customer(of)),
                None => return Ok(()),
            },
            Step::Install { product, other } => {
                Rc::make_mut(&mut self.products[usize::from(product)]).grants = grants(other);
                Whose::Everybody
            }
            _ => return Ok(()),
        };
        self.epochs.raise(whose);
        self.heed()
    }

    /// What was told and holds no more is made up for by what the ledger alone says. Nobody goes on believing a yes
    /// that may not be given any more.
    fn heed(&mut self) -> Result<(), String> {
        let over = |(key, told): &(&Key, &Answer)| !self.holds(**key, told);
        let concerned: Vec<Key> = self.told.iter().filter(over).map(|(key, _)| *key).collect();
        for key in concerned {
            let scene = self.gather(key);
            self.publish(&scene, false)?;
        }
        for (key, told) in &self.told {
            Judge::answer(self, *key, &told.verdict)
                .map_err(|it| format!("{key:?} believes {it}"))?;
        }
        Ok(())
    }

    fn restart(&mut self) {
        (self.cached, self.flights, self.told) = Default::default();
        (self.epochs, self.head_order) = Default::default();
        for (finality, head) in &self.heads {
            // Of a block that was recorded only number and time are known.
            let header = Header { parent_hash: B256::ZERO, ..head.header.clone() };
            self.head_order.go_on_from(
                *finality,
                KnownBlock { header, ..head.clone() },
                Trust::Single,
            );
        }
    }

    fn now(&self) -> Timestamp {
        time(self.clock)
    }

    fn gather(&self, key: Key) -> Scene {
        let product = Rc::clone(&self.products[usize::from(key.1)]);
        let holders: Vec<Holder> = BTreeSet::from([key.0, 0])
            .into_iter()
            .map(|of| Holder {
                customer: customer(of),
                active: self.active[usize::from(of)],
                wallets: (0..WALLETS)
                    .filter(|it| self.wallets[usize::from(*it)] == Some(of))
                    .map(address)
                    .collect(),
                contracts: BTreeMap::new(),
            })
            .collect();
        let collection = product.grants[0].collection;
        let kept = |it: &Address| kept::of_wallet(&self.rows, collection, *it).unwrap();
        let sightings = holders.iter().flat_map(|it| &it.wallets).flat_map(kept).collect();
        let suspended = self.suspended.iter().map(|it| token(*it, false)).collect();
        Scene { key, epoch: self.epochs.now(), product, holders, sightings, suspended }
    }

    fn question<'s>(scene: &'s Scene) -> Question<'s> {
        Question {
            product: &scene.product.id,
            definition: Some(&scene.product),
            publisher: None,
            customer: customer(scene.key.0),
            holders: &scene.holders,
            sightings: &scene.sightings,
            suspended: &scene.suspended,
        }
    }

    fn holds(&self, key: Key, answer: &Answer) -> bool {
        self.epochs.holds(answer.epoch, customer(key.0))
            && answer.verdict.changes_at.is_none_or(|it| self.now() < it)
    }

    /// As the socket answers: from the cache, from who works it out, or from what is known; nobody waits here.
    fn answer(&mut self, key: Key) -> Result<Verdict, String> {
        if let Some(hit) = self.cached.get(&key).filter(|it| self.holds(key, it)) {
            return Ok(hit.verdict.clone());
        }
        self.fly(key, false);
        let flight = self.flights.iter().find(|it| it.key == key);
        let landed = flight.and_then(|it| it.landed.as_ref()).filter(|it| self.holds(key, it));
        match landed {
            Some(landed) => Ok(landed.verdict.clone()),
            None => self.evaluate(&self.gather(key)),
        }
    }

    fn evaluate(&self, scene: &Scene) -> Result<Verdict, String> {
        let verdict = evaluate(&Self::question(scene), self.now());
        self.judge.evidence(self, scene.key, &verdict)?;
        Ok(verdict)
    }

    /// The wallets that count for a customer: its own, and the machine's.
    pub fn wallets_of(&self, of: u8) -> impl Iterator<Item = u8> + '_ {
        (0..WALLETS)
            .filter(move |it| self.wallets[usize::from(*it)].is_some_and(|it| it == of || it == 0))
    }

    fn check(&mut self, key: Key) -> Result<(), String> {
        let verdict = self.answer(key)?;
        Judge::answer(self, key, &verdict)
    }

    fn subscribe(&mut self, key: Key) -> Result<(), String> {
        let verdict = self.answer(key)?;
        Judge::answer(self, key, &verdict)?;
        let epoch = self.epochs.now();
        self.told.insert(key, Answer { verdict, epoch });
        Ok(())
    }

    fn fly(&mut self, key: Key, must_look: bool) {
        match self.flights.iter_mut().find(|it| it.key == key) {
            Some(flight) => flight.again |= must_look,
            None => self.flights.push(Flight {
                key,
                must_look,
                again: false,
                scene: None,
                look: None,
                landed: None,
            }),
        }
    }

    /// Lets one of the flights go on: it is gathered, or its look begins, or its look ends and it lands.
    fn advance(&mut self, which: u8, (late, fails): (u64, Fails)) -> Result<(), String> {
        if self.flights.is_empty() {
            return Ok(());
        }
        let place = usize::from(which) % self.flights.len();
        let key = self.flights[place].key;
        let must_look = self.flights[place].must_look;
        match (self.flights[place].scene.take(), self.flights[place].look.take()) {
            (None, _) => {
                let scene = self.gather(key);
                let wants = must_look || wants_look(&Self::question(&scene), self.now());
                if !wants || scene.holders.iter().all(|it| it.wallets.is_empty()) {
                    return self.land(place, &scene);
                }
                self.publish(&scene, false)?;
                self.flights[place].scene = Some(scene);
            }
            (Some(scene), None) => {
                let begun = self.begin(&scene.product, late, fails);
                (self.flights[place].scene, self.flights[place].look) = (Some(scene), Some(begun));
            }
            (Some(scene), Some(begun)) => {
                let seen = self.look(&scene, &begun);
                self.judge.saw(&seen);
                let look = Look { sightings: seen, ..Look::default() };
                self.rows.keep(&look)?;
                // Others have looked meanwhile. What they saw is known, too.
                let scene = Scene { epoch: scene.epoch, ..self.gather(key) };
                return self.land(place, &scene);
            }
        }
        Ok(())
    }

    fn land(&mut self, place: usize, scene: &Scene) -> Result<(), String> {
        let current = self.publish(scene, true)?;
        let flight = &mut self.flights[place];
        if !current || flight.again {
            flight.must_look = std::mem::take(&mut flight.again);
        } else {
            self.flights.remove(place);
        }
        Ok(())
    }

    /// Says what a scene comes to: into the cache, to who waits, and to who subscribed. `false`: it is outdated.
    fn publish(&mut self, scene: &Scene, looked: bool) -> Result<bool, String> {
        let key = scene.key;
        if !self.epochs.holds(scene.epoch, customer(key.0)) {
            return Ok(false);
        }
        let (question, now) = (Self::question(scene), self.now());
        let verdict = self.evaluate(scene)?;
        let told_holds = self.told.get(&key).map(|it| self.holds(key, it));
        let publication = Publication::of(&verdict, (&question, now), looked, told_holds);
        let answer = Answer { verdict, epoch: scene.epoch };
        if let Some(told) = self.told.get(&key).filter(|_| publication.told) {
            let news = told.verdict.says_otherwise(&answer.verdict);
            self.told.insert(key, answer.clone());
            if news {
                Judge::answer(self, key, &answer.verdict)?;
            }
        }
        if publication.kept {
            self.judge.refusal(self, key, &answer.verdict)?;
            self.cached.insert(key, answer.clone());
            if let Some(flight) = self.flights.iter_mut().find(|it| it.key == key) {
                flight.landed = Some(answer);
            }
        }
        Ok(true)
    }

    /// The blocks a look is pinned to, as an endpoint names them that is so many blocks late.
    fn begin(&mut self, product: &Product, late: u64, fails: Fails) -> Begun {
        let levels = BTreeSet::from([Finality::Latest, product.finality]);
        let mut blocks = Vec::new();
        for finality in levels.into_iter().rev() {
            let fails = matches!(
                (fails, finality),
                (Fails::All, _)
                    | (Fails::Latest, Finality::Latest)
                    | (Fails::Settled, Finality::Safe | Finality::Finalized)
            );
            let block = self.chain.block(finality, late).clone();
            blocks.push((
                finality,
                if fails { Err(Cause::Unreachable) } else { self.name(finality, block) },
            ));
        }
        self.last_look += 1;
        Begun { number: self.last_look, seen_at: self.clock, blocks, fails }
    }

    /// The block an endpoint names, if it may be, as the daemon takes it.
    fn name(&mut self, finality: Finality, block: Block) -> Result<Block, Cause> {
        let header = |it: &Block| Header {
            number: it.number,
            timestamp: it.time.unsigned_abs(),
            parent_hash: it.parent,
            ..Header::default()
        };
        self.head_order.saw(block.hash, &header(&block));
        let (hash, at) = (block.hash, Instant::now());
        let known = KnownBlock { hash, header: header(&block), attestation: None, at };
        let block_time = Duration::from_secs(SLOT.unsigned_abs());
        let pace = Pace { now: self.clock.unsigned_abs(), block_time };
        match self.head_order.admit(finality, &known, pace) {
            Ok(is_newest) => {
                if is_newest {
                    self.heads.insert(finality, known);
                }
                Ok(block)
            }
            Err(_) => Err(Cause::Behind),
        }
    }

    /// What a look sees of all wallets of a scene.
    fn look(&self, scene: &Scene, begun: &Begun) -> Vec<Sighting> {
        let mut seen = Vec::new();
        let wallets = scene.holders.iter().flat_map(|it| &it.wallets);
        for wallet in wallets {
            for (finality, block) in &begun.blocks {
                for grant in &scene.product.grants {
                    let known = |it: &usize| scene.knows(*wallet, grant.collection, *it);
                    let ids = (0..TOKENS).filter(|it| grant.ids.contains(U256::from(*it)));
                    let seer = Seer { begun, wallet: *wallet, grant, finality: *finality };
                    match block {
                        Ok(block) => seen.extend(seer.at(block, ids, known)),
                        Err(cause) => seen.extend(seer.unknown(*cause, ids.filter(known))),
                    }
                }
            }
        }
        seen
    }

    /// Everything under way comes to its end, and nothing more goes wrong.
    pub fn settle(&mut self) -> Result<(), String> {
        for _ in 0..10_000 {
            if self.flights.is_empty() {
                return Ok(());
            }
            self.advance(0, (0, Fails::Nothing))?;
        }
        Err("what is under way never ends".to_owned())
    }

    /// Looks at everything again while nothing happens: nothing may be told.
    pub fn be_silent(&mut self) -> Result<(), String> {
        let refresh = |daemon: &mut Self| {
            let keys: Vec<Key> = daemon.told.keys().copied().collect();
            keys.into_iter().for_each(|key| daemon.fly(key, true));
            daemon.settle()
        };
        refresh(self)?;
        let before = self.told.clone();
        for (key, told) in &before {
            let verdict = self.answer(*key)?;
            if told.verdict.says_otherwise(&verdict) {
                return Err(format!("{key:?} was told {:?}, but is {verdict:?}", told.verdict));
            }
        }
        // So much time passes that proofs grow old, and not so much that an answer ends.
        let left = |it: &Answer| it.verdict.changes_at.map(|it| it.as_second() - self.clock);
        let soonest = before.values().filter_map(left).min().unwrap_or(1_000);
        self.clock += (soonest / 2).max(0);
        refresh(self)?;
        for (key, told) in &before {
            if told.verdict.says_otherwise(&self.told[key].verdict) {
                let news = &self.told[key].verdict;
                return Err(format!(
                    "{key:?} was told {news:?} in a quiet time, after {told:?}",
                    told = told.verdict
                ));
            }
        }
        Ok(())
    }
}

impl Scene {
    /// Whether a token is looked at by name: it was seen to be held once.
    fn knows(&self, wallet: Address, collection: Collection, index: usize) -> bool {
        let own = Target::Token(collection.token(U256::from(index)));
        self.sightings.iter().any(|it| {
            it.wallet == wallet && it.target == own && matches!(it.finding, Finding::Held { .. })
        })
    }
}

/// One wallet looked at under one grant at one finality.
struct Seer<'a> {
    begun: &'a Begun,
    wallet: Address,
    grant: &'a Grant,
    finality: Finality,
}

impl Seer<'_> {
    fn sighting(&self, target: Target, finding: Finding) -> Sighting {
        let Begun { number, seen_at, .. } = *self.begun;
        let Grant { rule, reach, .. } = *self.grant;
        let (seen_at, via) = (time(seen_at), Vec::new());
        Sighting {
            look: number,
            seen_at,
            wallet: self.wallet,
            rule,
            reach,
            target,
            finding,
            amount: None,
            whole: None,
            via,
        }
    }

    fn rest(&self) -> Target {
        Target::Rest { collection: self.grant.collection, ids: self.grant.ids.clone() }
    }

    /// What is held or was known to be is found by name; of the rest it is found that there is none.
    fn at(
        &self,
        block: &Block,
        ids: impl Iterator<Item = usize>,
        known: impl Fn(&usize) -> bool,
    ) -> Vec<Sighting> {
        let anchor = Anchor {
            chain: ChainId(1),
            number: block.number,
            hash: block.hash,
            time: time(block.time),
            finality: self.finality,
            trust: Trust::Single,
            attestation: None,
        };
        let ours = self.grant.collection == collection(false);
        let (mut seen, mut all) = (Vec::new(), true);
        for id in ids {
            let held = ours && address(block.holder[id]) == self.wallet;
            if !held && !known(&id) {
                continue;
            }
            let finding = if self.begun.fails == Fails::Token(id) {
                all = false;
                Finding::Unknown { cause: Cause::Contract, finality: self.finality }
            } else if held {
                Finding::Held { until: block.until[id].map(time), anchor: anchor.clone() }
            } else {
                Finding::NotHeld { anchor: anchor.clone() }
            };
            let target = Target::Token(self.grant.collection.token(U256::from(id)));
            seen.push(self.sighting(target, finding));
        }
        // As many are proven held as are counted, or it is not known that there are no others.
        let finality = self.finality;
        let rest = if all {
            Finding::NotHeld { anchor }
        } else {
            Finding::Unknown { cause: Cause::Undiscovered, finality }
        };
        seen.push(self.sighting(self.rest(), rest));
        seen
    }

    fn unknown(&self, cause: Cause, known: impl Iterator<Item = usize>) -> Vec<Sighting> {
        let finding = Finding::Unknown { cause, finality: self.finality };
        let named = known.map(|it| Target::Token(self.grant.collection.token(U256::from(it))));
        named.chain([self.rest()]).map(|it| self.sighting(it, finding.clone())).collect()
    }
}
