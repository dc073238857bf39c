//! `entitlectl`: the daemon's questions and answers for people and scripts.
//!
//! Owns: arguments, the text people read, exit codes. Asks the daemon through `entitled_client` like any
//! other program; only `product lint` and `store restore` need no daemon. Never decides who is entitled to what, and never
//! takes a secret as an argument.

mod arguments;
mod commands;
mod exit;
mod files;
#[cfg(test)]
mod manual;
mod pages;
mod progress;
mod results;
mod screen;
mod secrets;
mod session;
mod tables;
mod verdicts;
mod words;

use std::process::ExitCode;

use clap::Parser;

use arguments::Arguments;
use exit::Exit;
use screen::Screen;
use session::Session;
use zeroizing_alloc::ZeroAlloc;

/// Overwrites whatever is given back: keys and passphrases pass through here.
#[global_allocator]
static MEMORY: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(it) => {
            // Help and version are answers, not mistakes. A closed pipe is nobody's fault.
            let _ = it.print();
            return match it.exit_code() {
                0 => Exit::Done.into(),
                _ => Exit::Usage.into(),
            };
        }
    };
    let mut screen = Screen::new(arguments.json);
    let session = Session::new(arguments.socket, arguments.timeout);
    let outcome = arguments.command.run(&session, &mut screen);
    let outcome = outcome.and_then(|exit| screen.finish().map(|()| exit));
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            screen.failure(&failure);
            failure.exit().into()
        }
    }
}
