use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;

mod chains;

/// A directory with an `entitled.toml` in it.
struct Etc(TempDir);

impl Etc {
    fn with(text: &str) -> Self {
        let etc = Self(TempDir::new().unwrap());
        fs::write(etc.file(), text).unwrap();
        etc
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("entitled.toml")
    }

    fn drop_in(self, name: &str, text: &str) -> Self {
        let dir = self.0.path().join("entitled.d");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(name), text).unwrap();
        self
    }

    fn read(&self, variables: &[(&str, &str)]) -> Result<Read, ConfigError> {
        Config::read(Some(&self.file()), &root(variables))
    }

    fn config(&self, variables: &[(&str, &str)]) -> Config {
        self.read(variables).unwrap().config
    }

    /// The mistakes, without the directory's own path.
    fn wrong(&self, variables: &[(&str, &str)]) -> Vec<String> {
        let prefix = format!("{}/", self.0.path().display());
        match self.read(variables) {
            Err(ConfigError::Wrong { flaws }) => {
                flaws.iter().map(|it| it.to_string().replace(&prefix, "")).collect()
            }
            other => panic!("{other:?}"),
        }
    }
}

fn environment(uid: u32, variables: &[(&str, &str)]) -> Environment {
    let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    Environment { variables: variables.collect(), uid, ..Environment::default() }
}

fn root(variables: &[(&str, &str)]) -> Environment {
    environment(0, variables)
}

fn addresses(rpc: &[EndpointSettings]) -> String {
    rpc.iter().map(|it| it.address().to_string()).collect::<Vec<_>>().join(" ")
}

const CHAIN: &str =
    "[[chain]]\nid = \"eip155:1\"\nrpc = [\"https://a.example/KEY\", \"https://b.example\"]\n";

#[test]
fn an_empty_file_gives_every_default_of_the_service() {
    let Read { config, warnings, .. } = Etc::with("").read(&[]).unwrap();
    assert_eq!(config.socket.path, PathBuf::from("/run/entitled/entitled.sock"));
    assert_eq!(config.socket.admin_path, PathBuf::from("/run/entitled/admin.sock"));
    assert_eq!(config.socket.admin_group, "entitled-admin");
    assert_eq!(config.store.path, PathBuf::from("/var/lib/entitled/ledger.redb"));
    assert_eq!((config.store.cache_bytes, config.store.backups), (8 * 1024 * 1024, 3));
    assert_eq!(config.keys.source, KeySource::File("/var/lib/entitled/kek".into()));
    assert_eq!((config.cache.capacity, config.cache.refresh), (10_000, Duration::from_secs(300)));
    assert_eq!(config.products.dirs[2], PathBuf::from("/var/lib/entitled/products.d"));
    assert_eq!((config.log.level, config.log.format), (Level::Info, Format::Auto));
    assert_eq!(config.metrics.listen, None);
    let limits = config.socket.limits;
    assert_eq!((limits.request_bytes, limits.depth, limits.batch), (65_536, 64, 32));
    assert_eq!((limits.requests_per_second, limits.burst), (200, 2_000));
    assert_eq!(warnings, ["no `[[chain]]` is configured: nothing can be proven"]);
}

#[test]
fn the_metrics_port_is_on_this_machine_only() {
    let listen = |address: &str| {
        let etc = Etc::with(&format!("[metrics]\nlisten = \"{address}\""));
        etc.read(&[]).map(|it| it.config.metrics.listen)
    };
    for address in ["127.0.0.1:9469", "[::1]:9469"] {
        assert_eq!(listen(address).unwrap(), Some(address.parse().unwrap()));
    }
    for address in ["0.0.0.0:9469", "192.168.1.1:9469", "127.0.0.1:0", "localhost:9469", "9469"] {
        assert!(listen(address).is_err(), "{address}");
    }
}

#[test]
fn an_ordinary_user_keeps_everything_at_home() {
    let etc = Etc::with("");
    let user = environment(
        1000,
        &[
            ("HOME", "/home/ada"),
            ("XDG_RUNTIME_DIR", "/run/user/1000"),
            ("XDG_CONFIG_HOME", "/home/ada/etc"),
        ],
    );
    let config = Config::read(Some(&etc.file()), &user).unwrap().config;
    assert_eq!(config.socket.path, PathBuf::from("/run/user/1000/entitled/entitled.sock"));
    assert_eq!(config.store.path, PathBuf::from("/home/ada/.local/state/entitled/ledger.redb"));
    assert_eq!(config.keys.source, KeySource::File("/home/ada/.local/state/entitled/kek".into()));
    assert_eq!(config.products.dirs[2], PathBuf::from("/home/ada/etc/entitled/products.d"));
}

#[test]
fn the_user_entitled_and_systemds_directories_make_it_the_service() {
    let etc = Etc::with("");
    let mut service = environment(1000, &[]);
    service.user = Some("entitled".to_owned());
    let config = Config::read(Some(&etc.file()), &service).unwrap().config;
    assert_eq!(config.socket.path, PathBuf::from("/run/entitled/entitled.sock"));
    let by_systemd = environment(1000, &[("STATE_DIRECTORY", "/srv/state:/srv/more")]);
    let config = Config::read(Some(&etc.file()), &by_systemd).unwrap().config;
    assert_eq!(config.store.path, PathBuf::from("/srv/state/ledger.redb"));
    assert_eq!(config.socket.path, PathBuf::from("/run/entitled/entitled.sock"));
}

#[test]
fn a_credential_handed_in_is_the_default_source_of_the_key() {
    let etc = Etc::with("");
    fs::write(etc.0.path().join("entitled.kek"), "x").unwrap();
    let config = etc.config(&[("CREDENTIALS_DIRECTORY", etc.0.path().to_str().unwrap())]);
    assert_eq!(config.keys.source, KeySource::Credential("entitled.kek".to_owned()));
}

#[test]
fn the_default_file_may_be_missing_and_a_named_one_may_not() {
    let empty = TempDir::new().unwrap();
    let home = empty.path().to_str().unwrap();
    let user = environment(1000, &[("HOME", home), ("XDG_RUNTIME_DIR", home)]);
    if !std::path::Path::new("/etc/entitled/entitled.toml").exists() {
        assert!(Config::read(None, &user).unwrap().files.is_empty());
    }
    let error = Config::read(Some(&empty.path().join("none.toml")), &user).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }), "{error}");
}

#[test]
fn a_users_own_file_comes_before_the_machines() {
    let home = TempDir::new().unwrap();
    fs::create_dir(home.path().join("entitled")).unwrap();
    let file = home.path().join("entitled/entitled.toml");
    fs::write(&file, "cache.capacity = 77").unwrap();
    let home = home.path().to_str().unwrap();
    let user = environment(1000, &[("XDG_CONFIG_HOME", home), ("XDG_RUNTIME_DIR", home)]);
    let read = Config::read(None, &user).unwrap();
    assert_eq!((read.config.cache.capacity, read.files), (77, vec![file]));
}

#[test]
fn a_link_to_nothing_takes_a_drop_in_away_and_no_other_link_is_followed() {
    let etc = Etc::with("cache.capacity = 100\n").drop_in("10.toml", "cache.capacity = 200\n");
    let drop_in = etc.0.path().join("entitled.d/10.toml");
    fs::rename(&drop_in, etc.0.path().join("elsewhere.toml")).unwrap();
    std::os::unix::fs::symlink("/dev/null", &drop_in).unwrap();
    assert_eq!(etc.config(&[]).cache.capacity, 100);
    fs::remove_file(&drop_in).unwrap();
    std::os::unix::fs::symlink(etc.0.path().join("elsewhere.toml"), &drop_in).unwrap();
    let error = etc.read(&[]).unwrap_err();
    assert!(matches!(&error, ConfigError::Unreadable { path, .. } if *path == drop_in), "{error}");
}

#[test]
fn later_layers_win_key_by_key() {
    let etc = Etc::with("[cache]\ncapacity = 100\nrefresh = \"1m\"\n[store]\nbackups = 1\n")
        .drop_in("20.toml", "cache.capacity = 300\n")
        .drop_in("10.toml", "cache.capacity = 200\nstore.backups = 2\n")
        .drop_in(".30.toml", "cache.capacity = 1\n")
        .drop_in("30.toml.bak", "cache.capacity = 2\n");
    let config = etc.config(&[("ENTITLED__STORE__BACKUPS", "9")]);
    assert_eq!((config.cache.capacity, config.store.backups), (300, 9));
    assert_eq!(config.cache.refresh, Duration::from_secs(60));
    let names: Vec<_> = etc
        .read(&[])
        .unwrap()
        .files
        .iter()
        .filter_map(|it| Some(it.file_name()?.to_owned()))
        .collect();
    assert_eq!(names, ["entitled.toml", "10.toml", "20.toml"]);
}

#[test]
fn a_chain_of_the_same_id_is_replaced_and_others_are_added() {
    let etc = Etc::with(&format!("{CHAIN}poll = \"1s\"\n")).drop_in(
        "10.toml",
        "[[chain]]\nid = \"eip155:1\"\nrpc = [\"https://c.example\"]\n[[chain]]\nid = \"eip155:10\"\nrpc = [\"/run/op.ipc\"]\n",
    );
    let chains = etc.config(&[]).chains;
    let told: Vec<String> =
        chains.iter().map(|it| format!("{} {} {:?}", it.id, addresses(&it.rpc), it.poll)).collect();
    assert_eq!(told, ["eip155:1 https://c.example 12s", "eip155:10 /run/op.ipc 12s"]);
}

#[test]
fn variables_reach_every_key_by_its_type() {
    let config = Etc::with(CHAIN).config(&[
        ("ENTITLED__LOG__LEVEL", "debug"),
        ("ENTITLED__SOCKET__ADMIN_GROUP", "1000"),
        ("ENTITLED__SOCKET__LIMITS__REQUEST_BYTES", "128KiB"),
        ("ENTITLED__SOCKET__LIMITS__BATCH", "7"),
        ("ENTITLED__PRODUCTS__DIRS", "[\"/a\", \"/b\"]"),
        ("ENTITLED__KEYS__SOURCE", "file:/k"),
        ("ENTITLED__CHAIN__0__RPC", "https://z.example"),
        ("ENTITLED__CHAIN__1__ID", "eip155:31337"),
        ("ENTITLED__CHAIN__1__RPC", "[\"http://127.0.0.1:8545\"]"),
        ("ENTITLED_SOCKET", "/for/clients"),
    ]);
    assert_eq!((config.log.level, config.socket.limits.batch), (Level::Debug, 7));
    assert_eq!(
        (config.socket.admin_group.as_str(), config.socket.limits.request_bytes),
        ("1000", 131_072)
    );
    assert_eq!(config.products.dirs, [PathBuf::from("/a"), PathBuf::from("/b")]);
    assert_eq!(config.keys.source, KeySource::File("/k".into()));
    assert_eq!(addresses(&config.chains[0].rpc), "https://z.example");
    assert_eq!((config.chains[1].id, config.chains[1].trust), (ChainId(31337), Trust::Single));
}

#[test]
fn more_than_ten_chains_can_come_from_variables() {
    let names: Vec<(String, String)> = (0..12)
        .flat_map(|it| {
            let id = (format!("ENTITLED__CHAIN__{it}__ID"), format!("eip155:{}", it + 1));
            [id, (format!("ENTITLED__CHAIN__{it}__RPC"), "/n.ipc".to_owned())]
        })
        .collect();
    let names: Vec<(&str, &str)> = names.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(Etc::with("").config(&names).chains[11].id, ChainId(12));
}

#[test]
fn a_wrong_variable_is_named() {
    let table: &[(&str, &str, &str)] = &[
        ("ENTITLED__CACHE__REFRSH", "5m", "`cache.refrsh`: unknown key; did you mean `refresh`?"),
        (
            "ENTITLED__CACHE__REFRESH",
            "soon",
            "`cache.refresh`: must be a duration such as \"500ms\", \"90s\", \"10m\", \"12h\" or \"14d\"",
        ),
        ("ENTITLED__CACHE", "5m", "`cache` holds several keys: add `__` and one of them"),
        ("ENTITLED__CACHE__REFRESH__NOW", "1", "`refresh` holds one value, not several keys"),
        (
            "ENTITLED__",
            "1",
            "`\"\"`: unknown key; here are known: `socket`, `store`, `keys`, `cache`, `products`, `seats`, `fleet`, `log`, `metrics`, `chain`",
        ),
        (
            "ENTITLED__CHAIN",
            "x",
            "a chain is set key by key, by its place in the list: `ENTITLED__CHAIN__0__RPC`",
        ),
        (
            "ENTITLED__CHAIN__MAIN__RPC",
            "x",
            "a chain is set key by key, by its place in the list: `ENTITLED__CHAIN__0__RPC`",
        ),
        ("ENTITLED__CHAIN__3__RPC", "x", "there are 1 chains, numbered from 0: the next one is 1"),
        ("ENTITLED__A__B__C__D__E__F__G__H__I", "x", "there is no such key"),
    ];
    let etc = Etc::with(&format!("[cache]\nrefresh = \"1m\"\n{CHAIN}"));
    for (name, value, message) in table {
        assert_eq!(etc.wrong(&[(name, value)]), [format!("{name}: {message}")]);
    }
    let unreadable = Environment { unreadable: vec!["ENTITLED__LOG__LEVEL".into()], ..root(&[]) };
    let error = Config::read(Some(&etc.file()), &unreadable).unwrap_err();
    assert_eq!(error.to_string(), "ENTITLED__LOG__LEVEL: must be UTF-8 text");
}

/// Text, and its one mistake.
const WRONG_FILES: &[(&str, &str)] = &[
    ("[socket]\npth = \"/x\"", "entitled.toml:2: `socket.pth`: unknown key; did you mean `path`?"),
    ("[sockets]\n", "entitled.toml:1: `sockets`: unknown key; did you mean `socket`?"),
    ("socket = 1", "entitled.toml:1: `socket`: must be a table, not a whole number"),
    ("socket.path = \"x\"", "entitled.toml:1: `socket.path`: must be an absolute path"),
    (
        "[socket]\npath = \"/x\"\nadmin_path = \"/x\"",
        "entitled.toml:3: `socket.admin_path`: is the socket as well: use another path",
    ),
    ("socket.limits.depth = 500", "entitled.toml:1: `socket.limits.depth`: must be from 8 to 128"),
    (
        "socket.limits.request_bytes = \"64KB\"",
        "entitled.toml:1: `socket.limits.request_bytes`: must be a size such as \"64KiB\", \"8MiB\" or \"1GiB\", or a number of bytes",
    ),
    ("store.cache = \"64KiB\"", "entitled.toml:1: `store.cache`: must be from 1MiB to 4GiB"),
    ("store.backups = -1", "entitled.toml:1: `store.backups`: must be from 0 to 100"),
    (
        "keys.source = \"file:kek\"",
        "entitled.toml:1: `keys.source`: must name an absolute path: \"file:/…\"",
    ),
    (
        "keys.source = \"credential:../kek\"",
        "entitled.toml:1: `keys.source`: a credential's name must be letters, digits, `.`, `_` and `-`",
    ),
    (
        "keys.source = \"tpm\"",
        "entitled.toml:1: `keys.source`: must be \"credential:NAME\", \"file:/absolute/path\" or \"passphrase\"",
    ),
    ("cache.refresh = \"2d\"", "entitled.toml:1: `cache.refresh`: must be from 100ms to 1d"),
    ("products.dirs = []", "entitled.toml:1: `products.dirs`: must name at least one directory"),
    ("products.dirs = \"/a\"", "entitled.toml:1: `products.dirs`: must be a list, not a text"),
    (
        "products.dirs = [\"/a\", \"b\"]",
        "entitled.toml:1: `products.dirs`: item 2: must be an absolute path",
    ),
    (
        "log.level = \"inf\"",
        "entitled.toml:1: `log.level`: must be one of `error`, `warn`, `info`, `debug`, `trace`; did you mean `info`?",
    ),
    ("[chain]\n", "entitled.toml:1: `chain`: must be a list of tables (`[[chain]]`), not a table"),
    ("[[chain]]\nid = \"eip155:1\"", "entitled.toml:1: `chain[0].rpc`: is missing"),
    (
        "[[chain]]\nid = 1\nrpc = [\"/x\"]",
        "entitled.toml:2: `chain[0].id`: must be a text, not a whole number",
    ),
    (
        "[[chain]]\nid = \"eip155:1\"\nrpc = []",
        "entitled.toml:3: `chain[0].rpc`: must name at least one endpoint",
    ),
    ("x = ", "entitled.toml:1: not TOML: string values must be quoted, expected literal string"),
];

#[test]
fn a_wrong_key_or_value_is_named_with_its_file_line_and_what_would_be_right() {
    for (text, message) in WRONG_FILES {
        assert_eq!(Etc::with(text).wrong(&[]), [*message], "{text}");
    }
}

#[test]
fn one_chain_twice_in_a_file_is_a_mistake() {
    assert_eq!(
        Etc::with(&format!("{CHAIN}{CHAIN}")).wrong(&[]),
        ["entitled.toml:4: `chain[1].id`: `eip155:1` is in this file twice"]
    );
    let etc = Etc::with(CHAIN);
    let wrong =
        etc.wrong(&[("ENTITLED__CHAIN__1__ID", "eip155:1"), ("ENTITLED__CHAIN__1__RPC", "/x")]);
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].ends_with("`eip155:1` is configured twice"), "{wrong:?}");
}

#[test]
fn mistakes_in_several_files_are_told_together() {
    let etc = Etc::with("log.level = 1").drop_in("a.toml", "stroe.backups = 1");
    assert_eq!(
        etc.wrong(&[("ENTITLED__CACHE__CAPACITY", "few")]),
        [
            "entitled.d/a.toml:1: `stroe`: unknown key; did you mean `store`?",
            "entitled.toml:1: `log.level`: must be a text, not a whole number",
            "ENTITLED__CACHE__CAPACITY: `cache.capacity`: must be a whole number from 16 to 10000000, not a text",
        ]
        .map(String::from)
    );
}

#[test]
fn a_file_that_everybody_can_write_is_warned_of() {
    let etc = Etc::with(CHAIN);
    fs::set_permissions(etc.file(), fs::Permissions::from_mode(0o666)).unwrap();
    let warnings = etc.read(&[]).unwrap().warnings;
    assert!(
        warnings[0].ends_with("entitled.toml can be written by everybody: `chmod o-w` it"),
        "{warnings:?}"
    );
}

#[test]
fn no_secret_of_an_endpoint_is_shown() {
    let secret = CHAIN.replace("https://a", "https://user:KEY@a").replace("KEY\"", "KEY?k=KEY\"");
    let shown = format!("{:?}", Etc::with(&secret).read(&[]).unwrap());
    assert!(!shown.contains("KEY") && shown.contains("a.example"), "{shown}");
    for text in [secret.replace("https:", "htps:"), secret.replace("\"]", "")] {
        let wrong = Etc::with(&text).wrong(&[]).concat();
        assert!(!wrong.contains("KEY"), "{wrong}");
    }
    let wrong = Etc::with("").wrong(&[("ENTITLED__CHAIN__0__RPC", "htps://KEY")]).concat();
    assert!(!wrong.contains("htps"), "{wrong}");
}

#[test]
fn a_reload_says_what_changed_and_what_waits_for_a_restart() {
    let old = Etc::with(CHAIN).config(&[]);
    assert_eq!(Config::changed(&old, &old).to_string(), "nothing changed");
    let mut new = old.clone();
    new.log.level = Level::Debug;
    new.cache.refresh = Duration::from_secs(1);
    new.socket.limits.batch = 1;
    new.chains[0].rpc[0] = EndpointSettings::new("https://a.example/OTHER".parse().unwrap());
    let changes = Config::changed(&old, &new);
    assert_eq!(
        changes.to_string(),
        "applied: cache.refresh, chain.eip155:1.rpc, log.level; takes effect after a restart: socket.limits.batch"
    );
    new.chains.clear();
    for (old, new) in [(&old, &new), (&new, &old)] {
        let applied = Config::changed(old, new).applied;
        assert_eq!(applied, ["cache.refresh", "chain.eip155:1", "log.level"]);
    }
}

#[test]
fn a_private_directory_is_made_or_checked() {
    let root = TempDir::new().unwrap();
    let uid = nix::unistd::geteuid().as_raw();
    let dir = root.path().join("entitled-7");
    make_private_directory(&dir, uid).unwrap();
    make_private_directory(&dir, uid).unwrap();
    assert!(make_private_directory(&dir, uid + 1).is_err());
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(make_private_directory(&dir, uid).is_err());
    std::os::unix::fs::symlink(&dir, root.path().join("link")).unwrap();
    assert!(make_private_directory(&root.path().join("link"), uid).is_err());
}

mod fleet;

/// Each would write over the other, and what was there would be gone.
#[test]
fn no_two_things_are_kept_in_one_file() {
    let key = |path: &str| format!("[keys]\nsource = \"file:{path}\"\n");
    let store = |path: &str| format!("[store]\npath = \"{path}\"\n");
    let fleet = "[fleet]\nendpoints = [\"http://127.0.0.1:2379\"]\n";
    let state = "/var/lib/entitled";
    for (text, line, wrong) in [
        (key("/var/lib/entitled/seats"), 2, "`keys.source`: is the file of the seats"),
        (key("/var/lib/entitled/seats.draft"), 2, "`keys.source`: is the file of the seats"),
        (key("/var/lib/entitled/fleet.json"), 2, "`keys.source`: is the file of what the machine"),
        (
            key("/var/lib/entitled/machine-id"),
            2,
            "`keys.source`: is the file of the machine's name",
        ),
        (key("/var/lib/entitled/fleet.new"), 2, "`keys.source`: is the draft of what"),
        (key("/var/lib/entitled/ledger.redb"), 2, "`keys.source`: is the ledger's file"),
        (key("/var/lib/entitled/ledger.redb.checksums"), 2, "`keys.source`: is the ledger's file"),
        (key("/run/entitled/entitled.sock.lock"), 2, "`keys.source`: is the socket"),
        (store("/var/lib/entitled/seats"), 2, "`store.path`: is the file of the seats"),
        (
            store("/var/lib/entitled/machine-id"),
            2,
            "`store.path`: is the file of the machine's name",
        ),
        (store("/run/entitled/admin.sock"), 2, "`socket.admin_path`: is the ledger's file"),
        (format!("{fleet}ca = \"{state}/fleet.json\"\n"), 3, "`fleet.ca`: is the file of what"),
        (format!("{fleet}ca = \"{state}/kek\"\n"), 3, "`fleet.ca`: is the key's file"),
    ] {
        let found = Etc::with(&text).wrong(&[]);
        let at = if wrong.contains("admin_path") {
            String::new()
        } else {
            format!("entitled.toml:{line}: ")
        };
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].starts_with(&format!("{at}{wrong}")), "{text}: {found:?}");
        assert!(found[0].ends_with(" as well: use another path"), "{found:?}");
    }
    let pem = format!(
        "{fleet}ca = \"/etc/all.pem\"\ncertificate = \"/etc/all.pem\"\nkey = \"/etc/all.pem\"\n"
    );
    assert_eq!(
        Etc::with(&pem).read(&[]).unwrap().warnings.len(),
        1,
        "what is only read may be one"
    );
    Etc::with(&key("/etc/entitled/seats")).config(&[]);
}
