//! What goes into a bug report. Of the configuration only what cannot be a secret: a credential may stand in any text of it.

use std::io::Write;
use std::path::Path;

use entitled::config::Config;
use entitled::regular_file::{self, Reached};
use serde_json::{Value, json};

use super::Findings;
use super::archive::tar;
use super::daemon::Answers;
use crate::exit::Failure;
use crate::words;

pub(super) fn write(
    path: &Path,
    findings: &Findings,
    config: Option<&Config>,
    answers: &Answers,
) -> Result<(), Failure> {
    let pretty = |it: &Value| words::tame_json(&format!("{it:#}\n"));
    let nothing = Value::Null;
    let of = |it: &Option<Value>| pretty(it.as_ref().unwrap_or(&nothing));
    let files = [
        ("entitled-doctor/findings.json", pretty(&findings.as_json())),
        ("entitled-doctor/version.json", of(&answers.version)),
        ("entitled-doctor/health.json", of(&answers.health)),
        ("entitled-doctor/keys.json", of(&answers.keys)),
        ("entitled-doctor/store.json", of(&answers.store)),
        ("entitled-doctor/configuration.json", pretty(&config.map_or(Value::Null, harmless))),
    ];
    let failed = |source| Failure::NewFile { path: path.to_owned(), source };
    let reached = Reached::to(path).map_err(failed)?;
    let mut file = regular_file::make_new(&reached.path()).map_err(failed)?;
    file.write_all(&tar(&files)).and_then(|()| file.sync_all()).map_err(failed)
}

/// Numbers, paths and choices; of endpoints how many there are, and never their addresses.
fn harmless(config: &Config) -> Value {
    let chains = config.chains.iter().map(|it| {
        json!({"id": it.id.to_string(), "trust": it.trust.as_str(), "endpoints": it.rpc.len()})
    });
    json!({
        "socket": config.socket.path, "admin_socket": config.socket.admin_path,
        "store": config.store.path, "products": config.products.dirs,
        "chains": chains.collect::<Vec<_>>(),
    })
}
