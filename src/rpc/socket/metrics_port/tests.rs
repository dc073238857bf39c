use super::*;

#[test]
fn hosts_that_are_this_machine_to_itself() {
    for host in
        ["", "localhost", "LocalHost:9469", "127.0.0.1:9469", "127.0.0.2", "[::1]:9469", "[::1]"]
    {
        assert!(is_loopback(host.as_bytes()), "{host}");
    }
    for host in ["a.example", "a.example:9469", "localhost.a.example", "10.0.0.1:9469", "[::2]"] {
        assert!(!is_loopback(host.as_bytes()), "{host}");
    }
}
