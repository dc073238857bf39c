use super::*;

fn unreachable(kind: io::ErrorKind) -> ClientError {
    ClientError::Unreachable { path: PathBuf::from("/x"), source: kind.into() }
}

#[test]
fn a_door_that_is_closed_to_us_is_not_a_daemon_that_is_down() {
    assert_eq!(exit_of(&unreachable(io::ErrorKind::PermissionDenied)), Exit::Refused);
    assert_eq!(exit_of(&unreachable(io::ErrorKind::NotFound)), Exit::Unreachable);
    assert_eq!(exit_of(&unreachable(io::ErrorKind::ConnectionRefused)), Exit::Unreachable);
}

#[test]
fn what_could_not_be_found_out_is_never_a_no() {
    for code in [-32005, -32006, -32007, -32009] {
        let refused = ClientError::Refused { code, message: String::new(), data: None };
        assert_eq!(exit_of(&refused), Exit::Undetermined, "{code}");
    }
}
