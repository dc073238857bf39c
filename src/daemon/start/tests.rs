use super::*;

#[test]
fn the_limits_that_nobody_sets_are_the_sockets_own() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("entitled.toml");
    std::fs::write(&file, "").unwrap();
    let read = Config::read(Some(&file), &Environment::default()).unwrap();
    assert_eq!(limits(&read.config.socket.limits), Limits::default());
}
