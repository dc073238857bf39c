use super::*;

const TOKEN: &str = "eip155:31337/erc721:0x5FbDB2315678afecb367f032d93F642f64180aa3/7";
const WALLET: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

fn rows() -> Vec<Vec<String>> {
    let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
    vec![
        row(["TOKEN", "WALLET", "REASON", "LAST PROVEN"]),
        row([TOKEN, WALLET, "the buyer asked for a refund", "2026-11-29 08:04:10"]),
    ]
}

#[test]
fn what_fits_is_left_alone() {
    assert_eq!(fitted(rows(), 200, false), rows());
}

#[test]
fn every_line_fits_and_addresses_are_shortened_first() {
    for width in 40..200 {
        let text = aligned(&fitted(rows(), width, false));
        assert!(text.lines().all(|it| it.chars().count() <= width.max(48)), "{width}:\n{text}");
    }
    let at_120 = aligned(&fitted(rows(), 120, false));
    assert!(at_120.contains("eip155:31337/erc721:0x5FbD…0aa3/7  0x7099…79C8"), "{at_120}");
    assert!(at_120.contains("the buyer asked for a refund"), "{at_120}");
    let at_80 = aligned(&fitted(rows(), 80, false));
    assert!(at_80.contains("refund") && !at_80.contains("PROVEN"), "the last goes first:\n{at_80}");
}

#[test]
fn columns_that_were_asked_for_stay() {
    assert_eq!(fitted(rows(), 60, true)[0].len(), 4);
}

#[test]
fn no_line_is_cut_into_two() {
    assert_eq!(aligned(&fitted(rows(), 60, false)).lines().count(), 2);
}
