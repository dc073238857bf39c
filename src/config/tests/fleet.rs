//! `[fleet]`.

use std::path::PathBuf;
use std::time::Duration;

use super::Etc;
use crate::fleet::settings::Kind;

#[test]
fn without_the_section_a_machine_shares_with_nobody() {
    assert_eq!(Etc::with("").config(&[]).fleet, None);
}

#[test]
fn a_fleet_is_read_and_its_password_is_only_named() {
    let text = r#"[fleet]
endpoints = ["https://10.0.0.1:2379/", "https://[::1]:2379"]
machine = "render-1"
user = "entitled"
password = "credential:entitled.fleet"
"#;
    let fleet = Etc::with(text).config(&[("CREDENTIALS_DIRECTORY", "/run/c")]).fleet.unwrap();
    assert_eq!((fleet.kind, fleet.name.as_str()), (Kind::Etcd, "main"));
    assert_eq!(fleet.endpoints, ["https://10.0.0.1:2379", "https://[::1]:2379"]);
    assert_eq!(fleet.ttl, Duration::from_secs(60));
    assert_eq!(fleet.password_file, Some(PathBuf::from("/run/c/entitled.fleet")));
    assert_eq!(fleet.state.file_name().unwrap(), "fleet.json");
}

#[test]
fn what_cannot_be_is_named_with_what_would_be_right() {
    let table: &[(&str, &str)] = &[
        ("engine = \"etcd\"", "must name at least one address of etcd"),
        ("endpoints = [\"10.0.0.1:2379\"]", "must be `http://HOST:PORT` or `https://HOST:PORT`"),
        ("endpoints = [\"http://me:secret@h:1\"]", "must not hold a password"),
        ("endpoints = [\"https://h:1\"]\nkey = \"/k\"", "and `key` go together"),
        ("endpoints = [\"https://h:1\"]\nuser = \"u\"", "and `password` go together"),
        (
            "endpoints = [\"http://10.0.0.1:1\"]\nuser = \"u\"\npassword = \"file:/p\"",
            "must be `https://` where a password is sent",
        ),
        (
            "endpoints = [\"https://h:1\"]\nuser = \"u\"\npassword = \"hunter2\"",
            "must be \"credential:NAME\"",
        ),
        ("endpoints = [\"https://h:1\"]\nttl = \"1s\"", "ttl"),
        ("endpoints = [\"https://h:1\"]\nname = \"Main/x\"", "must be lower-case letters"),
    ];
    for (keys, expected) in table {
        let told = Etc::with(&format!("[fleet]\n{keys}\n")).wrong(&[]).join("\n");
        assert!(told.contains(expected), "{keys}: {told}");
        assert!(!told.contains("hunter2") && !told.contains("secret"), "{told}");
    }
}
