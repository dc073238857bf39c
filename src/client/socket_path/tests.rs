use super::*;

const SYSTEM: &str = "/run/entitled/entitled.sock";
const RUNTIME: &str = "/run/user/1000";
const OWN: &str = "/run/user/1000/entitled/entitled.sock";

/// What a program finds whose environment and machine have this, and no more.
struct Of<'a> {
    environment: &'a [(&'a str, &'a str)],
    files: &'a [&'a str],
    private: &'a [&'a str],
    is_its_own: bool,
}

impl Surroundings for Of<'_> {
    fn is_its_own(&self) -> bool {
        self.is_its_own
    }

    fn variable(&self, name: &str) -> Option<OsString> {
        self.environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
    }

    fn exists(&self, path: &Path) -> bool {
        self.files.iter().any(|it| Path::new(it) == path)
    }

    fn is_private(&self, directory: &Path) -> bool {
        self.private.iter().any(|it| Path::new(it) == directory)
    }
}

fn find(environment: &[(&str, &str)], files: &[&str]) -> PathBuf {
    let shared = shared_directory();
    let private = [RUNTIME, shared.to_str().unwrap()];
    let around = Of { environment, files, private: &private, is_its_own: true };
    resolve("ENTITLED_SOCKET", "entitled.sock", &around).0
}

/// The same where nothing is the caller's alone.
fn find_among_others(environment: &[(&str, &str)], files: &[&str]) -> PathBuf {
    let around = Of { environment, files, private: &[], is_its_own: true };
    resolve("ENTITLED_SOCKET", "entitled.sock", &around).0
}

#[test]
fn the_environment_comes_first_even_if_nothing_is_there() {
    let named = [("ENTITLED_SOCKET", "/x/y"), ("XDG_RUNTIME_DIR", "/run/user/1000")];
    assert_eq!(find(&named, &[SYSTEM, OWN]), Path::new("/x/y"));
}

#[test]
fn the_environment_may_name_it_as_other_programs_do() {
    assert_eq!(find(&[("ENTITLED_SOCKET", "unix:///x/y")], &[SYSTEM]), Path::new("/x/y"));
    assert_eq!(find(&[("ENTITLED_SOCKET", "unix:x")], &[SYSTEM]), Path::new("unix:x"));
}

#[test]
fn the_system_comes_before_the_user() {
    let xdg = [("ENTITLED_SOCKET", ""), ("XDG_RUNTIME_DIR", "/run/user/1000")];
    assert_eq!(find(&xdg, &[SYSTEM, OWN]), Path::new(SYSTEM));
    assert_eq!(find(&xdg, &[OWN]), Path::new(OWN));
}

#[test]
fn without_a_runtime_directory_ones_own_below_tmp_is_asked() {
    let shared = shared_directory().join("entitled.sock");
    assert_eq!(find(&[], &[shared.to_str().unwrap()]), shared);
}

#[test]
fn with_nothing_there_the_system_path_is_named() {
    assert_eq!(find(&[("XDG_RUNTIME_DIR", "/run/user/1000")], &[]), Path::new(SYSTEM));
    assert_eq!(find(&[("XDG_RUNTIME_DIR", "relative")], &[]), Path::new(SYSTEM));
    assert_eq!(find(&[], &[]), Path::new(SYSTEM));
}

#[test]
fn what_others_can_have_put_there_is_not_asked() {
    let shared = shared_directory().join("entitled.sock");
    let files = [OWN, shared.to_str().unwrap()];
    assert_eq!(find_among_others(&[("XDG_RUNTIME_DIR", RUNTIME)], &files), Path::new(SYSTEM));
    // What the caller names is the caller's to name.
    assert_eq!(find_among_others(&[("ENTITLED_SOCKET", OWN)], &files), Path::new(OWN));
}

#[test]
fn with_rights_that_the_caller_has_not_the_machine_alone_is_asked() {
    let shared = shared_directory().join("entitled.sock");
    let (environment, files) = ([("ENTITLED_SOCKET", OWN)], [OWN, shared.to_str().unwrap()]);
    let private = [RUNTIME, shared_directory().to_str().unwrap()].map(str::to_owned);
    let private = private.each_ref().map(String::as_str);
    let around =
        Of { environment: &environment, files: &files, private: &private, is_its_own: false };
    let found = resolve("ENTITLED_SOCKET", "entitled.sock", &around);
    assert_eq!(found.as_path(), Path::new(SYSTEM));
}

#[test]
fn how_a_program_was_started_is_known_only_where_the_kernel_says_it() {
    let vector =
        |words: &[usize]| -> Vec<u8> { words.iter().flat_map(|it| it.to_ne_bytes()).collect() };
    assert!(is_plain(&auxiliary_vector()), "this one");
    assert!(is_plain(&vector(&[6, 4096, 23, 0, 0, 0])));
    assert!(!is_plain(&vector(&[6, 4096, 23, 1, 0, 0])));
    // A value that looks like the name.
    assert!(!is_plain(&vector(&[6, 23, 0, 0])));
    assert!(!is_plain(&vector(&[6, 4096, 23])));
    assert!(!is_plain(&[]));
}
