//! The cases, read from `conformance.json`. What its members mean stands at the file's head.

use serde::Deserialize;
use serde_json::{Value, json};

/// How long a library may take for a question unless the case says so. None of the others comes near it.
const TIMEOUT_MS: u64 = 10_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    #[serde(default)]
    pub listen: Listen,
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u64,
    #[serde(default)]
    pub last_repeats: bool,
    /// Why the C library does otherwise.
    pub but_c: Option<String>,
    #[serde(default)]
    pub connections: Vec<Vec<Play>>,
    #[serde(default)]
    pub steps: Vec<Step>,
    // The short form: one connection, one question.
    answer: Option<Vec<Play>>,
    #[serde(rename = "do")]
    question: Option<Vec<String>>,
    is: Option<String>,
    is_one_of: Option<Vec<String>>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listen {
    #[default]
    Yes,
    No,
    Stale,
    QueueFull,
    Stranger,
}

/// One thing that is played.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Play {
    pub hear: Option<Value>,
    pub verdict: Option<Value>,
    pub notice: Option<Value>,
    pub of: Option<Value>,
    pub say: Option<Value>,
    pub text: Option<String>,
    pub hex: Option<String>,
    pub cut: Option<usize>,
    pub pause_ms: Option<u64>,
    pub repeat: Option<Repeat>,
    #[serde(default)]
    pub hold: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    pub text: String,
    pub times: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    #[serde(rename = "do")]
    pub question: Option<Vec<String>>,
    is: Option<String>,
    is_one_of: Option<Vec<String>>,
    /// Said that, it is asked once more.
    pub again: Option<String>,
    pub closed: Option<usize>,
}

impl Step {
    pub fn allows(&self, said: &str, knows_names: bool) -> bool {
        let mut right = self.is.iter().chain(self.is_one_of.iter().flatten());
        right.any(|it| it == said || !knows_names && nameless(it) == said)
    }
}

/// What a library says that does not know the names of refusals.
fn nameless(right: &str) -> String {
    let cut = |it: &str| match it.split_once("refused ") {
        Some((before, _)) => format!("{before}refused"),
        None => it.to_owned(),
    };
    right.split(',').map(cut).collect::<Vec<_>>().join(",")
}

impl Case {
    /// The long form of a case.
    fn spelled_out(mut self) -> Self {
        let Some(answer) = self.answer.take() else { return self };
        assert!(self.connections.is_empty() && self.steps.is_empty(), "{}: two forms", self.name);
        let heard = json!({ "method": "entitlement_check", "params": { "product": "acme-cad" } });
        let hear = Play { hear: Some(heard), ..Play::default() };
        self.connections = vec![std::iter::once(hear).chain(answer).collect()];
        let check = || vec!["check".to_owned(), "acme-cad".to_owned()];
        let question = Some(self.question.take().unwrap_or_else(check));
        let (is, is_one_of) = (self.is.take(), self.is_one_of.take());
        self.steps = vec![Step { question, is, is_one_of, again: None, closed: None }];
        self
    }
}

fn timeout_ms() -> u64 {
    TIMEOUT_MS
}

pub fn all() -> Vec<Case> {
    #[derive(Deserialize)]
    struct File {
        cases: Vec<Case>,
    }
    let text = std::fs::read(crate::tests_dir().join("clients/conformance.json")).unwrap();
    let file: File = serde_json::from_slice(&text).unwrap();
    let cases: Vec<Case> = file.cases.into_iter().map(Case::spelled_out).collect();
    assert!(cases.len() > 100, "{} cases", cases.len());
    for case in &cases {
        let asks = case.steps.iter().filter(|it| it.question.is_some());
        let judged = asks.clone().all(|it| it.is.is_some() != it.is_one_of.is_some());
        assert!(judged && asks.count() > 0, "{}: nothing is expected", case.name);
    }
    cases
}
