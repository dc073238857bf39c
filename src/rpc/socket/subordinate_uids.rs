//! Subordinate uids (subuid(5)): whose limits somebody inside a user namespace uses up.
//!
//! A user who may map thousands of uids could otherwise be thousands of users. Read again when the file has changed.
//! Says nothing of who somebody is: only the kernel's word counts for that. And subordinate gids (subgid(5)), which a user chooses
//! from: to run in one is to be in no group.

use std::convert::Infallible;
use std::fs;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use nix::unistd::User;

/// Where the ranges are written down.
const UIDS: &str = "/etc/subuid";
const GIDS: &str = "/etc/subgid";
/// How often we look whether they have changed.
const AGAIN: Duration = Duration::from_secs(60);
/// More than that is no file of ranges.
const LONGEST: u64 = 1024 * 1024;

/// The ranges of subordinate uids, and their owners.
#[derive(Debug, Default)]
pub(in crate::rpc) struct SubordinateUids {
    ranges: RwLock<Vec<Range>>,
    gids: RwLock<Vec<Range>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    owner: u32,
    start: u32,
    count: u32,
}

impl Range {
    fn holds(self, id: u32) -> bool {
        id.checked_sub(self.start).is_some_and(|after| after < self.count)
    }
}

impl SubordinateUids {
    /// The uid whose limits `uid` uses up: its owner, or itself. The first range that holds it counts.
    pub(in crate::rpc) fn account(&self, uid: u32) -> u32 {
        let ranges = self.ranges.read().unwrap_or_else(PoisonError::into_inner);
        ranges.iter().find(|it| it.holds(uid)).map_or(uid, |it| it.owner)
    }

    /// Whether somebody may map this gid as they like.
    pub(in crate::rpc) fn hold_gid(&self, gid: u32) -> bool {
        self.gids.read().unwrap_or_else(PoisonError::into_inner).iter().any(|it| it.holds(gid))
    }

    /// Reads the files, and again whenever they have changed. Never ends.
    pub(in crate::rpc) async fn follow(&self) -> Infallible {
        let mut files = [(GIDS, &self.gids, None), (UIDS, &self.ranges, None)];
        loop {
            for (file, kept, seen) in &mut files {
                // The user database may be on a network.
                let (file, before) = (*file, *seen);
                let read = tokio::task::spawn_blocking(move || read_if_changed(file, before)).await;
                if let Ok(Some((ranges, changed))) = read {
                    *kept.write().unwrap_or_else(PoisonError::into_inner) = ranges;
                    *seen = Some(changed);
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

type Changed = Option<(SystemTime, u64)>;

fn read_if_changed(file: &str, seen: Option<Changed>) -> Option<(Vec<Range>, Changed)> {
    let state = fs::metadata(file).ok().filter(|it| it.is_file() && it.len() <= LONGEST);
    let changed = state.and_then(|it| Some((it.modified().ok()?, it.len())));
    if seen == Some(changed) {
        return None;
    }
    // What cannot be read now is as it was.
    let text = if changed.is_some() { fs::read_to_string(file).ok()? } else { String::new() };
    // Whose a gid is nobody asks.
    let asked = |name: &str| if file == UIDS { User::from_name(name).ok()? } else { None };
    let uid_of = |name: &str| asked(name).map(|it| it.uid.as_raw());
    Some((parse(&text, uid_of), changed))
}

/// Lines `OWNER:START:COUNT`, where the owner is a name or a uid. A range whose owner nobody knows is a user all the
/// same: that of its first uid. What is no range is passed over.
fn parse(text: &str, uid_of: impl Fn(&str) -> Option<u32>) -> Vec<Range> {
    let range = |line: &str| {
        let mut parts = line.trim().split(':');
        let (name, start, count) = (parts.next()?, parts.next()?, parts.next()?);
        let (start, count) = (start.parse().ok()?, count.parse().ok()?);
        // Nobody's range holds root.
        if start == 0 || count == 0 || name.is_empty() || parts.next().is_some() {
            return None;
        }
        let owner = name.parse().ok().or_else(|| uid_of(name)).unwrap_or(start);
        Some(Range { owner, start, count })
    };
    text.lines().filter_map(range).collect()
}

#[cfg(test)]
mod tests;
