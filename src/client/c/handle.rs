//! What a program asks with: how it wants to ask, and a connection that is kept between two questions.

use std::ffi::CStr;
use std::sync::Mutex;
use std::time::Duration;

use entitled_client::{Client, ClientError, SocketPath, Subscription as Changes, default_path_of};
use entitled_core::domain::page_word::Said;
use entitled_core::domain::publisher::PublisherKey;
use serde::{Deserialize, Serialize};

use crate::abi::{Failure, Options, State, Verdict};
use crate::page::Pages;
use crate::receipt::{self, Asked};
use crate::subscription::Subscription;
use crate::{answer, text};

pub(crate) const TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
/// How long the daemon waits for the chain by itself, before it says that it does not know.
const DAEMON_WAITS: Duration = Duration::from_secs(2);

/// `entitled`
pub struct Handle {
    /// Or what is wrong with what the program asked for.
    settings: Result<Settings, &'static str>,
    /// Invariant: locked for no longer than it takes to put something there or to take it out, and nobody ever waits for
    /// it. Who finds it empty or locked has a connection of its own: another thread, or the child of a fork that took place
    /// while it was locked.
    kept: Mutex<Option<Kept>>,
    pages: Pages,
}

pub(crate) struct Settings {
    pub(crate) socket: Option<SocketPath>,
    pub(crate) publisher: Option<PublisherKey>,
    pub(crate) timeout: Duration,
    pub(crate) accept_linked: bool,
    pub(crate) min_version: u32,
    pub(crate) accept_maker: bool,
}

/// A connection of the process that made it.
struct Kept {
    pid: u32,
    client: Client,
}

#[derive(Serialize)]
struct CheckParams<'a> {
    product: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    publisher: Option<&'a PublisherKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait_ms: Option<u64>,
}

#[derive(Serialize)]
struct ReceiptParams<'a> {
    product: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
}

#[derive(Deserialize)]
struct ReceiptReply {
    receipt: String,
}

#[derive(Serialize)]
struct SubscribeParams<'a> {
    product: &'a str,
}

impl Handle {
    /// # Safety
    /// The texts are NULL or end with a zero byte.
    pub(crate) unsafe fn new(options: &Options) -> Self {
        // SAFETY: as above.
        Self::with(unsafe { Settings::read(options) })
    }

    pub(crate) fn with(settings: Result<Settings, &'static str>) -> Self {
        Self { settings, kept: Mutex::new(None), pages: Pages::new() }
    }

    /// What stands in the page, or `None`.
    #[inline]
    pub(crate) fn at_hand(&self, product: &CStr) -> Option<State> {
        settled(self.pages.read(product)?)
    }

    /// The answer where it is not at hand: it is asked for, and how it comes to be at hand.
    #[cold]
    pub(crate) fn state(&self, product: &CStr) -> State {
        let (Ok(settings), Ok(name)) = (&self.settings, product.to_str()) else {
            return State::NotKnown;
        };
        let wants_page = self.pages.read(product).is_none();
        let publisher = settings.publisher.as_ref();
        let params = CheckParams { product: name, publisher, wait_ms: settings.wait_ms() };
        if wants_page && let Err(_) = self.pages.ask(product, &params, || settings.client()) {
            // Whoever cannot be asked for this cannot be asked for that.
            return State::NotKnown;
        }
        self.at_hand(product).unwrap_or_else(|| self.check(name).state)
    }

    pub(crate) fn check(&self, product: &str) -> Verdict {
        let settings = match &self.settings {
            Ok(settings) => settings,
            Err(wrong) => return answer::not_known(Failure::Argument, wrong),
        };
        let publisher = settings.publisher.as_ref();
        let params = CheckParams { product, publisher, wait_ms: settings.wait_ms() };
        answer::of(self.ask(settings, |it| it.check_with(&params)), publisher)
    }

    /// A receipt; or not known, and why.
    pub(crate) fn receipt(&self, product: &str, nonce: &[u8]) -> Result<String, Box<Verdict>> {
        let settings = self.settings.as_ref();
        let settings = settings.map_err(|wrong| answer::not_known(Failure::Argument, wrong))?;
        let nonce =
            (!nonce.is_empty()).then(|| nonce.iter().map(|it| format!("{it:02x}")).collect());
        let params = ReceiptParams { product, nonce };
        let said = self.ask(settings, |it| it.call("entitlement_receipt", &params));
        let said = said.map(|it: ReceiptReply| it.receipt);
        said.map_err(|it| answer::not_known(answer::failure_of(&it), &answer::words_of(&it)).into())
    }

    /// Whether a receipt of the daemon proves the answer at `now`.
    pub(crate) fn prove(&self, product: &str, now: i64) -> Verdict {
        let wrong = |it| answer::not_known(Failure::Argument, it);
        let (settings, publisher) = match &self.settings {
            Ok(Settings { publisher: None, .. }) => {
                return wrong(
                    "a proof is worth what the publisher's key is worth, and the options name none",
                );
            }
            Ok(settings @ Settings { publisher: Some(publisher), .. }) => (settings, publisher),
            Err(it) => return wrong(it),
        };
        let Some(nonce) = receipt::fresh_nonce() else {
            return answer::not_known(Failure::Internal, "the kernel gives no random bytes");
        };
        let Settings { accept_linked, min_version, accept_maker, .. } = *settings;
        let asked = Asked {
            product,
            publisher,
            nonce: Some(&nonce),
            now,
            accept_linked,
            min_version,
            accept_maker,
        };
        match self.receipt(product, &nonce) {
            Ok(receipt) => receipt::verify(receipt.as_bytes(), &asked),
            Err(not_known) => *not_known,
        }
    }

    fn ask<R>(
        &self,
        settings: &Settings,
        question: impl FnOnce(&mut Client) -> Result<R, ClientError>,
    ) -> Result<R, ClientError> {
        let mut client = self.take().unwrap_or_else(|| settings.client());
        let said = question(&mut client);
        // After a failure the daemon is looked for anew: it may have come up elsewhere.
        if said.is_ok() {
            self.keep(client);
        }
        said
    }

    /// Where the daemon is asked, and how long a question may take; or what is wrong with the options.
    pub(crate) fn place(&self) -> Result<(SocketPath, Duration), &'static str> {
        let settings = self.settings.as_ref().map_err(|wrong| *wrong)?;
        Ok((settings.path(), settings.timeout))
    }

    pub(crate) fn subscribe(&self, product: &str) -> Result<Subscription, Failure> {
        let settings = self.settings.as_ref().map_err(|_| Failure::Argument)?;
        let changes = settings.follow(product).map_err(|it| answer::failure_of(&it))?;
        Ok(Subscription::new(changes, settings.publisher.clone()))
    }

    /// The connection that was kept, if this process made it. One of before a fork is still its parent's: closing ours of
    /// the two descriptors tells the daemon nothing.
    fn take(&self) -> Option<Client> {
        let kept = self.kept.try_lock().ok()?.take()?;
        (kept.pid == std::process::id()).then_some(kept.client)
    }

    fn keep(&self, client: Client) {
        if let Ok(mut kept) = self.kept.try_lock() {
            *kept = Some(Kept { pid: std::process::id(), client });
        }
    }
}

impl Settings {
    /// # Safety
    /// As [`Handle::new`].
    unsafe fn read(options: &Options) -> Result<Self, &'static str> {
        // SAFETY: as above.
        let (socket, publisher) =
            unsafe { (text::read(options.socket), text::read(options.publisher)) };
        if socket.is_none() && !options.socket.is_null() {
            return Err("the path of the socket is not UTF-8");
        }
        let publisher = match publisher.map(str::parse::<PublisherKey>) {
            None if options.publisher.is_null() => None,
            Some(Ok(key)) => Some(key),
            _ => {
                return Err(
                    "the publisher's key must be a minisign public key: 56 characters that begin with RW",
                );
            }
        };
        let timeout = match u64::try_from(options.timeout_ms) {
            Ok(0) => TIMEOUT_DEFAULT,
            Ok(it) => Duration::from_millis(it),
            Err(_) => return Err("the time limit must not be negative"),
        };
        Ok(Self {
            socket: socket.map(SocketPath::at),
            publisher,
            timeout,
            accept_linked: options.accept_linked != 0,
            min_version: options.min_version,
            accept_maker: options.accept_maker != 0,
        })
    }

    fn path(&self) -> SocketPath {
        match &self.socket {
            Some(named) => named.clone(),
            // Whoever starts a set-user-ID program chooses its environment.
            None => default_path_of(!is_set_user_id()),
        }
    }

    fn client(&self) -> Client {
        Client::unconnected(&self.path(), self.timeout)
    }

    fn follow(&self, product: &str) -> Result<Changes, ClientError> {
        self.client().subscribe_with(&SubscribeParams { product })
    }

    /// A program that waits for less than the daemon would is told what is known before its own time is up.
    fn wait_ms(&self) -> Option<u64> {
        let half = self.timeout / 2;
        (half < DAEMON_WAITS).then(|| u64::try_from(half.as_millis()).unwrap_or_default())
    }
}

/// Of what the daemon wrote; `None` where it is to be asked.
#[inline]
fn settled(said: Said) -> Option<State> {
    match said {
        Said::Yes => Some(State::Yes),
        Said::No => Some(State::No),
        Said::NotKnown => Some(State::NotKnown),
        Said::Ask => None,
    }
}

/// Whether the kernel started this program with rights that its caller does not have.
fn is_set_user_id() -> bool {
    // SAFETY: takes a number and gives one; zero for what the kernel did not say.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}
