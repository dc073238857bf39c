use super::*;

const SYSTEM: &str = "/run/entitled/entitled.sock";
const OWN: &str = "/run/user/1000/entitled/entitled.sock";

fn find(environment: &[(&str, &str)], files: &[&str]) -> PathBuf {
    let environment = |name: &str| {
        environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
    };
    let exists = |path: &Path| files.iter().any(|it| Path::new(it) == path);
    resolve("ENTITLED_SOCKET", "entitled.sock", environment, exists).0
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
