//! How results are to look: as tables, as JSON or as tab-separated values, how wide, and which columns.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};

/// A terminal that says nothing of its width, and a width below which nothing can be told.
const WIDTH: usize = 80;
const NARROWEST: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns, as wide as the terminal
    Table,
    /// As the daemon gave it, one result a line
    Json,
    /// Tab-separated values under a line of headings, nothing shortened
    Tsv,
}

/// Under which all commands' options stand in each command's help, after its own.
pub(crate) const OF_ALL: &str = "Options of all commands";

/// What all commands understand about how they show things.
#[derive(Debug, Args)]
pub(crate) struct ViewArguments {
    /// How to print results
    #[arg(long, global = true, help_heading = OF_ALL, value_name = "FORMAT", value_enum, default_value = "table")]
    format: Format,
    /// The same as --format json: results exactly as the daemon gave them, and errors as JSON too
    #[arg(long, global = true, help_heading = OF_ALL, conflicts_with = "format")]
    json: bool,
    /// Print of lists only the first column, of a new wallet its address, and of everything else nothing: the exit code is the answer
    #[arg(long, short, global = true, help_heading = OF_ALL)]
    quiet: bool,
    /// Which columns of a list to show, by their headings, such as token,wallet
    #[arg(long, global = true, help_heading = OF_ALL, value_name = "NAMES", value_delimiter = ',')]
    columns: Vec<String>,
    /// Neither shorten addresses nor leave columns out, however wide the lines become
    #[arg(long, global = true, help_heading = OF_ALL)]
    no_trunc: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) format: Format,
    pub(crate) quiet: bool,
    pub(crate) columns: Vec<String>,
    /// How many columns of text there are; `None` where nothing needs to fit.
    pub(crate) width: Option<usize>,
}

impl View {
    pub(crate) fn new(arguments: &ViewArguments) -> Self {
        let format = if arguments.json { Format::Json } else { arguments.format };
        let shortens = !arguments.no_trunc && format == Format::Table;
        Self {
            format,
            quiet: arguments.quiet,
            columns: arguments.columns.iter().map(|it| name(it)).collect(),
            width: terminal_width().filter(|_| shortens),
        }
    }

    /// Whether addresses are shortened: for a person at a terminal, who did not ask for all of them.
    pub(crate) fn shortens(&self) -> bool {
        self.width.is_some()
    }

    /// Everything, as wide as it is.
    #[cfg(test)]
    pub(crate) fn whole() -> Self {
        Self { format: Format::Table, quiet: false, columns: Vec::new(), width: None }
    }

    #[cfg(test)]
    pub(crate) fn of_width(width: usize) -> Self {
        Self { width: Some(width), ..Self::whole() }
    }
}

/// A heading as it is named in an argument: `First seen`, `first-seen` and `first_seen` are one.
pub(crate) fn name(heading: &str) -> String {
    heading.trim().to_lowercase().replace(['-', '_'], " ")
}

/// What goes into a pipe or a file is for programs, and as wide as it is.
fn terminal_width() -> Option<usize> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let told = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    Some(told.filter(|it| *it > 0).unwrap_or(WIDTH).max(NARROWEST))
}
