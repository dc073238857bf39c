use super::*;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

const PATIENCE: Duration = Duration::from_secs(60);

fn from(host: u8) -> IpAddr {
    [192, 0, 2, host].into()
}

/// Runs `work` for each of the addresses in their order, once all of them wait: the order in which they were made.
async fn made_of(addresses: &[u8]) -> Vec<u8> {
    let handshakes = Handshakes::new().unwrap();
    let (begin, begun) = std::sync::mpsc::channel::<()>();
    // The thread is busy until everybody is there.
    let busy = handshakes.clone();
    let (at_work, is_busy) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        busy.make(from(0), async move {
            at_work.send(()).unwrap();
            begun.recv().unwrap();
        })
        .await
    });
    is_busy.await.unwrap();
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut making = Vec::new();
    for address in addresses {
        let (tell, address) = (tell.clone(), *address);
        let made = handshakes.make(from(address), async move { tell.send(address).unwrap() });
        let mut made = Box::pin(made);
        // It is begun when it is first asked for.
        assert!(futures_util::poll!(made.as_mut()).is_pending());
        making.push(made);
    }
    begin.send(()).unwrap();
    for made in making {
        made.await.unwrap();
    }
    drop(tell);
    let mut order = Vec::new();
    while let Some(address) = told.recv().await {
        order.push(address);
    }
    order
}

#[tokio::test]
async fn each_address_has_its_turn() {
    assert_eq!(made_of(&[1, 1, 1, 1, 2, 3, 2]).await, [1, 2, 3, 1, 2, 1, 1]);
}

#[tokio::test]
async fn what_waits_goes_on_when_it_may_and_what_nobody_waits_for_is_given_up() {
    let handshakes = Handshakes::new().unwrap();
    let (send, mut heard) = watch::channel(0);
    let waiting = handshakes.make(from(1), async move {
        heard.wait_for(|it| *it == 3).await.unwrap();
        7
    });
    let sending = async {
        for it in 1..=3 {
            tokio::task::yield_now().await;
            send.send(it).unwrap();
        }
    };
    let (made, ()) = tokio::join!(tokio::time::timeout(PATIENCE, waiting), sending);
    assert_eq!(made.unwrap(), Some(7));
    let (keep, kept) = tokio::sync::oneshot::channel::<()>();
    let given_up = handshakes.make(from(1), async move {
        let _kept = keep;
        std::future::pending::<()>().await;
    });
    let given_up = tokio::time::timeout(Duration::from_millis(1), given_up).await;
    assert!(given_up.is_err());
    assert!(tokio::time::timeout(PATIENCE, kept).await.unwrap().is_err(), "it is let go");
}

#[tokio::test]
async fn one_that_panics_ends_no_other() {
    let handshakes = Handshakes::new().unwrap();
    let broken: Option<()> = handshakes.make(from(1), async { panic!("broken") }).await;
    assert_eq!(broken, None);
    assert_eq!(handshakes.make(from(1), async { 7 }).await, Some(7));
}
