//! `run`: starts a command if one is entitled to a product, for programs that cannot ask by themselves.
//!
//! The command takes this process's place: its id, its standard streams, its environment and its exit code are those of
//! the command. Nothing is written to standard output before.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Args;
use entitled_client::{ClientError, Verdict};
use entitled_core::domain::ids::ProductId;
use entitled_core::domain::publisher::PublisherKey;
use serde::Deserialize;

use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::session::{self, FIRST_CHECK_WAIT, Question, Session};
use crate::{advice, verdicts, words};

/// The longest that the daemon lets one check wait.
const LONGEST_CHECK: Duration = Duration::from_secs(30);
/// The longest that the daemon lets a request wait for a seat.
const LONGEST_SEAT_WAIT: Duration = Duration::from_secs(3_600);
/// Between two attempts to get an answer.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The product's id or name
    product: String,
    /// Also require this feature
    #[arg(long)]
    feature: Option<String>,
    /// Require that this publisher signed the product's file: its minisign public key, which begins with `RW`
    #[arg(long, value_name = "KEY")]
    publisher: Option<PublisherKey>,
    /// Hold a floating seat for as long as the command runs
    #[arg(long)]
    seat: bool,
    /// Keep asking for so long while nobody can say whether you are entitled, or wait so long for a seat
    #[arg(long, value_name = "DURATION", value_parser = words::parse_duration)]
    wait: Option<Duration>,
    /// The command to start, with its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(crate) fn run(
    arguments: &RunArguments,
    session: &Session,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let RunArguments { product, feature, command, .. } = arguments;
    if arguments.seat && arguments.publisher.is_none() {
        return with_seat(arguments, session, screen);
    }
    // A request for a seat names no publisher, so that this is asked before.
    let verdict = match ask(arguments, session) {
        Ok(verdict) => verdict,
        Err(failure) => {
            screen.aside(&format!("entitlectl: {} was not started", name(command)));
            return Err(failure);
        }
    };
    let exit = verdicts::exit(&verdict);
    if exit == Exit::Done && arguments.seat {
        return with_seat(arguments, session, screen);
    }
    if exit == Exit::Done {
        return Err(replace(command));
    }
    let next = advice::next_step(session, &verdict);
    let why = verdicts::refusal(&verdict, product, feature.as_deref(), &next);
    screen.aside(&format!("entitlectl: {} was not started: {why}", name(command)));
    Ok(exit)
}

/// As much of the answer to `seat_acquire` as is needed here.
#[derive(Debug, Deserialize)]
struct Seat {
    granted: bool,
    code: String,
    product: String,
    detail: String,
    bind: Option<String>,
    verdict: Option<Verdict>,
}

impl Seat {
    /// Itself, unless it is of another product than was asked for, by its id or by its name.
    fn about(self, product: &str) -> Result<Self, Failure> {
        let reason = "the answer is about another product";
        match product.parse::<ProductId>().is_ok() && self.product != product {
            true => Err(ClientError::Protocol { reason, source: None }.into()),
            false => Ok(self),
        }
    }

    /// Whether it was given for a product of this publisher, where one is named.
    fn is_of(&self, publisher: Option<&PublisherKey>) -> bool {
        let signed = self.verdict.as_ref().and_then(|it| it.publisher.as_deref());
        publisher.is_none_or(|it| signed == Some(it.to_string().as_str()))
    }
}

/// The seat is this process's, whose place the command takes: it ends with the command, however that ends.
fn with_seat(
    arguments: &RunArguments,
    session: &Session,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let command = name(&arguments.command);
    let seat = ask_for_seat(arguments, session).inspect_err(|_| {
        screen.aside(&format!("entitlectl: {command} was not started"));
    })?;
    let (exit, why) = match (seat.granted, seat.code.as_str(), seat.bind.as_deref()) {
        (_, "UNDETERMINED", _) => (Exit::Undetermined, words::tame(&seat.detail)),
        (true, ..) if !seat.is_of(arguments.publisher.as_ref()) => {
            (Exit::No, "PUBLISHER_MISMATCH: the product has become another publisher's".to_owned())
        }
        (true, _, Some("process")) => return Err(replace(&arguments.command)),
        (true, ..) => {
            let why = "the kernel does not tell when the command ends (Linux 6.5 does)";
            (Exit::Undetermined, why.to_owned())
        }
        (false, code, _) => {
            (Exit::No, format!("{}: {}", words::tame(code), words::tame(&seat.detail)))
        }
    };
    screen.aside(&format!("entitlectl: {command} was not started: {why}"));
    Ok(exit)
}

/// A seat or none, or what stands after the wait where nobody can say.
fn ask_for_seat(arguments: &RunArguments, session: &Session) -> Result<Seat, Failure> {
    let RunArguments { product, feature, wait, .. } = arguments;
    let begun = Instant::now();
    loop {
        let left = wait.unwrap_or_default().saturating_sub(begun.elapsed());
        let patience = left.min(LONGEST_SEAT_WAIT);
        let question = Question::new("seat_acquire")
            .with("product", product)?
            .with_some("feature", feature.as_ref())?
            .with("wait_ms", &u64::try_from(patience.as_millis()).unwrap_or(u64::MAX))?;
        let answer = session.patient(patience + FIRST_CHECK_WAIT).ask(&question);
        let answer = answer.and_then(|it| session::read::<Seat>(question.method, &it));
        let answer = answer.and_then(|it| it.about(product));
        let may_pass = match &answer {
            Ok(seat) => matches!(seat.code.as_str(), "UNDETERMINED" | "SEATS_FULL" | "DRAINING"),
            Err(failure) => failure.may_pass(),
        };
        let left = wait.unwrap_or_default().saturating_sub(begun.elapsed());
        if !may_pass || left.is_zero() {
            return answer;
        }
        std::thread::park_timeout(PAUSE.min(left));
    }
}

/// A yes or a no, or what stands after the wait where there is neither.
fn ask(arguments: &RunArguments, session: &Session) -> Result<Verdict, Failure> {
    let RunArguments { product, feature, publisher, wait, .. } = arguments;
    let begun = Instant::now();
    loop {
        let left = wait.unwrap_or(FIRST_CHECK_WAIT).saturating_sub(begun.elapsed());
        let patience = left.min(LONGEST_CHECK);
        let question = Question::new("entitlement_check")
            .with("product", product)?
            .with_some("feature", feature.as_ref())?
            .with_some("publisher", publisher.as_ref())?
            .with("wait_ms", &u64::try_from(patience.as_millis()).unwrap_or(u64::MAX))?;
        let answer = session.patient(patience).ask_verdict(&question).map(|(_, verdict)| verdict);
        let is_known = match &answer {
            Ok(verdict) => verdicts::exit(verdict) != Exit::Undetermined,
            Err(failure) => !failure.may_pass(),
        };
        let left = wait.map_or(Duration::ZERO, |it| it.saturating_sub(begun.elapsed()));
        if is_known || left.is_zero() {
            return answer;
        }
        std::thread::park_timeout(PAUSE.min(left));
    }
}

/// Puts the command in the place of this process. Comes back only when that cannot be done.
fn replace(command: &[OsString]) -> Failure {
    let (program, arguments) = command.split_first().unzip();
    let program = program.cloned().unwrap_or_default();
    let source = Command::new(&program).args(arguments.unwrap_or_default()).exec();
    Failure::Exec { program: PathBuf::from(program), source }
}

fn name(command: &[OsString]) -> String {
    words::tame(&command.first().map(|it| it.to_string_lossy()).unwrap_or_default())
}
