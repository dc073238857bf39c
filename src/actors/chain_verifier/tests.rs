use super::*;
use tokio::runtime::Builder;

/// At the daemon's end the actors' runtime may be gone while a look is still at work on that of the chains.
#[test]
fn a_look_that_outlives_the_actors_does_not_panic() {
    let actors = Builder::new_current_thread().enable_all().build().unwrap();
    let chains = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (turns, gone) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(u64::MAX)));
    let work = {
        let (turns, gone) = (Arc::clone(&turns), Arc::clone(&gone));
        async move {
            // Until it was polled some times without the actors.
            while turns.fetch_add(1, Ordering::SeqCst) < gone.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
            7
        }
    };
    let task = {
        let _within = actors.enter();
        limited(chains.handle(), work)
    };
    drop(actors);
    gone.store(turns.load(Ordering::SeqCst) + 10, Ordering::SeqCst);
    let done = chains.block_on(task);
    assert_eq!(done.unwrap().unwrap(), 7);
}
