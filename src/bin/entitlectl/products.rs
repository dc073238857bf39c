//! Product files: checking one without a daemon, and installing one.

use std::path::Path;

use entitled::domain::product;
use entitled::domain::product::Fault;
use serde_json::json;

use crate::exit::{Exit, Failure};
use crate::files;
use crate::screen::Screen;
use crate::session::Question;
use crate::words;

/// `FILE:LINE: key: message` for each mistake, as compilers do, so that editors find the place.
pub(crate) fn lint(screen: &mut Screen, path: &Path) -> Result<Exit, Failure> {
    let faults = match product::parse(&files::read(path)?) {
        Ok(_) => Vec::new(),
        Err(faults) => faults,
    };
    let good = faults.is_empty();
    if screen.is_json() {
        let faults: Vec<_> = faults
            .iter()
            .map(|it| json!({"line": it.line, "key": it.key, "message": it.message}))
            .collect();
        screen.line(&json!({"ok": good, "faults": faults}).to_string());
    } else if good {
        screen.line(&words::tame(&format!("{}: no mistakes", path.display())));
    } else {
        for fault in &faults {
            screen.line(&words::tame(&fault_line(path, fault)));
        }
    }
    Ok(if good { Exit::Done } else { Exit::No })
}

pub(crate) fn install_question(path: &Path) -> Result<Question, Failure> {
    Question::admin("product_install").with("toml", &files::read(path)?)
}

fn fault_line(path: &Path, fault: &Fault) -> String {
    let mut line = path.display().to_string();
    if fault.line != 0 {
        line.push_str(&format!(":{}", fault.line));
    }
    if !fault.key.is_empty() {
        line.push_str(&format!(": {}", fault.key));
    }
    format!("{line}: {}", fault.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(line: usize, key: &str) -> Fault {
        Fault { line, key: key.to_owned(), message: "no such key".to_owned() }
    }

    #[test]
    fn a_fault_is_told_as_compilers_do() {
        let path = Path::new("a.toml");
        for (fault, line) in [
            (fault(3, "tiers.pro.rnak"), "a.toml:3: tiers.pro.rnak: no such key"),
            (fault(3, ""), "a.toml:3: no such key"),
            (fault(0, ""), "a.toml: no such key"),
        ] {
            assert_eq!(fault_line(path, &fault), line);
        }
    }
}
