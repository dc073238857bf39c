//! Chains, their endpoints and how far they are trusted.

use super::*;
use crate::endpoint::Header;

#[test]
fn trust_must_be_possible_with_the_endpoints_there_are() {
    let table: &[(&str, &str)] = &[
        (
            "spec = \"goerli\"",
            "`chain[0].spec`: must be one of `mainnet`, `sepolia`, `hoodi`, or the absolute path of a specification",
        ),
        (
            "beacon = [\"wss://a.example/KEY\"]",
            "`chain[0].beacon`: item 1: must be an address beginning with https:// or http://, or the absolute path of a directory",
        ),
        (
            "checkpoint = \"0x12\"",
            "`chain[0].checkpoint`: must be a beacon block's root: 0x and 64 digits",
        ),
        ("quorum = 3", "`chain[0].quorum`: must be at most 2, the number of endpoints in `rpc`"),
        (
            "quorum = 1",
            "`chain[0].quorum`: must be at least 2; for one endpoint's word use trust `single`",
        ),
        ("genesis = \"0x12\"", "`chain[0].genesis`: must be a block's hash: 0x and 64 digits"),
        (
            "evm = \"berlin\"",
            "`chain[0].evm`: must be one of `paris`, `shanghai`, `cancun`, `prague`, `osaka`, `amsterdam`",
        ),
        ("poll = \"0s\"", "`chain[0].poll`: must be from 100ms to 1h"),
    ];
    for (line, message) in table {
        let wrong = Etc::with(&format!("{CHAIN}{line}\n")).wrong(&[]);
        assert_eq!(wrong, [format!("entitled.toml:4: {message}")]);
    }
    let single = Etc::with(&CHAIN.replace(", \"https://b.example\"", "\n]\ntrust = \"quorum\"#"));
    assert_eq!(
        single.wrong(&[]),
        [
            "entitled.toml:5: `chain[0].trust`: `quorum` needs two or more endpoints in `rpc`; use `single` for one"
        ]
    );
    let twice = Etc::with(&CHAIN.replace("b.example", "a.example/KEY"));
    assert_eq!(
        twice.wrong(&[]),
        ["entitled.toml:3: `chain[0].rpc`: names https://a.example/… twice"]
    );
    let chain = &Etc::with(CHAIN).config(&[]).chains[0];
    assert_eq!((chain.trust, chain.quorum), (Trust::Quorum, 2));
}

#[test]
fn validators_can_be_followed_where_a_specification_is_at_hand() {
    let followed = |id: &str, more: &str| {
        let text = CHAIN.replace("eip155:1", id);
        Etc::with(&format!("{text}trust = \"consensus\"\n{more}"))
    };
    let mainnet = followed("eip155:1", "beacon = [\"file:///srv/mirror\", \"/srv/stick\"]\n");
    let chain = &mainnet.config(&[]).chains[0];
    assert_eq!((chain.trust, chain.quorum), (Trust::Consensus, 1));
    assert_eq!(chain.spec, Some(Spec::BuiltIn("mainnet".to_owned())));
    let shown: Vec<_> = chain.beacon.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["/srv/mirror", "/srv/stick"]);
    let own = followed("eip155:31337", "spec = \"/etc/entitled/own.toml\"\n").config(&[]);
    assert_eq!(own.chains[0].spec, Some(Spec::File("/etc/entitled/own.toml".into())));
    let unknown = followed("eip155:31337", "").wrong(&[]);
    assert!(unknown[0].ends_with("no specification of it is built in"), "{unknown:?}");
}

#[test]
fn what_only_consensus_needs_is_warned_of_without_it() {
    let warnings = Etc::with(&format!("{CHAIN}beacon = [\"https://b.example\"]\n")).read(&[]);
    let warnings = warnings.unwrap().warnings;
    assert_eq!(
        warnings,
        [
            "chain eip155:1: `beacon`, `spec`, `checkpoint` and `silence` have an effect with trust `consensus` only"
        ]
    );
}

fn terms(rpc: &str) -> Vec<EndpointSettings> {
    let text = format!("[[chain]]\nid = \"eip155:1\"\ntrust = \"single\"\n{rpc}\n");
    Etc::with(&text).config(&[]).chains[0].rpc.clone()
}

#[test]
fn an_endpoint_may_have_terms_of_its_own() {
    let rpc = r#"budget = "300 CU/s"
rpc = [
  "https://a.example",
  { url = "https://b.example", cost = 2, budget = "50/s", burst = 70, units = { eth_getProof = 400 }, headers = { X-Key = "KEY" } },
]"#;
    let found = terms(rpc);
    let budget = |it: &EndpointSettings| it.budget.map(|it| (it.units_per_second, it.burst));
    assert_eq!((budget(&found[0]), found[0].cost), (Some((300, 1_500)), 0));
    assert_eq!((budget(&found[1]), found[1].cost), (Some((50, 70)), 2));
    assert_eq!(found[1].units["eth_getProof"], 400);
    assert_eq!(found[1].headers(), [Header::new("x-key", "KEY").unwrap()]);
    assert!(!format!("{found:?}").contains("KEY"));
}

#[test]
fn without_terms_there_is_no_budget() {
    let found = terms(r#"rpc = ["https://a.example"]"#);
    assert_eq!(found, [EndpointSettings::new("https://a.example".parse().unwrap())]);
}

#[test]
fn wrong_terms_are_named_and_no_key_is_repeated() {
    let table: &[(&str, &str)] = &[
        ("{ cost = 1 }", "`chain[0].rpc[0].url`: is missing"),
        (
            r#"{ url = "ftp://KEY" }"#,
            "`chain[0].rpc[0].url`: must be an address beginning with https://, http://, wss:// or ws://, or the absolute path of an IPC socket",
        ),
        (
            r#"{ url = "wss://KEY@a.example" }"#,
            "`chain[0].rpc[0].url`: must not have a user name or a password, which are not sent to a WebSocket; use https://, or a key in the path",
        ),
        (
            r#""https://a.example", "ws://u:KEY@b.example""#,
            "`chain[0].rpc`: item 2: must not have a user name or a password, which are not sent to a WebSocket; use https://, or a key in the path",
        ),
        (
            r#"{ url = "/x", budget = "fast" }"#,
            "`chain[0].rpc[0].budget`: must be compute units per second, such as \"300 CU/s\"",
        ),
        (r#"{ url = "/x", burst = 5 }"#, "`chain[0].rpc[0].burst`: needs a `budget` beside it"),
        (
            r#"{ url = "/x", units = { eth_getProofs = 5 } }"#,
            "`chain[0].rpc[0].units.eth_getProofs`: unknown key; did you mean `eth_getProof`?",
        ),
        (
            r#"{ url = "/x", headers = { a = "KEY" } }"#,
            "`chain[0].rpc[0].headers`: go with https:// and http:// only",
        ),
        (
            r#"{ url = "wss://a.example", headers = { a = "KEY" } }"#,
            "`chain[0].rpc[0].headers`: go with https:// and http:// only",
        ),
        (
            r#"{ url = "https://a.example", headers = { Host = "KEY" } }"#,
            "`chain[0].rpc[0].headers.Host`: this header is not for you to set",
        ),
        (
            r#"{ url = "https://a.example", headers = { a = 5 } }"#,
            "`chain[0].rpc[0].headers.a`: must be a text, not a whole number",
        ),
        (
            r#"{ url = "https://a.example", headers = { a = "KEY\nb" } }"#,
            "`chain[0].rpc[0].headers.a`: the value of a header must be visible ASCII on one line",
        ),
        (
            r#"{ url = "https://a.example/KEY" }, "https://a.example/KEY""#,
            "`chain[0].rpc`: names https://a.example/… twice",
        ),
    ];
    for (entry, message) in table {
        let text = format!("[[chain]]\nid = \"eip155:1\"\ntrust = \"single\"\nrpc = [{entry}]\n");
        let wrong = Etc::with(&text).wrong(&[]);
        assert_eq!(wrong, [format!("entitled.toml:4: {message}")], "{entry}");
    }
}

#[test]
fn pinned_blocks_and_rests_are_read() {
    let hash = B256::repeat_byte(7);
    let pinned =
        |entries: &str| Etc::with(&format!("{CHAIN}pinned = [{entries}]\nretry = \"1s\"\n"));
    let chain = &pinned(&format!("{{ number = 5, hash = \"{hash}\" }}")).config(&[]).chains[0];
    assert_eq!((chain.pinned.clone(), chain.retry), (vec![(5, hash)], Duration::from_secs(1)));
    assert_eq!(Etc::with(CHAIN).config(&[]).chains[0].retry, Duration::from_secs(30));
    for (entries, message) in [
        ("{ number = 5 }".to_owned(), "`chain[0].pinned[0].hash`: is missing"),
        (
            format!("{{ number = 5, hash = \"{hash}\" }}, {{ number = 5, hash = \"{hash}\" }}"),
            "`chain[0].pinned[1].number`: is pinned twice",
        ),
    ] {
        assert_eq!(pinned(&entries).wrong(&[]), [format!("entitled.toml:4: {message}")]);
    }
}

#[test]
fn a_reload_notices_other_terms() {
    let old = Etc::with(CHAIN).config(&[]);
    let mut new = old.clone();
    new.chains[0].rpc[0].set_headers(vec![Header::new("a", "KEY").unwrap()]).unwrap();
    let changes = Config::changed(&old, &new).to_string();
    assert_eq!(changes, "applied: chain.eip155:1.rpc");
}
