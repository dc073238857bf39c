//! A failure as it is told: one sentence in the reader's words, once, and the next step.
//!
//! The daemon speaks to programs: of parameters, methods and codes. A person typed arguments and wants to know what to type
//! instead, so what the daemon says is freed of that here. Programs get all of it with `--json`.

use std::io;
use std::path::Path;

use entitled_client::{ClientError, ErrorCode};
use entitled_core::domain::causes::with_causes;
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::words;

/// The nouns that have a list.
const LISTED: [&str; 6] = ["wallet", "product", "customer", "ownership", "token", "seat"];

/// How a fake says that its file has no answer.
const FAKE: &str = "this daemon is a fake";

/// `entitlectl: what is wrong`, and below it what to do.
pub(crate) fn in_words(failure: &Failure) -> String {
    let mut text = format!("entitlectl: {}", words::tame(&message(failure)));
    if let Some(step) = next_step(failure) {
        text.push_str(&format!("\n  {}", words::tame(&step)));
    }
    text
}

/// As JSON-RPC has it, also for what no daemon said: then `code` is null, and `data` has a name all the same.
pub(crate) fn as_json(failure: &Failure) -> Value {
    if let Failure::Client(ClientError::Refused { code, message, data }) = failure {
        return json!({"error": {"code": code, "message": message, "data": data}});
    }
    let message = message(failure);
    local(name(failure), &message, next_step(failure).as_deref())
}

/// Says as JSON that a command line was not understood.
pub(crate) fn misunderstood(error: &clap::Error) {
    let text = error.to_string();
    let said = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let error = local("USAGE", &said, Some("--help shows what there is"));
    let _ = io::Write::write_all(&mut io::stderr().lock(), format!("{error}\n").as_bytes());
}

fn local(name: &str, message: &str, help: Option<&str>) -> Value {
    let data = json!({"code": name, "detail": message, "help": help});
    json!({"error": {"code": null, "message": message, "data": data}})
}

fn name(failure: &Failure) -> &'static str {
    match (failure, failure.exit()) {
        (Failure::Client(ClientError::Timeout { .. }), _) => "TIMEOUT",
        (Failure::Client(ClientError::Untrusted { .. }), _) => "UNTRUSTED",
        (_, Exit::Unreachable) => "UNREACHABLE",
        (_, Exit::Refused) => "PERMISSION_DENIED",
        (_, Exit::Usage) => "USAGE",
        _ => "FAILED",
    }
}

/// What is wrong, without what to do.
pub(crate) fn message(failure: &Failure) -> String {
    let Failure::Client(error) = failure else { return with_causes(failure) };
    match error {
        ClientError::Refused { message, .. } => {
            let said = error.detail().unwrap_or(message);
            match error.code() {
                Some(ErrorCode::InvalidParams) => without_parameter(said).to_owned(),
                _ => said.to_owned(),
            }
        }
        ClientError::Unreachable { path, source } => match source.kind() {
            io::ErrorKind::PermissionDenied => format!("you may not use {}", path.display()),
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                format!("the daemon cannot be reached: nobody listens at {}", path.display())
            }
            _ => with_causes(error),
        },
        _ => with_causes(error),
    }
}

/// "`address`: `0x12` is not an address" is told of what was typed, not of the parameter it went into.
fn without_parameter(said: &str) -> &str {
    let rest = said.strip_prefix('`').and_then(|it| it.split_once("`: "));
    let is_name = |it: &str| it.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
    rest.filter(|(name, _)| is_name(name)).map_or(said, |(_, rest)| rest)
}

/// Whether services are systemd's here.
pub(crate) fn has_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

fn next_step(failure: &Failure) -> Option<String> {
    let Failure::Client(error) = failure else { return None };
    let text = match error {
        ClientError::Unreachable { source, .. } => match source.kind() {
            io::ErrorKind::PermissionDenied => {
                "the machine's admin socket is open to root and the group entitled-admin, and a user's own daemon to that user"
            }
            _ if has_systemd() => {
                "`entitlectl doctor` looks for the cause; `systemctl start entitled.socket` starts it"
            }
            _ => "`entitlectl doctor` looks for the cause; start `entitled`",
        },
        ClientError::Untrusted { .. } => "whoever that is, nothing was said to them",
        ClientError::Timeout { .. } => {
            "it may be busy: try again, or give it longer with --timeout"
        }
        ClientError::Refused { .. } => return step_after_refusal(error),
        ClientError::Protocol { .. } => return None,
    };
    Some(text.to_owned())
}

fn step_after_refusal(error: &ClientError) -> Option<String> {
    let noun = error.detail().and_then(|it| it.strip_prefix("no such "));
    let text = match error.code() {
        Some(ErrorCode::InvalidParams) => "`--help` after the command shows what it takes",
        Some(ErrorCode::PermissionDenied) => {
            "that is for administrators: root, and the members of the group entitled-admin"
        }
        Some(ErrorCode::ChainUnavailable) => {
            "try again later; `entitlectl status --verbose` shows how the chains fare"
        }
        Some(ErrorCode::NotFound) if let Some(noun) = noun.filter(|it| LISTED.contains(it)) => {
            let list = if noun == "seat" { "seats" } else { noun };
            return Some(format!("`entitlectl {list} list` shows those there are"));
        }
        // What a fake lacks, its own words say where to add.
        Some(ErrorCode::NotFound) if error.detail().is_some_and(|it| it.contains(FAKE)) => {
            return None;
        }
        // What the daemon says of any conflict says nothing more.
        Some(code @ ErrorCode::Conflict) if error.help() == Some(code.help()) => return None,
        _ => return error.help().map(str::to_owned),
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests;
