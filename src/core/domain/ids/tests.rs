use super::*;

#[test]
fn each_name_reads_back_as_written() {
    for text in ["machine", "uid:1000", "customer:7"] {
        assert_eq!(text.parse::<CustomerId>().unwrap().to_string(), text);
    }
    let token = "eip155:1/erc721:0x52908400098527886E0F7030069857D2E4169EE7/7";
    assert_eq!(token.parse::<Token>().unwrap().to_string(), token);
    let account = "eip155:31337:0x52908400098527886E0F7030069857D2E4169EE7";
    assert_eq!(account.parse::<Account>().unwrap().to_string(), account);
}

#[test]
fn a_wrong_checksum_is_refused_and_the_right_one_named() {
    // EIP-55, test case "all caps"; here with one letter's case turned.
    let error = parse_address("0x52908400098527886e0F7030069857D2E4169EE7").unwrap_err();
    assert!(error.to_string().contains("0x52908400098527886E0F7030069857D2E4169EE7"), "{error}");
    assert!(parse_address("0x52908400098527886e0f7030069857d2e4169ee7").is_ok());
    assert!(parse_address("0X52908400098527886e0f7030069857d2e4169ee7").is_err());
}

#[test]
fn near_misses_are_refused() {
    for text in ["", "uid:", "uid:01", "uid:-1", "uid:4294967296", "Machine", "customer:x", "root"]
    {
        assert!(text.parse::<CustomerId>().is_err(), "{text}");
    }
    for text in ["eip155:0", "eip155:", "eip155:01", "solana:1", "1"] {
        assert!(text.parse::<ChainId>().is_err(), "{text}");
    }
    let long = "9".repeat(78);
    for text in ["", "-1", "0x7", "1e3", " 7", &long] {
        assert!(parse_token_id(text).is_err(), "{text}");
    }
    for text in ["", "-a", "Acme", "a b", &"a".repeat(65)] {
        assert!(text.parse::<ProductId>().is_err(), "{text}");
    }
}

#[test]
fn text_from_outside_is_cut_before_it_is_repeated() {
    let error = "x".repeat(10_000).parse::<Token>().unwrap_err();
    assert!(error.to_string().len() < 400);
}
