//! `why`: a verdict and the steps that led to it.

use clap::Args;
use entitled_client::Explanation;

use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::session::{self, Behalf, FIRST_CHECK_WAIT, Question, Session};
use crate::verdicts;

#[derive(Debug, Args)]
pub(crate) struct WhyArguments {
    product: String,
    #[command(flatten)]
    behalf: Behalf,
}

pub(crate) fn run(
    WhyArguments { product, behalf }: &WhyArguments,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    let question =
        Question::new("entitlement_explain").with("product", product)?.for_whom(behalf)?;
    let result = session.patient(FIRST_CHECK_WAIT).ask(&question)?;
    let explanation: Explanation = session::read(question.method, &result)?;
    match screen.is_json() {
        true => screen.raw(&result),
        false => {
            let text = verdicts::why_text(screen, &explanation);
            screen.line(&text);
        }
    }
    Ok(verdicts::exit(&explanation.verdict))
}
