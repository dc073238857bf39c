//! `fleet`: the machines that share floating seats.

use clap::Subcommand;

use crate::exit::{Exit, Failure};
use crate::results::ask_and_show;
use crate::screen::Screen;
use crate::session::{Question, Session};
use crate::tables::Form::Plain;
use crate::tables::{self, Column};

const MACHINES: &[Column] = &[
    Column("machine", "name", Plain),
    Column("id", "id", Plain),
    Column("places", "places", Plain),
    Column("beat", "beat", Plain),
    Column("draining", "draining", Plain),
    Column("evicted", "evicted", Plain),
    Column("version", "version", Plain),
];

#[derive(Debug, Subcommand)]
pub(crate) enum FleetCommand {
    /// How this machine stands with its fleet, and all machines of it
    Status,
    /// Put a machine out of the fleet, and say when it is certain that it uses nothing any more
    Evict {
        /// Its id, or its name if no other has that
        machine: String,
    },
    /// Give no new seats on this machine; what is held goes on
    Drain {
        /// Give seats again
        #[arg(long)]
        end: bool,
    },
    /// Say that the store of the fleet was restored from a backup, and that this was meant
    Restored,
}

pub(crate) fn run(
    command: &FleetCommand,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    let question = match command {
        FleetCommand::Status => Question::admin("fleet_status"),
        FleetCommand::Evict { machine } => {
            Question::admin("fleet_evict").with("machine", machine)?
        }
        FleetCommand::Drain { end } => Question::admin("fleet_drain").with("on", &!end)?,
        FleetCommand::Restored => Question::admin("fleet_restored"),
    };
    let view = screen.view().clone();
    ask_and_show(session, screen, &question, |answer| {
        let Some(machines) = tables::field(answer, "machines").as_array().cloned() else {
            return tables::outline(answer);
        };
        let mut own = answer.clone();
        if let Some(fields) = own.as_object_mut() {
            fields.remove("machines");
        }
        format!("{}\n\n{}", tables::outline(&own), tables::table(&view, &machines, MACHINES))
    })?;
    Ok(Exit::Done)
}
