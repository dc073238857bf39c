//! Writes of what the machine is, at one time and by a disk that hangs.

use futures_util::future::join_all;

use super::*;

const LONG: Duration = Duration::from_secs(60);

fn remembered(epoch: u32) -> Remembered {
    Remembered { epoch, fleet: Some("f".repeat(4_000)), ..Remembered::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_write_at_one_time_take_nothing_from_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = StateFile::new(folder.path().join("fleet.json"));
    let written = join_all((1..=50).map(|it| file.write(remembered(it), LONG))).await;
    assert!(written.iter().all(Result::is_ok), "{written:?}");
    assert_eq!(file.read().unwrap(), remembered(50), "the last that was asked for");
}

#[tokio::test]
async fn nobody_waits_for_a_disk_that_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let file = StateFile::new(folder.path().join("fleet.json"));
    // As a write that does not end.
    let hangs = Arc::clone(&file.turn).lock_owned().await;
    let told = file.write(remembered(1), Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(told.kind(), io::ErrorKind::TimedOut);
    drop(hangs);
    file.write(remembered(2), LONG).await.unwrap();
    assert_eq!(file.read().unwrap(), remembered(2));
}
