//! An example for each command, in its help and in the manual. `examples.txt` has them: a command, and below it, indented,
//! what one would type.

use clap::Command;

const ALL: &str = include_str!("examples.txt");
/// A group shows those of so many of its commands.
const OF_A_GROUP: usize = 3;

/// The same command line, whose help has examples.
pub(crate) fn with_examples(root: Command) -> Command {
    let names: Vec<String> = root.get_subcommands().map(|it| it.get_name().to_owned()).collect();
    names
        .into_iter()
        .fold(root, |root, name| root.mut_subcommand(&name, |command| shown_in(command, &name)))
}

fn shown_in(command: Command, path: &str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|it| it.get_name().to_owned()).collect();
    let mut own = of(path);
    let inner = names.iter().filter_map(|name| of(&format!("{path} {name}")).into_iter().next());
    own.extend(inner.take(OF_A_GROUP.saturating_sub(own.len())));
    let title = if own.len() == 1 { "Example:" } else { "Examples:" };
    let command = names.into_iter().fold(command, |command, name| {
        command.mut_subcommand(&name, |it| shown_in(it, &format!("{path} {name}")))
    });
    match own.is_empty() {
        true => command,
        false => command.after_help(format!("{title}\n  {}", own.join("\n  "))),
    }
}

/// The examples of the command of this name, such as `wallet link`.
pub(crate) fn of(path: &str) -> Vec<&'static str> {
    let mut lines = ALL.lines().skip_while(|it| *it != path).skip(1);
    let indented = std::iter::from_fn(|| lines.next().and_then(|it| it.strip_prefix("    ")));
    indented.collect()
}

#[cfg(test)]
mod tests;
