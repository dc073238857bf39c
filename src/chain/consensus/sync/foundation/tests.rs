use super::*;

const DAY: Duration = Duration::from_secs(86_400);

fn mainnet() -> Specification {
    Specification::named("mainnet").unwrap()
}

fn offer(root: u8, slot: Option<u64>, by: Voucher) -> Offer {
    Offer { root: B256::repeat_byte(root), slot, max_age: DAY, by }
}

#[test]
fn what_a_product_vouches_for_comes_first_and_of_that_the_newest() {
    let offers = [
        offer(1, Some(9_000_030), Voucher::Administrator),
        offer(2, Some(9_000_000), Voucher::Product),
        offer(3, Some(9_000_010), Voucher::Product),
        offer(4, Some(9_000_020), Voucher::Program),
        offer(5, None, Voucher::Product),
    ];
    let now = mainnet().time_of(9_000_040);
    let order: Vec<u8> = in_order(&offers, &mainnet(), now).map(|it| it.root[0]).collect();
    assert_eq!(order, [3, 2, 5, 4, 1]);
}

#[test]
fn what_is_older_than_it_may_be_is_left_out() {
    let slots = DAY.as_secs() / 12;
    let offers = [offer(1, Some(9_000_000), Voucher::Product)];
    let young =
        |now_slot| in_order(&offers, &mainnet(), mainnet().time_of(now_slot)).next().is_some();
    assert!(young(9_000_000) && young(9_000_000 + slots));
    assert!(!young(9_000_000 + slots + 1));
    assert!(young(8_000_000), "a clock that is behind makes nothing old");
}

#[test]
fn what_is_not_what_was_kept_is_not_gone_on_from() {
    let other = B256::repeat_byte(1);
    let mut bytes = vec![FORM];
    bytes.extend(other);
    bytes.extend(Descent::begin(other, DAY).save());
    for (bytes, digest) in
        [(&[][..], None), (&[FORM; 34][..], None), (&[1; 60][..], None), (&bytes[..], None)]
    {
        assert!(restore(&mainnet(), digest, bytes).is_err(), "{bytes:?}");
    }
    let damaged = restore(&mainnet(), Some(other), &bytes).unwrap_err();
    assert!(damaged.contains("light client"), "{damaged}");
}
