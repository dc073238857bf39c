use super::*;

#[test]
fn every_row_stands_for_a_method_and_names_parameters_that_it_has() {
    for row in ENDPOINTS.iter().filter(|it| it.kind != Kind::Rpc) {
        let known = &PARAMETERS[row.method];
        let in_path = row.path.split('/').filter_map(parameter);
        for name in in_path.chain(row.query.iter().copied()).chain(row.body.iter().copied()) {
            let own = ["customer_id", "key", "context"].contains(&name) || row.kind == Kind::Flags;
            assert!(own || known.contains_key(name), "{} {}: {name}", row.verb, row.path);
        }
    }
}

#[test]
fn no_row_stands_for_a_method_that_gives_out_a_key() {
    for method in ["wallet_sign", "wallet_export", "wallet_import", "wallet_unlink"] {
        assert!(ENDPOINTS.iter().all(|it| it.method != method), "{method}");
    }
}

#[test]
fn a_path_is_found_by_its_parts() {
    let found = |verb: &str, path: &str| match route(verb, path) {
        Route::Found(row, given) => Some((row.path, given)),
        _ => None,
    };
    assert_eq!(found("GET", "/api/v1/tiers"), Some(("/api/v1/tiers", vec![])));
    let (path, given) = found("GET", "/api/v1/products/a%2Db/features/export").unwrap();
    assert_eq!(path, "/api/v1/products/{product}/features/{feature}");
    assert_eq!(given, [("product", "a-b".to_owned()), ("feature", "export".to_owned())]);
    assert_eq!(found("POST", "/api/v1/wallets/links").unwrap().0, "/api/v1/wallets/links");
    for path in
        ["/api/v1/tiers/", "/api/v1", "/", "/api/v1/products//entitlement", "//api/v1/tiers"]
    {
        assert!(matches!(route("GET", path), Route::Nowhere), "{path}");
    }
    // Not a wallet list of the customer `links`.
    assert!(
        matches!(route("GET", "/api/v1/wallets/links"), Route::OtherVerb(verbs) if verbs == ["POST"])
    );
    assert!(matches!(route("GET", "/api/v1/products/%ff/entitlement"), Route::Nowhere));
    assert!(
        matches!(route("DELETE", "/api/v1/wallets"), Route::OtherVerb(verbs) if verbs.len() == 2)
    );
}
