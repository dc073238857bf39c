//! `entitlectl(1)`, made from the arguments: `packaging/man/entitlectl.1` says what the command line says.
//! `BLESS=1 cargo test --bin entitlectl manual` writes it anew.
//!
//! Tests only: the program does not carry its manual. Written by hand over clap's own account of itself, so that the
//! page is mdoc like the others and shows all commands on one page.

use std::fmt::Write;
use std::path::Path;

use clap::{Arg, Command, CommandFactory};

use super::arguments::Arguments;
use super::examples;

const HEAD: &str = "\
.\\\" Made from src/bin/entitlectl/arguments.rs; see manual.rs there. Changes here are lost.
.Dd November 23, 2026
.Dt ENTITLECTL 1
.Os
.Sh NAME
.Nm entitlectl
.Nd ask entitled what you are entitled to, and why
.Sh SYNOPSIS
.Nm
.Op Ar options
.Op Ar command
.Op Ar arguments
.Sh DESCRIPTION
.Nm
asks
.Xr entitled 8
over its socket.
Some commands are for administrators: root and the members of the group
.Li entitled-admin .
Secrets are asked for, or read from standard input; they are never arguments.
";

const TAIL: &str = "\
.Sh ENVIRONMENT
.Bl -tag -width Ds
.It Ev ENTITLED_SOCKET , ENTITLED_ADMIN_SOCKET
The sockets to ask.
.It Ev NO_COLOR
Turns colour off.
.El
.Sh EXIT STATUS
.Bl -tag -width Ds
.It 0
Entitled, or done.
.It 1
Not entitled, not held, not valid; or the daemon declined (not found, conflict, keys locked, wrong passphrase, signature invalid).
.It 2
The command was not understood.
.It 3
Undetermined: neither yes nor no can be said now (chain or store unavailable, daemon busy).
.It 4
The daemon cannot be reached, does not answer in time, or is not who it should be.
.It 5
Refused: you may not do this.
.It 70
Internal error.
.It 126
.Ic run :
the command cannot be executed.
.It 127
.Ic run :
there is no such command.
.El
.Pp
Once
.Ic run
has started its command, the exit status is that of the command.
.Sh EXAMPLES
In a script:
.Bd -literal -offset indent
entitlectl check acme-cad --feature export || exit
.Ed
.Pp
For a program that cannot ask by itself, with a minute for the daemon to find out:
.Bd -literal -offset indent
entitlectl run acme-cad --wait 1m -- /opt/acme/cad --open plan.dwg
.Ed
.Pp
Everything that led to an answer, down to the block:
.Bd -literal -offset indent
entitlectl why acme-cad
.Ed
.Pp
Link the wallet that holds the licences in the browser, and see what there is:
.Bd -literal -offset indent
entitlectl wallet link
entitlectl ui
.Ed
.Sh SEE ALSO
.Xr entitled-product 5 ,
.Xr entitled.toml 5 ,
.Xr entitled-rpc 7 ,
.Xr entitled 8
";

/// The codes in [`TAIL`], which clap has as one text.
const CODES: [&str; 9] = ["0", "1", "2", "3", "4", "5", "70", "126", "127"];

#[test]
fn the_manual_says_what_the_command_line_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/man/entitlectl.1");
    let right = page();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &right).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == right,
        "packaging/man/entitlectl.1 is out of date: run BLESS=1 cargo test --bin entitlectl manual"
    );
}

#[test]
fn the_manual_has_every_exit_code_that_help_has() {
    let help = Arguments::command().get_after_help().unwrap().to_string();
    let codes = help.lines().filter_map(|it| it.strip_prefix("  ")).filter_map(|it| {
        let (code, _) = it.split_once(' ')?;
        code.parse::<u8>().ok().map(|it| it.to_string())
    });
    assert_eq!(codes.collect::<Vec<_>>(), CODES);
    for code in CODES {
        assert!(TAIL.contains(&format!(".It {code}\n")), "{code}");
    }
}

fn page() -> String {
    let mut root = Arguments::command();
    root.build();
    let mut page = HEAD.to_owned();
    page.push_str(".Pp\nThese options go with all commands:\n.Bl -tag -width Ds\n");
    for arg in root.get_arguments() {
        entry(&mut page, arg);
    }
    page.push_str(".El\n.Sh COMMANDS\n.Bl -tag -width Ds\n");
    for command in root.get_subcommands() {
        describe(&mut page, command, "");
    }
    page.push_str(".El\n");
    page.push_str(TAIL);
    page
}

/// The command, or, of a group, all its commands.
fn describe(page: &mut String, command: &Command, before: &str) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let name = format!("{before}{}", command.get_name());
    if command.has_subcommands() {
        for inner in command.get_subcommands() {
            describe(page, inner, &format!("{name} "));
        }
        return;
    }
    write!(page, ".It Ic {name}").unwrap();
    let own: Vec<&Arg> =
        command.get_arguments().filter(|it| !it.is_global_set() && it.get_id() != "help").collect();
    for arg in &own {
        page.push_str(&usage(arg));
    }
    page.push('\n');
    if let Some(about) = command.get_about() {
        sentence(page, &about.to_string());
    }
    let explained: Vec<_> = own.into_iter().filter(|it| it.get_help().is_some()).collect();
    if !explained.is_empty() {
        page.push_str(".Bl -tag -width Ds -compact\n");
        for arg in explained {
            entry(page, arg);
        }
        page.push_str(".El\n");
    }
    let examples = examples::of(&name);
    if !examples.is_empty() {
        page.push_str(".Bd -literal -offset indent -compact\n");
        for example in examples {
            writeln!(page, "{}", escaped(example)).unwrap();
        }
        page.push_str(".Ed\n");
    }
}

/// How an argument stands in its command's line.
fn usage(arg: &Arg) -> String {
    let text = call(arg);
    if arg.is_required_set() { format!(" {text}") } else { format!(" Oo {text} Oc") }
}

/// `Fl -socket Ar path`, `Ar product`.
fn call(arg: &Arg) -> String {
    let value = arg.get_value_names().and_then(|it| it.first()).map(|it| it.to_lowercase());
    let takes = arg.get_action().takes_values();
    let value = value.filter(|_| takes).map(|it| format!("Ar {it}")).unwrap_or_default();
    match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("Fl {short} , -{long} {value}"),
        (_, Some(long)) => format!("Fl -{long} {value}"),
        (Some(short), None) => format!("Fl {short} {value}"),
        (None, None) => value,
    }
    .trim_end()
    .to_owned()
}

fn entry(page: &mut String, arg: &Arg) {
    writeln!(page, ".It {}", call(arg)).unwrap();
    if let Some(help) = arg.get_help() {
        sentence(page, &help.to_string());
    }
    if let Some(default) =
        arg.get_default_values().first().filter(|_| arg.get_action().takes_values())
    {
        writeln!(page, "Default: {}.", escaped(&default.to_string_lossy())).unwrap();
    }
}

/// Each sentence on a line of its own, as manual pages are written.
fn sentence(page: &mut String, text: &str) {
    let end = if text.ends_with(['.', ']', ':', '?']) { "" } else { "." };
    for line in format!("{text}{end}").replace(". ", ".\n").lines() {
        writeln!(page, "{}", escaped(line)).unwrap();
    }
}

/// Text that roff takes for text.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('…', "...").replace('`', "\\(ga");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}
