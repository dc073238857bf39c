use super::*;
use crate::domain::product::parse;

const PRODUCT: &str = "product = \"a\"\nname = \"A\"\n[tiers.t]\nrank = 1\nseats = 2\n[[grants]]\ntier = \"t\"\n\
    token = \"eip155:1/erc721:0x5FbDB2315678afecb367f032d93F642f64180aa3\"\nids = [\"1-9\"]\n[seats]\n";

fn read(section: &str) -> Result<SeatTerms, String> {
    match parse(&format!("{PRODUCT}{section}")) {
        Ok(product) => Ok(product.seats),
        Err(faults) => Err(faults
            .iter()
            .map(|it| format!("{}: {}", it.key, it.message))
            .collect::<Vec<_>>()
            .join("; ")),
    }
}

#[test]
fn what_is_left_out_is_as_usual() {
    assert_eq!(read(""), Ok(SeatTerms::default()));
}

#[test]
fn all_that_can_be_said() {
    let terms = read(
        "unit = \"cgroup\"\noverage = \"x1.5\"\nsurge = \"30m\"\nmax_linger = \"0s\"\ndrain = \"1h\"\n",
    );
    assert_eq!(
        terms,
        Ok(SeatTerms {
            unit: SeatUnit::Cgroup,
            overage: Overage::Times { percent: 50 },
            surge: Some(Duration::from_secs(1_800)),
            max_linger: Duration::ZERO,
            drain: Duration::from_secs(3_600),
        })
    );
}

#[test]
fn overage_is_none_a_number_or_a_factor() {
    for (text, overage) in [
        ("none", Some(Overage::None)),
        ("+1", Some(Overage::Plus(1))),
        ("+4294967295", Some(Overage::Plus(u32::MAX))),
        ("x1.25", Some(Overage::Times { percent: 25 })),
        ("x1.5", Some(Overage::Times { percent: 50 })),
        ("x2", Some(Overage::Times { percent: 100 })),
        ("x11", Some(Overage::Times { percent: 1_000 })),
        ("", None),
        ("+0", None),
        ("++1", None),
        ("+-1", None),
        ("-1", None),
        ("2", None),
        ("x1", None),
        ("x1.00", None),
        ("x0.5", None),
        ("x1.255", None),
        ("x1.", None),
        ("x.5", None),
        ("x11.01", None),
        ("x99999999999", None),
        ("x42949673", None),
    ] {
        let terms = read(&format!("overage = \"{text}\"\n")).ok().map(|it| it.overage);
        assert_eq!(terms, overage, "{text}");
    }
}

#[test]
fn mistakes_are_told_with_their_key() {
    let surge = read("surge = \"30m\"\n").unwrap_err();
    assert!(surge.starts_with("seats.surge: is how long `overage` is allowed"), "{surge}");
    let unit = read("unit = \"core\"\n").unwrap_err();
    assert!(unit.starts_with("seats.unit: "), "{unit}");
    let unknown = read("unti = \"uid\"\n").unwrap_err();
    assert!(unknown.contains("did you mean `unit`?"), "{unknown}");
}
