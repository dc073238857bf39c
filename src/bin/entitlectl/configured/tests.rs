use super::*;

#[test]
fn a_file_is_meant_for_the_product_of_its_name_and_for_the_one_it_names() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text, is_meant) in [
        ("acme-cad.toml", "nonsense", true),
        ("other.toml", "version = 1\n product = 'acme-cad' # ours\n[[[", true),
        ("other.toml", "product = \"acme-cad-2\"", false),
        ("other.toml", "products = \"acme-cad\"", false),
        ("other.toml", "product =", false),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        assert_eq!(is_meant_for(&file, "acme-cad"), is_meant, "{name}: {text}");
    }
    assert!(!is_meant_for(&folder.path().join("absent.toml"), "acme-cad"));
}
