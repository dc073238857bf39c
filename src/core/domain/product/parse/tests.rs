use alloy_primitives::{B256, U256};
use proptest::prelude::*;

use super::*;
use crate::domain::ownership::{IdRanges, Reach, Rule, Terms};
use crate::domain::product::TokensOf;

const TOKEN: &str = "eip155:1/erc721:0x52908400098527886e0f7030069857d2e4169ee7";

/// A right file, with one `old` replaced by `new`.
fn file(old: &str, new: &str) -> String {
    let right = format!(
        r#"product = "acme-cad"
name = "Acme CAD"
refresh = "10m"
grace = "14d"
[tiers.starter]
rank = 10
features = {{ export = false, max_projects = 3 }}
[tiers.pro]
rank = 20
price = {{ amount = "49.00", currency = "USD", per = "month" }}
features = {{ export = true, ratio = 1.5, label = "gold" }}
seats = 5
expires_at = 2030-01-01T00:00:00Z
[[grants]]
tier = "pro"
token = "{TOKEN}"
rule = "owner"
tokens_of = "enumerable"
"#
    );
    assert!(right.contains(old), "{old}");
    right.replacen(old, new, 1)
}

fn faults(text: &str) -> Vec<String> {
    parse(text).expect_err(text).iter().map(ToString::to_string).collect()
}

#[test]
fn a_right_file_becomes_its_product() {
    let product = parse(&file("", "")).unwrap();
    assert_eq!((product.id.as_str(), product.version), ("acme-cad", 1));
    assert_eq!((product.trust, product.finality), (Trust::Single, Finality::Finalized));
    assert!(!product.provisional);
    let names: Vec<_> = product.tiers.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["starter", "pro"]);
    let pro = &product.tiers[1];
    assert_eq!(pro.expires_at.unwrap().to_string(), "2030-01-01T00:00:00Z");
    assert_eq!(pro.features["ratio"], Feature::Number(1.5));
    assert_eq!(pro.features["label"], Feature::Text("gold".to_owned()));
    assert_eq!(pro.price.as_ref().unwrap().per.as_deref(), Some("month"));
    assert!(product.grants[0].ids.is_every());
}

#[test]
fn a_slip_at_the_rule_is_known_as_one() {
    assert_eq!(
        faults(&file("rule = \"owner\"", "rul = \"owner\"")),
        ["line 17: `grants[0].rul`: unknown key; did you mean `rule`?"]
    );
}

#[test]
fn what_is_left_out_has_its_default() {
    let text = format!(
        "product = \"a\"\nname = \"A\"\n[tiers.t]\nrank = 0\n[[grants]]\ntier = \"t\"\ntoken = \"{TOKEN}/7\"\n"
    );
    let product = parse(&text).unwrap();
    assert_eq!(product.refresh, Duration::from_secs(600));
    assert_eq!(product.grace, Duration::from_secs(14 * 86_400));
    let grant = &product.grants[0];
    assert_eq!((grant.tokens_of, grant.from_block, grant.rule), (TokensOf::Ids, 0, Rule::Owner));
    assert_eq!(grant.ids, IdRanges::only(U256::from(7)));
    let slow = parse(&format!("refresh = \"20d\"\n{text}")).unwrap();
    assert_eq!(slow.grace, slow.refresh);
}

#[test]
fn ids_narrow_a_collection() {
    let text = file("rule = \"owner\"", "ids = [\"1-999\", \"2000\", 3000]\n");
    let text = text.replace("tokens_of = \"enumerable\"\n", "");
    let grant = &parse(&text).unwrap().grants[0];
    assert_eq!((grant.tokens_of, grant.ids.count()), (TokensOf::Ids, Some(1001)));
    assert!(!grant.ids.contains(U256::from(1000)));
}

#[test]
fn every_rule_is_read() {
    for (word, rule) in [
        ("owner", Rule::Owner),
        ("user", Rule::User),
        ("subscription", Rule::Subscription),
        ("expiry", Rule::Expiry),
        ("unlock", Rule::Unlock),
    ] {
        let grant = &parse(&file("\"owner\"", &format!("{word:?}"))).unwrap().grants[0];
        assert_eq!(grant.terms(), Terms::direct(rule));
    }
}

/// Of one id of ERC-1155.
fn editions(more: &str) -> String {
    let text = file("rule = \"owner\"\ntokens_of = \"enumerable\"", more);
    text.replace("erc721:", "erc1155:").replace("9ee7\"", "9ee7/7\"")
}

#[test]
fn how_many_are_enough_is_one_unless_it_is_said() {
    for (more, min) in [
        ("", U256::ONE),
        ("min = 5", U256::from(5)),
        ("min = \"100000000000000000000\"", U256::from(100_000_000_000_000_000_000_u128)),
    ] {
        let grant = &parse(&editions(&format!("rule = \"balance\"\n{more}"))).unwrap().grants[0];
        assert_eq!((grant.rule, grant.tokens_of), (Rule::Balance { min }, TokensOf::Ids), "{more}");
    }
}

#[test]
fn what_balance_cannot_prove_is_refused() {
    for (more, message) in [
        (
            "rule = \"balance\"\ntokens_of = \"logs\"",
            "line 18: `grants[0].tokens_of`: rule `balance` needs listed ids: `ids`, or an id in `token`",
        ),
        (
            "rule = \"balance\"\ntoken_bound = true",
            "line 18: `grants[0].token_bound`: does not go with rule `balance`: an erc1155 contract does not say who holds a token",
        ),
        (
            "rule = \"balance\"\nmin = 0",
            "line 18: `grants[0].min`: must be a whole number from 1, as text if it is beyond 2^63",
        ),
        (
            "",
            "line 16: `grants[0].token`: rule `owner` needs an erc721 token: eip155:1/erc721:0x…; or say `rule = \"balance\"`",
        ),
    ] {
        assert_eq!(faults(&editions(more)), [message], "{more}");
    }
    let whole = editions("rule = \"balance\"").replace("9ee7/7", "9ee7");
    let message =
        "line 14: `grants[0].ids`: rule `balance` needs listed ids: `ids`, or an id in `token`";
    assert_eq!(faults(&whole), [message]);
}

#[test]
fn a_delegation_may_ask_for_rights() {
    let rights = |text: &str| {
        let line = format!("delegation = {text}\ntoken_bound = true");
        parse(&file("rule = \"owner\"", &line)).unwrap().grants[0].reach
    };
    let reach = |delegation: Option<B256>| Reach { delegation, token_bound: true };
    let licence = B256::right_padding_from(b"licence");
    assert_eq!(rights("false"), reach(None));
    assert_eq!(rights("true"), reach(Some(B256::ZERO)));
    assert_eq!(rights("{}"), reach(Some(B256::ZERO)));
    assert_eq!(rights("{ rights = \"licence\" }"), reach(Some(licence)));
    assert_eq!(rights(&format!("{{ rights = \"{licence}\" }}")), reach(Some(licence)));
}

/// What is replaced in a right file, by what, and the one mistake this makes.
const WRONG_FILES: &[(&str, &str, &str)] = &[
    (
        "rank = 10",
        "rank = 10\nseat = 1",
        "line 7: `tiers.starter.seat`: unknown key; did you mean `seats`?",
    ),
    (
        "rank = 10",
        "rank = \"10\"",
        "line 6: `tiers.starter.rank`: must be a whole number from 0 to 4294967295, not a text",
    ),
    ("rank = 10", "rank = -1", "line 6: `tiers.starter.rank`: must be from 0 to 4294967295"),
    (
        "rank = 20",
        "rank = 10",
        "line 6: `tiers.starter.rank`: must be unique; tier `pro` has the same",
    ),
    ("name = \"Acme CAD\"\n", "", "`name`: is missing"),
    ("name = \"Acme CAD\"", "name = \" \"", "line 2: `name`: must be one line of 1 to 256 bytes"),
    (
        "\"acme-cad\"",
        "\"Acme\"",
        "line 1: `product`: `Acme` is not a product id: use 1 to 64 of a-z, 0-9, `.`, `_` and `-`, beginning with a letter or digit",
    ),
    (
        "name",
        "colour = 1\nname",
        "line 2: `colour`: unknown key; here are known: `product`, `name`, `version`, `publisher`, `trust`, `finality`, `provisional`, `refresh`, `grace`, `tiers`, `grants`, `checkpoint`, `seats`",
    ),
    (
        "\"10m\"",
        "\"10 minutes\"",
        "line 3: `refresh`: must be a duration such as \"500ms\", \"90s\", \"10m\", \"12h\" or \"14d\"",
    ),
    ("\"10m\"", "\"50ms\"", "line 3: `refresh`: must be from 100ms to 30d"),
    (
        "\"10m\"",
        "600",
        "line 3: `refresh`: must be a duration such as \"500ms\", \"90s\", \"10m\", \"12h\" or \"14d\", not a whole number",
    ),
    ("\"14d\"", "\"5m\"", "line 4: `grace`: must be at least `refresh` (10m)"),
    (
        "grace",
        "trust = \"quorun\"\ngrace",
        "line 4: `trust`: must be one of `single`, `quorum`, `consensus`; did you mean `quorum`?",
    ),
    (
        "grace",
        "finality = \"soon\"\ngrace",
        "line 4: `finality`: must be one of `finalized`, `safe`, `latest`",
    ),
    (
        "[tiers.starter]",
        "[tiers.Starter]",
        "line 5: `tiers.Starter`: `Starter` is not a tier name: use 1 to 64 of a-z, 0-9, `.`, `_` and `-`, beginning with a letter or digit",
    ),
    ("\"49.00\"", "49.0", "line 10: `tiers.pro.price.amount`: must be a text, not a number"),
    (
        "\"49.00\"",
        "\"1,000\"",
        "line 10: `tiers.pro.price.amount`: must be a decimal number as text, such as \"49.00\"",
    ),
    (
        "\"month\"",
        "\"months\"",
        "line 10: `tiers.pro.price.per`: must be one of `day`, `week`, `month`, `year`; did you mean `month`?",
    ),
    (
        "ratio = 1.5",
        "ratio = nan",
        "line 11: `tiers.pro.features.ratio`: must be a finite number that fits 64 bits",
    ),
    (
        "ratio = 1.5",
        "ratio = [1]",
        "line 11: `tiers.pro.features.ratio`: must be true or false, a number or a text, not a list",
    ),
    (
        "ratio = 1.5",
        "\"a b\" = 1",
        "line 11: `tiers.pro.features.\"a b\"`: a feature's name must be 1 to 64 of letters, digits, `.`, `_` and `-`",
    ),
    ("seats = 5", "seats = 0", "line 12: `tiers.pro.seats`: must be from 1 to 4294967295"),
    (
        "2030-01-01T00:00:00Z",
        "2030-01-01",
        "line 13: `tiers.pro.expires_at`: must be a time such as 2030-01-01T00:00:00Z, with Z or an offset",
    ),
    (
        "tier = \"pro\"",
        "tier = \"gold\"",
        "line 15: `grants[0].tier`: there is no tier `gold` in this file",
    ),
    ("tier = \"pro\"\n", "", "line 14: `grants[0].tier`: is missing"),
    (
        "/erc721:",
        "/erc1155:",
        "line 16: `grants[0].token`: rule `owner` needs an erc721 token: eip155:1/erc721:0x…",
    ),
    (
        "9ee7",
        "9EE7",
        "line 16: `grants[0].token`: `0x52908400098527886e0f7030069857d2e4169EE7` has a wrong EIP-55 checksum: it should read `0x52908400098527886E0F7030069857D2E4169EE7`",
    ),
    (
        "rule = \"owner\"",
        "rule = \"holder\"",
        "line 17: `grants[0].rule`: must be one of `owner`, `balance`, `user`, `subscription`, `expiry`, `unlock`",
    ),
    (
        "rule = \"owner\"",
        "rule = \"unlok\"",
        "line 17: `grants[0].rule`: must be one of `owner`, `balance`, `user`, `subscription`, `expiry`, `unlock`; did you mean `unlock`?",
    ),
    (
        "\"owner\"\ntokens_of = \"enumerable\"",
        "\"balance\"\nids = [1]",
        "line 16: `grants[0].token`: rule `balance` needs an erc1155 token: eip155:1/erc1155:0x…; for erc721 use `rule = \"owner\"`",
    ),
    (
        "rule = \"owner\"",
        "min = 1",
        "line 17: `grants[0].min`: belongs to rule `balance`; leave it out",
    ),
    (
        "rule = \"owner\"",
        "min = 0",
        "line 17: `grants[0].min`: belongs to rule `balance`; leave it out",
    ),
    (
        "\"owner\"\ntokens_of = \"enumerable\"",
        "\"user\"\ntokens_of = \"logs\"",
        "line 18: `grants[0].tokens_of`: rule `user` needs \"ids\" or \"enumerable\": events cannot prove that there are no others",
    ),
    (
        "\"owner\"\ntokens_of = \"enumerable\"",
        "\"unlock\"\ntokens_of = \"logs\"",
        "line 18: `grants[0].tokens_of`: rule `unlock` needs \"ids\" or \"enumerable\": events cannot prove that there are no others",
    ),
    (
        "rule = \"owner\"",
        "delegation = \"yes\"",
        "line 17: `grants[0].delegation`: must be true or false, not a text",
    ),
    (
        "rule = \"owner\"",
        "delegation = { right = \"x\" }",
        "line 17: `grants[0].delegation.right`: unknown key; did you mean `rights`?",
    ),
    (
        "rule = \"owner\"",
        "delegation = { rights = \"\" }",
        "line 17: `grants[0].delegation.rights`: must be a text of 1 to 32 printable ASCII characters, or 0x and 64 hexadecimal digits",
    ),
    (
        "rule = \"owner\"",
        "delegation = { rights = \"0x12\" }",
        "line 17: `grants[0].delegation.rights`: must be a text of 1 to 32 printable ASCII characters, or 0x and 64 hexadecimal digits",
    ),
    (
        "rule = \"owner\"\ntokens_of = \"enumerable\"",
        "token_bound = true\ntokens_of = \"logs\"",
        "line 17: `grants[0].token_bound`: needs to know all tokens there are: list their ids, or use `tokens_of = \"enumerable\"` (a lock does not list all its keys: list the ids)",
    ),
    (
        "rule = \"owner\"",
        "rule = \"unlock\"\ntoken_bound = true",
        "line 18: `grants[0].token_bound`: needs to know all tokens there are: list their ids, or use `tokens_of = \"enumerable\"` (a lock does not list all its keys: list the ids)",
    ),
    (
        "rule = \"owner\"",
        "from_block = -1",
        "line 17: `grants[0].from_block`: must be from 0 to 9223372036854775807",
    ),
    (
        "rule = \"owner\"",
        "ids = []",
        "line 17: `grants[0].ids`: must name 1 to 10000 ids or ranges",
    ),
    (
        "rule = \"owner\"",
        "ids = [\"9-1\"]",
        "line 17: `grants[0].ids`: `9-1` is the wrong way round: write \"1-9\"",
    ),
    (
        "rule = \"owner\"",
        "ids = [\"0x7\"]",
        "line 17: `grants[0].ids`: `0x7` is not a token id: use a decimal number below 2^256",
    ),
    (
        "rule = \"owner\"",
        "ids = \"7\"",
        "line 17: `grants[0].ids`: must be a list such as [\"1-999\", \"2000\"], not a text",
    ),
    (
        "\"enumerable\"",
        "\"ids\"",
        "line 18: `grants[0].tokens_of`: needs `ids`, or an id in `token`",
    ),
    (
        "\"enumerable\"",
        "\"ids\"\nids = [\"1-10001\"]",
        "line 14: `grants[0].ids`: lists more than 10000 ids, all grants taken together; use `tokens_of = \"enumerable\"` or \"logs\"",
    ),
    (
        "[[grants]]",
        "[grants]",
        "line 14: `grants`: must be a list of tables (`[[grants]]`), not a table",
    ),
];

#[test]
fn each_mistake_is_named_with_its_line_its_key_and_what_would_be_right() {
    for (old, new, message) in WRONG_FILES {
        assert_eq!(faults(&file(old, new)), [*message], "{new}");
    }
}

#[test]
fn an_id_in_the_token_and_in_ids_is_one_too_many() {
    let text = file("9ee7\"", "9ee7/7\"\nids = [\"7\"]");
    assert_eq!(
        faults(&text),
        ["line 17: `grants[0].ids`: `token` names an id already; leave one of the two out"]
    );
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_their_lines() {
    let text = file("rank = 10", "rank = []").replace("\"owner\"", "\"used\"").replace("USD", "");
    let lines: Vec<usize> = parse(&text).unwrap_err().iter().map(|it| it.line).collect();
    assert_eq!(lines, [6, 10, 17]);
}

#[test]
fn a_list_without_grants_is_no_better_than_none() {
    let text = format!("grants = []\n{}", file("[[grants]]", "[later]"));
    let all = faults(&text);
    assert_eq!(all[0], "line 1: `grants`: must be 1 to 1000 grants (`[[grants]]`)");
}

#[test]
fn an_empty_file_misses_everything_it_needs() {
    assert_eq!(
        faults(""),
        [
            "`grants`: must be 1 to 1000 grants (`[[grants]]`)",
            "`name`: is missing",
            "`product`: is missing",
            "`tiers`: must define 1 to 100 tiers (`[tiers.NAME]`)",
        ]
    );
}

#[test]
fn a_text_beyond_the_limit_is_refused() {
    let text = format!("#{}", "x".repeat(document::LONGEST_TEXT));
    assert_eq!(faults(&text), ["longer than 262144 bytes"]);
}

/// Pieces that make texts which are nearly right, so that the deeper checks are reached.
fn pieces() -> impl Strategy<Value = String> {
    let words = [
        "[tiers.a]\n",
        "[[grants]]\n",
        "rank = ",
        "product = ",
        "ids = ",
        "[",
        "]",
        "{",
        "}",
        "=",
        "\"",
        "'''",
        "1",
        "-",
        ".",
        "\n",
        "\"1-9\"",
        "\"a\"",
        "tokens_of = \"ids\"\n",
        "price = {}\n",
        "features = { a = 1 }\n",
        "1e400",
        "2030-01-01",
        "é",
        "#",
        ",",
        "token = \"eip155:1/erc721:0x\"\n",
        "\\u0000",
        "\0",
        "\r",
    ];
    proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..60)
        .prop_map(|it| it.concat())
}

proptest! {
    #[test]
    fn no_text_is_too_odd(text in any::<String>()) {
        prop_assert!(parse(&text).is_err());
    }

    #[test]
    fn no_nearly_right_text_is_too_odd(text in pieces()) {
        let lines = text.matches('\n').count() + 1;
        if let Err(faults) = parse(&text) {
            prop_assert!(!faults.is_empty());
            prop_assert!(faults.iter().all(|it| it.line <= lines));
        }
    }

    #[test]
    fn a_right_file_damaged_anywhere_is_refused_or_still_whole(at in 0_usize..500, with in any::<char>()) {
        let mut text = file("", "");
        let at = text.char_indices().map(|(at, _)| at).nth(at).unwrap_or(0);
        text.insert(at, with);
        match parse(&text) {
            Ok(product) => prop_assert!(product.grants.iter().all(|it| product.tier(&it.tier).is_some())),
            Err(faults) => prop_assert!(!faults.is_empty()),
        }
    }
}

#[test]
fn too_many_features_are_told_of_the_table_they_are_in() {
    let many: Vec<String> = (0..=MOST_FEATURES).map(|it| format!("f{it} = true")).collect();
    let text = file("features = { export = false, max_projects = 3 }", "");
    let text =
        text.replace("rank = 10\n", &format!("rank = 10\nfeatures = {{ {} }}\n", many.join(", ")));
    assert_eq!(faults(&text), ["line 7: `tiers.starter.features`: may hold at most 256 features"]);
}
