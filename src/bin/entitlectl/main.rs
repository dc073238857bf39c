//! `entitlectl`: the daemon's questions and answers for people and scripts.
//!
//! Owns: arguments, the text people read, exit codes. Asks the daemon through `entitled_client` like any
//! other program; only `product lint` and `store restore` need no daemon. Never decides who is entitled to what, and never
//! takes a secret as an argument.

mod advice;
mod arguments;
mod commands;
mod completions;
mod configured;
mod examples;
mod exit;
mod explained;
mod files;
#[cfg(test)]
mod manual;
mod names;
mod pages;
mod progress;
mod results;
mod screen;
mod secrets;
mod session;
mod shapes;
mod tables;
mod told;
mod verdicts;
mod view;
mod words;

use std::process::ExitCode;

use arguments::{Arguments, Command};
use commands::status::StatusArguments;
use exit::Exit;
use screen::Screen;
use session::Session;
use view::{Format, View};
use zeroizing_alloc::ZeroAlloc;

/// Overwrites whatever is given back: keys and passphrases pass through here.
#[global_allocator]
static MEMORY: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    let arguments = match Arguments::understood(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(it) => {
            // Help and version are answers, not mistakes. A closed pipe is nobody's fault.
            if it.exit_code() == 0 {
                let _ = it.print();
                return Exit::Done.into();
            }
            match asks_for_json() {
                true => told::misunderstood(&it),
                false => drop(it.print()),
            }
            return Exit::Usage.into();
        }
    };
    let view = View::new(&arguments.view);
    let lively = view.format == Format::Table && !view.quiet;
    let mut screen = Screen::new(view);
    let session = Session::new(arguments.socket, arguments.timeout, lively);
    let command = arguments.command.unwrap_or(Command::Status(StatusArguments::default()));
    let outcome = command.run(&session, &mut screen);
    let outcome = outcome.and_then(|exit| screen.finish().map(|()| exit));
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            screen.failure(&failure);
            failure.exit().into()
        }
    }
}

/// Of a command line that was not understood: whether whoever wrote it reads JSON.
fn asks_for_json() -> bool {
    // What is no text is none of what is looked for.
    let given = std::env::args_os().skip(1).map(|it| it.to_string_lossy().into_owned());
    let given: Vec<_> = given.take_while(|it| it != "--").collect();
    let pair = |it: &[String]| it[0] == "--format" && it[1] == "json";
    given.iter().any(|it| it == "--json" || it == "--format=json") || given.windows(2).any(pair)
}
