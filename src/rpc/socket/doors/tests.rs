use std::os::unix::net::UnixStream;

use super::*;

fn settings(directory: &Path) -> SocketSettings {
    SocketSettings {
        path: directory.join("entitled.sock"),
        admin_path: directory.join("admin.sock"),
        admin_group: None,
        delegates: Vec::new(),
        public_mode: 0o666,
        admin_mode: 0o600,
        metrics: None,
        threads: 1,
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o777
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn both_are_bound_with_their_modes_and_removed_at_the_end() {
    let home = tempfile::tempdir().unwrap();
    let settings = settings(&home.path().join("made/for/it"));
    let doors = open_with(&settings, Vec::new()).unwrap();
    assert_eq!((mode(&settings.path), mode(&settings.admin_path)), (0o666, 0o600));
    assert!(UnixStream::connect(&settings.path).is_ok());
    drop(doors);
    let left = names(settings.path.parent().unwrap());
    assert_eq!(left, ["admin.sock.lock", "entitled.sock.lock"]);
}

#[test]
fn a_second_daemon_is_told_that_the_first_answers() {
    let home = tempfile::tempdir().unwrap();
    let settings = settings(home.path());
    let _first = open_with(&settings, Vec::new()).unwrap();
    let second = open_with(&settings, Vec::new()).unwrap_err();
    assert!(matches!(&second, ListenError::AlreadyAnswered { .. }), "{second}");
    assert!(UnixStream::connect(&settings.path).is_ok(), "the first is not disturbed");
}

#[test]
fn a_living_socket_without_our_lock_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let settings = settings(home.path());
    let _theirs = UnixListener::bind(&settings.path).unwrap();
    let error = open_with(&settings, Vec::new()).unwrap_err();
    assert!(matches!(error, ListenError::AlreadyAnswered { .. }), "{error}");
    assert!(UnixStream::connect(&settings.path).is_ok());
}

#[test]
fn a_daemon_that_is_still_starting_keeps_another_out() {
    let home = tempfile::tempdir().unwrap();
    let settings = settings(home.path());
    let lock = File::create(home.path().join("entitled.sock.lock")).unwrap();
    lock.lock().unwrap();
    let error = open_with(&settings, Vec::new()).unwrap_err();
    assert!(matches!(error, ListenError::AlreadyStarting { .. }), "{error}");
}

#[test]
fn a_dead_socket_is_replaced() {
    let home = tempfile::tempdir().unwrap();
    let settings = settings(home.path());
    drop(UnixListener::bind(&settings.path).unwrap());
    assert!(settings.path.exists());
    let _doors = open_with(&settings, Vec::new()).unwrap();
    assert!(UnixStream::connect(&settings.path).is_ok());
}

#[test]
fn what_is_no_socket_is_never_removed() {
    let home = tempfile::tempdir().unwrap();
    let settings = settings(home.path());
    fs::write(&settings.path, "precious").unwrap();
    let error = open_with(&settings, Vec::new()).unwrap_err();
    assert!(matches!(error, ListenError::NotASocket { .. }), "{error}");
    assert_eq!(fs::read(&settings.path).unwrap(), b"precious");
}

#[test]
fn a_link_to_a_socket_is_not_followed() {
    let home = tempfile::tempdir().unwrap();
    let settings = settings(home.path());
    std::os::unix::fs::symlink("elsewhere", &settings.path).unwrap();
    let error = open_with(&settings, Vec::new()).unwrap_err();
    assert!(matches!(error, ListenError::NotASocket { .. }), "{error}");
}

#[test]
fn a_path_too_long_for_a_socket_is_refused_with_the_limit() {
    let home = tempfile::tempdir().unwrap();
    let mut settings = settings(home.path());
    settings.path = home.path().join("x".repeat(LONGEST_PATH));
    let error = open_with(&settings, Vec::new()).unwrap_err();
    assert!(error.to_string().contains("107"), "{error}");
}

#[test]
fn at_the_end_a_socket_of_somebody_else_stays() {
    let home = tempfile::tempdir().unwrap();
    let settings = settings(home.path());
    let doors = open_with(&settings, Vec::new()).unwrap();
    fs::remove_file(&settings.path).unwrap();
    let _theirs = UnixListener::bind(&settings.path).unwrap();
    drop(doors);
    assert!(UnixStream::connect(&settings.path).is_ok());
}

#[test]
fn without_its_group_the_admin_socket_is_for_its_owner_only() {
    let home = tempfile::tempdir().unwrap();
    let mut settings = settings(home.path());
    settings.admin_group = Some("no-such-group-here".into());
    settings.admin_mode = 0o660;
    let doors = open_with(&settings, Vec::new()).unwrap();
    assert_eq!(mode(&settings.admin_path), 0o600);
    assert_eq!(doors.admin_group, None);
}

#[test]
fn sockets_handed_over_are_taken_by_name_and_not_removed() {
    let home = tempfile::tempdir().unwrap();
    let settings = settings(home.path());
    let theirs = home.path().join("from-systemd");
    let listener = UnixListener::bind(&theirs).unwrap();
    let doors = open_with(&settings, vec![("admin".into(), listener.into())]).unwrap();
    assert_eq!(doors.admin.local_addr().unwrap().as_pathname(), Some(theirs.as_path()));
    assert!(settings.path.exists(), "the one that was not handed over is bound");
    drop(doors);
    assert!(theirs.exists());
    assert!(!settings.path.exists());
}

#[test]
fn what_is_handed_over_must_listen_on_a_unix_stream() {
    let home = tempfile::tempdir().unwrap();
    let settings = settings(home.path());
    let (connected, _other) = UnixStream::pair().unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let datagram = std::os::unix::net::UnixDatagram::unbound().unwrap();
    let wrong: [OwnedFd; 3] = [connected.into(), tcp.into(), datagram.into()];
    for fd in wrong {
        let error = open_with(&settings, vec![("entitled".into(), fd)]).unwrap_err();
        assert!(matches!(error, ListenError::NotListening { .. }), "{error}");
    }
}

#[test]
fn names_handed_over_must_be_ours_and_different() {
    let home = tempfile::tempdir().unwrap();
    let settings = settings(home.path());
    let listener = |name: &str| OwnedFd::from(UnixListener::bind(home.path().join(name)).unwrap());
    let error = open_with(&settings, vec![("cupsd".into(), listener("a"))]).unwrap_err();
    assert!(matches!(error, ListenError::UnknownName { .. }), "{error}");
    let twice = vec![("admin".into(), listener("b")), ("admin".into(), listener("c"))];
    let error = open_with(&settings, twice).unwrap_err();
    assert!(matches!(error, ListenError::NamedTwice { .. }), "{error}");
}
