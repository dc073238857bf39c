use super::*;

#[test]
fn each_name_has_an_id_of_its_own() {
    let ids: std::collections::BTreeSet<_> = IDS.iter().map(|(_, id)| *id).collect();
    assert_eq!(ids.len(), IDS.len());
    let hexadecimal = |id: &&str| id.len() == 32 && id.bytes().all(|it| it.is_ascii_hexdigit());
    assert!(ids.iter().all(hexadecimal));
    assert!(IDS.is_sorted());
}

#[test]
fn the_catalog_explains_each_id_and_no_other() {
    let catalog = include_str!("../../../systemd/entitled.catalog");
    let explained: Vec<_> = catalog.lines().filter_map(|it| it.strip_prefix("-- ")).collect();
    for (name, id) in IDS {
        assert!(explained.contains(&id), "{name} {id} is not in the catalog");
    }
    assert_eq!(explained.len(), IDS.len());
}
