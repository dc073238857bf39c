//! Whose connection goes when there is one too many.

use super::*;

struct Connection(tokio::task::JoinHandle<()>, Arc<Use>);

fn come(places: &Places) -> Connection {
    let (used, task) = (Use::new(), tokio::spawn(std::future::pending()));
    places.give(task.abort_handle(), Arc::clone(&used));
    Connection(task, used)
}

async fn is_ended(it: Connection) -> bool {
    it.0.await.is_err_and(|it| it.is_cancelled())
}

#[tokio::test]
async fn the_one_that_was_of_no_use_for_longest_goes() {
    let places = Places::default();
    let mut there: Vec<Connection> = (0..CONNECTIONS_MAX).map(|_| come(&places)).collect();
    let second = there.remove(1);
    // The first has answered since, so that the second is the one.
    drop(there[0].1.begin());
    let newest = come(&places);
    assert!(is_ended(second).await);
    assert!(there.iter().chain([&newest]).all(|it| !it.0.is_finished()));
}

#[tokio::test]
async fn one_that_answers_stays_however_many_come() {
    let places = Places::default();
    let first = come(&places);
    let busy = first.1.begin();
    let others: Vec<Connection> = (0..4 * CONNECTIONS_MAX).map(|_| come(&places)).collect();
    assert!(!first.0.is_finished());
    drop(busy);
    let oldest_left = others.into_iter().nth(3 * CONNECTIONS_MAX + 1).unwrap();
    let _newest = come(&places);
    assert!(is_ended(oldest_left).await);
    assert!(!first.0.is_finished(), "it was of use a moment ago");
}
