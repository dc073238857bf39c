use super::*;

#[test]
fn a_source_is_shown_without_its_secrets() {
    let source = Source::open("https://user:KEY@beacon.example:8443/KEY?token=KEY").unwrap();
    assert_eq!(source.shown(), "https://beacon.example:8443");
}

#[test]
fn only_what_can_be_fetched_from_is_a_source() {
    for text in ["/srv/mirror", "file:///srv/mirror"] {
        assert_eq!(Source::open(text).unwrap().shown(), "/srv/mirror");
    }
    for text in ["", "mirror", "ws://127.0.0.1:1", "ftp://KEY@a.example"] {
        let Err(error) = Source::open(text) else { panic!("{text} is taken") };
        assert!(!error.to_string().contains("KEY"), "{error}");
    }
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
