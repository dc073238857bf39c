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
use entitled_client::Verdict;

use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::session::{self, FIRST_CHECK_WAIT, Question, Session};
use crate::{verdicts, words};

/// The longest that the daemon lets one check wait.
const LONGEST_CHECK: Duration = Duration::from_secs(30);
/// Between two attempts to get an answer.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    product: String,
    /// Also require this feature
    #[arg(long)]
    feature: Option<String>,
    /// Keep asking for so long while nobody can say whether you are entitled
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
    let verdict = match ask(arguments, session) {
        Ok(verdict) => verdict,
        Err(failure) => {
            screen.aside(&format!("entitlectl: {} was not started", name(command)));
            return Err(failure);
        }
    };
    let exit = verdicts::exit(&verdict);
    if exit == Exit::Done {
        return Err(replace(command));
    }
    let why = verdicts::refusal(&verdict, product, feature.as_deref());
    screen.aside(&format!("entitlectl: {} was not started: {why}", name(command)));
    Ok(exit)
}

/// A yes or a no, or what stands after the wait where there is neither.
fn ask(arguments: &RunArguments, session: &Session) -> Result<Verdict, Failure> {
    let RunArguments { product, feature, wait, .. } = arguments;
    let begun = Instant::now();
    loop {
        let left = wait.unwrap_or(FIRST_CHECK_WAIT).saturating_sub(begun.elapsed());
        let patience = left.min(LONGEST_CHECK);
        let question = Question::new("entitlement_check")
            .with("product", product)?
            .with_some("feature", feature.as_ref())?
            .with("wait_ms", &u64::try_from(patience.as_millis()).unwrap_or(u64::MAX))?;
        let answer = session.patient(patience).ask(&question);
        let answer = answer.and_then(|it| session::read::<Verdict>(question.method, &it));
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
