use super::*;

fn open(text: &str) -> Result<Source, String> {
    Source::open(&text.parse().unwrap()).map_err(|error| error.to_string())
}

#[test]
fn a_source_is_shown_without_its_secrets() {
    let source = open("https://user:KEY@beacon.example:8443/KEY?token=KEY").unwrap();
    assert_eq!(source.shown(), "https://beacon.example:8443");
}

#[test]
fn only_what_can_be_fetched_from_is_a_source() {
    assert_eq!(open("/srv/mirror").unwrap().shown(), "/srv/mirror");
    assert_eq!(open("ws://127.0.0.1:1/KEY").err(), Some(SourceError.to_string()));
}

#[test]
fn in_a_mirror_everything_is_a_file() {
    let names = Query::Updates { from: 7, count: 3 }.files();
    assert_eq!(names, ["updates/7.json", "updates/8.json", "updates/9.json"]);
    let root = B256::repeat_byte(1);
    assert_eq!(Query::Bootstrap(root).files(), [format!("bootstrap/{root}.json")]);
    let far = Query::Updates { from: u64::MAX, count: u64::MAX }.files();
    assert_eq!(far.len() as u64, UPDATES);
}
