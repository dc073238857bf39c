use std::path::PathBuf;

use super::*;

fn refused(code: i64, detail: &str) -> Failure {
    let data = json!({"code": "NAME", "detail": detail, "help": "see rpc_discover"});
    let message = format!("what it is: {detail}");
    Failure::Client(ClientError::Refused { code, message, data: Some(data) })
}

#[test]
fn a_refusal_is_said_once_and_in_the_words_of_who_typed() {
    for (code, detail, said) in [
        (
            -32602,
            "`address`: `0x12` is not an address",
            "`0x12` is not an address\n  `--help` after the command shows what it takes",
        ),
        (
            -32602,
            "`Not a name`: x",
            "`Not a name`: x\n  `--help` after the command shows what it takes",
        ),
        (
            -32002,
            "no such wallet",
            "no such wallet\n  `entitlectl wallet list` shows those there are",
        ),
        (-32002, "no such seat", "no such seat\n  `entitlectl seats list` shows those there are"),
        (-32003, "it is linked already", "it is linked already\n  see rpc_discover"),
    ] {
        assert_eq!(in_words(&refused(code, detail)), format!("entitlectl: {said}"));
    }
}

#[test]
fn what_stands_in_the_way_is_said_by_the_message_alone() {
    let help = ErrorCode::Conflict.help();
    let data = json!({"code": "CONFLICT", "detail": "it is linked already", "help": help});
    let refused =
        ClientError::Refused { code: -32003, message: "conflict".to_owned(), data: Some(data) };
    assert_eq!(in_words(&Failure::Client(refused)), "entitlectl: it is linked already");
}

#[test]
fn no_words_of_the_socket_are_used_to_people() {
    for code in [-32602, -32001, -32006] {
        let text = in_words(&refused(code, "x"));
        assert!(!text.contains("rpc_") && !text.contains("params"), "{text}");
    }
}

#[test]
fn a_daemon_that_is_away_is_told_as_json_too() {
    let source = io::Error::from(io::ErrorKind::NotFound);
    let away = Failure::Client(ClientError::Unreachable { path: PathBuf::from("/s"), source });
    let error = as_json(&away);
    assert_eq!(error["error"]["data"]["code"], "UNREACHABLE");
    assert_eq!(error["error"]["code"], Value::Null);
    assert_eq!(error["error"]["message"], "the daemon cannot be reached: nobody listens at /s");
}

#[test]
fn a_failure_is_told_with_its_causes() {
    let source = io::Error::other("disk full");
    assert_eq!(
        in_words(&Failure::Output { source }),
        "entitlectl: cannot write the answer: disk full"
    );
}
