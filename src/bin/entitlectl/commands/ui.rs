//! `ui`: what this machine is entitled to, and how it fares, in the browser.

use std::time::Duration;

use clap::Args;

use crate::exit::{Exit, Failure};
use crate::pages::{self, Offer, Page};
use crate::screen::Screen;
use crate::session::{Behalf, Session};
use crate::words;

#[derive(Debug, Args)]
pub(crate) struct UiArguments {
    /// How long to go on when no page is open any more
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = words::parse_duration)]
    open_for: Duration,
    #[command(flatten)]
    behalf: Behalf,
}

pub(crate) fn run(
    UiArguments { open_for, behalf }: &UiArguments,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    let offer = Offer { page: Page::Ui, behalf, chain: None, open_for: *open_for };
    pages::show(&offer, session, screen, |_, _| Ok(()))?;
    screen.aside("nobody looks at the page any more: it is closed");
    Ok(Exit::Done)
}
