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

fn fresh(dirs: &Dirs) -> Loaded {
    dirs.catalogue.load(&Loaded::default())
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
    assert_eq!(dirs.catalogue.load(&before), Loaded::default());
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
    let second = dirs.catalogue.load(&first);
    assert_eq!((names(&second), second.faults.len()), (vec!["a: first".to_owned()], 1));
    fs::write(&path, text("a", "third")).unwrap();
    let third = dirs.catalogue.load(&second);
    assert_eq!((names(&third), third.faults.len()), (vec!["a: third".to_owned()], 0));
    fs::remove_file(&path).unwrap();
    assert_eq!(dirs.catalogue.load(&third), Loaded::default());
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
    let later = dirs.catalogue.load(&good);
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
    let path = dirs.catalogue.install(&text("a", "mine")).unwrap();
    assert_eq!(path, dirs.admin.join("a.toml"));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o644);
    assert_eq!(names(&fresh(&dirs)), ["a: mine"]);
    assert_eq!(fs::read_dir(&dirs.admin).unwrap().count(), 1);
    assert_eq!(dirs.catalogue.remove(&"a".parse().unwrap()).unwrap(), path);
    assert!(fresh(&dirs).products.is_empty());
}

#[test]
fn installing_over_a_packages_product_takes_its_file_name_and_removing_brings_it_back() {
    let dirs = dirs();
    fs::write(dirs.vendor.join("10-acme.toml"), text("a", "vendor")).unwrap();
    assert_eq!(
        dirs.catalogue.install(&text("a", "mine")).unwrap(),
        dirs.admin.join("10-acme.toml")
    );
    assert_eq!(names(&fresh(&dirs)), ["a: mine"]);
    dirs.catalogue.remove(&"a".parse().unwrap()).unwrap();
    assert_eq!(names(&fresh(&dirs)), ["a: vendor"]);
    let error = dirs.catalogue.remove(&"a".parse().unwrap()).unwrap_err();
    assert!(matches!(error, ChangeError::Packaged { .. }), "{error}");
}

#[test]
fn a_wrong_text_is_not_installed() {
    let dirs = dirs();
    let error = dirs.catalogue.install("product = \"a\"\n").unwrap_err();
    assert!(matches!(&error, ChangeError::Wrong { faults } if faults.len() == 3), "{error}");
    assert_eq!(fs::read_dir(&dirs.admin).unwrap().count(), 0);
}

#[test]
fn a_product_nobody_knows_cannot_be_removed_but_a_damaged_file_can() {
    let dirs = dirs();
    let id: ProductId = "a".parse().unwrap();
    assert!(matches!(dirs.catalogue.remove(&id), Err(ChangeError::Unknown { .. })));
    fs::write(dirs.admin.join("a.toml"), "product = ").unwrap();
    assert!(dirs.catalogue.remove(&id).is_ok());
}
