//! The commands of a document, as they stand there, to be run by the test that their mark names.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// One block of commands.
pub struct Commands {
    /// The document, for complaints.
    page: String,
    text: String,
}

/// The blocks of a document, such as `docs/fake.md`, whose mark ends with the name of this test.
///
/// # Panics
/// Where there is none.
pub fn commands(page: &str, test: &str) -> Vec<Commands> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let document = std::fs::read_to_string(path).unwrap();
    let mut found = Vec::new();
    for (mark, rest) in
        document.split("<!-- checked: ").skip(1).map(|it| it.split_once(" -->").unwrap())
    {
        if mark.rsplit(' ').next() != Some(test) {
            continue;
        }
        let (indent, block) = rest.split_once("```sh\n").unwrap();
        let (block, _) = block.split_once("```").unwrap();
        // A block in a list is indented as the list is.
        let indent = indent.trim_start_matches('\n');
        let lines = block.lines().map(|it| it.strip_prefix(indent).unwrap_or(it));
        let text = lines.collect::<Vec<_>>().join("\n");
        found.push(Commands { page: page.to_owned(), text });
    }
    assert!(!found.is_empty(), "{page} has no commands for {test}");
    found
}

impl Commands {
    /// Something in the place of what only a reader has.
    ///
    /// # Panics
    /// Where the document does not show it.
    pub fn with(mut self, shown: &str, meant: &str) -> Self {
        assert!(self.text.contains(shown), "{} does not show `{shown}`:\n{}", self.page, self.text);
        self.text = self.text.replace(shown, meant);
        self
    }

    /// The lines one by one, for who has to do something between them.
    pub fn lines(self) -> Vec<Self> {
        let lines = self.text.lines().map(str::to_owned);
        lines.map(|text| Self { page: self.page.clone(), text }).collect()
    }

    /// A shell that runs them in this directory, stops at the first that fails, and finds our programs before others. Its
    /// environment is that of `client`, such as the command line's of a daemon.
    pub fn command(&self, client: &Command, directory: &Path) -> Command {
        let programs = PathBuf::from(env!("CARGO_BIN_EXE_entitlectl"));
        let programs = programs.parent().unwrap();
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", &self.text]).current_dir(directory).env("PATH", path);
        for (name, value) in client.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell
    }

    /// Runs them; gives what they wrote to standard output.
    ///
    /// # Panics
    /// Where one of them fails.
    pub fn run(&self, client: &Command, directory: &Path) -> String {
        let output = self.output(client, directory);
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "{}:\n{}\n{said}", self.page, self.text);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs them, however they end.
    pub fn output(&self, client: &Command, directory: &Path) -> Output {
        self.command(client, directory).stdin(Stdio::null()).output().unwrap()
    }
}
