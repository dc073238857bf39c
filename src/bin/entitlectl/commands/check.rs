//! `check`: whether one is entitled to a product.

use std::time::Duration;

use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::session::{self, Behalf, FIRST_CHECK_WAIT, Question, Session};
use crate::view::Format;
use crate::{advice, tables, verdicts, words};
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The product's id or name
    product: String,
    /// Also ask for this feature
    #[arg(long)]
    feature: Option<String>,
    /// How long a first answer may wait for the chain, at most 30s
    #[arg(long, value_name = "DURATION", value_parser = words::parse_wait)]
    wait: Option<Duration>,
    #[command(flatten)]
    behalf: Behalf,
}

pub(crate) fn run(
    CheckArguments { product, feature, wait, behalf }: &CheckArguments,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    let wait_ms = wait.map(|it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX));
    let question = Question::new("entitlement_check")
        .with("product", product)?
        .with_some("feature", feature.as_ref())?
        .with_some("wait_ms", wait_ms.as_ref())?
        .for_whom(behalf)?;
    let patient = session.patient(wait.unwrap_or(FIRST_CHECK_WAIT));
    let (result, verdict) = patient.ask_verdict(&question)?;
    match screen.view().format {
        Format::Json => screen.raw(&result),
        Format::Tsv => screen.line(&tables::values(&session::read(question.method, &result)?)),
        Format::Table => {
            let next = advice::next_step(session, &verdict);
            let text = verdicts::check_text(screen, &verdict, feature.as_deref(), &next);
            screen.line(&text);
        }
    }
    Ok(verdicts::exit(&verdict))
}
