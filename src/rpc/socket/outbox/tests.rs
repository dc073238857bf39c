use super::*;

fn line(number: usize) -> Box<RawValue> {
    RawValue::from_string(number.to_string()).unwrap()
}

#[tokio::test]
async fn what_gathers_behind_a_write_comes_out_in_order() {
    let mut outbox = Outbox::new(4);
    let sink = outbox.sink().clone();
    let writing = async {
        for number in 0..3 {
            sink.send(line(number)).await.unwrap();
        }
        tokio::task::yield_now().await;
    };
    outbox.while_writing(Duration::from_secs(60), writing).await.unwrap();
    sink.send(line(3)).await.unwrap();
    let mut seen = vec![outbox.next().await.get().to_owned()];
    seen.extend(std::iter::from_fn(|| outbox.try_next()).map(|it| it.get().to_owned()));
    assert_eq!(seen, ["0", "1", "2", "3"]);
}

#[tokio::test]
async fn more_than_there_is_room_for_ends_the_write() {
    let mut outbox = Outbox::new(4);
    let sink = outbox.sink().clone();
    let sending = tokio::spawn(async move {
        let mut sent = 0;
        while sink.send(line(sent)).await.is_ok() {
            sent += 1;
        }
        sent
    });
    let blocked = std::future::pending::<()>();
    assert_eq!(outbox.while_writing(Duration::from_secs(60), blocked).await, Err(TooSlow));
    drop(outbox);
    assert!(sending.await.unwrap() <= 9, "twice the room and the one in hand");
}

#[tokio::test]
async fn a_write_that_takes_too_long_is_ended() {
    let mut outbox = Outbox::new(4);
    let blocked = std::future::pending::<()>();
    assert_eq!(outbox.while_writing(Duration::from_millis(20), blocked).await, Err(TooSlow));
}
