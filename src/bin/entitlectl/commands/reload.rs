//! `reload`.

use crate::exit::{Exit, Failure};
use crate::results::show_outline;
use crate::screen::Screen;
use crate::session::{PROOF_WAIT, Question, Session};

pub(crate) fn run(session: &Session, screen: &mut Screen) -> Result<Exit, Failure> {
    show_outline(&session.patient(PROOF_WAIT), screen, &Question::admin("system_reload"))
}
