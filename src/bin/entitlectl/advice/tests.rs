use super::*;

#[test]
fn more_endpoints_are_asked_for_only_where_trust_lacks() {
    let seen = |trust: &str, asked: &str| {
        let detail =
            format!("tier pro, but seen only with trust {trust}; the product asks for {asked}");
        lacking(&detail).is_some()
    };
    assert!(seen("single at latest", "single at finalized"));
    assert!(seen("quorum at latest", "single at finalized"));
    assert!(!seen("single at latest", "quorum at latest"));
    assert!(!seen("single at latest", "quorum at finalized"));
    assert!(!seen("single at latest", "another at finalized"));
    assert_eq!(lacking("a newer look has taken the place"), None);
    let said = of_code(&Code::TrustTooLow, "acme-cad");
    assert!(said.contains("more independent endpoints"), "{said}");
}
