use std::collections::BTreeSet;

use clap::{ArgMatches, CommandFactory};

use super::*;
use crate::arguments::Arguments;

/// Every command by its path.
fn paths(command: &Command, before: &str, found: &mut BTreeSet<String>) {
    for inner in command.get_subcommands().filter(|it| it.get_name() != "help") {
        let path = format!("{before} {}", inner.get_name()).trim().to_owned();
        paths(inner, &path, found);
        found.insert(path);
    }
}

/// What a shell would make of it, up to where the command ends.
fn words(example: &str) -> Vec<String> {
    let spaced = example.replace(';', " ; ");
    let parts = spaced.split('"').enumerate();
    let mut words = Vec::new();
    for (at, part) in parts {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    let ends = |it: &String| ["|", "||", ">", ";"].contains(&it.as_str());
    words.into_iter().skip_while(|it| it == "sudo").take_while(|it| !ends(it)).collect()
}

fn path_of(matches: &ArgMatches) -> String {
    match matches.subcommand() {
        Some((name, inner)) => format!("{name} {}", path_of(inner)).trim().to_owned(),
        None => String::new(),
    }
}

#[test]
fn every_help_has_an_example() {
    let root = with_examples(Arguments::command());
    let mut all = BTreeSet::new();
    paths(&root, "", &mut all);
    assert!(all.len() > 70, "{all:?}");
    for path in &all {
        let command = path.split(' ').fold(root.clone(), |command, name| {
            command.find_subcommand(name).expect("found before").clone()
        });
        let help = command.clone().render_long_help().to_string();
        assert!(help.contains("Example"), "`{path}` has no example in examples.txt:\n{help}");
    }
    let named: BTreeSet<String> =
        ALL.lines().filter(|it| !it.starts_with(' ')).map(str::to_owned).collect();
    let gone: Vec<_> = named.difference(&all).collect();
    assert!(gone.is_empty(), "there are no such commands: {gone:?}");
}

#[test]
fn every_example_is_understood_as_its_command() {
    for path in ALL.lines().filter(|it| !it.starts_with(' ')) {
        for example in of(path) {
            let understood = Arguments::command().try_get_matches_from(words(example));
            let matches = understood.unwrap_or_else(|error| panic!("{example}: {error}"));
            assert_eq!(path_of(&matches), path, "{example}");
        }
    }
}
