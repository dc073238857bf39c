use super::*;

#[test]
fn root_oneself_and_the_directorys_owner_are_trusted_and_nobody_else() {
    for (server, own, directory, trusted) in [
        (0, 1000, Some(997), true),
        (997, 1000, Some(997), true),
        (1000, 1000, None, true),
        (1001, 1000, Some(0), false),
        (1001, 1000, Some(997), false),
        (1001, 1000, None, false),
    ] {
        assert_eq!(is_trusted(server, own, directory), trusted, "{server} {own} {directory:?}");
    }
}
