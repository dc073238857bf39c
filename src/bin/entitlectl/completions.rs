//! Completion scripts: as clap writes them, with the names there are on this machine where a command wants one. They
//! are asked of the daemon while one types, and a daemon that is away gives none.

use clap::Command;
use clap_complete::Shell;

/// What an argument or an option of this name is completed with, as `entitlectl` itself lists them. A shell may read the
/// words once more, and run what stands in them: only what looks like a name comes through.
const LISTS: [(&str, &str); 2] = [
    (
        "product",
        "$(entitlectl --quiet --timeout 1s product list 2>/dev/null | grep -x '[0-9a-z._-]*')",
    ),
    (
        "address",
        "$(entitlectl --quiet --timeout 1s wallet list 2>/dev/null | grep -x '0x[0-9A-Fa-f]*')",
    ),
];

pub(crate) fn script(shell: Shell, mut all: Command) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut all, "entitlectl", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Bash => in_bash(script, &all),
        Shell::Zsh => in_zsh(script),
        Shell::Fish => in_fish(script, &all),
        _ => script,
    }
}

/// The commands that want something of this name in its place, by their path.
fn wanting(command: &Command, name: &str, path: &[String]) -> Vec<Vec<String>> {
    let wants = command.get_positionals().next().is_some_and(|it| it.get_id() == name);
    let mut found: Vec<_> = wants.then(|| path.to_vec()).into_iter().collect();
    for inner in command.get_subcommands().filter(|it| it.get_name() != "help") {
        let path = [path, &[inner.get_name().to_owned()]].concat();
        found.extend(wanting(inner, name, &path));
    }
    found
}

/// In quotation marks a shell runs `$(…)` each time, so that the lists are as they are then.
fn in_bash(mut script: String, all: &Command) -> String {
    for (name, list) in LISTS {
        for path in wanting(all, name, &[]) {
            let label: String = path.iter().map(|it| format!("__subcmd__{it}")).collect();
            let place = format!("\n        entitlectl{label})\n            opts=\"");
            script = script.replace(&place, &format!("{place}{list} "));
        }
        script = option_in_bash(&script, name, &format!("compgen -W \"{list}\" --"));
    }
    // A customer may be called by the name of its Unix user.
    option_in_bash(&script, "customer", "compgen -u --")
}

fn option_in_bash(script: &str, option: &str, by: &str) -> String {
    let files =
        |by: &str| format!("--{option})\n                    COMPREPLY=($({by} \"${{cur}}\"))");
    script.replace(&files("compgen -f"), &files(by))
}

fn in_zsh(mut script: String) -> String {
    for (name, list) in LISTS {
        let one_of = format!("{{compadd -- {list}}}");
        let word = name.to_uppercase();
        script = script.replace(&format!(":{word}:_default"), &format!(":{word}:{one_of}"));
        // `':product -- what it is:_default'`, and with two colons where it may be left out.
        let begins = format!("{name} -- ");
        let is_wanted = |it: &str| it.trim_start_matches(['\'', ':']).starts_with(&begins);
        let lines = script.lines().map(|it| match is_wanted(it) {
            true => it.replace(":_default'", &format!(":{one_of}'")),
            false => it.to_owned(),
        });
        script = lines.collect::<Vec<_>>().join("\n") + "\n";
    }
    script.replace(":CUSTOMER:_default", ":CUSTOMER:_users")
}

fn in_fish(mut script: String, all: &Command) -> String {
    for (name, list) in LISTS {
        let list = list.trim_start_matches('$');
        for path in wanting(all, name, &[]) {
            let seen: Vec<_> =
                path.iter().map(|it| format!("__fish_seen_subcommand_from {it}")).collect();
            let seen = seen.join("; and ");
            script.push_str(&format!("complete -c entitlectl -n \"{seen}\" -f -a \"{list}\"\n"));
        }
        script.push_str(&format!("complete -c entitlectl -l {name} -x -a \"{list}\"\n"));
    }
    script.push_str("complete -c entitlectl -l customer -x -a \"(__fish_complete_users)\"\n");
    script
}

#[cfg(test)]
mod tests;
