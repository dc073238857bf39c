use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// Nobody of this machine's.
const OWNER: Owner = Owner { uid: 65_532, gid: 65_532 };

fn own() -> Owner {
    Owner { uid: Uid::effective().as_raw(), gid: Gid::effective().as_raw() }
}

fn made(mode: u32) -> (tempfile::TempDir, PathBuf) {
    let above = tempfile::tempdir().unwrap();
    let path = above.path().join("it");
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    (above, path)
}

fn seen(path: &Path) -> (u32, u32, u32) {
    let found = fs::metadata(path).unwrap();
    (found.uid(), found.gid(), found.mode() & 0o7777)
}

#[test]
fn a_new_directory_is_given_with_its_mode_and_again_without_complaint() {
    for (visible, mode) in [(Visible::ToAll, 0o755), (Visible::ToOwner, 0o700)] {
        let (_above, path) = made(0o777);
        if !Uid::effective().is_root() {
            // Whoever may not change owners is told.
            assert!(matches!(give(&path, OWNER, visible), Err(DirectoryError::Io { .. })));
            continue;
        }
        give(&path, OWNER, visible).unwrap();
        assert_eq!(seen(&path), (OWNER.uid, OWNER.gid, mode));
        fs::write(path.join("ledger"), "").unwrap();
        give(&path, OWNER, visible).unwrap();
        assert_eq!(seen(&path), (OWNER.uid, OWNER.gid, mode));
    }
}

#[test]
fn what_root_has_something_in_is_left_alone() {
    let (_above, path) = made(0o755);
    fs::write(path.join("passwd"), "").unwrap();
    let before = seen(&path);
    let error = give(&path, OWNER, Visible::ToOwner).unwrap_err();
    assert!(matches!(error, DirectoryError::InUse { uid: 65_532, .. }), "{error}");
    assert_eq!(seen(&path), before);
}

#[test]
fn a_directory_that_others_may_write_is_no_place_for_sockets_and_keys() {
    for mode in [0o777, 0o775, 0o757, 0o1777] {
        let (_above, path) = made(mode);
        let error = give(&path, own(), Visible::ToAll).unwrap_err();
        assert!(
            matches!(error, DirectoryError::Writable { wanted: 0o755, .. }),
            "{mode:o} {error}"
        );
    }
    let (_above, path) = made(0o700);
    give(&path, own(), Visible::ToAll).unwrap();
    assert_eq!(seen(&path).2, 0o700, "what its owner has made of it stays");
}

#[test]
fn anothers_directory_is_not_taken() {
    if !Uid::effective().is_root() {
        return;
    }
    let (_above, path) = made(0o755);
    std::os::unix::fs::chown(&path, Some(1_000), None).unwrap();
    let error = give(&path, OWNER, Visible::ToAll).unwrap_err();
    assert!(matches!(error, DirectoryError::AnothersAlready { uid: 1_000, .. }), "{error}");
    assert_eq!(seen(&path).0, 1_000);
}

#[test]
fn links_files_and_nothing_are_told() {
    let (above, path) = made(0o755);
    let link = above.path().join("link");
    symlink(&path, &link).unwrap();
    let file = above.path().join("file");
    fs::write(&file, "").unwrap();
    let before = seen(&path);
    for wrong in [link, file, above.path().join("nothing")] {
        let error = give(&wrong, OWNER, Visible::ToAll).unwrap_err();
        assert!(matches!(error, DirectoryError::Io { doing: "open the directory", .. }), "{error}");
    }
    assert_eq!(seen(&path), before);
}
