//! Places and shares of the pool, with work that ends when it is told to.

use std::sync::mpsc;

use super::*;

const LIMITS: PoolLimits = PoolLimits { threads: 2, running_per_uid: 1, places_per_uid: 3 };

/// Work that runs until its other end is dropped.
fn until_told() -> (mpsc::Sender<()>, impl FnOnce() + Send + 'static) {
    let (tell, told) = mpsc::channel();
    (tell, move || {
        let _ended = told.recv();
    })
}

/// Lets everything that can go on go on, until `count` places of `uid` are taken.
async fn until_taken(pool: &CpuPool, uid: u32, count: usize) {
    let taken = || pool.shares.lock().unwrap().get(&uid).map_or(0, |it| it.places_taken);
    while taken() != count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_uid_that_fills_its_places_is_refused_and_others_are_served() {
    let pool = CpuPool::new(LIMITS);
    let (tells, works): (Vec<_>, Vec<_>) = (0..3).map(|_| until_told()).unzip();
    let waiting: Vec<_> = works
        .into_iter()
        .map(|work| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.run(7, work).await })
        })
        .collect();
    until_taken(&pool, 7, 3).await;
    assert!(matches!(pool.run(7, || ()).await, Err(CpuPoolError::Full { most: 3 })));
    for number in 0..10 {
        assert_eq!(pool.run(8, move || number).await.unwrap(), number, "another uid is served");
    }
    drop(tells);
    for one in waiting {
        one.await.unwrap().unwrap();
    }
    until_taken(&pool, 7, 0).await;
    assert!(pool.run(7, || ()).await.is_ok(), "its places are free again");
}

#[tokio::test]
async fn who_stops_waiting_gives_its_place_back_but_work_that_runs_keeps_it() {
    let pool = CpuPool::new(LIMITS);
    let (tell, work) = until_told();
    let running = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run(7, work).await }
    });
    until_taken(&pool, 7, 1).await;
    while pool.threads.available_permits() == 2 {
        tokio::task::yield_now().await;
    }
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run(7, || ()).await }
    });
    until_taken(&pool, 7, 2).await;
    waiting.abort();
    running.abort();
    until_taken(&pool, 7, 1).await;
    assert_eq!(pool.threads.available_permits(), 1, "what runs is not ended by who asked");
    drop(tell);
    until_taken(&pool, 7, 0).await;
    assert_eq!(pool.threads.available_permits(), 2);
}

#[tokio::test]
async fn work_that_panics_costs_itself_only() {
    let pool = CpuPool::new(LIMITS);
    let broken = pool.run(7, || panic!("asked for")).await;
    assert!(matches!(broken, Err::<(), _>(CpuPoolError::BrokenOff { .. })));
    assert_eq!(pool.run(7, || 1).await.unwrap(), 1);
    until_taken(&pool, 7, 0).await;
}
