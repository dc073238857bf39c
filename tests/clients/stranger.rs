//! Another user of the machine who listens where a client looks: this program again, under another uid.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::player::PATIENCE;
use crate::prerequisites;

/// Where the child that plays the stranger listens.
const ROLE: &str = "ENTITLED_TEST_STRANGER";
/// `nobody`.
const UID: &str = "65534";

pub struct Stranger(Child);

impl Stranger {
    /// `None` unless we are root, who alone can be somebody else.
    pub fn listen_in(directory: &Path, socket: &Path) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() || !Path::new("/usr/bin/setpriv").exists() {
            prerequisites::skipped("a socket of another user", "root, or setpriv");
            return None;
        }
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o777)).unwrap();
        let program = directory.join("stranger");
        // Where this program lies, another user may not look.
        std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        let mut command = Command::new("/usr/bin/setpriv");
        command.args(["--reuid", UID, "--regid", UID, "--clear-groups"]).arg(&program);
        command.args(["--exact", "stranger::plays_the_stranger", "--nocapture"]);
        command.env(ROLE, socket).current_dir(directory).stdin(Stdio::piped());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let begun = std::time::Instant::now();
        while !socket.exists() {
            assert!(begun.elapsed() < PATIENCE, "the stranger does not listen");
            // The other process makes the socket; nothing tells when.
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Some(Self(child))
    }

    /// Ends it, and gives what it was told.
    pub fn heard(self) -> String {
        let output = self.0.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}");
        text.lines().filter_map(|it| it.strip_prefix("HEARD ")).collect()
    }
}

/// Started again under another uid, it listens until its standard input ends.
#[test]
#[allow(clippy::print_stdout, reason = "it says there what it heard")]
fn plays_the_stranger() {
    let Some(path) = std::env::var_os(ROLE) else { return };
    // Who finds it finds it open: between being bound and listening it would refuse.
    let draft = Path::new(&path).with_extension("draft");
    let listener = UnixListener::bind(&draft).unwrap();
    std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o666)).unwrap();
    std::fs::rename(&draft, &path).unwrap();
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    listener.set_nonblocking(true).unwrap();
    while let Ok((mut stream, _)) = listener.accept() {
        let mut text = String::new();
        stream.set_nonblocking(true).unwrap();
        let _ = stream.read_to_string(&mut text);
        println!("\nHEARD {}", text.trim());
    }
}
