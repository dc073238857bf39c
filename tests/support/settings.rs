//! The daemon's configuration and product files, as a test wants them.

use std::fmt::Write as _;
use std::path::Path;

use super::CHAIN;

/// How one test's daemon is configured.
#[derive(Clone)]
pub struct Settings {
    pub endpoints: Vec<String>,
    /// How many endpoints must agree; one means trust `single`.
    pub quorum: usize,
    pub genesis: Option<String>,
    /// How the chain's validators are followed: its keys. Means trust `consensus`.
    pub consensus: Option<String>,
    /// Appended to the configuration as it is.
    pub more: String,
    pub products: Vec<ProductFile>,
}

impl Settings {
    pub fn new(endpoints: impl IntoIterator<Item = String>) -> Self {
        Self {
            endpoints: endpoints.into_iter().collect(),
            quorum: 1,
            genesis: None,
            consensus: None,
            more: String::new(),
            products: Vec::new(),
        }
    }

    pub fn quorum(mut self, quorum: usize) -> Self {
        self.quorum = quorum;
        self
    }

    /// Follows validators, as these keys of the chain say.
    pub fn consensus(mut self, keys: &str) -> Self {
        self.consensus = Some(keys.to_owned());
        self
    }

    pub fn product(mut self, product: ProductFile) -> Self {
        self.products.push(product);
        self
    }

    pub fn more(mut self, text: &str) -> Self {
        self.more.push_str(text);
        self.more.push('\n');
        self
    }

    /// The configuration file of a daemon that keeps everything below `home`.
    pub fn text(&self, home: &Path) -> String {
        let home = home.display();
        // For whoever looks into one test: docs/contributing.md.
        let level = std::env::var("TEST_LOG_LEVEL").unwrap_or_else(|_| "info".to_owned());
        let mut text = format!(
            r#"[socket]
path = "{home}/run/entitled.sock"
admin_path = "{home}/run/admin.sock"

[store]
path = "{home}/state/ledger.redb"

[keys]
source = "file:{home}/state/kek"

[products]
dirs = ["{home}/vendor", "{home}/local"]

[seats]
dirs = ["{home}/seats.d"]

[log]
level = "{level}"
format = "text"

[[chain]]
id = "{CHAIN}"
rpc = {:?}
poll = "100ms"
"#,
            self.endpoints
        );
        match self.quorum {
            _ if self.consensus.is_some() => {
                writeln!(text, "trust = \"consensus\"").unwrap();
                text.push_str(self.consensus.as_deref().unwrap());
                text.push('\n');
            }
            1 => text.push_str("trust = \"single\"\n"),
            quorum => writeln!(text, "trust = \"quorum\"\nquorum = {quorum}").unwrap(),
        }
        if let Some(genesis) = &self.genesis {
            writeln!(text, "genesis = \"{genesis}\"").unwrap();
        }
        text.push('\n');
        text.push_str(&self.more);
        text
    }
}

/// A product file. Answers are fresh for a second, and come from the newest block.
#[derive(Clone)]
pub struct ProductFile {
    pub id: String,
    keys: Vec<(String, String)>,
    tables: String,
}

impl ProductFile {
    pub fn new(id: &str) -> Self {
        Self { id: id.to_owned(), keys: Vec::new(), tables: String::new() }
            .set("name", r#""A product of the tests""#)
            .set("version", "1")
            .set("trust", r#""single""#)
            .set("finality", r#""latest""#)
            .set("refresh", r#""1s""#)
            .set("grace", r#""14d""#)
    }

    /// `acme-cad` with two tiers, of which holders of any token of `collection` get the higher.
    pub fn acme(collection: &str) -> Self {
        Self::new("acme-cad")
            .tier("starter", 10, "features = { export = false, max_projects = 3 }")
            .tier("pro", 20, "features = { export = true, max_projects = 50 }")
            .grant("pro", collection, r#"tokens_of = "enumerable""#)
    }

    /// The same product under another id.
    pub fn named(mut self, id: &str) -> Self {
        id.clone_into(&mut self.id);
        self
    }

    /// Sets a key to a TOML value.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.keys.retain(|(known, _)| known != key);
        self.keys.push((key.to_owned(), value.to_owned()));
        self
    }

    pub fn finality(self, finality: &str) -> Self {
        self.set("finality", &format!("{finality:?}"))
    }

    pub fn tier(mut self, name: &str, rank: u32, more: &str) -> Self {
        writeln!(self.tables, "\n[tiers.{name}]\nrank = {rank}\n{more}").unwrap();
        self
    }

    pub fn grant(mut self, tier: &str, token: &str, more: &str) -> Self {
        writeln!(self.tables, "\n[[grants]]\ntier = {tier:?}\ntoken = {token:?}\n{more}").unwrap();
        self
    }

    /// Lines that say nothing.
    pub fn remarks(mut self, lines: &str) -> Self {
        self.tables.push_str(lines);
        self
    }

    /// The `[seats]` section.
    pub fn seats(mut self, more: &str) -> Self {
        writeln!(self.tables, "\n[seats]\n{more}").unwrap();
        self
    }

    /// A beacon block of the test chain that the vendor vouches for, under a specification with this SHA-256.
    pub fn checkpoint(mut self, root: &str, spec: &str, more: &str) -> Self {
        let chain = super::CHAIN;
        writeln!(
            self.tables,
            "\n[[checkpoint]]\nchain = {chain:?}\nroot = {root:?}\nspec = \"sha256:{spec}\"\n{more}"
        )
        .unwrap();
        self
    }

    pub fn text(&self) -> String {
        let mut text = format!("product = {:?}\n", self.id);
        for (key, value) in &self.keys {
            writeln!(text, "{key} = {value}").unwrap();
        }
        text.push_str(&self.tables);
        text
    }
}
