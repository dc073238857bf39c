//! `watch`: a line for each change, through restarts of the daemon, until interrupted.

use std::time::Duration;

use clap::Args;
use entitled_client::{ClientError, Subscription, Verdict};
use entitled_core::domain::causes::with_causes;
use nix::sys::signal::{SigSet, Signal};
use serde_json::value::RawValue;

use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::session::{self, Behalf, Question, Session};
use crate::{verdicts, words};

const METHOD: &str = "entitlement_subscribe";
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(crate) struct WatchArguments {
    /// The product's id or name
    product: String,
    /// End after this many lines
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    #[command(flatten)]
    behalf: Behalf,
}

pub(crate) fn run(
    WatchArguments { product, count, behalf }: &WatchArguments,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    let question = &Question::new(METHOD).with("product", product)?.for_whom(behalf)?;
    end_on_signals()?;
    let mut subscription = session.subscribe(question)?;
    let mut shown: Option<Verdict> = None;
    let mut told = String::new();
    let mut left = *count;
    while left != Some(0) && !screen.is_closed() {
        let result = match subscription.next_raw() {
            Ok(Some(result)) => result,
            Ok(None) => {
                screen.aside("entitlectl: the daemon closed the connection; trying again");
                subscription = again(session, question)?;
                continue;
            }
            Err(it @ (ClientError::Unreachable { .. } | ClientError::Timeout { .. })) => {
                screen.aside(&format!("entitlectl: {}; trying again", with_causes(&it)));
                subscription = again(session, question)?;
                continue;
            }
            Err(it) => return Err(it.into()),
        };
        let verdict: Verdict = session::read(METHOD, &result)?;
        if let Some(reason) = verdicts::contradiction(&verdict, question) {
            return Err(ClientError::Protocol { reason, source: None }.into());
        }
        // After a new connection the present verdict comes once more, changed or not.
        if shown.as_ref().is_some_and(|it| says_the_same(it, &verdict)) {
            continue;
        }
        // To a person, what reads the same is no change, whatever changed beneath it.
        let line =
            if screen.is_json() { String::new() } else { verdicts::watch_line(screen, &verdict) };
        shown = Some(verdict);
        if !line.is_empty() && line == told {
            continue;
        }
        show(screen, &line, &result);
        told = line;
        left = left.map(|it| it - 1);
    }
    Ok(Exit::Done)
}

fn show(screen: &mut Screen, line: &str, result: &RawValue) {
    match screen.is_json() {
        true => screen.raw(result),
        false => {
            let at = words::now().strftime("%Y-%m-%d %H:%M:%S UTC");
            screen.line(&format!("{at}  {line}"));
        }
    }
}

/// Subscribes anew, with growing pauses that together are no longer than the session's patience.
fn again(session: &Session, question: &Question) -> Result<Subscription, Failure> {
    let mut patience = session.timeout();
    let mut pause = PAUSE_FIRST;
    loop {
        std::thread::park_timeout(pause.min(patience));
        patience = patience.saturating_sub(pause);
        pause = (pause * 2).min(PAUSE_LONGEST);
        match session.subscribe(question) {
            Err(ClientError::Unreachable { .. } | ClientError::Timeout { .. })
                if !patience.is_zero() => {}
            outcome => return Ok(outcome?),
        }
    }
}

/// Whether two verdicts differ in timestamps at most.
fn says_the_same(one: &Verdict, other: &Verdict) -> bool {
    let timeless = |it: &Verdict| Verdict {
        anchor: None,
        verified_at: None,
        stale_after: None,
        freshness: None,
        grace_until: None,
        seconds_until_change: None,
        ..it.clone()
    };
    timeless(one) == timeless(other)
}

/// Being interrupted is how watching ends. Each line is written whole and flushed at once, so none is lost.
fn end_on_signals() -> Result<(), Failure> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    let failed = |it: nix::Error| Failure::Signals { source: it.into() };
    signals.thread_block().map_err(failed)?;
    let waiter = std::thread::Builder::new().name("signals".to_owned());
    let waiting = waiter.spawn(move || {
        if signals.wait().is_ok() {
            std::process::exit(Exit::Done as i32);
        }
    });
    waiting.map(drop).map_err(|source| Failure::Signals { source })
}
