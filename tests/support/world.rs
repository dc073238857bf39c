//! What a machine tells a daemon of time: the wall clock, the clock of the boot, and which boot it is. A test sets them, for
//! one daemon alone.
//!
//! The clocks are moved by a library that is preloaded; another boot is the kernel's own file with another id bound over it,
//! in a mount namespace, and a clock of the boot that begins anew.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt as _, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tempfile::TempDir;

use super::process::command;
use super::{preloaded, prerequisites};

const NANOSECONDS: i64 = 1_000_000_000;
/// How old the machine's boot is when a daemon sees it first.
const YOUNG: i64 = 30;

pub struct World {
    folder: TempDir,
    ahead: File,
    /// How far the wall clock and the clock of the boot are ahead, in nanoseconds.
    wall: i64,
    since_boot: i64,
    /// How often the machine was started; `None` where it is not to be started again.
    boots: Option<u32>,
}

impl World {
    /// With the clocks of the machine. `None` where there is no compiler for `what`.
    pub fn new(what: &str) -> Option<Self> {
        let folder = TempDir::with_prefix("entitled-world-").unwrap();
        preloaded::build("wrong_clock", folder.path(), what)?;
        let path = folder.path().join("ahead");
        let ahead = OpenOptions::new().write(true).create_new(true).open(path).unwrap();
        let world = Self { folder, ahead, wall: 0, since_boot: 0, boots: None };
        world.write();
        Some(world)
    }

    /// With a boot of its own, that can end. Needs root.
    pub fn with_boots(what: &str) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            prerequisites::skipped(what, "root");
            return None;
        }
        let mut world = Self::new(what)?;
        world.boots = Some(0);
        world.reboot();
        Some(world)
    }

    /// Sets the wall clock ahead, or back, while no time passes.
    pub fn set_wall(&mut self, seconds: i64) {
        self.wall += seconds * NANOSECONDS;
        self.write();
    }

    /// Time passes, as in sleep: no timer runs.
    pub fn pass(&mut self, time: Duration) {
        let time = i64::try_from(time.as_nanos()).unwrap();
        self.wall += time;
        self.since_boot += time;
        self.write();
    }

    /// Whoever starts now is in another boot, which has just begun.
    pub fn reboot(&mut self) {
        let boots = self.boots.as_mut().expect("it has boots of its own");
        *boots += 1;
        let id = format!("00000000-0000-4000-8000-{boots:012}\n");
        std::fs::write(self.folder.path().join("boot_id"), id).unwrap();
        let real: Duration = clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap().into();
        self.since_boot = YOUNG * NANOSECONDS - i64::try_from(real.as_nanos()).unwrap();
        self.write();
    }

    fn write(&self) {
        let bytes = [self.wall.to_ne_bytes(), self.since_boot.to_ne_bytes()].concat();
        self.ahead.write_all_at(&bytes, 0).unwrap();
    }

    /// The command that starts `program` here.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut started = match self.boots {
            None => command(program),
            Some(_) => {
                let mut started = command(Path::new("/usr/bin/unshare"));
                let bound = "mount --bind \"$0\" /proc/sys/kernel/random/boot_id && exec \"$@\"";
                started.args(["--mount", "--propagation", "private", "sh", "-c", bound]);
                started.arg(self.folder.path().join("boot_id")).arg(program);
                started
            }
        };
        started.envs(self.clocks());
        started
    }

    /// What gives a program these clocks.
    fn clocks(&self) -> [(&'static str, PathBuf); 2] {
        let file = |name: &str| self.folder.path().join(name);
        [("WRONG_CLOCK", file("ahead")), ("LD_PRELOAD", file("wrong_clock.so"))]
    }

    /// The same for one that runs as another user.
    pub(super) fn for_everybody(&self) -> [(&'static str, PathBuf); 2] {
        let open = PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(self.folder.path(), open).unwrap();
        self.clocks()
    }
}
