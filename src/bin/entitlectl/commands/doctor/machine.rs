//! The machine around the daemon: its unit, its configuration, the clock, the disk.

use std::path::Path;
use std::process::Command;

use entitled::config::{Config, Environment, Read};
use nix::sys::statvfs::statvfs;

use super::{Findings, State};

/// Less room than this on the disk of the store is worth a word, and less than this stops it soon.
const LITTLE_MIB: u64 = 1024;
const NONE_MIB: u64 = 64;

/// The configuration, if it can be read.
pub(super) fn examine(findings: &mut Findings, file: Option<&Path>) -> Option<Config> {
    unit(findings);
    clock(findings);
    configuration(findings, file)
}

fn unit(findings: &mut Findings) {
    if !Path::new("/run/systemd/system").is_dir() {
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

fn configuration(findings: &mut Findings, file: Option<&Path>) -> Option<Config> {
    match Config::read(file, &Environment::of_process()) {
        Ok(Read { config, warnings, files }) => {
            let files: Vec<_> = files.iter().map(|it| it.display().to_string()).collect();
            let from = if files.is_empty() { "no file".to_owned() } else { files.join(", ") };
            findings.well("configuration", format!("no mistakes ({from})"));
            for warning in warnings {
                findings.add("configuration", State::Warning, warning, "");
            }
            Some(config)
        }
        Err(error) => {
            let said = error.to_string();
            let mend = "correct it, then `systemctl reload entitled`; `entitled --check` tells all mistakes";
            match said.contains("Permission denied") || said.contains("permission") {
                true => findings.add("configuration", State::Unknown, said, "ask as root"),
                false => findings.add("configuration", State::Bad, said, mend),
            }
            None
        }
    }
}

/// Room for the store, where its directory may be looked at.
pub(super) fn disk(findings: &mut Findings, config: Option<&Config>) {
    let Some(config) = config else { return };
    let directory = config.store.path.parent().unwrap_or(Path::new("/"));
    let Ok(figures) = statvfs(directory) else {
        let said = format!("{} may not be looked at", directory.display());
        return findings.add("disk", State::Unknown, said, "ask as root");
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
