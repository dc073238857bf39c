use serde_json::json;

use super::Form::Plain;
use super::*;

const WALLET: &[Column] = &[
    Column("address", "address", Plain),
    Column("custody", "custody", Plain),
    Column("label", "label", Plain),
    Column("active", "active", Plain),
];

#[test]
fn a_table_is_aligned_and_leaves_out_empty_columns() {
    let items = [
        json!({"address": "0xA", "custody": "managed", "active": true, "label": null}),
        json!({"address": "0xBBBB", "custody": "linked", "active": false}),
    ];
    assert_eq!(
        table(&View::whole(), &items, WALLET),
        "ADDRESS  CUSTODY  ACTIVE\n0xA      managed  yes\n0xBBBB   linked   no"
    );
}

#[test]
fn prices_names_and_moments_are_put_into_words() {
    let tier =
        json!({"name": "pro", "price": {"amount": "49.00", "currency": "USD", "per": "month"}});
    assert_eq!(cell(&tier, &Column("", "price", Price)), "49.00 USD / month");
    let product = json!({"tiers": [{"name": "a"}, "b"]});
    assert_eq!(cell(&product, &Column("", "tiers", Names)), "a, b");
    let entry = json!({"at": "2026-11-22T10:00:00Z"});
    assert_eq!(cell(&entry, &Column("", "at", Moment)), "2026-11-22 10:00:00");
    assert_eq!(cell(&json!([]), &Column("", "at.deeper", Moment)), "-");
}

#[test]
fn an_outline_names_what_is_inside() {
    let item = json!({"tables": {"wallets": 2}, "chains": [{"id": "eip155:1"}], "size": 4096});
    assert_eq!(outline(&item), "tables.wallets  2\nchains[0].id    eip155:1\nsize            4096");
}

#[test]
fn a_list_may_come_with_or_without_pages() {
    assert_eq!(items(json!([1])), [json!(1)]);
    assert_eq!(items(json!({"items": [1], "next_cursor": null})), [json!(1)]);
    assert!(items(json!(null)).is_empty());
}

#[test]
fn columns_are_chosen_by_their_headings() {
    let items = [json!({"address": "0xA", "custody": "managed", "active": true})];
    let view = |columns: &[&str]| View {
        columns: columns.iter().map(|it| name(it)).collect(),
        ..View::whole()
    };
    assert_eq!(
        table(&view(&["active", "address"]), &items, WALLET),
        "ACTIVE  ADDRESS\nyes     0xA"
    );
    assert_eq!(table(&view(&["label"]), &items, WALLET), "LABEL\n-");
    assert!(known(&view(&["ADDRESS"]), WALLET).is_ok());
    let Err(Failure::Usage(said)) = known(&view(&["adress"]), WALLET) else { unreachable!() };
    assert_eq!(said, "there is no column `adress` here; there are address, custody, label, active");
}

#[test]
fn programs_get_tabs_and_the_quiet_one_column() {
    let items = [json!({"address": "0xA", "custody": "managed", "active": true})];
    let tsv = View { format: Format::Tsv, ..View::whole() };
    assert_eq!(table(&tsv, &items, WALLET), "ADDRESS\tCUSTODY\tLABEL\tACTIVE\n0xA\tmanaged\t\tyes");
    let quiet = View { quiet: true, ..View::whole() };
    assert_eq!(table(&quiet, &items, WALLET), "0xA");
}
