//! The layers of the configuration, and how one goes over another.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{ConfigError, Environment};
use crate::regular_file;
use entitled_core::domain::control_character::shown;
use entitled_core::domain::product::document::{
    self, Flaw, LONGEST_TEXT, Node, Place, Table, Value,
};

/// More drop-ins are not read.
const MOST_DROP_INS: usize = 256;
const PREFIX: &str = "ENTITLED__";

pub(super) struct Layers {
    pub(super) tree: Table,
    pub(super) files: Vec<PathBuf>,
    pub(super) warnings: Vec<String>,
}

/// Reads all layers. Mistakes that are only found when keys get a meaning are left to `validate`.
pub(super) fn gather(
    file: Option<&Path>,
    environment: &Environment,
) -> Result<Layers, ConfigError> {
    let path = file.map_or_else(|| environment.places().file, Path::to_owned);
    let mut layers = Layers { tree: Table::new(), files: Vec::new(), warnings: Vec::new() };
    let mut flaws = Vec::new();
    let optional = file.is_none();
    let drop_ins = drop_ins(&path)?;
    for (path, optional) in
        std::iter::once((path, optional)).chain(drop_ins.into_iter().map(|it| (it, false)))
    {
        match read_file(&path, &mut layers.warnings) {
            Err(error) if optional && error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(ConfigError::Unreadable { path, source }),
            Ok(text) => match document::read(&Arc::from(shown(&path)), &text) {
                Ok(table) => lay_file(&mut layers.tree, table, &mut flaws),
                Err(wrong) => flaws.extend(wrong),
            },
        }
        layers.files.push(path);
    }
    lay_environment(&mut layers.tree, environment, &mut flaws);
    if flaws.is_empty() { Ok(layers) } else { Err(ConfigError::Wrong { flaws }) }
}

/// `entitled.d/*.toml` beside `entitled.toml`, in name order.
fn drop_ins(file: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let dir = file.with_extension("d");
    let unreadable = |source| ConfigError::Unreadable { path: dir.clone(), source };
    let entries = match std::fs::read_dir(&dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unreadable)?,
    };
    let mut paths = BTreeSet::new();
    for entry in entries {
        let name = entry.map_err(unreadable)?.file_name();
        let bytes = name.as_encoded_bytes();
        if bytes.ends_with(b".toml") && !bytes.starts_with(b".") {
            paths.insert(dir.join(name));
        }
    }
    if paths.len() > MOST_DROP_INS {
        let many = format!("holds more than {MOST_DROP_INS} files");
        return Err(unreadable(io::Error::new(io::ErrorKind::InvalidData, many)));
    }
    Ok(paths.into_iter().collect())
}

fn read_file(path: &Path, warnings: &mut Vec<String>) -> io::Result<String> {
    // As with systemd's units, a link to nothing takes a drop-in away; and `/dev/null` itself is no settings.
    let null = Path::new("/dev/null");
    if path == null || std::fs::read_link(path).is_ok_and(|it| it == null) {
        return Ok(String::new());
    }
    let file = regular_file::open(path)?;
    if file.metadata()?.mode() & 0o002 != 0 {
        warnings.push(format!("{} can be written by everybody: `chmod o-w` it", shown(path)));
    }
    // One more byte than allowed, so that the reader notices.
    let mut text = String::new();
    file.take(u64::try_from(LONGEST_TEXT).unwrap_or(u64::MAX) + 1).read_to_string(&mut text)?;
    Ok(text)
}

fn lay_file(tree: &mut Table, mut layer: Table, flaws: &mut Vec<Flaw>) {
    if let Some(chains) = layer.remove("chain") {
        note_repeated(&chains, flaws);
        match tree.get_mut("chain") {
            Some(below) => lay_chains(below, chains),
            None => {
                tree.insert("chain".to_owned(), chains);
            }
        }
    }
    lay_table(tree, layer);
}

fn lay_table(below: &mut Table, above: Table) {
    for (key, node) in above {
        match (below.get_mut(&key).map(|it| &mut it.value), node.value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay_table(below, above),
            (_, value) => {
                below.insert(key, Node { value, ..node });
            }
        }
    }
}

/// A chain replaces the one of the same id below it; others are added.
fn lay_chains(below: &mut Node, above: Node) {
    let (Value::List(chains), Value::List(more)) = (&mut below.value, &above.value) else {
        *below = above;
        return;
    };
    for chain in more {
        let same = chains.iter_mut().find(|it| id_of(it).is_some() && id_of(it) == id_of(chain));
        match same {
            Some(same) => *same = chain.clone(),
            None => chains.push(chain.clone()),
        }
    }
}

fn id_of(chain: &Node) -> Option<&str> {
    let Value::Table(table) = &chain.value else { return None };
    match &table.get("id")?.value {
        Value::Text(id) => Some(id),
        _ => None,
    }
}

fn note_repeated(chains: &Node, flaws: &mut Vec<Flaw>) {
    let Value::List(chains) = &chains.value else { return };
    let mut seen = BTreeSet::new();
    for (index, chain) in chains.iter().enumerate() {
        if let Some(id) = id_of(chain).filter(|it| !seen.insert(*it)) {
            flaws.push(Flaw {
                place: chain.place.clone(),
                key: format!("chain[{index}].id"),
                message: format!(
                    "`{}` is in this file twice",
                    entitled_core::domain::ids::clip(id)
                ),
            });
        }
    }
}

fn lay_environment(tree: &mut Table, environment: &Environment, flaws: &mut Vec<Flaw>) {
    let mut add = |name: &str, message: String| {
        let place = Place { source: Arc::from(name), line: 0 };
        flaws.push(Flaw { place, key: String::new(), message });
    };
    for name in environment.unreadable.iter().filter(|it| it.starts_with(PREFIX)) {
        add(name, "must be UTF-8 text".to_owned());
    }
    let ours = environment.variables.iter().filter_map(|(name, value)| {
        let path: Vec<String> =
            name.strip_prefix(PREFIX)?.split("__").map(str::to_ascii_lowercase).collect();
        Some((path, name, value))
    });
    let mut ours: Vec<_> = ours.collect();
    // Indices in the order of their numbers, so that CHAIN__10 comes after CHAIN__2.
    ours.sort_by_cached_key(|(path, ..)| {
        path.iter().map(|it| (it.parse::<usize>().ok(), it.clone())).collect::<Vec<_>>()
    });
    for (path, name, value) in ours {
        if let Err(message) = lay_variable(tree, &path, name, value) {
            add(name, message);
        }
    }
}

fn lay_variable(tree: &mut Table, path: &[String], name: &str, text: &str) -> Result<(), String> {
    let source: Arc<str> = Arc::from(name);
    let value = document::read_value(&source, text).unwrap_or_else(|| Value::Text(text.to_owned()));
    let place = Place { source, line: 0 };
    let node = Node { place: place.clone(), value, raw: Some(Arc::from(text)) };
    match path {
        // No key is so deep; and each part costs a nested table.
        path if path.len() > 8 => Err("there is no such key".to_owned()),
        [chain] if chain == "chain" => Err(CHAINS.to_owned()),
        [chain, index, rest @ ..] if chain == "chain" => {
            let index: usize = index.parse().map_err(|_| CHAINS.to_owned())?;
            let empty = |value| Node { place: place.clone(), value, raw: None };
            let chains =
                tree.entry("chain".to_owned()).or_insert_with(|| empty(Value::List(Vec::new())));
            let Value::List(chains) = &mut chains.value else { return Err(CHAINS.to_owned()) };
            if index == chains.len() {
                chains.push(empty(Value::Table(Table::new())));
            }
            let count = chains.len();
            match chains.get_mut(index).map(|it| &mut it.value) {
                Some(Value::Table(chain)) => set(chain, rest, node),
                _ => Err(format!(
                    "there are {count} chains, numbered from 0: the next one is {count}"
                )),
            }
        }
        path => set(tree, path, node),
    }
}

const CHAINS: &str =
    "a chain is set key by key, by its place in the list: `ENTITLED__CHAIN__0__RPC`";

fn set(table: &mut Table, path: &[String], node: Node) -> Result<(), String> {
    match path {
        [] => Err("names no key: use `ENTITLED__SECTION__KEY`".to_owned()),
        [key] => match table.get(key).map(|it| &it.value) {
            Some(Value::Table(_)) if !matches!(node.value, Value::Table(_)) => {
                Err(format!("`{key}` holds several keys: add `__` and one of them"))
            }
            _ => {
                table.insert(key.clone(), node);
                Ok(())
            }
        },
        [key, rest @ ..] => {
            let empty =
                || Node { place: node.place.clone(), value: Value::Table(Table::new()), raw: None };
            match &mut table.entry(key.clone()).or_insert_with(empty).value {
                Value::Table(below) => set(below, rest, node),
                _ => Err(format!("`{key}` holds one value, not several keys")),
            }
        }
    }
}
