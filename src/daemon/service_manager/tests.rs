use super::*;

fn line(chains: &[(&str, &str)]) -> String {
    let chains = chains
        .iter()
        .map(|(id, status)| Chain { id: (*id).to_owned(), status: (*status).to_owned() });
    Health { store: Store { status: "ok".to_owned() }, chains: chains.collect() }.line()
}

#[test]
fn the_status_names_the_chains_that_are_not_reached() {
    assert_eq!(line(&[]), "answering; no chain is configured");
    assert_eq!(line(&[("eip155:1", "degraded")]), "answering; 1 chain");
    let two = [("eip155:1", "untried"), ("eip155:10", "down")];
    assert_eq!(line(&two), "answering; not reached: eip155:10");
}
