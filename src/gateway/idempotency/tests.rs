use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

async fn made(text: &'static str) -> Result<Bytes, Problem> {
    Ok(Bytes::from_static(text.as_bytes()))
}

async fn refused() -> Result<Bytes, Problem> {
    Err(Problem::bad("no"))
}

#[tokio::test]
async fn what_was_made_is_told_again_and_what_failed_is_tried_again() {
    let known = Idempotency::default();
    let under = |key: &str| ("shop", key.to_owned());
    assert!(known.once(under("a"), "make", refused()).await.is_err());
    let first = known.once(under("a"), "make", made("one")).await.unwrap();
    let second = known.once(under("a"), "make", made("two")).await.unwrap();
    assert_eq!((first.again, second.again), (false, true));
    assert_eq!(second.result, "one");
    let other = known.once(under("a"), "make something else", made("three")).await;
    assert_eq!(other.unwrap_err().status, StatusCode::UNPROCESSABLE_ENTITY);
    let stranger = known.once(("café", "a".to_owned()), "make", made("four")).await.unwrap();
    assert_eq!((stranger.again, stranger.result), (false, Bytes::from_static(b"four")));
}

#[tokio::test]
async fn of_a_change_that_failed_nothing_is_kept() {
    let known = Idempotency::default();
    for at in 0..2 * MOST {
        let asked = known.once(("shop", at.to_string()), "make", refused()).await;
        assert_eq!(asked.unwrap_err().status, StatusCode::BAD_REQUEST, "{at}");
    }
    assert_eq!(known.kept("shop"), 0);
}

#[tokio::test]
async fn one_client_with_very_many_keys_makes_no_other_client_forget() {
    let known = Idempotency::default();
    known.once(("shop", "order-7".to_owned()), "make", made("one")).await.unwrap();
    let mut refusals = 0;
    for at in 0..12 * MOST {
        refusals +=
            usize::from(known.once(("flood", at.to_string()), "make", made("x")).await.is_err());
    }
    assert_eq!((known.kept("flood"), refusals), (MOST, 11 * MOST));
    let again = known.once(("shop", "order-7".to_owned()), "make", made("two")).await.unwrap();
    assert!(again.again, "it is made once");
}

#[tokio::test]
async fn two_at_once_under_one_key_are_one_change() {
    let (known, count) = (Idempotency::default(), AtomicUsize::new(0));
    let change = || async {
        tokio::task::yield_now().await;
        count.fetch_add(1, Ordering::Relaxed);
        made("one").await
    };
    let ask = || known.once(("shop", "a".to_owned()), "make", change());
    let (first, second, third) = tokio::join!(ask(), ask(), ask());
    let again = [first, second, third].map(|it| it.unwrap().again);
    assert_eq!((again, count.load(Ordering::Relaxed)), ([false, true, true], 1));
}
