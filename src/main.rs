//! The daemon: arguments, configuration, log; then [`entitled::daemon::run`], and its exit code.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use entitled::clock::Clock;
use entitled::config::{Config, Environment};
use entitled::daemon::{self, Begin};
use entitled::directories::{self, Owner, Visible};
use entitled::gateway;
use entitled::logging::plain;
use entitled_core::domain::causes::with_causes;
use zeroizing_alloc::ZeroAlloc;

/// Overwrites whatever is given back. A request that carries a key or a passphrase passes through the buffers of
/// the socket, of HTTP and of the JSON reader, which are others' code and wipe nothing.
#[global_allocator]
static MEMORY: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

/// Wrong usage or configuration.
const WRONG: u8 = 2;

/// Answers installed software's question: what am I entitled to?
#[derive(Debug, Parser)]
#[command(name = "entitled", version, about, args_conflicts_with_subcommands = true)]
struct Arguments {
    /// The configuration file; /etc/entitled/entitled.toml if not given.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the configuration and the product files, say what is wrong, and end.
    #[arg(long)]
    check: bool,
    /// Answer what this file says, and prove nothing: for whoever builds a program that asks.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    fake: Option<PathBuf>,
    /// Wait while another daemon that was started with this option works in the same state directory, and take its place
    /// when it ends.
    #[arg(long, conflicts_with_all = ["check", "fake"])]
    wait_for_predecessor: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

/// Another role of the same program.
#[derive(Debug, Subcommand)]
enum Role {
    /// Answer over HTTP what the daemon answers on its socket.
    Gateway {
        /// The configuration file of the gateway.
        #[arg(long, value_name = "FILE", default_value = "/etc/entitled/gateway.toml")]
        config: PathBuf,
        /// Check the configuration, say what is wrong, and end.
        #[arg(long)]
        check: bool,
        /// Ask the gateway that runs by this configuration whether it is ready, and end.
        #[arg(long, conflicts_with = "check")]
        probe: bool,
    },
    /// Give directories that root has made to who works in them; for the first step of a pod.
    Prepare {
        /// Whom they are given to.
        #[arg(long, value_name = "UID:GID", value_parser = owner)]
        owner: Owner,
        /// A directory that everybody may look into, such as that of the sockets.
        #[arg(long, value_name = "DIRECTORY")]
        shared: Vec<PathBuf>,
        /// A directory that its owner alone may look into, such as that of the ledger.
        #[arg(long, value_name = "DIRECTORY")]
        private: Vec<PathBuf>,
    },
    /// Hold what was handed over until the standard input ends: of the daemon, for what may take long to close.
    #[command(hide = true)]
    Hold,
}

fn owner(text: &str) -> Result<Owner, String> {
    let numbers = text.split_once(':').map(|(uid, gid)| (uid.parse(), gid.parse()));
    match numbers {
        Some((Ok(uid @ 1..), Ok(gid @ 1..))) => Ok(Owner { uid, gid }),
        _ => Err("must be two numbers, neither of them root's, such as 65532:65532".to_owned()),
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match &arguments.role {
        Some(Role::Gateway { config, check, probe }) => {
            return gateway(config, *check, *probe);
        }
        Some(Role::Prepare { owner, shared, private }) => return prepare(*owner, shared, private),
        Some(Role::Hold) => return hold(),
        None => {}
    }
    let environment = Environment::of_process();
    if let Some(file) = &arguments.fake {
        return fake(file, &environment, arguments.check);
    }
    let read = match Config::read(arguments.config.as_deref(), &environment) {
        Ok(read) => read,
        Err(error) => {
            tell(std::io::stderr(), &with_causes(&error));
            return ExitCode::from(WRONG);
        }
    };
    if arguments.check {
        return check(&read, &environment);
    }
    let source = daemon::Source { file: arguments.config, environment };
    let begin = match arguments.wait_for_predecessor {
        true => Begin::AfterPredecessor,
        false => Begin::AtOnce,
    };
    match daemon::run(read, source, begin) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tell(std::io::stderr(), &format!("entitled cannot start: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn check(read: &entitled::config::Read, environment: &Environment) -> ExitCode {
    for warning in &read.warnings {
        tell(std::io::stderr(), &format!("warning: {warning}"));
    }
    let catalogue = daemon::catalogue(&read.config, environment.uid);
    let loaded = catalogue.load(&Default::default(), Clock::system().now());
    for fault in &loaded.faults {
        tell(std::io::stderr(), &fault.to_string());
    }
    if !loaded.faults.is_empty() {
        return ExitCode::from(WRONG);
    }
    for warning in daemon::unavailable(&read.config, &loaded) {
        tell(std::io::stderr(), &format!("warning: {warning}"));
    }
    match daemon::check(&read.config) {
        Ok(warning) => {
            warning.into_iter().for_each(|it| tell(std::io::stderr(), &format!("warning: {it}")))
        }
        Err(error) => {
            tell(std::io::stderr(), &format!("{error:#}"));
            return ExitCode::from(WRONG);
        }
    }
    let (chains, products) = (read.config.chains.len(), loaded.products.len());
    let (chains, products) = (counted(chains, "chain"), counted(products, "product"));
    tell(std::io::stdout(), &format!("all is well: {chains}, {products}"));
    ExitCode::SUCCESS
}

/// Stands before a daemon, or only checks whether it could, or asks one that does.
fn gateway(file: &Path, only_check: bool, only_probe: bool) -> ExitCode {
    let settings = match gateway::read(file) {
        Ok(settings) => settings,
        Err(error) => {
            tell(std::io::stderr(), &with_causes(&error));
            return ExitCode::from(WRONG);
        }
    };
    if only_check {
        return match gateway::check(&settings) {
            Ok(()) => {
                let clients = counted(settings.clients.len(), "client");
                tell(std::io::stdout(), &format!("all is well: a gateway with {clients}"));
                ExitCode::SUCCESS
            }
            Err(error) => {
                tell(std::io::stderr(), &format!("{error:#}"));
                ExitCode::from(WRONG)
            }
        };
    }
    if only_probe {
        return match gateway::probe(&settings) {
            Ok(()) => {
                tell(std::io::stdout(), "the gateway is ready");
                ExitCode::SUCCESS
            }
            Err(error) => {
                tell(std::io::stderr(), &format!("{error:#}"));
                ExitCode::FAILURE
            }
        };
    }
    match gateway::run(settings, |text| tell(std::io::stdout(), text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(std::io::stderr(), &format!("the gateway cannot start: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn hold() -> ExitCode {
    // Whatever ends the input, nothing is held longer.
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    ExitCode::SUCCESS
}

/// Gives directories away; the first that cannot be given ends it.
fn prepare(owner: Owner, shared: &[PathBuf], private: &[PathBuf]) -> ExitCode {
    let shared = shared.iter().map(|it| (it, Visible::ToAll));
    let mut all = shared.chain(private.iter().map(|it| (it, Visible::ToOwner)));
    match all.try_for_each(|(path, visible)| directories::give(path, owner, visible)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(std::io::stderr(), &with_causes(&error));
            ExitCode::FAILURE
        }
    }
}

/// Plays a daemon, or only checks what it would play.
fn fake(file: &Path, environment: &Environment, only_check: bool) -> ExitCode {
    let fake = match daemon::fake::read(file, environment) {
        Ok(fake) => fake,
        Err(error) => {
            tell(std::io::stderr(), &with_causes(&error));
            return ExitCode::from(WRONG);
        }
    };
    if only_check {
        let products = counted(fake.scenario.products.len(), "product");
        tell(std::io::stdout(), &format!("all is well: a fake with {products}"));
        return ExitCode::SUCCESS;
    }
    match daemon::fake::run(fake, |text| tell(std::io::stdout(), text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(std::io::stderr(), &format!("the fake cannot start: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn counted(count: usize, of: &str) -> String {
    match count {
        1 => format!("1 {of}"),
        _ => format!("{count} {of}s"),
    }
}

/// What comes from files moves no cursor. A closed standard stream is no reason to fail.
fn tell(mut to: impl Write, text: &str) {
    for line in text.lines() {
        let _ = writeln!(to, "{}", plain(line));
    }
}
