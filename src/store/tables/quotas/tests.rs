use super::*;
use crate::store::testing::Bench;

#[test]
fn claims_are_counted_over_all_wallets_of_a_customer() {
    let bench = Bench::new();
    let [one, two, other] = [1, 2, 3].map(Address::repeat_byte);
    bench
        .change(move |it| {
            for (wallet, number) in [(one, 1), (one, 2), (two, 3), (other, 4)] {
                let key: [u8; 28] = schema::numbered(wallet.as_slice(), number);
                it.put(Table::WalletOwnerships, &key, &[])?;
            }
            Ok(())
        })
        .unwrap();
    let check = |wallets: &[Address], most| bench.store.read(|it| claims_below(it, wallets, most));
    assert!(check(&[one, two], 4).is_ok());
    let full = check(&[one, two], 3).unwrap_err();
    assert!(matches!(&full, StoreError::Full { .. }), "{full}");
    assert!(check(&[other], 3).is_ok(), "another customer is not touched");
    assert!(check(&[], 1).is_ok());
}
