use super::*;

#[tokio::test]
async fn interest_passes() {
    let (interest, time) = (Interest::default(), Duration::from_millis(5));
    assert!(!interest.within(Duration::MAX));
    interest.asked();
    assert!(interest.within(Duration::from_secs(600)));
    tokio::time::sleep(time).await;
    assert!(!interest.within(time));
}
