//! The daemon as it answers: its sockets, its parts, its keys, its store, the seats, the fleet.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

use entitled_client::ClientError;
use serde_json::Value;

use super::{AS_ROOT, Findings, State};
use crate::exit::{Exit, Failure};
use crate::session::{Door, Question, Session};
use crate::{session, tables, told, words};

/// What the daemon said, for the bundle.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) version: Option<Value>,
    pub(super) health: Option<Value>,
    pub(super) keys: Option<Value>,
    pub(super) store: Option<Value>,
}

pub(super) fn examine(findings: &mut Findings, session: &Session) -> Answers {
    let health = socket(findings, session, Door::Public);
    socket(findings, session, Door::Admin);
    let Some(health) = health else { return Answers::default() };
    parts(findings, &health);
    let mut answers = Answers { health: Some(health), ..Answers::default() };
    answers.version = ask(session, &Question::new("system_version")).ok();
    answers.keys = keys(findings, session);
    answers.store = store(findings, session, answers.health.as_ref());
    seats(findings, session, answers.health.as_ref());
    fleet(findings, session, answers.health.as_ref());
    answers
}

fn ask(session: &Session, question: &Question) -> Result<Value, Failure> {
    session::read(question.method, &session.ask_as_is(question)?)
}

/// Whether it is there, open to whom it should be, and somebody answers who may.
fn socket(findings: &mut Findings, session: &Session, door: Door) -> Option<Value> {
    let path = session.path(door);
    let (name, question) = match door {
        Door::Admin => ("admin socket", Question::admin("system_health")),
        _ => ("public socket", Question::new("system_health")),
    };
    let shown = path.as_path().display();
    match ask(session, &question) {
        Ok(health) => {
            let found = path.as_path().symlink_metadata().ok();
            let mode = found.filter(|it| it.file_type().is_socket()).map(|it| it.mode() & 0o777);
            let closed = door == Door::Public && mode.is_some_and(|it| it & 0o006 != 0o006);
            let open = door == Door::Admin && mode.is_some_and(|it| it & 0o006 != 0);
            let mode = mode.map(|it| format!(", mode {it:04o}")).unwrap_or_default();
            let said = format!("the {name} {shown} answers{mode}");
            if open {
                let mend =
                    "`systemctl restart entitled-admin.socket` gives it the mode of its unit, 0660";
                findings.add("sockets", State::Bad, format!("{said}: open to everybody"), mend);
            } else if closed {
                let mend = "that is right for a daemon of your own; a machine's is open to all (mode 0666)";
                findings.add(
                    "sockets",
                    State::Warning,
                    format!("{said}: not open to everybody"),
                    mend,
                );
            } else {
                findings.well("sockets", said);
            }
            Some(health)
        }
        Err(failure) => {
            let said = format!("the {name} {shown} does not answer: {}", told::message(&failure));
            let refused = failure.exit() == Exit::Refused;
            match (&failure, door) {
                (_, Door::Admin) if refused => {
                    findings.add(
                        "sockets",
                        State::Unknown,
                        said,
                        "ask as root, or as a member of the group entitled-admin",
                    );
                }
                (Failure::Client(ClientError::Unreachable { source, .. }), _)
                    if source.kind() == io::ErrorKind::NotFound =>
                {
                    let unit = if door == Door::Admin { "entitled-admin" } else { "entitled" };
                    let mend = match told::has_systemd() {
                        true => format!(
                            "`systemctl enable --now {unit}.socket`; or name another socket with --socket"
                        ),
                        false => {
                            "start `entitled`; or name another socket with --socket".to_owned()
                        }
                    };
                    findings.add("sockets", State::Bad, said, &mend);
                }
                _ => {
                    let mend = match told::has_systemd() {
                        true => {
                            "`systemctl restart entitled`; `journalctl -u entitled` says what became of it"
                        }
                        false => "start `entitled` again; what it wrote says what became of it",
                    };
                    findings.add("sockets", State::Bad, said, mend);
                }
            }
            None
        }
    }
}

fn parts(findings: &mut Findings, health: &Value) {
    let version = tables::plain(tables::field(health, "version"));
    if tables::field(health, "fake") == true {
        let said = "this is a fake: its answers come from a file, and nothing is proven";
        findings.add("daemon", State::Warning, said, "start it without --fake");
    }
    let parts = tables::items(tables::field(health, "actors").clone());
    let stopped: Vec<_> = parts
        .iter()
        .filter(|it| tables::text(it, "state") != "running")
        .map(|it| tables::text(it, "name"))
        .collect();
    match stopped.is_empty() {
        true => {
            findings.well("daemon", format!("entitled {version}, all {} parts run", parts.len()))
        }
        false => findings.add(
            "daemon",
            State::Bad,
            format!("entitled {version}: {} does not run", stopped.join(", ")),
            "it is started again by itself; if not, `systemctl restart entitled`",
        ),
    }
}

fn keys(findings: &mut Findings, session: &Session) -> Option<Value> {
    let status = match ask(session, &Question::admin("keys_status")) {
        Ok(status) => status,
        Err(failure) => {
            unknown(findings, "keys", &failure);
            return None;
        }
    };
    let state = tables::text(&status, "state");
    match state {
        "OPEN" => findings.well("keys", "open"),
        _ => {
            let advice = tables::text(&status, "advice").to_owned();
            let said = format!("{}: managed wallets cannot sign", words::tame(state));
            findings.add("keys", State::Bad, said, &advice);
        }
    }
    Some(status)
}

fn store(findings: &mut Findings, session: &Session, health: Option<&Value>) -> Option<Value> {
    let told = health.map(|it| tables::field(it, "store")).unwrap_or(&Value::Null);
    if let Some(said) = told["recovered"].as_str() {
        let mend = "see that the wallets are linked again, then `entitlectl store acknowledge`";
        findings.add("store", State::Bad, said.to_owned(), mend);
    }
    if tables::text(told, "status") == "unavailable" {
        let said = "cannot be used: nothing that changes is kept";
        findings.add(
            "store",
            State::Bad,
            said,
            "`journalctl -u entitled` has the cause; often it is a full disk",
        );
    }
    match ask(session, &Question::admin("store_stats")) {
        Ok(stats) => {
            let size = tables::field(&stats, "file_bytes").as_u64().unwrap_or_default() >> 10;
            findings.well("store", format!("in use, {size} KiB"));
            Some(stats)
        }
        Err(failure) => {
            unknown(findings, "store", &failure);
            None
        }
    }
}

fn seats(findings: &mut Findings, session: &Session, health: Option<&Value>) {
    if health.is_some_and(|it| tables::field(it, "seats.kept") == false) {
        let said =
            "which are in use cannot be written down: a restart of the daemon now would lose some";
        let mend = "make room where the ledger is: the file `seats` beside it is written with the next seat";
        findings.add("seats", State::Bad, said, mend);
    }
    let Ok(list) = ask(session, &Question::admin("seat_list")) else { return };
    let pools = tables::field(&list, "pools").as_array().cloned().unwrap_or_default();
    for pool in &pools {
        let number = |name: &str| tables::field(pool, name).as_u64();
        let name = format!("{} {}", tables::text(pool, "product"), tables::text(pool, "tier"));
        let (used, capacity) = (number("used").unwrap_or_default(), number("capacity"));
        let waiting = number("waiting").unwrap_or_default();
        match capacity {
            Some(capacity) if waiting > 0 => findings.add(
                "seats",
                State::Warning,
                format!("{name}: {used} of {capacity} are used, and {waiting} wait"),
                "`entitlectl seats list --all` shows who has them",
            ),
            Some(capacity) => {
                findings.well("seats", format!("{name}: {used} of {capacity} are used"))
            }
            None => findings.add(
                "seats",
                State::Unknown,
                format!("{name}: how many there are is not proven"),
                "",
            ),
        }
    }
}

/// Whether the machines that share seats are there. Nothing is said of a machine that is in no fleet.
fn fleet(findings: &mut Findings, session: &Session, health: Option<&Value>) {
    let told = health.map_or(&Value::Null, |it| tables::field(it, "fleet"));
    if told.is_null() {
        return;
    }
    if tables::field(told, "kept") == false {
        let said = "what this machine is cannot be written down: a restart of the daemon now would end its seats";
        let mend = "make room where the ledger is: the file `fleet.json` beside it is written with each renewal";
        findings.add("fleet", State::Bad, said, mend);
    }
    // Why it is as it is, and who else is there, an administrator is told.
    let status = ask(session, &Question::admin("fleet_status")).unwrap_or_default();
    let why = match tables::text(&status, "why") {
        "" => String::new(),
        why => format!(": {}", words::tame(why)),
    };
    match tables::text(told, "standing") {
        "in" => {
            let machines = tables::field(&status, "machines").as_array().map(Vec::len);
            let many = machines.map(|it| format!(", of which {it} are known")).unwrap_or_default();
            findings.well("fleet", format!("this machine is among those that share seats{many}"));
        }
        "refused" => {
            let said =
                format!("the store is not believed, and this machine gives no seats of it{why}");
            let mend = match why.contains("`meta`") {
                true => {
                    "put back in etcd what stood in that key; or delete it, and then `entitlectl fleet restored` on one machine"
                }
                false => {
                    "if it was restored or emptied on purpose, `entitlectl fleet restored` on one machine"
                }
            };
            findings.add("fleet", State::Bad, said, mend);
        }
        _ => {
            let said =
                format!("the store cannot be used, and this machine gives no new seats of it{why}");
            let mend = "look at etcd, and at `endpoints`, `ca`, `certificate`, `user` and `password` of `[fleet]`";
            findings.add("fleet", State::Bad, said, mend);
        }
    }
    if tables::field(told, "draining") == true {
        let said = "this machine was told to give no new seats";
        findings.add("fleet", State::Warning, said, "`entitlectl fleet drain --end` ends that");
    }
}

pub(super) fn unknown(findings: &mut Findings, area: &'static str, failure: &Failure) {
    let mend = if failure.exit() == Exit::Refused { AS_ROOT } else { "" };
    findings.add(area, State::Unknown, told::message(failure), mend);
}
