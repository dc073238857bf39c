use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use tempfile::TempDir;

use super::*;

struct Dirs {
    _root: TempDir,
    vendor: PathBuf,
    admin: PathBuf,
    catalogue: Catalogue,
}

fn dirs() -> Dirs {
    let root = TempDir::new().unwrap();
    let (vendor, admin) = (root.path().join("vendor"), root.path().join("admin"));
    for dir in [&vendor, &admin] {
        fs::create_dir(dir).unwrap();
    }
    let catalogue =
        Catalogue::new(vec![vendor.clone(), admin.clone()], nix::unistd::geteuid().as_raw());
    Dirs { _root: root, vendor, admin, catalogue }
}

fn text(id: &str, name: &str) -> String {
    format!(
        "product = \"{id}\"\nname = \"{name}\"\n[tiers.t]\nrank = 1\n[[grants]]\ntier = \"t\"\ntoken = \"eip155:1/erc721:0x52908400098527886e0f7030069857d2e4169ee7\"\n"
    )
}

/// `id: name` of each product.
fn names(loaded: &Loaded) -> Vec<String> {
    loaded.products.iter().map(|(id, it)| format!("{id}: {}", it.product.name)).collect()
}

fn now() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

fn fresh(dirs: &Dirs) -> Loaded {
    dirs.catalogue.load(&Loaded::default(), now())
}

#[test]
fn a_later_directory_overrides_the_file_of_the_same_name() {
    let dirs = dirs();
    fs::write(dirs.vendor.join("a.toml"), text("a", "vendor")).unwrap();
    fs::write(dirs.vendor.join("b.toml"), text("b", "vendor")).unwrap();
    fs::write(dirs.admin.join("b.toml"), text("b", "admin")).unwrap();
    let loaded = fresh(&dirs);
    assert_eq!(names(&loaded), ["a: vendor", "b: admin"]);
    assert_eq!(loaded.products.values().next_back().unwrap().source, dirs.admin.join("b.toml"));
    assert!(loaded.faults.is_empty());
}

#[test]
fn hidden_files_and_other_suffixes_are_not_products() {
    let dirs = dirs();
    for name in [".a.toml", "a.toml~", "a.toml.dpkg-new", "README"] {
        fs::write(dirs.vendor.join(name), "not a product").unwrap();
    }
    assert_eq!(fresh(&dirs), Loaded::default());
}

#[test]
fn a_missing_directory_is_fine() {
    let dirs = dirs();
    fs::remove_dir(&dirs.vendor).unwrap();
    assert_eq!(fresh(&dirs), Loaded::default());
}

#[test]
fn a_link_to_dev_null_masks() {
    let dirs = dirs();
    fs::write(dirs.vendor.join("a.toml"), text("a", "vendor")).unwrap();
    let before = fresh(&dirs);
    symlink("/dev/null", dirs.admin.join("a.toml")).unwrap();
    assert_eq!(dirs.catalogue.load(&before, now()), Loaded::default());
}

#[test]
fn a_wrong_file_hides_no_other() {
    let dirs = dirs();
    fs::write(dirs.vendor.join("a.toml"), text("a", "vendor")).unwrap();
    fs::write(dirs.vendor.join("b.toml"), "product = \"b\"\nnome = \"B\"").unwrap();
    fs::write(dirs.vendor.join("c.toml"), [0xff, 0xfe]).unwrap();
    let loaded = fresh(&dirs);
    assert_eq!(names(&loaded), ["a: vendor"]);
    let faults: Vec<String> = loaded.faults.iter().map(ToString::to_string).collect();
    let wanted = format!(
        "{}: line 2: `nome`: unknown key; did you mean `name`?",
        dirs.vendor.join("b.toml").display()
    );
    assert!(faults.contains(&wanted), "{faults:?}");
    assert!(
        faults.contains(&format!("{}: is not UTF-8 text", dirs.vendor.join("c.toml").display()))
    );
}

#[test]
fn a_product_whose_file_became_wrong_keeps_its_last_good_version() {
    let dirs = dirs();
    let path = dirs.vendor.join("a.toml");
    fs::write(&path, text("a", "first")).unwrap();
    let first = fresh(&dirs);
    fs::write(&path, "product = ").unwrap();
    let second = dirs.catalogue.load(&first, now());
    assert_eq!((names(&second), second.faults.len()), (vec!["a: first".to_owned()], 1));
    fs::write(&path, text("a", "third")).unwrap();
    let third = dirs.catalogue.load(&second, now());
    assert_eq!((names(&third), third.faults.len()), (vec!["a: third".to_owned()], 0));
    fs::remove_file(&path).unwrap();
    assert_eq!(dirs.catalogue.load(&third, now()), Loaded::default());
}

#[test]
fn one_product_in_two_files_is_a_fault_that_names_both() {
    let dirs = dirs();
    fs::write(dirs.vendor.join("one.toml"), text("a", "one")).unwrap();
    fs::write(dirs.admin.join("two.toml"), text("a", "two")).unwrap();
    let loaded = fresh(&dirs);
    assert_eq!(names(&loaded), ["a: one"]);
    assert_eq!(loaded.faults[0].file, dirs.admin.join("two.toml"));
    let other = dirs.vendor.join("one.toml").display().to_string();
    assert!(loaded.faults[0].fault.message.contains(&other), "{}", loaded.faults[0]);
}

#[test]
fn a_file_or_directory_that_everybody_can_write_is_refused() {
    let dirs = dirs();
    let path = dirs.vendor.join("a.toml");
    fs::write(&path, text("a", "first")).unwrap();
    let good = fresh(&dirs);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o646)).unwrap();
    let loaded = fresh(&dirs);
    assert!(loaded.products.is_empty());
    assert!(loaded.faults[0].to_string().contains("a.toml: can be written by everybody"));

    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(&dirs.vendor, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(fresh(&dirs).products.is_empty());
    let later = dirs.catalogue.load(&good, now());
    assert_eq!((names(&later), later.faults.len()), (vec!["a: first".to_owned()], 1));
    assert_eq!(later.faults[0].file, dirs.vendor);
}

#[test]
fn what_belongs_to_another_user_is_refused() {
    let dirs = dirs();
    let metadata = fs::metadata(&dirs.vendor).unwrap();
    let stranger = metadata.uid().wrapping_add(1);
    let refused = check_owner(&metadata, stranger).is_err();
    assert_eq!(refused, metadata.uid() != 0, "root's files are read by every user's daemon");
    assert!(check_owner(&metadata, metadata.uid()).is_ok());
}

#[test]
fn a_pipe_is_not_waited_for() {
    let dirs = dirs();
    nix::unistd::mkfifo(&dirs.vendor.join("a.toml"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert!(fresh(&dirs).faults[0].to_string().ends_with("is not a regular file"));
}

#[test]
fn installing_writes_the_last_directory_and_removing_undoes_it() {
    let dirs = dirs();
    fs::remove_dir(&dirs.admin).unwrap();
    let path =
        dirs.catalogue.install(&text("a", "mine"), None, (&Loaded::default(), now())).unwrap();
    assert_eq!(path, dirs.admin.join("a.toml"));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o644);
    assert_eq!(names(&fresh(&dirs)), ["a: mine"]);
    assert_eq!(fs::read_dir(&dirs.admin).unwrap().count(), 1);
    assert_eq!(
        dirs.catalogue.remove(&"a".parse().unwrap(), (&Loaded::default(), now())).unwrap(),
        path
    );
    assert!(fresh(&dirs).products.is_empty());
}

#[test]
fn installing_over_a_packages_product_takes_its_file_name_and_removing_brings_it_back() {
    let dirs = dirs();
    fs::write(dirs.vendor.join("10-acme.toml"), text("a", "vendor")).unwrap();
    assert_eq!(
        dirs.catalogue.install(&text("a", "mine"), None, (&Loaded::default(), now())).unwrap(),
        dirs.admin.join("10-acme.toml")
    );
    assert_eq!(names(&fresh(&dirs)), ["a: mine"]);
    dirs.catalogue.remove(&"a".parse().unwrap(), (&Loaded::default(), now())).unwrap();
    assert_eq!(names(&fresh(&dirs)), ["a: vendor"]);
    let error =
        dirs.catalogue.remove(&"a".parse().unwrap(), (&Loaded::default(), now())).unwrap_err();
    assert!(matches!(error, ChangeError::Packaged { .. }), "{error}");
}

#[test]
fn a_wrong_text_is_not_installed() {
    let dirs = dirs();
    let error =
        dirs.catalogue.install("product = \"a\"\n", None, (&Loaded::default(), now())).unwrap_err();
    assert!(matches!(&error, ChangeError::Wrong { faults } if faults.len() == 3), "{error}");
    assert_eq!(fs::read_dir(&dirs.admin).unwrap().count(), 0);
}

#[test]
fn a_product_nobody_knows_cannot_be_removed_but_a_damaged_file_can() {
    let dirs = dirs();
    let id: ProductId = "a".parse().unwrap();
    assert!(matches!(
        dirs.catalogue.remove(&id, (&Loaded::default(), now())),
        Err(ChangeError::Unknown { .. })
    ));
    fs::write(dirs.admin.join("a.toml"), "product = ").unwrap();
    assert!(dirs.catalogue.remove(&id, (&Loaded::default(), now())).is_ok());
}

struct Vendor(minisign::KeyPair);

impl Vendor {
    fn new() -> Self {
        Self(minisign::KeyPair::generate_unencrypted_keypair().unwrap())
    }

    fn key(&self) -> PublisherKey {
        self.0.pk.to_base64().parse().unwrap()
    }

    /// A version of product `a` that names this publisher, and its signature.
    fn publishes(&self, version: u32) -> (String, String) {
        let head = format!("version = {version}\n[publisher]\nkey = \"{}\"\n[tiers.t]", self.key());
        let text = text("a", "signed").replace("[tiers.t]", &head);
        let signature = self.signs(&text);
        (text, signature)
    }

    fn signs(&self, text: &str) -> String {
        let text = std::io::Cursor::new(text);
        minisign::sign(None, &self.0.sk, text, None, None).unwrap().into_string()
    }
}

#[test]
fn a_signed_file_is_its_publishers_and_keeps_its_place() {
    let (dirs, vendor) = (dirs(), Vendor::new());
    let (path, signature) = (dirs.vendor.join("a.toml"), dirs.vendor.join("a.toml.minisig"));
    let (text_2, signed_2) = vendor.publishes(2);
    fs::write(&path, &text_2).unwrap();
    fs::write(&signature, signed_2).unwrap();
    let loaded = fresh(&dirs);
    assert!(loaded.faults.is_empty(), "{:?}", loaded.faults);
    let installed = loaded.products.values().next().unwrap();
    assert_eq!((installed.product.version, &installed.publisher), (2, &Some(vendor.key())));

    let kept = |why: &str| {
        let again = dirs.catalogue.load(&loaded, now());
        assert_eq!(again.products, loaded.products, "{why}");
        assert_eq!(again.pins, loaded.pins, "{why}");
        assert!(again.faults[0].fault.message.contains(why), "{why}: {:?}", again.faults);
        // Whoever starts with the pins alone has no product rather than a wrong one.
        let started = Loaded { pins: loaded.pins.clone(), ..Loaded::default() };
        assert_eq!(dirs.catalogue.load(&started, now()).products, BTreeMap::new(), "{why}");
    };
    fs::write(&path, text_2.replace("signed", "changed")).unwrap();
    kept("is not signed by");
    fs::write(&path, text("a", "unsigned")).unwrap();
    kept("names no publisher");
    fs::remove_file(&signature).unwrap();
    kept("is not signed by");
    let (text_1, signed_1) = vendor.publishes(1);
    fs::write(&path, text_1).unwrap();
    fs::write(&signature, signed_1).unwrap();
    kept("versions do not go back");
    fs::write(&signature, [0xff; 8]).unwrap();
    kept("has a signature beside it that is not UTF-8");
    fs::write(&signature, "x".repeat(5_000)).unwrap();
    kept("is not signed by");
    let (text_3, signed_3) = vendor.publishes(3);
    fs::write(&path, text_3).unwrap();
    fs::write(&signature, signed_3).unwrap();
    let later = dirs.catalogue.load(&loaded, now());
    assert_eq!(later.products.values().next().unwrap().product.version, 3);
    assert!(later.faults.is_empty());
}

#[test]
fn a_signature_is_installed_and_removed_with_its_file() {
    let (dirs, vendor) = (dirs(), Vendor::new());
    let id = "a".parse().unwrap();
    let (signed, signature) = vendor.publishes(1);
    let path = dirs.catalogue.install(&signed, Some(&signature), (&Loaded::default(), now()));
    let path = path.unwrap();
    let loaded = fresh(&dirs);
    assert_eq!(loaded.products[&id].publisher, Some(vendor.key()));
    for (text, signature) in [(text("a", "mine"), None), (Vendor::new().publishes(9).0, None)] {
        let refused = dirs.catalogue.install(&text, signature, (&loaded, now()));
        assert!(matches!(refused, Err(ChangeError::NotTaken { .. })));
    }
    let (other, by_another) = Vendor::new().publishes(9);
    let refused = dirs.catalogue.install(&other, Some(&by_another), (&loaded, now()));
    assert!(matches!(refused, Err(ChangeError::NotTaken { .. })));
    assert_eq!(fresh(&dirs).products, loaded.products, "what was refused changed nothing");
    dirs.catalogue.remove(&id, (&loaded, now())).unwrap();
    assert!(!path.exists() && !signature_of(&path).exists());
    // An unsigned file may take the place of a signed one where nobody kept a pin; then its signature goes.
    dirs.catalogue.install(&signed, Some(&signature), (&Loaded::default(), now())).unwrap();
    dirs.catalogue.install(&text("a", "mine"), None, (&Loaded::default(), now())).unwrap();
    assert!(!signature_of(&path).exists());
    assert_eq!(names(&fresh(&dirs)), ["a: mine"]);
}
