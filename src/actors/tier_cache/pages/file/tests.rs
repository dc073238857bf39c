use std::fs::OpenOptions;
use std::io::Write;

use entitled_core::domain::page_word::{Reading, Said, read};

use super::*;

fn slot(reader: &File, at: u64) -> [u64; 2] {
    let mut bytes = [0; SLOT_BYTES];
    reader.read_exact_at(&mut bytes, at).unwrap();
    let word = |from: usize| u64::from_ne_bytes(bytes[from..from + 8].try_into().unwrap());
    [word(0), word(8)]
}

#[test]
fn what_is_handed_over_shows_what_is_written_and_cannot_be_written_or_cut() {
    let page = PageFile::new().unwrap();
    let mut handed = File::from(page.reader().try_clone().unwrap());
    page.write(3, Word { said: Said::Yes, generation: 9, until_ms: 1_000 });
    assert_eq!(read(slot(&handed, 48), 9, 999), Reading::Said(Said::Yes));
    assert_eq!(read(slot(&handed, 32), 9, 999), Reading::Torn);

    assert_eq!(handed.metadata().unwrap().len(), 4_096);
    assert!(handed.write(&[1]).is_err());
    for length in [0, 4_095, 4_097] {
        assert!(handed.set_len(length).is_err());
        assert_eq!(
            page.file.set_len(length).unwrap_err().raw_os_error(),
            Some(Errno::EPERM as i32)
        );
    }
    let seal = FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_WRITE);
    assert_eq!(fcntl(&handed, seal), Err(Errno::EPERM));
    assert_eq!(handed.metadata().unwrap().permissions().mode() & 0o777, 0o400);
}

/// Opening it once more by the name that the kernel gives it asks for the file's own mode. Root may all the same, and so may the
/// daemon's own user.
#[test]
fn nobody_else_can_open_it_for_writing() {
    let page = PageFile::new().unwrap();
    let name = format!("/proc/self/fd/{}", page.reader().as_raw_fd());
    let again = OpenOptions::new().write(true).open(name);
    let is_root = nix::unistd::geteuid().is_root();
    if is_root {
        // As somebody else, who was handed it all the same.
        let handed = std::process::Stdio::from(page.reader().try_clone().unwrap());
        let mut other = std::process::Command::new("sh");
        other.args(["-c", "cat <&0 >/dev/null && ! true >/proc/self/fd/0"]).stdin(handed);
        let output = std::os::unix::process::CommandExt::uid(&mut other, 65_534).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(
        again.map(drop).map_err(|it| it.kind()),
        match is_root {
            true => Ok(()),
            false => Err(io::ErrorKind::PermissionDenied),
        }
    );
}
