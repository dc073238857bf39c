//! The seats that are held, in a file, so that a daemon that is started again knows them.
//!
//! Owns: the file `seats` beside the ledger. Asked by: SeatKeeper. Never: decides what becomes of a seat.
//!
//! A seat is written before its holder is told of it, with one `write` and without waiting for the disk: what the kernel
//! has taken outlives the daemon, however that ends, and what holds a seat does not outlive the boot. Only what is borrowed does:
//! nothing holds it. So the file holds for one boot but for that, and what is borrowed is on the disk before it is told.
//! A line that was not written to its end is of a seat that nobody was told of.
//!
//! What is damaged takes as little with it as can be: each line says by itself whether it is as it was written. Without the
//! first it is not known of which boot the others are, and only what is borrowed is kept.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use alloy_primitives::B256;
use ring::digest::{SHA256, digest};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::regular_file;
use entitled_core::domain::ids::{ChainId, CustomerId, ProductId, Timestamp};
use entitled_core::domain::product::GrantName;
use entitled_core::seats::{BootTime, ProcessId, Seat, SeatId};

/// Of the file's form: what another says is not read.
const VERSION: u32 = 1;
/// A larger file is not one of ours.
const LONGEST: u64 = 256 << 20;
/// Of what is not needed any more, so much is kept before the file is written anew.
const SPARE: u64 = 1 << 20;
/// No seat has such a number: counting on from it would begin again at the lowest, and fences go up. Every JSON parser keeps
/// those below.
const NO_NUMBER: u64 = 1 << 53;
/// Hexadecimal digits of a checksum: it has to notice what was cut off, and not somebody who may write the file.
const CHECKSUM: usize = 8;

/// One boot of the machine, and the process ids that are valid in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// `None` where the kernel does not say, and the service manager neither.
    pub id: Option<String>,
    /// The process-id namespace.
    pub namespace: Option<u64>,
}

impl Boot {
    /// The present one. The packaged unit hides the kernel's own file, and hands its content over in a variable.
    pub fn current() -> Self {
        let kernel = regular_file::read_text(Path::new("/proc/sys/kernel/random/boot_id"), 64);
        let id = kernel.ok().or_else(|| std::env::var("ENTITLED_BOOT_ID").ok());
        let id = id.map(|it| it.trim().replace('-', "")).filter(|it| !it.is_empty());
        let namespace = fs::metadata("/proc/self/ns/pid").ok().map(|it| it.ino());
        Self { id, namespace }
    }
}

/// A seat as it is kept. The number of its pool says nothing to another run of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSeat {
    pub seat: Seat,
    pub product: ProductId,
    pub holder: CustomerId,
    pub grant: GrantName,
    /// Who was entitled to it.
    pub entitled: Option<CustomerId>,
    /// Whose limits it uses up.
    pub account: Option<u32>,
    /// Of a seat that has a place in a fleet: its fence.
    #[serde(default)]
    pub fence: Option<u64>,
    #[serde(default)]
    pub borrowed: Option<Borrowed>,
    /// Of a seat that another machine has lent to this one: by which loan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loan: Option<B256>,
    /// How long what proves its pool held when this was written. It may hold for longer now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven_until: Option<BootTime>,
    pub processes: Vec<KeptProcess>,
}

/// What bounds a seat that is borrowed in another boot, where no time of this one says anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Borrowed {
    /// Whose time counts.
    pub chain: ChainId,
    pub since: Timestamp,
    /// By the wall clock, or by the time of the chain where that was later.
    pub until: Timestamp,
    /// How long it had to go when this was written.
    pub left_ms: u64,
}

/// A process that holds a seat, and its id where it has one here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptProcess {
    pub id: ProcessId,
    pub pid: Option<i32>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    version: u32,
    boot: Boot,
}

/// One line after the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    Held(Box<KeptSeat>),
    Ended(SeatId),
}

/// What an earlier run has left.
#[derive(Debug, Default)]
pub struct Left {
    /// Of this boot.
    pub seats: Vec<KeptSeat>,
    /// What was borrowed in another boot: none of its times are of this one.
    pub borrowed: Vec<KeptSeat>,
    /// Whether process ids mean the same now.
    pub same_namespace: bool,
    /// The highest number of a seat.
    pub last: u64,
}

/// The file, open.
#[derive(Debug)]
pub struct SeatJournal {
    path: PathBuf,
    boot: Boot,
    /// `None` where it could not be written, until it can be written anew.
    file: Option<File>,
    length: u64,
    /// Its length when it was last written anew.
    anew: u64,
    /// It is told once.
    has_failed: bool,
}

impl SeatJournal {
    /// Reads what is there. `is_same_boot`: something proves that it is of this boot, whatever is known of that.
    pub fn open(path: PathBuf, boot: Boot, is_same_boot: bool) -> (Self, Left) {
        let left = match bytes_of(&path) {
            Ok(bytes) => {
                let (left, unread) = read(&bytes, &boot, is_same_boot);
                unread.tell(&path);
                left
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Left::default(),
            Err(error) => {
                tracing::error!(event = "seats_lost", path = %path.display(), %error,
                    "which seats were held cannot be read");
                Left::default()
            }
        };
        (Self { path, boot, file: None, length: 0, anew: 0, has_failed: false }, left)
    }

    /// Whether all that had to be written was.
    pub fn is_written(&self) -> bool {
        !self.has_failed
    }

    /// Whether it is time to write it anew, because it could not be written, or because most of it is not needed any more.
    pub fn wants_rewrite(&self) -> bool {
        self.file.is_none() || self.length > self.anew.saturating_mul(2).saturating_add(SPARE)
    }

    /// Appends what has changed. `lasts`: it is on the disk when this returns.
    pub fn append(&mut self, entries: &[Entry], lasts: bool) {
        let Some(file) = &mut self.file else { return };
        let mut text = String::new();
        let written = entries
            .iter()
            .try_for_each(|it| line(it, &mut text))
            .and_then(|()| file.write_all(text.as_bytes()))
            .and_then(|()| if lasts { file.sync_data() } else { Ok(()) });
        match written {
            Ok(()) => self.length += text.len() as u64,
            Err(error) => self.fail(&error),
        }
    }

    /// Writes it anew, with these seats alone.
    pub fn rewrite(&mut self, seats: impl Iterator<Item = KeptSeat>) {
        match self.try_rewrite(seats) {
            Ok((file, length)) => {
                (self.length, self.anew) = (length, length);
                (self.file, self.has_failed) = (Some(file), false);
            }
            Err(error) => self.fail(&error),
        }
    }

    fn try_rewrite(&self, seats: impl Iterator<Item = KeptSeat>) -> io::Result<(File, u64)> {
        let mut text = String::new();
        line(&Header { version: VERSION, boot: self.boot.clone() }, &mut text)?;
        let mut lasts = false;
        for seat in seats {
            lasts |= seat.borrowed.is_some();
            line(&Entry::Held(Box::new(seat)), &mut text)?;
        }
        let draft = self.path.with_extension("draft");
        let mut file = regular_file::open_or_make(&draft)?;
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(text.as_bytes())?;
        if lasts {
            file.sync_all()?;
        }
        fs::rename(&draft, &self.path)?;
        if lasts {
            regular_file::sync_folder_of(&self.path)?;
        }
        Ok((file, text.len() as u64))
    }

    fn fail(&mut self, error: &io::Error) {
        self.file = None;
        if std::mem::replace(&mut self.has_failed, true) {
            return;
        }
        tracing::error!(event = "seats_not_kept", path = %self.path.display(), %error,
            "which seats are held cannot be written: a restart now would lose some");
    }
}

fn bytes_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    regular_file::open(path)?.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn line(value: &impl Serialize, text: &mut String) -> io::Result<()> {
    let json = serde_json::to_string(value)?;
    text.push_str(&checksum(&json));
    text.push(' ');
    text.push_str(&json);
    text.push('\n');
    Ok(())
}

fn checksum(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    digest.as_ref().iter().take(CHECKSUM / 2).map(|it| format!("{it:02x}")).collect()
}

/// The text of a line that is as it was written.
fn whole(line: &[u8]) -> Option<&str> {
    let (sum, json) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    (sum == checksum(json)).then_some(json)
}

fn parsed<T: for<'a> Deserialize<'a>>(line: &[u8]) -> Option<T> {
    serde_json::from_str(whole(line)?).ok()
}

/// Parts a line behind its first value, if that is as it was written: what ended it was damaged, and the next follows.
fn part(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let json = line.get(CHECKSUM + 1..)?;
    let mut values = serde_json::Deserializer::from_slice(json).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    let (first, rest) = line.split_at_checked(CHECKSUM + 1 + values.byte_offset())?;
    whole(first)?;
    Some((first, rest.get(1..).unwrap_or_default()))
}

/// All lines; and whether the last is a piece of one.
fn lines(bytes: &[u8]) -> (Vec<&[u8]>, bool) {
    let mut lines = Vec::new();
    for mut line in bytes.split(|it| *it == b'\n') {
        while whole(line).is_none()
            && let Some((first, rest)) = part(line)
        {
            lines.push(first);
            line = rest;
        }
        lines.push(line);
    }
    // Behind the last end there is nothing.
    let is_cut_off = lines.pop_if(|it| whole(it).is_none()).is_some_and(|it| !it.is_empty());
    (lines, is_cut_off)
}

/// What of a file could not be read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Unread {
    /// The first line, so that it is not known of which boot the others are, nor what form they have.
    header: bool,
    /// It says that it has another form, so that no line was read.
    version: Option<u32>,
    /// Other lines.
    lines: usize,
    /// Of these, seats that were left out because of the first.
    seats: usize,
    is_cut_off: bool,
}

impl Unread {
    fn tell(&self, path: &Path) {
        let (path, seats, lines) = (path.display(), self.seats, self.lines);
        if let Some(version) = self.version {
            tracing::error!(event = "seats_lost", %path, version, lines,
                "the file of seats was written by another version of the daemon: those that were held are lost");
        } else if lines > 0 {
            tracing::error!(event = "seats_lost", %path, damaged = lines,
                "some lines of the file of seats cannot be read: what they say is lost");
        }
        if self.header {
            tracing::error!(event = "seats_lost", %path, seats,
                "the first line of the file of seats cannot be read, which says of which boot it is: so many that were held are lost");
        }
        if self.is_cut_off {
            tracing::warn!(%path,
                "the last line of the file of seats is not whole: it was not written to its end, and nobody was told of it, or it was damaged since, and what it says is lost");
        }
    }
}

fn read(bytes: &[u8], boot: &Boot, is_same_boot: bool) -> (Left, Unread) {
    let (lines, is_cut_off) = lines(bytes);
    let mut lines = lines.into_iter();
    let header: Option<Header> = lines.next().and_then(parsed);
    let mut unread = Unread { header: header.is_none(), is_cut_off, ..Unread::default() };
    if let Some(other) = header.as_ref().map(|it| it.version).filter(|it| *it != VERSION) {
        (unread.version, unread.lines) = (Some(other), lines.count());
        return (Left::default(), unread);
    }
    let of = header.map_or(Boot { id: None, namespace: None }, |it| it.boot);
    let same_id = of.id.is_some() && of.id == boot.id;
    let not_known = of.id.is_none() || boot.id.is_none();
    let is_of_this_boot = same_id || (is_same_boot && not_known);
    let mut seats = std::collections::BTreeMap::new();
    let mut last = 0;
    for entry in lines.map(parsed::<Entry>) {
        match entry {
            Some(Entry::Held(kept)) if kept.seat.id.0 < NO_NUMBER => {
                last = last.max(kept.seat.id.0);
                seats.insert(kept.seat.id, *kept);
            }
            Some(Entry::Ended(seat)) => drop(seats.remove(&seat)),
            Some(Entry::Held(_)) | None => unread.lines += 1,
        }
    }
    let seats: Vec<KeptSeat> = seats.into_values().collect();
    if is_of_this_boot {
        let same_namespace = of.namespace.is_some() && of.namespace == boot.namespace;
        return (Left { seats, same_namespace, last, ..Left::default() }, unread);
    }
    let (borrowed, over): (Vec<_>, Vec<_>) =
        seats.into_iter().partition(|it| it.borrowed.is_some());
    unread.seats = if unread.header { over.len() } else { 0 };
    (Left { borrowed, last, ..Left::default() }, unread)
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
