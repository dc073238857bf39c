//! What changes, as it changes: the daemon's subscriptions, held once, and told to every page that listens.
//!
//! One thread waits for all of them. Beside verdicts it tells how the chains fare, which no subscription does, while
//! somebody listens; and whether the daemon is there.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use entitled_client::{ClientError, Subscription};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::broadcast;

use crate::exit::Failure;
use crate::session::{self, Behalf, Question, Session};

/// Products that are followed; those of a machine with more are read again when the page is.
const PRODUCTS_MAX: usize = 16;
/// How often the chains are looked at, and how many looks are kept for a page that is opened later.
const SAMPLED: Duration = Duration::from_secs(1);
const SAMPLES_KEPT: usize = 60;
/// How often new products are looked for, in samples.
const PRODUCTS_EVERY: u32 = 3;
/// How long to wait for the rest of a line that has begun to arrive.
const REST_OF_LINE: Duration = Duration::from_millis(20);
const PAUSE: Duration = Duration::from_millis(500);
/// Events that a slow page may be behind.
const BACKLOG: usize = 256;

/// One event as it goes over the wire.
pub(super) type Event = Arc<str>;

#[derive(Debug)]
pub(super) struct Live {
    events: broadcast::Sender<Event>,
    past: Mutex<Past>,
}

/// What a page is told first.
#[derive(Debug, Default)]
struct Past {
    verdicts: BTreeMap<String, Event>,
    samples: VecDeque<Event>,
    /// Which products are followed, or that the daemon is away.
    presence: Option<Event>,
    is_away: bool,
    /// Pages that listen, and since when there is none.
    listeners: usize,
    alone_since: Option<Instant>,
}

/// What a page hears; it counts as a listener for as long as it lives.
pub(super) struct Listener {
    pub(super) first: VecDeque<Event>,
    pub(super) next: broadcast::Receiver<Event>,
    live: Arc<Live>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut past = self.live.past();
        past.listeners = past.listeners.saturating_sub(1);
        if past.listeners == 0 {
            past.alone_since = Some(Instant::now());
        }
    }
}

impl Live {
    /// Begins to follow the daemon, in a thread that lasts as long as the program.
    pub(super) fn follow(session: &Session, behalf: &Behalf, is_admin: bool) -> Arc<Self> {
        let (events, _) = broadcast::channel(BACKLOG);
        let past = Past { alone_since: Some(Instant::now()), ..Past::default() };
        let live = Arc::new(Self { events, past: Mutex::new(past) });
        let daemon =
            Daemon { session: session.patient(Duration::ZERO), behalf: behalf.clone(), is_admin };
        let following = Arc::clone(&live);
        std::thread::spawn(move || {
            loop {
                let Err(Away) = daemon.follow(&following);
                following.away();
                std::thread::park_timeout(PAUSE);
            }
        });
        live
    }

    pub(super) fn listen(self: &Arc<Self>) -> Listener {
        let mut past = self.past();
        past.listeners += 1;
        past.alone_since = None;
        let first =
            past.presence.iter().chain(&past.samples).chain(past.verdicts.values()).cloned();
        // Under the lock, so that nothing falls between the two, and nothing is told twice.
        Listener { first: first.collect(), next: self.events.subscribe(), live: Arc::clone(self) }
    }

    /// For how long no page has listened; `None` while one does.
    pub(super) fn alone_for(&self) -> Option<Duration> {
        self.past().alone_since.map(|it| it.elapsed())
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, name: &str, data: &str, keep: impl FnOnce(&mut Past, Event)) {
        let event: Event = format!("event: {name}\ndata: {data}\n\n").into();
        let mut past = self.past();
        keep(&mut past, Arc::clone(&event));
        // Nobody may be listening.
        let _ = self.events.send(event);
    }

    fn verdict(&self, product: &str, verdict: &RawValue) {
        self.tell("verdict", verdict.get(), |past, event| {
            past.verdicts.insert(product.to_owned(), event);
        });
    }

    fn sample(&self, sample: &Value) {
        self.tell("sample", &sample.to_string(), |past, event| {
            past.samples.push_back(event);
            if past.samples.len() > SAMPLES_KEPT {
                past.samples.pop_front();
            }
        });
    }

    fn there(&self, products: &[String]) {
        self.tell("there", &Value::from(products).to_string(), |past, event| {
            (past.presence, past.is_away) = (Some(event), false);
            past.verdicts.retain(|it, _| products.contains(it));
        });
    }

    fn away(&self) {
        if !self.past().is_away {
            self.tell("away", "null", |past, event| {
                (past.presence, past.is_away) = (Some(event), true);
            });
        }
    }
}

/// The daemon, as this thread asks it.
struct Daemon {
    session: Session,
    behalf: Behalf,
    is_admin: bool,
}

type Followed = Vec<(String, Subscription)>;

/// The daemon does not answer. Why, it is asked by the page, which shows it.
struct Away;

impl From<Failure> for Away {
    fn from(_: Failure) -> Self {
        Self
    }
}

impl From<ClientError> for Away {
    fn from(_: ClientError) -> Self {
        Self
    }
}

impl Daemon {
    /// Follows until the daemon goes away.
    fn follow(&self, live: &Live) -> Result<Infallible, Away> {
        let mut products = self.products()?;
        let mut followed = self.begin(&products, live)?;
        let mut samples = 0_u32;
        let mut due = Instant::now();
        loop {
            if Instant::now() >= due {
                due = Instant::now() + SAMPLED;
                if samples.is_multiple_of(PRODUCTS_EVERY) {
                    let now = self.products()?;
                    if now != products {
                        products = now;
                        followed = self.begin(&products, live)?;
                    }
                }
                samples = samples.wrapping_add(1);
                live.sample(&self.sample()?);
            }
            for at in readable(&followed, due.saturating_duration_since(Instant::now())) {
                if let Some((product, subscription)) = followed.get_mut(at) {
                    hear(live, product, subscription)?;
                }
            }
        }
    }

    /// Subscribes to the products, and tells what each says at once.
    fn begin(&self, products: &[String], live: &Live) -> Result<Followed, Away> {
        let mut followed = self.subscribe(products)?;
        live.there(products);
        for (product, subscription) in &mut followed {
            hear(live, product, subscription)?;
        }
        Ok(followed)
    }

    fn products(&self) -> Result<Vec<String>, Failure> {
        let question = Question::new("product_list").with("limit", &PRODUCTS_MAX)?;
        let list: Value = session::read(question.method, &self.session.ask_as_is(&question)?)?;
        let items = list["items"].as_array().into_iter().flatten();
        Ok(items.filter_map(|it| Some(it["id"].as_str()?.to_owned())).collect())
    }

    fn subscribe(&self, products: &[String]) -> Result<Followed, Failure> {
        let mut followed = Vec::new();
        for product in products {
            let question = Question::new("entitlement_subscribe").with("product", product)?;
            let mut subscription = self.session.subscribe(&question.for_whom(&self.behalf)?)?;
            subscription.set_wait(Some(REST_OF_LINE));
            followed.push((product.clone(), subscription));
        }
        Ok(followed)
    }

    fn sample(&self) -> Result<Value, Failure> {
        let question = Question::new("system_health");
        let mut sample: Value =
            session::read(question.method, &self.session.ask_as_is(&question)?)?;
        if self.is_admin {
            let question = Question::admin("chain_status");
            let chains: Value =
                session::read(question.method, &self.session.ask_as_is(&question)?)?;
            sample["chains"] = chains;
        }
        Ok(sample)
    }
}

/// Waits until something arrives; which subscriptions it arrived for.
fn readable(followed: &Followed, longest: Duration) -> Vec<usize> {
    let mut descriptors: Vec<PollFd> =
        followed.iter().map(|(_, it)| PollFd::new(it.as_fd(), PollFlags::POLLIN)).collect();
    let longest = PollTimeout::try_from(longest).unwrap_or(PollTimeout::MAX);
    match poll(&mut descriptors, longest) {
        Ok(_) => {}
        // What is interrupted is waited for again by who called.
        Err(_) => return Vec::new(),
    }
    let all = descriptors.iter().enumerate();
    all.filter(|(_, it)| it.any().unwrap_or_default()).map(|(at, _)| at).collect()
}

/// Tells what has arrived.
fn hear(live: &Live, product: &str, subscription: &mut Subscription) -> Result<(), Away> {
    loop {
        match subscription.next_raw() {
            Ok(Some(verdict)) => live.verdict(product, &verdict),
            Ok(None) => return Err(Away),
            Err(ClientError::Timeout { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
