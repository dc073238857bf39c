use super::*;

fn mirror(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    dir
}

#[tokio::test]
async fn updates_are_read_up_to_the_first_that_is_missing() {
    let updates = |it| format!("{FOLDER}/updates/{it}.json");
    let dir = mirror(&[(&updates(3), b"3"), (&updates(4), b"4"), (&updates(6), b"6")]);
    let pieces = ask(dir.path(), Query::Updates { from: 3, count: 9 }).await.unwrap();
    assert_eq!(pieces, [b"3", b"4"]);
    let none = ask(dir.path(), Query::Updates { from: 5, count: 9 }).await;
    assert_eq!(none, Err(SourceFault::Absent));
}

#[tokio::test]
async fn the_long_path_may_be_left_out() {
    let dir = mirror(&[("finality_update.json", b"{}")]);
    assert_eq!(ask(dir.path(), Query::Finality).await.unwrap(), [b"{}"]);
}

#[tokio::test]
async fn what_is_too_large_or_no_file_is_not_read() {
    let dir = mirror(&[("finality_update.json", &vec![b' '; BODY + 1])]);
    assert_eq!(ask(dir.path(), Query::Finality).await, Err(SourceFault::TooLarge));
    std::fs::create_dir(dir.path().join("optimistic_update.json")).unwrap();
    let fault = ask(dir.path(), Query::Optimistic).await;
    assert_eq!(fault, Err(SourceFault::File { kind: ErrorKind::InvalidInput }));
}
