//! `why`: a verdict and the steps that led to it.

use clap::Args;
use entitled_client::Explanation;

use crate::exit::{Exit, Failure};
use crate::explained::{self, Telling};
use crate::screen::Screen;
use crate::session::{self, Behalf, FIRST_CHECK_WAIT, Question, Session};
use crate::{advice, tables, verdicts};

#[derive(Debug, Args)]
pub(crate) struct WhyArguments {
    /// The product's id or name
    product: String,
    /// Also show, step by step, the grants that do not lead to it
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    behalf: Behalf,
}

pub(crate) fn run(
    WhyArguments { product, all, behalf }: &WhyArguments,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    let question =
        Question::new("entitlement_explain").with("product", product)?.for_whom(behalf)?;
    let result = session.patient(FIRST_CHECK_WAIT).ask(&question)?;
    let mut explanation: Explanation = session::read(question.method, &result)?;
    match screen.is_json() {
        true => screen.raw(&result),
        false => {
            name_suspensions(session, &mut explanation);
            let next = advice::next_step(session, &explanation.verdict);
            let telling = Telling { who: behalf.customer(), all: *all, next: &next };
            let text = explained::why_text(screen, &explanation, &telling);
            screen.line(&text);
            // An administrator who asks for somebody else has `seats list --all`.
            let seats = match behalf.customer() {
                None => super::seats::told(session, Some(product)),
                Some(_) => Vec::new(),
            };
            for (first, seat) in seats.iter().enumerate().map(|(at, it)| (at == 0, it)) {
                if first {
                    screen.line("");
                }
                screen.line(seat);
            }
        }
    }
    Ok(verdicts::exit(&explanation.verdict))
}

/// Puts the administrator's reason beside each suspension. The daemon keeps it with the ownership; where it cannot be
/// had, the suspension is told without it.
fn name_suspensions(session: &Session, explanation: &mut Explanation) {
    let mut first = None;
    for step in &mut explanation.steps {
        if step.outcome != "no" || !step.reason.starts_with("suspended by") {
            continue;
        }
        let Ok(question) = Question::of_all("ownership_history").with("token", &step.subject)
        else {
            continue;
        };
        let page = session.ask(&question).and_then(|it| session::read(question.method, &it));
        let items = page.map(tables::items).unwrap_or_default();
        let reasons = items.iter().map(|it| tables::text(it, "suspended.reason"));
        if let Some(reason) = reasons.into_iter().find(|it| !it.is_empty()) {
            step.reason.push_str(&format!(": {reason}"));
            first.get_or_insert_with(|| reason.to_owned());
        }
    }
    if let Some(reason) = first.filter(|_| explanation.verdict.detail.contains("suspended by")) {
        explanation.verdict.detail.push_str(&format!(": {reason}"));
    }
}
