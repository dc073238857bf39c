use super::*;

fn read(text: &str) -> Result<PolicyFile, String> {
    parse_policy(&Arc::from("acme.toml"), text)
        .map_err(|flaws| flaws.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

#[test]
fn a_file_says_all_there_is_to_say() {
    let file = read(
        r#"
        product = "acme-cad"
        tier = "pro"
        linger = "5m"
        min_remove = "10s"
        low_water = 1
        max_borrow = "24h"
        lend = "users"
        queue = "express"
        reserve = [{ gid = 100, seats = 2 }]
        max = [{ uid = 1000, seats = 3 }]
        include = [{ uid = 1000, user_unit = "cad-*.scope" }, { unit = "render@*.service" }]
        [[exclude]]
        uid = 1001
        "#,
    );
    let file = file.unwrap();
    assert_eq!((file.product.as_str(), file.tier.unwrap().as_str()), ("acme-cad", "pro"));
    let wanted = Policy {
        reserve: vec![(Who::Gid(100), 2)],
        max: vec![(Who::Uid(1000), 3)],
        include: vec![
            Who::UserUnit(1000, "cad-*.scope".to_owned()),
            Who::Unit("render@*.service".to_owned()),
        ],
        exclude: vec![Who::Uid(1001)],
        linger: Duration::from_secs(300),
        min_remove: Duration::from_secs(10),
        low_water: 1,
        max_borrow: Duration::from_secs(86_400),
        users_lend: true,
        express: true,
    };
    assert_eq!(file.policy, wanted);
}

#[test]
fn what_is_left_out_is_as_usual() {
    let file = read("product = \"acme-cad\"").unwrap();
    assert_eq!((file.tier, file.policy), (None, usual_policy()));
}

#[test]
fn all_mistakes_are_told_at_once_with_line_and_key() {
    let told = read(
        "product = \"acme cad\"\nqueue = \"fast\"\nlinger = \"5 minutes\"\nreserve = [{ uid = 1 }]\nmax = [{ seats = 1 }]\nexclud = []\ninclude = [{ uid = 1, gid = 2 }, { gid = 3, user_unit = \"x\" }]",
    )
    .unwrap_err();
    for wanted in [
        "acme.toml:1: `product`: ",
        "acme.toml:2: `queue`: must be one of `fifo`, `express`",
        "acme.toml:3: `linger`: must be a duration",
        "acme.toml:4: `reserve[0].seats`: is missing",
        "acme.toml:5: `max[0]`: must name one of `uid`, `gid` and `unit`",
        "acme.toml:6: `exclud`: unknown key; did you mean `exclude`?",
        "acme.toml:7: `include[0]`: must name one of `uid`, `gid` and `unit`",
        "acme.toml:7: `include[1]`: must name the `uid` whose `user_unit` it is",
    ] {
        assert!(told.contains(wanted), "{wanted} is not in\n{told}");
    }
    assert_eq!(told.lines().count(), 8, "{told}");
}
