//! The machine around the daemon: its unit, its configuration, the clock, the disk.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use entitled::config::{Config, Read};
use entitled_core::domain::publisher::SignatureFault;
use nix::errno::Errno;
use nix::sys::statvfs::statvfs;
use nix::unistd::geteuid;
use serde_json::Value;

use super::{AS_ROOT, Findings, State};
use crate::session::{Door, Question, Session};
use crate::{configured, session, tables, told};

/// Less room than this on the disk of the store is worth a word, and less than this stops it soon.
const LITTLE_MIB: u64 = 1024;
const NONE_MIB: u64 = 64;

/// The configuration, if it can be read and is that of the daemon that is asked.
pub(super) fn examine(
    findings: &mut Findings,
    file: Option<&Path>,
    asked: (&Session, Option<&Value>),
) -> Option<Config> {
    unit(findings);
    clock(findings);
    configuration(findings, file, asked)
}

fn unit(findings: &mut Findings) {
    if !told::has_systemd() {
        return findings.well("unit", "no systemd here: whoever starts the daemon looks after it");
    }
    for unit in ["entitled.socket", "entitled.service"] {
        let Some(state) = said_by("systemctl", &["show", "--value", "-p", "ActiveState", unit])
        else {
            findings.add("unit", State::Unknown, format!("systemctl does not tell of {unit}"), "");
            continue;
        };
        match state.as_str() {
            "active" => findings.well("unit", format!("{unit} is active")),
            // It is started by its socket when somebody asks.
            "inactive" if unit == "entitled.service" => {
                findings.well("unit", format!("{unit} waits for somebody to ask"));
            }
            state => {
                let mend = format!(
                    "`systemctl status {unit}` says why; `systemctl start {unit}` starts it"
                );
                findings.add("unit", State::Bad, format!("{unit} is {state}"), &mend);
            }
        }
    }
}

fn clock(findings: &mut Findings) {
    match said_by("timedatectl", &["show", "--value", "-p", "NTPSynchronized"]).as_deref() {
        Some("yes") => findings.well("clock", "kept by the network"),
        Some("no") => findings.add(
            "clock",
            State::Warning,
            "nobody keeps it: a clock that goes wrong makes proofs look old or from the future",
            "`timedatectl set-ntp true`",
        ),
        // Containers have none, and the chains' own times show what is wrong.
        _ => {}
    }
}

fn configuration(
    findings: &mut Findings,
    file: Option<&Path>,
    (session, health): (&Session, Option<&Value>),
) -> Option<Config> {
    match configured::read(file) {
        Ok(Read { config, warnings, files }) => {
            let files: Vec<_> = files.iter().map(|it| it.display().to_string()).collect();
            let from = if files.is_empty() { "no file".to_owned() } else { files.join(", ") };
            if file.is_none() && !configured::is_of(&config, session) {
                let said = format!(
                    "the daemon at {} does not say which file it was started with, and the usual one ({from}) is not its own",
                    session.path(Door::Public).as_path().display()
                );
                findings.add("configuration", State::Unknown, said, "name it with --config");
                return None;
            }
            findings.well("configuration", format!("no mistakes ({from})"));
            if let Some(said) = health.and_then(|it| other_chains(&config, it)) {
                let mend = "`entitlectl reload` has it read its file again; if it was started with another one, name that with --config";
                findings.add("configuration", State::Warning, said, mend);
            }
            for warning in warnings {
                findings.add("configuration", State::Warning, warning, "");
            }
            Some(config)
        }
        Err(error) => {
            let said = error.to_string();
            let mend = "correct it, then `systemctl reload entitled`; `entitled --check` tells all mistakes";
            match said.contains("Permission denied") || said.contains("permission") {
                true => findings.add("configuration", State::Unknown, said, AS_ROOT),
                false => findings.add("configuration", State::Bad, said, mend),
            }
            None
        }
    }
}

/// That a daemon has other chains than its configuration has now.
fn other_chains(config: &Config, health: &Value) -> Option<String> {
    let chains = tables::items(tables::field(health, "chains").clone());
    let of_daemon: BTreeSet<String> =
        chains.iter().map(|it| tables::text(it, "id").to_owned()).collect();
    let of_file: BTreeSet<String> = config.chains.iter().map(|it| it.id.to_string()).collect();
    let listed = |all: &BTreeSet<String>| match all.is_empty() {
        true => "none".to_owned(),
        false => all.iter().cloned().collect::<Vec<_>>().join(", "),
    };
    (of_daemon != of_file).then(|| {
        let (is, was) = (listed(&of_file), listed(&of_daemon));
        format!("its chains are {is}, and those of the daemon {was}")
    })
}

/// What of the product files the daemon does not take. Of a file that hands over to another key, only its ledger knows from whom.
pub(super) fn product_files(findings: &mut Findings, session: &Session, config: Option<&Config>) {
    let Some(config) = config else { return };
    let listed = session.ask_all_as_is(Question::new("product_list")).unwrap_or_default();
    let pages = listed.iter().filter_map(|it| session::read::<Value>("product_list", it).ok());
    let taken: Vec<Value> = pages.flat_map(tables::items).collect();
    for fault in configured::refused(config) {
        let file = fault.file.display().to_string();
        let hands_over = fault.fault.message.ends_with(&SignatureFault::OtherKey.to_string());
        if hands_over && taken.iter().any(|it| tables::text(it, "source") == file) {
            continue;
        }
        let is_closed = fault.fault.message.to_lowercase().contains("permission denied");
        match is_closed && !geteuid().is_root() {
            true => findings.add("products", State::Unknown, fault.to_string(), AS_ROOT),
            false => {
                let mend = "correct it, then `entitlectl reload`; it is not taken as it is";
                findings.add("products", State::Bad, fault.to_string(), mend);
            }
        }
    }
}

/// Room for the store, where its directory may be looked at.
pub(super) fn disk(findings: &mut Findings, config: Option<&Config>) {
    let Some(config) = config else { return };
    let directory = config.store.path.parent().unwrap_or(Path::new("/"));
    let figures = match statvfs(directory) {
        Ok(figures) => figures,
        Err(Errno::ENOENT) => {
            let said = format!("{}, where the ledger belongs, is not there", directory.display());
            let mend = "the daemon makes it when it starts; if its file names another place, name that file with --config";
            return findings.add("disk", State::Warning, said, mend);
        }
        Err(error) => {
            let said = format!("{} may not be looked at: {}", directory.display(), error.desc());
            let mend = if geteuid().is_root() { "" } else { AS_ROOT };
            return findings.add("disk", State::Unknown, said, mend);
        }
    };
    let free = figures.blocks_available().saturating_mul(figures.fragment_size()) >> 20;
    let said = format!("{free} MiB are free for {}", directory.display());
    let mend = "make room: without it nothing that changes is kept";
    match free {
        ..NONE_MIB => findings.add("disk", State::Bad, said, mend),
        NONE_MIB..LITTLE_MIB => findings.add("disk", State::Warning, said, mend),
        _ => findings.well("disk", said),
    }
}

/// What a program says, in one line, if it is there and ends well.
fn said_by(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim().to_owned()).filter(|it| !it.is_empty())
}
