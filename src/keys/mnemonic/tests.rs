//! Mnemonics and paths against the vectors of BIP-39 and BIP-32.

use serde_json::Value;

use super::*;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/mnemonics.json")).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn derive(words: &str, path: Option<&str>) -> Result<PrivateKey, MnemonicError> {
    key_of_mnemonic(&secret(words), path)
}

#[test]
fn keys_and_chain_codes_are_those_of_bip_32() {
    for vector in vectors()["bip32"].as_array().unwrap() {
        let seed = hex::decode(text(&vector["seed"])).unwrap();
        for known in vector["keys"].as_array().unwrap() {
            let path = text(&known["path"]);
            let steps = if path == "m" { Vec::new() } else { read_path(path).unwrap() };
            let mut node = Node::master(&seed).unwrap();
            for step in steps {
                node = node.child(step).unwrap();
            }
            assert_eq!(hex::encode(*node.key), text(&known["private_key"]), "{path}");
            assert_eq!(hex::encode(*node.chain_code), text(&known["chain_code"]), "{path}");
        }
    }
}

#[test]
fn seeds_are_those_of_bip_39_without_a_passphrase() {
    for vector in vectors()["bip39"].as_array().unwrap() {
        let words = text(&vector["words"]);
        let seed = seed(&secret(words)).unwrap();
        assert_eq!(hex::encode(*seed), text(&vector["seed"]), "{words}");
    }
}

#[test]
fn the_first_account_is_the_one_other_wallets_show() {
    for vector in vectors()["bip39"].as_array().unwrap() {
        let key = derive(text(&vector["words"]), None).unwrap();
        assert_eq!(hex::encode(key.expose()), text(&vector["private_key"]));
        assert_eq!(key.address().unwrap().to_string(), text(&vector["address"]));
    }
}

#[test]
fn a_path_leads_to_its_key() {
    let vectors = vectors();
    let words = text(&vectors["paths"]["words"]);
    for known in vectors["paths"]["keys"].as_array().unwrap() {
        let path = known["path"].as_str();
        let key = derive(words, path).unwrap();
        assert_eq!(key.address().unwrap().to_string(), text(&known["address"]), "{path:?}");
    }
}

#[test]
fn blanks_between_words_do_not_matter() {
    let vectors = vectors();
    let words = text(&vectors["paths"]["words"]);
    let spaced = format!("  {}\n", words.replace(' ', " \t\n"));
    let (one, two) = (derive(words, None).unwrap(), derive(&spaced, None).unwrap());
    assert_eq!(one.expose(), two.expose());
}

#[test]
fn words_that_are_no_mnemonic_are_refused() {
    for vector in vectors()["refused_words"].as_array().unwrap() {
        let error = derive(text(&vector["words"]), None).unwrap_err();
        let why = match error {
            MnemonicError::Checksum => "checksum",
            MnemonicError::Length => "length",
            MnemonicError::UnknownWord { .. } => "word",
            other => panic!("{other}"),
        };
        assert_eq!(why, text(&vector["why"]), "{vector}");
        let shown = error.to_string();
        assert!(!shown.contains("abut") && !shown.contains("Abandon"), "{shown}");
    }
    assert_eq!(derive(&"abandon ".repeat(80), None).unwrap_err(), MnemonicError::Length);
}

#[test]
fn paths_that_are_none_are_refused() {
    let vectors = vectors();
    let words = text(&vectors["paths"]["words"]);
    for path in vectors["refused_paths"].as_array().unwrap() {
        assert_eq!(derive(words, path.as_str()).unwrap_err(), MnemonicError::Path, "{path}");
    }
}

#[test]
fn a_key_is_read_from_its_digits() {
    let digits = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    for written in
        [digits.to_owned(), format!("0x{digits}"), format!(" {}\n", digits.to_uppercase())]
    {
        assert_eq!(hex::encode(key_of_digits(&secret(&written)).unwrap().expose()), digits);
    }
    let zero = "0".repeat(64);
    for wrong in
        ["", "0x", &digits[2..], &format!("{digits}00"), &zero, &"f".repeat(64), &"g".repeat(64)]
    {
        assert!(key_of_digits(&secret(wrong)).is_none(), "{wrong}");
    }
}
