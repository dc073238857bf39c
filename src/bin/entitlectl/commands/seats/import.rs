//! `seats import-options`: a policy file made of FlexNet's options file, without a daemon.

use std::path::Path;

use entitled_core::seats::{Imported, OptionsFor, import_options};
use nix::unistd::User;
use serde_json::json;

use crate::exit::{Exit, Failure};
use crate::files;
use crate::screen::Screen;
use crate::words;

/// Done, whether or not something was left out: that is said on standard error, by line.
pub(super) fn run(
    file: &Path,
    about: &OptionsFor<'_>,
    output: Option<&Path>,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    let text = files::read(file)?;
    let uid_of = |name: &str| User::from_name(name).ok().flatten().map(|it| it.uid.as_raw());
    let Imported { policy, left_out } = import_options(&text, about, uid_of);
    if let Some(path) = output {
        files::write_new(path, &policy, 0o644)?;
    }
    if screen.is_json() {
        let left_out: Vec<_> = left_out
            .iter()
            .map(|it| json!({ "line": it.line, "text": it.text, "why": it.why }))
            .collect();
        screen.json(&json!({ "policy": policy, "left_out": left_out }));
        return Ok(Exit::Done);
    }
    if output.is_none() {
        screen.write(&policy);
    }
    for it in &left_out {
        let said = format!("{}:{}: left out: {}: {}", file.display(), it.line, it.text, it.why);
        screen.aside(&words::tame(&said));
    }
    Ok(Exit::Done)
}
