//! Whose files a product takes, as it is kept.

use super::*;
use crate::store::testing::{Bench, asked};

fn pin(key: &str) -> Option<Pin> {
    let key = key.parse().unwrap();
    let since = entitled_core::domain::ids::Timestamp::UNIX_EPOCH;
    Some(Pin { key, version: 3, taken: None, since })
}

/// Of minisign's own documentation.
const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

#[test]
fn whose_files_a_product_takes_is_kept_and_audited_once() {
    let bench = Bench::new();
    let acme: ProductId = "acme-cad".parse().unwrap();
    let keep = |pin: Option<Pin>| {
        let pins = BTreeMap::from([(acme.clone(), pin)]);
        bench.change(move |changes| super::keep(changes, &pins, &asked(1)))
    };
    keep(pin(KEY)).unwrap();
    keep(pin(KEY)).unwrap();
    let newer = pin(KEY).map(|it| Pin { version: 4, ..it });
    keep(newer.clone()).unwrap();
    assert_eq!(bench.store.read(all).unwrap(), BTreeMap::from([(acme.clone(), newer.unwrap())]));
    keep(None).unwrap();
    assert_eq!(bench.store.read(all).unwrap(), BTreeMap::new());
    let actions = bench.actions();
    let changed = actions.iter().filter(|it| *it == "publisher_changed");
    assert_eq!(changed.count(), 2, "{actions:?}");
}
