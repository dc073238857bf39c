use super::*;
use crate::store::testing::{Bench, asked};

fn new(name: &str, uids: &[u32]) -> NewCustomer {
    NewCustomer { name: name.into(), uids: uids.to_vec(), ..Default::default() }
}

fn made(bench: &Bench, new: NewCustomer) -> Result<Customer, StoreError> {
    bench.change(move |it| create(it, new, &asked(1)))
}

fn edited(bench: &Bench, id: u64, edit: CustomerEdit) -> Result<Customer, StoreError> {
    bench.change(move |it| update(it, CustomerId::Numbered(id), edit, &asked(2)))
}

fn who(bench: &Bench, uid: u32) -> CustomerId {
    bench.store.read(move |it| of_uid(it, uid)).unwrap()
}

#[test]
fn the_machine_is_there_from_the_start() {
    let bench = Bench::new();
    let machine = bench.store.read(|it| find(it, CustomerId::Machine)).unwrap().unwrap();
    assert!(machine.active);
    assert_eq!(bench.actions(), ["customer_created"]);
}

#[test]
fn numbers_grow_and_lists_are_in_the_order_of_ids() {
    let bench = Bench::new();
    assert_eq!(made(&bench, new("a", &[])).unwrap().id, CustomerId::Numbered(1));
    assert_eq!(made(&bench, new("b", &[])).unwrap().id, CustomerId::Numbered(2));
    let names = |after, limit| -> Vec<String> {
        let found = bench.store.read(move |it| list(it, after, limit)).unwrap();
        found.into_iter().map(|it| it.name).collect()
    };
    assert_eq!(names(None, 9), ["machine", "a", "b"]);
    assert_eq!(names(Some(CustomerId::Machine), 1), ["a"]);
    assert_eq!(names(Some(CustomerId::Numbered(1)), 9), ["b"]);
}

#[test]
fn a_uid_belongs_to_one_customer_and_the_refusal_names_no_other() {
    let bench = Bench::new();
    made(&bench, new("Ada", &[7, 7, 5])).unwrap();
    let error = made(&bench, new("b", &[9, 7])).unwrap_err().to_string();
    assert_eq!(error, "the user with uid 7 belongs to another customer");
    assert_eq!(who(&bench, 7), CustomerId::Numbered(1));
    assert_eq!(who(&bench, 9), CustomerId::Uid(9));
}

#[test]
fn users_come_and_go_beside_those_there_are() {
    let bench = Bench::new();
    made(&bench, new("a", &[5, 7])).unwrap();
    let change = |add: &[u32], remove: &[u32]| {
        let uids = UidsEdit::Change { add: add.to_vec(), remove: remove.to_vec() };
        edited(&bench, 1, CustomerEdit { uids: Some(uids), ..Default::default() })
    };
    assert_eq!(change(&[9, 5], &[7, 6]).unwrap().uids, [5, 9]);
    assert_eq!((who(&bench, 9), who(&bench, 7)), (CustomerId::Numbered(1), CustomerId::Uid(7)));
    made(&bench, new("b", &[8])).unwrap();
    assert!(change(&[8], &[9]).is_err(), "it is another customer's");
    assert_eq!(who(&bench, 9), CustomerId::Numbered(1), "and nothing of it is done");
}

/// Whoever asks for what is so already, or names somebody twice, has not asked for more than there may be.
#[test]
fn the_bound_is_on_the_users_there_are_in_the_end() {
    let bench = Bench::new();
    let all: Vec<u32> = (0..1_024).collect();
    let twice: Vec<u32> = all.iter().chain(&all).copied().collect();
    assert_eq!(made(&bench, new("a", &twice)).unwrap().uids, all);
    let change = |add: &[u32], remove: &[u32]| {
        let uids = UidsEdit::Change { add: add.to_vec(), remove: remove.to_vec() };
        edited(&bench, 1, CustomerEdit { uids: Some(uids), ..Default::default() })
    };
    assert_eq!(change(&all, &[]).unwrap().uids, all);
    assert!(change(&[1_024], &[]).unwrap_err().to_string().contains("at most 1024 users"));
    assert_eq!(change(&[1_024, 1_024], &[0, 0]).unwrap().uids.last(), Some(&1_024));
    let edit = CustomerEdit { uids: Some(UidsEdit::Replace(twice)), ..Default::default() };
    assert_eq!(edited(&bench, 1, edit).unwrap().uids, all);
}

/// That is how a user is moved: out of the customer that it has by itself, and into another.
#[test]
fn who_is_taken_out_of_its_own_customer_stays_it_until_another_stands_for_it() {
    let bench = Bench::new();
    let own = CustomerId::Uid(7);
    bench.change(move |it| find_or_make(it, own, &asked(1))).unwrap();
    assert!(made(&bench, new("a", &[7])).is_err(), "it is its own customer's");
    let uids = UidsEdit::Change { add: Vec::new(), remove: vec![7] };
    let edit = CustomerEdit { uids: Some(uids), ..Default::default() };
    let left = bench.change(move |it| update(it, own, edit, &asked(2))).unwrap();
    assert!(left.uids.is_empty());
    assert_eq!(who(&bench, 7), own);
    made(&bench, new("a", &[7])).unwrap();
    assert_eq!(who(&bench, 7), CustomerId::Numbered(1));
    let none = CustomerEdit { uids: Some(UidsEdit::Replace(Vec::new())), ..Default::default() };
    edited(&bench, 1, none).unwrap();
    assert_eq!(who(&bench, 7), own, "whom nobody else stands for");
}

#[test]
fn a_released_uid_is_free_again() {
    let bench = Bench::new();
    made(&bench, new("a", &[7])).unwrap();
    edited(
        &bench,
        1,
        CustomerEdit { uids: Some(UidsEdit::Replace(vec![8])), ..Default::default() },
    )
    .unwrap();
    assert_eq!(made(&bench, new("b", &[7])).unwrap().id, CustomerId::Numbered(2));
    assert_eq!(who(&bench, 7), CustomerId::Numbered(2));
    assert_eq!(who(&bench, 8), CustomerId::Numbered(1));
}

#[test]
fn an_external_id_is_unique_and_can_be_given_up() {
    let bench = Bench::new();
    let named = || NewCustomer { external_id: Some("crm-1".into()), ..new("a", &[]) };
    made(&bench, named()).unwrap();
    assert!(matches!(made(&bench, named()), Err(StoreError::Conflict { .. })));
    edited(&bench, 1, CustomerEdit { external_id: Some(None), ..Default::default() }).unwrap();
    assert!(made(&bench, named()).is_ok());
}

#[test]
fn metadata_is_replaced_as_a_whole_or_changed_key_by_key() {
    let bench = Bench::new();
    let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
    };
    made(&bench, NewCustomer { metadata: map(&[("a", "1"), ("b", "2")]), ..new("a", &[]) })
        .unwrap();
    let noted = |edit: MetadataEdit| {
        let edit = CustomerEdit { metadata: Some(edit), ..Default::default() };
        edited(&bench, 1, edit).map(|it| it.metadata)
    };
    let change = |pairs: &[(&str, Option<&str>)]| {
        let pairs = pairs.iter().map(|(key, value)| ((*key).into(), value.map(Into::into)));
        noted(MetadataEdit::Change(pairs.collect()))
    };
    let after = change(&[("b", Some("3")), ("c", Some("4")), ("a", None), ("gone", None)]);
    assert_eq!(after.unwrap(), map(&[("b", "3"), ("c", "4")]));
    assert_eq!(change(&[]).unwrap(), map(&[("b", "3"), ("c", "4")]));
    // The bound is on what comes of it.
    let full: Vec<String> = (0..MOST_METADATA - 2).map(|it| format!("key{it}")).collect();
    let full: Vec<_> = full.iter().map(|it| (it.as_str(), Some("x"))).collect();
    assert_eq!(change(&full).unwrap().len(), MOST_METADATA);
    assert!(matches!(change(&[("more", Some("x"))]), Err(StoreError::Conflict { .. })));
    assert!(change(&[("more", Some("x")), ("c", None)]).is_ok());
    assert_eq!(noted(MetadataEdit::Replace(map(&[("z", "0")]))).unwrap(), map(&[("z", "0")]));
}

#[test]
fn deactivation_keeps_everything() {
    let bench = Bench::new();
    let before = made(&bench, new("a", &[7])).unwrap();
    let off = CustomerEdit { active: Some(false), ..Default::default() };
    let after = edited(&bench, 1, off).unwrap();
    assert_eq!(after, Customer { active: false, ..before });
    assert_eq!(who(&bench, 7), CustomerId::Numbered(1));
    assert_eq!(bench.actions().last().unwrap(), "customer_deactivated");
}

#[test]
fn a_refused_change_leaves_no_trace() {
    let bench = Bench::new();
    let before = bench.actions();
    assert!(made(&bench, new("", &[])).is_err());
    let missing = edited(&bench, 4, CustomerEdit::default());
    assert!(matches!(missing, Err(StoreError::NotFound { what: "customer" })));
    assert_eq!(bench.actions(), before);
}

#[test]
fn values_out_of_bounds_are_refused() {
    let bench = Bench::new();
    let long = "x".repeat(LONGEST_NAME + 1);
    let metadata = BTreeMap::from([("k".into(), "x".repeat(LONGEST_METADATA + 1))]);
    let uids: Vec<u32> = (0..=1_024).collect();
    for wrong in [
        new(&long, &[]),
        new("a", &uids),
        NewCustomer { external_id: Some(String::new()), ..new("a", &[]) },
        NewCustomer { metadata, ..new("a", &[]) },
    ] {
        assert!(matches!(made(&bench, wrong), Err(StoreError::Conflict { .. })));
    }
}
