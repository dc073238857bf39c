//! The control group of a process, and the units of service managers that it stands for.
//!
//! Whoever has a group may make others below it, with any name: a user in that of their service manager, a service with
//! `Delegate=`, a container. So a process is in the outermost unit of its path, which the system's manager or an administrator
//! has named, as sd_pid_get_unit(3) says. Below `user@UID.service` there is a user's own unit besides, as
//! sd_pid_get_user_unit(3) says, which its user has named.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};

use crate::actors::seat_keeper::messages::Process;
use crate::actors::seat_keeper::work::watching::has_exited;
use crate::regular_file;

/// Control groups have short paths.
const LONGEST: usize = 16 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::actors::seat_keeper) struct ControlGroup {
    pub(in crate::actors::seat_keeper) units: Units,
    pub(in crate::actors::seat_keeper) inode: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::actors::seat_keeper) struct Units {
    /// Of the system's service manager, or the path where there is none.
    pub(in crate::actors::seat_keeper) unit: String,
    /// Of a user's, which has it below `unit`.
    pub(in crate::actors::seat_keeper) user_unit: Option<String>,
}

impl Units {
    fn of(path: &str) -> Self {
        let mut names = path.split('/').filter(|it| !it.is_empty()).peekable();
        // What is above the group that a container sees as the first has no name for it.
        while names.next_if(|it| *it == "..").is_some() {}
        let mut next = || {
            let name = names.find(|it| !it.ends_with(".slice"))?;
            is_unit(name).then(|| unescaped(name))
        };
        let Some(unit) = next() else {
            return Self { unit: path.to_owned(), user_unit: None };
        };
        let user_unit = if is_user_manager(unit) { next() } else { None };
        Self { unit: unit.to_owned(), user_unit: user_unit.map(str::to_owned) }
    }
}

fn is_unit(name: &str) -> bool {
    [".service", ".scope"].iter().any(|end| name.ends_with(end))
}

/// A unit whose name could be that of a file of the kernel's has an underscore before it.
fn unescaped(name: &str) -> &str {
    name.strip_prefix('_').unwrap_or(name)
}

fn is_user_manager(unit: &str) -> bool {
    let uid = unit.strip_prefix("user@").and_then(|it| it.strip_suffix(".service"));
    uid.is_some_and(|it| it.parse::<u32>().is_ok())
}

/// Where the one hierarchy of control groups is (version 2), also beside those of version 1.
fn hierarchy() -> Option<&'static str> {
    let is_unified =
        |it: &&str| statfs(*it).is_ok_and(|it| it.filesystem_type() == CGROUP2_SUPER_MAGIC);
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].into_iter().find(is_unified)
}

/// Where it can be found out. Its pid is looked up by; that the process is alive afterwards shows that it was its own.
pub(in crate::actors::seat_keeper) fn control_group(process: &Process) -> Option<ControlGroup> {
    let listed = format!("/proc/{}/cgroup", process.pid?);
    let listed = regular_file::read_text(Path::new(&listed), LONGEST).ok()?;
    if has_exited(&process.fd) {
        return None;
    }
    let path = listed.lines().find_map(|it| it.strip_prefix("0::"))?;
    let inode = fs::metadata(format!("{}{path}", hierarchy()?)).ok()?.ino();
    Some(ControlGroup { units: Units::of(path), inode })
}

#[cfg(test)]
mod tests;
