//! Pages in the person's browser: linking a wallet, and seeing what there is.
//!
//! Owns how a page is opened, and when it ends. The pages are files that are compiled in (`assets`); a small server
//! (`server`) shows them on a loopback port to one browser (`gate`, `peer`), passes on what they ask by a list (`relay`), and
//! tells them what changes (`live`). Nothing here decides anything: what is true is the daemon's business.

mod assets;
mod browser;
mod gate;
mod live;
mod peer;
mod places;
mod relay;
mod server;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{interval, sleep};

use self::gate::Gate;
use self::live::Live;
use self::relay::Relay;
use self::server::Desk;
use crate::exit::Failure;
use crate::screen::Screen;
use crate::session::{self, Behalf, Question, Session};

/// How long a page goes on after the wallet was linked and nobody looks at it any more.
const AFTERWARDS: Duration = Duration::from_secs(3);
/// How often it is looked whether it is over.
const LOOKED: Duration = Duration::from_millis(250);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// Ends once a wallet is linked and the page is closed, or when the time is over.
    Link,
    /// Ends when nobody looked at it for the time.
    Ui,
}

impl Page {
    fn path(self) -> &'static str {
        match self {
            Self::Link => "/link",
            Self::Ui => "/ui",
        }
    }

    fn invitation(self) -> &'static str {
        match self {
            Self::Link => "Link a wallet in your browser:",
            Self::Ui => "See what this machine is entitled to, in your browser:",
        }
    }
}

/// A page as the command line asks for it.
#[derive(Debug)]
pub(crate) struct Offer<'a> {
    pub(crate) page: Page,
    pub(crate) behalf: &'a Behalf,
    /// The chain that challenges name; the page chooses one that is configured if absent.
    pub(crate) chain: Option<&'a str>,
    pub(crate) open_for: Duration,
}

/// What is done with each wallet that was linked, at once.
pub(crate) type Told = fn(&mut Screen, &RawValue) -> Result<(), Failure>;

/// Shows the page until it is over; how many wallets were linked.
pub(crate) fn show(
    offer: &Offer,
    session: &Session,
    screen: &mut Screen,
    told: Told,
) -> Result<usize, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| Failure::Page { source })?;
    let outcome = runtime.block_on(served(offer, session, screen, told));
    // A question that is still with the daemon is not waited for.
    runtime.shutdown_background();
    outcome
}

async fn served(
    offer: &Offer<'_>,
    session: &Session,
    screen: &mut Screen,
    told: Told,
) -> Result<usize, Failure> {
    let failed = |source| Failure::Page { source };
    // Where no daemon answers, that is said here and not on a page.
    let machine = machine_name(session)?;
    let (listeners, address) = server::bind().await.map_err(failed)?;
    let [token, secret, key] = [random(), random(), random()];
    let (token, secret, key) =
        (token.map_err(failed)?, secret.map_err(failed)?, key.map_err(failed)?);
    let (linked, wallets) = unbounded_channel();
    let relay = Relay::new(session, offer.behalf, linked);
    let live = Live::follow(session, offer.behalf, relay.is_admin());
    let opened = json!({
        "page": offer.page.path(),
        "admin": relay.is_admin(),
        "chain": offer.chain,
        "seconds": offer.open_for.as_secs(),
        "key": key,
    });
    let port = address.port();
    let hosts = [machine.map(|it| format!("{it}:{port}")), Some(address.to_string())];
    let hosts: Vec<String> = hosts.into_iter().flatten().collect();
    let urls = hosts.iter().map(|it| format!("http://{it}/?token={token}")).collect::<Vec<_>>();
    let desk = Desk {
        gate: Gate::new(hosts, port, (token, secret)),
        relay,
        live: Arc::clone(&live),
        page: offer.page.path(),
        opened: opened.to_string(),
        key: HeaderValue::try_from(key).map_err(io::Error::other).map_err(failed)?,
    };
    invite(offer.page, &urls, screen);
    tokio::select! {
        () = server::serve(listeners, Arc::new(desk)) => Ok(0),
        outcome = over(offer, &live, wallets, |wallet| told(screen, wallet)) => outcome,
    }
}

/// The name in which the machine asks wallets to sign. A page of that name is what the text says that it is, so that wallets
/// which compare the two (EIP-4361) find nothing amiss; and cookies for it go to no other server on this machine. Names below
/// `localhost` lead to this machine and belong to nobody else (RFC 6761).
fn machine_name(session: &Session) -> Result<Option<String>, Failure> {
    let question = Question::new("system_version");
    let version: Value = session::read(question.method, &session.ask_as_is(&question)?)?;
    let name = version["machine"].as_str().unwrap_or_default();
    let is_letter = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    let is_name = name.strip_suffix(".localhost").is_some_and(|it| it.bytes().all(is_letter));
    Ok(is_name.then(|| name.to_owned()))
}

fn invite(page: Page, urls: &[String], screen: &Screen) {
    let [url, others @ ..] = urls else { return };
    screen.aside(&format!("{}\n\n  {url}\n", page.invitation()));
    if browser::open(url) {
        screen.aside("Your browser should open by itself.");
    }
    for other in others {
        screen.aside(&format!("If your browser does not find that, open this:\n\n  {other}\n"));
    }
    screen.aside("The address works once, on this machine, and only for you. Ctrl-C ends it.");
}

/// Returns when the page is over; how many wallets were linked.
async fn over(
    offer: &Offer<'_>,
    live: &Live,
    mut wallets: UnboundedReceiver<Box<RawValue>>,
    mut told: impl FnMut(&RawValue) -> Result<(), Failure>,
) -> Result<usize, Failure> {
    let mut looked = interval(LOOKED);
    let mut linked = 0;
    let since_start = sleep(offer.open_for);
    tokio::pin!(since_start);
    loop {
        tokio::select! {
            Some(wallet) = wallets.recv() => {
                linked += 1;
                told(&wallet)?;
            }
            () = &mut since_start, if offer.page == Page::Link => return Ok(linked),
            _ = looked.tick() => {
                let longest = match offer.page {
                    Page::Link if linked > 0 => AFTERWARDS,
                    Page::Link => continue,
                    Page::Ui => offer.open_for,
                };
                if live.alone_for().is_some_and(|it| it >= longest) {
                    return Ok(linked);
                }
            }
        }
    }
}

/// 132 bits that nobody can guess, in letters that an address may have: so few that it fits a line of a terminal.
fn random() -> io::Result<String> {
    let mut bytes = [0_u8; 22];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| io::Error::other("the kernel gave no random bytes"))?;
    Ok(bytes.iter().map(|it| char::from(LETTERS[usize::from(it & 63)])).collect())
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
