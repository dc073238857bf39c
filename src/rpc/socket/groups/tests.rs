use std::sync::mpsc;

use super::*;
use crate::rpc::socket::workers;

/// A user whom the user database does not answer for asks as often as there are threads, and oftener.
#[test]
fn who_is_looked_up_slowly_keeps_nobody_else_waiting() {
    let (groups, runtime) = (Groups::default(), workers::runtime().unwrap());
    runtime.block_on(async {
        let (mut answers, mut asked) = (Vec::new(), Vec::new());
        for _ in 0..2 * workers::BESIDE {
            let ((answer, waits), groups) = (mpsc::channel::<()>(), groups.clone());
            answers.push(answer);
            let look_up = move || waits.recv();
            asked.push(tokio::spawn(async move { groups.look_up(1_000, look_up).await }));
            tokio::task::yield_now().await;
        }
        let other = groups.look_up(1_001, || true);
        assert!(other.await.is_ok(), "whoever else asks is answered");
        assert!(asked.iter().all(|it| !it.is_finished()));
        drop(answers);
        for one in asked {
            assert!(one.await.unwrap().is_ok());
        }
    });
}

#[tokio::test]
async fn of_one_user_only_so_many_wait() {
    let groups = Groups::default();
    let (answer, waits) = mpsc::channel::<()>();
    let first = tokio::spawn({
        let groups = groups.clone();
        async move { groups.look_up(1_000, move || waits.recv()).await }
    });
    let waiting: Vec<_> = (1..PLACES)
        .map(|_| {
            let groups = groups.clone();
            tokio::spawn(async move { groups.look_up(1_000, || ()).await })
        })
        .collect();
    // A runtime gives a turn back before all of so many have had theirs.
    for _ in 0..PLACES {
        tokio::task::yield_now().await;
    }
    assert!(groups.look_up(1_000, || ()).await.is_err());
    drop(answer);
    assert!(first.await.unwrap().is_ok());
    for one in waiting {
        assert!(one.await.unwrap().is_ok());
    }
}
