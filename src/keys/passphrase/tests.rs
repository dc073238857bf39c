use super::*;
use crate::keys::new_file;

const CHEAP: Cost = Cost { log_n: 10, r: 8, p: 1 };

fn words(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn file(text: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kek.passphrase");
    new_file::make(&path, text, 0o600).unwrap();
    (dir, path)
}

fn set_cheaply(passphrase: &str) -> (KeyEncryptionKey, Vec<u8>) {
    set_at(Path::new("x"), &words(passphrase), CHEAP).unwrap()
}

#[test]
fn the_passphrase_gives_the_key_again_and_another_does_not() {
    let (key, text) = set_cheaply("correct horse");
    let (_dir, path) = file(&text);
    assert_eq!(unlock(&path, &words("correct horse")).unwrap().expose(), key.expose());
    assert_eq!(read_id(&path).unwrap(), key.name());
    for wrong in ["correct horsf", "correct horse ", ""] {
        let error = unlock(&path, &words(wrong)).unwrap_err();
        assert!(matches!(error, KeyFileError::WrongPassphrase), "{wrong}: {error}");
    }
}

#[test]
fn two_with_the_same_passphrase_have_different_keys() {
    assert_ne!(set_cheaply("correct horse").0.name(), set_cheaply("correct horse").0.name());
}

#[test]
fn the_file_holds_neither_key_nor_passphrase() {
    let (key, text) = set_cheaply("correct horse");
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains("correct") && !text.contains(&hex::encode(key.expose())), "{text}");
}

#[test]
fn what_is_too_short_or_too_long_is_no_passphrase() {
    for text in ["", "seven77", &"x".repeat(1_025)] {
        let error = set_at(Path::new("x"), &words(text), CHEAP).unwrap_err();
        assert!(matches!(error, KeyFileError::PassphraseLength { .. }), "{error}");
    }
}

#[test]
fn a_file_that_would_eat_the_machine_or_is_none_of_ours_is_refused() {
    let (_, text) = set_cheaply("correct horse");
    let text = String::from_utf8(text).unwrap();
    for (from, to) in [
        ("\"log_n\":10", "\"log_n\":18"),
        ("\"log_n\":10", "\"log_n\":1"),
        ("\"r\":8", "\"r\":4096"),
        ("\"p\":1", "\"p\":1000"),
        ("\"version\":1", "\"version\":2"),
        ("scrypt", "md5"),
        ("{", ""),
    ] {
        let (_dir, path) = file(text.replacen(from, to, 1).as_bytes());
        let error = unlock(&path, &words("correct horse")).unwrap_err();
        assert!(matches!(error, KeyFileError::Malformed { .. }), "{to}: {error}");
    }
}

#[test]
fn the_cost_of_ours_is_bearable() {
    assert!(COST.is_bearable());
}
