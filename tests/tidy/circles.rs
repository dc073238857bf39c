//! Imports fall downwards: no circle of imports spans two folders of the map.
//!
//! The graph has a node for each source file and an edge for each path that one names in another, where a name that a
//! file only passes on (`pub use`) counts as one of the file that owns it. A folder of the map is one of the first two
//! levels below `src`, with all that is below it; the file `x.rs` beside a folder `x` is that folder's front.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, hold, names, sources};

/// Circles that span folders, and why they may.
const PERMITTED: &[(&[&str], &str)] = &[];

const PACKAGES: [(&str, &str); 2] = [("core", "entitled_core"), ("client", "entitled_client")];

/// A path from its package's root: the package, and names.
type Path = (String, Vec<String>);

struct Graph {
    /// The file of each module.
    files: BTreeMap<Path, String>,
    /// What a file passes on under a name, and where that really is.
    passed_on: BTreeMap<(Path, String), Path>,
    imports: BTreeMap<Path, BTreeSet<Path>>,
}

/// `chain/look/mod` without its end, where the file is the front of a folder.
fn folders(source: &Source) -> Vec<String> {
    let path = source.path.to_str().unwrap().replace('\\', "/");
    let from_src = path.rsplit_once("src/").unwrap().1.trim_end_matches(".rs").to_owned();
    let mut parts: Vec<String> = from_src.split('/').map(str::to_owned).collect();
    if parts.len() > 1 && ["mod", "lib", "main"].contains(&parts.last().unwrap().as_str()) {
        parts.pop();
    }
    parts
}

/// The folder of the map that a file is in.
fn room(source: &Source, all: &[Source]) -> String {
    let mut parts = folders(source);
    let has_files = |parts: &[String]| {
        let below = format!("src/{}/", parts.join("/"));
        all.iter().any(|it| it.path.to_str().unwrap().contains(&below))
    };
    if !has_files(&parts) {
        parts.pop();
    }
    parts.truncate(2);
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

fn module(source: &Source) -> Path {
    let mut parts = folders(source);
    if parts[0] == "bin" {
        return ("entitlectl".to_owned(), parts.split_off(2.min(parts.len())));
    }
    if let Some((_, package)) = PACKAGES.iter().find(|(folder, _)| parts[0] == *folder) {
        return ((*package).to_owned(), parts.split_off(1));
    }
    if parts == ["lib"] {
        parts.clear();
    }
    ("entitled".to_owned(), parts)
}

/// `a::{b, c::{self, d}}` as `a::b`, `a::c::self` and `a::c::d`.
fn spread(path: &str) -> Vec<String> {
    let Some((before, list)) = path.split_once('{') else {
        return vec![path.split(" as ").next().unwrap().trim().to_owned()];
    };
    let list = list.rsplit_once('}').map_or(list, |(list, _)| list);
    let (mut found, mut depth, mut item) = (Vec::new(), 0, String::new());
    for letter in list.chars().chain([',']) {
        match letter {
            ',' if depth == 0 => {
                let each = spread(&std::mem::take(&mut item)).into_iter();
                found.extend(
                    each.filter(|it| !it.is_empty()).map(|it| before.trim().to_owned() + &it),
                );
                continue;
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        item.push(letter);
    }
    found
}

/// What a file uses, what it passes on, and the rest of its text.
fn uses(source: &Source) -> (Vec<String>, Vec<String>, String) {
    let (mut used, mut passed_on, mut rest) = (Vec::new(), Vec::new(), String::new());
    for statement in source.statements().split(';') {
        let begins = |line: &str| {
            let line = line.trim_start();
            let visible = line.strip_prefix("pub").map(|it| match it.strip_prefix('(') {
                Some(it) => it.split_once(')').map_or("", |(_, after)| after),
                None => it,
            });
            (visible.is_some(), visible.unwrap_or(line).trim_start().strip_prefix("use ").is_some())
        };
        let lines: Vec<&str> = statement.lines().collect();
        let Some(first) = lines.iter().rposition(|it| begins(it).1) else {
            rest.push_str(statement);
            rest.push('\n');
            continue;
        };
        let paths = spread(lines[first..].join(" ").split_once("use ").unwrap().1);
        if begins(lines[first]).0 {
            passed_on.extend(paths)
        } else {
            used.extend(paths)
        }
        rest.push_str(&lines[..first].join("\n"));
    }
    // Who may see something is no import of it.
    (used, passed_on, rest.replace("pub(in ", "pub(in_"))
}

impl Graph {
    fn of(all: &[Source]) -> Self {
        let files = all.iter().map(|it| (module(it), room(it, all))).collect();
        let mut graph = Self { files, passed_on: BTreeMap::new(), imports: BTreeMap::new() };
        for source in all {
            let own = module(source);
            for path in uses(source).1 {
                if let Some(found) = graph.absolute(&own, &path) {
                    let name = found.1.last().cloned().unwrap_or_default();
                    graph.passed_on.insert((own.clone(), name), found);
                }
            }
        }
        for source in all {
            let own = module(source);
            let (mut paths, _, rest) = uses(source);
            let starts = ["crate::", "super::", "self::", "entitled::", "entitled_core::"];
            for start in starts {
                let ends = |it: char| !(it.is_alphanumeric() || it == '_' || it == ':');
                let named = rest.match_indices(start).filter(|(at, _)| {
                    let before = rest[..*at].chars().next_back();
                    before.is_none_or(|it| !(it.is_alphanumeric() || it == '_' || it == ':'))
                });
                paths.extend(named.map(|(at, _)| {
                    let path = rest[at..].split(ends).next().unwrap();
                    path.trim_end_matches(':').to_owned()
                }));
            }
            let below = |(package, path): &&Path| {
                *package == own.0 && path.len() == own.1.len() + 1 && path.starts_with(&own.1)
            };
            let children = graph.files.keys().filter(below).map(|it| it.1.last().unwrap().clone());
            paths.extend(children.filter(|it| names(&rest, &format!("{it}::"))));
            let found = paths.iter().filter_map(|it| graph.owner(graph.absolute(&own, it)?, 0));
            let found = found.filter(|it| *it != own).collect();
            graph.imports.insert(own, found);
        }
        graph
    }

    /// Where a path that `own` names begins; `None` for what another package than ours has.
    fn absolute(&self, own: &Path, path: &str) -> Option<Path> {
        let mut parts: Vec<String> = path.split("::").map(|it| it.trim().to_owned()).collect();
        if parts.last().is_some_and(|it| it == "self" || it == "*") {
            parts.pop();
        }
        let (first, rest) = parts.split_first()?;
        let below = |base: &[String], rest: &[String]| [base, rest].concat();
        let child = (own.0.clone(), below(&own.1, std::slice::from_ref(first)));
        match first.as_str() {
            "crate" => Some((own.0.clone(), rest.to_vec())),
            "entitled" | "entitled_core" | "entitled_client" => {
                Some((first.clone(), rest.to_vec()))
            }
            "super" | "self" => {
                let up = parts.iter().take_while(|it| ["super", "self"].contains(&it.as_str()));
                let (steps, up) = (up.clone().count(), up.filter(|it| *it == "super").count());
                let base = &own.1[..own.1.len().checked_sub(up)?];
                Some((own.0.clone(), below(base, &parts[steps..])))
            }
            _ => self.files.contains_key(&child).then(|| (child.0, below(&own.1, &parts))),
        }
    }

    /// The module that owns what a path names.
    fn owner(&self, (package, path): Path, passed: usize) -> Option<Path> {
        for length in (0..=path.len()).rev() {
            let module = (package.clone(), path[..length].to_vec());
            if !self.files.contains_key(&module) {
                continue;
            }
            let Some(name) = path.get(length) else { return Some(module) };
            return match self.passed_on.get(&(module.clone(), name.clone())) {
                Some((package, real)) if passed < 5 => {
                    let real = [&real[..], &path[length + 1..]].concat();
                    self.owner((package.clone(), real), passed + 1)
                }
                _ => Some(module),
            };
        }
        None
    }

    fn reached(&self, from: &Path) -> BTreeSet<Path> {
        let (mut found, mut open) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(next) = open.pop() {
            for it in self.imports.get(&next).into_iter().flatten() {
                if found.insert(it.clone()) {
                    open.push(it.clone());
                }
            }
        }
        found
    }

    /// The circles that span folders: their folders, and who imports whom in them.
    fn circles(&self) -> BTreeMap<Vec<String>, Vec<String>> {
        let reached: BTreeMap<&Path, BTreeSet<Path>> =
            self.files.keys().map(|it| (it, self.reached(it))).collect();
        let mut circles = BTreeMap::new();
        for (module, below) in &reached {
            let back = |it: &&Path| reached.get(it).is_some_and(|it| it.contains(*module));
            let circle: BTreeSet<&Path> = below.iter().filter(back).collect();
            let rooms: BTreeSet<String> = circle.iter().map(|it| self.files[*it].clone()).collect();
            if rooms.len() < 2 {
                continue;
            }
            let edges = circle.iter().flat_map(|from| {
                let own = self.imports[*from].iter().filter(|it| circle.contains(it));
                own.map(|to| format!("{} → {}", from.1.join("::"), to.1.join("::")))
            });
            circles.insert(rooms.into_iter().collect::<Vec<_>>(), edges.collect());
        }
        circles
    }
}

#[test]
fn no_import_circle_crosses_a_folder() {
    let all = sources();
    let graph = Graph::of(&all);
    let edges: usize = graph.imports.values().map(BTreeSet::len).sum();
    assert!(edges > graph.files.len(), "{edges} imports: the paths were not read");
    let permitted = |rooms: &Vec<String>| PERMITTED.iter().any(|(it, _)| rooms[..] == **it);
    let circles = graph.circles().into_iter().filter(|(rooms, _)| !permitted(rooms));
    let faults: Vec<String> = circles
        .map(|(rooms, edges)| format!("{}:\n    {}", rooms.join(", "), edges.join("\n    ")))
        .collect();
    hold("imports fall downwards: no circle spans two folders", &faults);
}

#[test]
fn circles_are_found_through_every_spelling_of_a_path() {
    let file = |path: &str, text: &str| Source { path: path.into(), text: text.to_owned() };
    let upper = |text: &str| {
        let all = [
            file("src/chain/mod.rs", "pub use look::Look;\nmod look;\nmod evm;"),
            file("src/chain/look/mod.rs", "use crate::chain::evm::{self, run};"),
            file("src/chain/evm/mod.rs", text),
            file("src/chain/evm/run.rs", "pub struct Run;"),
        ];
        Graph::of(&all).circles().into_keys().collect::<Vec<_>>()
    };
    let circle = vec![vec!["chain/evm".to_owned(), "chain/look".to_owned()]];
    for text in [
        "use super::Look;",
        "use super::look::Look as Other;",
        "use crate::{chain::{Look}};",
        "fn it() { crate::chain::look::look(); }",
        "use crate::chain::look;",
    ] {
        assert_eq!(upper(text), circle, "{text}");
    }
    for text in
        ["", "// use super::Look;", "pub(in crate::chain) fn it() {}", "use self::run::Run;"]
    {
        assert!(upper(text).is_empty(), "{text}");
    }
}
