//! What an acknowledgement of the store is worth: a child process is killed in the middle of its work,
//! and another meets a full disk. Each test starts its own executable again to play the child.

#![allow(clippy::unwrap_used, reason = "a test, in its helpers too")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use entitled::store::tables::audit;
use entitled::store::tables::customers::{self, NewCustomer};
use entitled::store::{Asked, Store, StoreError, StoreSettings};
use entitled_core::domain::ids::Timestamp;

const ROLE: &str = "ENTITLED_TEST_STORE";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + seconds).unwrap()
}

fn open(path: &Path) -> Store {
    Store::open(StoreSettings::at(path), at(0)).unwrap()
}

async fn make(store: &Store, name: String) -> Result<(), StoreError> {
    let new = NewCustomer { name, ..NewCustomer::default() };
    let asked = Asked { by: "uid:1000".into(), at: at(1) };
    store.write(move |it| customers::create(it, new, &asked)).await.map(drop)
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn names(store: &Store) -> Vec<String> {
    let found = store.read(|it| customers::list(it, None, 1_000_000)).unwrap();
    found.into_iter().map(|it| it.name).collect()
}

/// This executable, told to run one test and nothing else; its output is not caught.
fn again(test: &str, path: &Path) -> String {
    let own = std::env::current_exe().unwrap();
    assert!(!own.to_string_lossy().contains('\'') && !path.to_string_lossy().contains('\''));
    format!("{ROLE}='{}' exec '{}' --exact {test} --nocapture", path.display(), own.display())
}

fn start(script: &str) -> Child {
    Command::new("sh").arg("-c").arg(script).stdout(Stdio::piped()).spawn().unwrap()
}

fn role() -> Option<std::path::PathBuf> {
    std::env::var_os(ROLE).map(Into::into)
}

/// Says a line that the parent reads at once.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// What the child says, without what the test harness says around it.
fn said(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.map_while(Result::ok).filter_map(|it| {
        let (_, word) = it.split_once("said ")?;
        Some(word.to_owned())
    })
}

/// Makes customers from eight tasks at once, and says the name of each that was acknowledged.
fn make_for_ever(path: &Path) {
    let store = open(path);
    wait(async {
        let makers = (0..8).map(|maker| {
            let store = store.clone();
            async move {
                for number in 0_u64.. {
                    let name = format!("{maker}-{number}");
                    make(&store, name.clone()).await.unwrap();
                    say(&format!("said {name}"));
                }
            }
        });
        futures_util::future::join_all(makers).await
    });
}

#[test]
fn every_acknowledged_change_outlives_a_kill() {
    if let Some(path) = role() {
        return make_for_ever(&path);
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.redb");
    let mut acknowledged = std::collections::BTreeSet::new();
    // Twice, so that the second kill meets a file that a kill left behind.
    for round in 1..=2 {
        let mut child = start(&again("every_acknowledged_change_outlives_a_kill", &path));
        let mut lines = said(&mut child);
        acknowledged.extend(lines.by_ref().take(40 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.extend(lines);

        let store = open(&path);
        let there = names(&store);
        let lost: Vec<_> = acknowledged.iter().filter(|it| !there.contains(it)).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        assert!(acknowledged.len() >= 40, "{acknowledged:?}");
        let state = store.read(audit::verify).unwrap();
        assert_eq!(state.broken_at, None);
        assert_eq!(store.read(entitled::store::tables::notices::all).unwrap(), []);
        store.close().unwrap();
    }
}

fn allow_files_of(bytes: Option<u64>) {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, bytes.unwrap_or(hard), hard).unwrap();
}

/// Writes until the disk is full, then while it is, then when there is room again.
fn fill_up(path: &Path) {
    let store = open(path);
    let mut made = 0_u64;
    let long = |number: u64| format!("{number}-{}", "x".repeat(200));
    for _ in 0..50 {
        wait(make(&store, long(made))).unwrap();
        made += 1;
    }
    allow_files_of(Some(std::fs::metadata(path).unwrap().len()));
    let error = loop {
        let many = (0..64).map(|it| make(&store, long(made + it)));
        let outcomes = wait(futures_util::future::join_all(many));
        made += outcomes.iter().filter(|it| it.is_ok()).count() as u64;
        if let Some(error) = outcomes.into_iter().find_map(Result::err) {
            break error;
        }
    };
    say(&format!("said failed {}", !error.is_refusal()));
    let read = store.read(|it| customers::list(it, None, 1_000_000)).map(|it| it.len() as u64);
    say(&format!("said read {}", read.is_ok_and(|it| it == made + 1)));
    allow_files_of(None);
    let again = (0..100).any(|_| wait(make(&store, long(made))).is_ok());
    say(&format!("said again {again}"));
    say(&format!("said kept {}", names(&store).len() as u64 == made + 2));
    let whole = store.read(audit::verify).unwrap().broken_at.is_none();
    say(&format!("said whole {whole}"));
}

#[test]
fn a_full_disk_fails_changes_and_nothing_else() {
    if let Some(path) = role() {
        return fill_up(&path);
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.redb");
    // Without the signal, a write beyond the limit is an error, as on a full disk.
    let script = again("a_full_disk_fails_changes_and_nothing_else", &path);
    let mut child = start(&format!("trap '' XFSZ; {script}"));
    let lines: Vec<_> = said(&mut child).collect();
    assert!(child.wait().unwrap().success());
    assert_eq!(lines, ["failed true", "read true", "again true", "kept true", "whole true"]);
}
