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
    // The short forms: one connection, one question; and many of these with the same outcome.
    answer: Option<Vec<Play>>,
    lines: Option<Vec<String>>,
    members: Option<Vec<String>>,
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
    /// The long form of a case, or of each that it stands for.
    fn spelled_out(mut self) -> Vec<Self> {
        let wholes = self.members.take().map(|it| it.iter().map(|it| with_member(it)).collect());
        let lines: Option<Vec<String>> = self.lines.take().or(wholes);
        if let Some(lines) = lines {
            return lines.iter().flat_map(|it| self.answered_by(it).spelled_out()).collect();
        }
        let Some(answer) = self.answer.take() else { return vec![self] };
        assert!(self.connections.is_empty() && self.steps.is_empty(), "{}: two forms", self.name);
        let heard = json!({ "method": "entitlement_check", "params": { "product": "acme-cad" } });
        let hear = Play { hear: Some(heard), ..Play::default() };
        self.connections = vec![std::iter::once(hear).chain(answer).collect()];
        let check = || vec!["check".to_owned(), "acme-cad".to_owned()];
        let question = Some(self.question.take().unwrap_or_else(check));
        let (is, is_one_of) = (self.is.take(), self.is_one_of.take());
        self.steps = vec![Step { question, is, is_one_of, again: None, closed: None }];
        vec![self]
    }

    /// One of those that a case with lines stands for.
    fn answered_by(&self, line: &str) -> Self {
        assert!(self.answer.is_none() && self.but_c.is_none(), "{}: two forms", self.name);
        let answer = Play { text: Some(format!("{line}\n")), ..Play::default() };
        Self {
            name: format!("{}: {line:.400}", self.name),
            listen: self.listen,
            timeout_ms: self.timeout_ms,
            last_repeats: false,
            but_c: None,
            connections: Vec::new(),
            steps: Vec::new(),
            answer: Some(vec![answer]),
            lines: None,
            members: None,
            question: self.question.clone(),
            is: self.is.clone(),
            is_one_of: self.is_one_of.clone(),
        }
    }
}

/// A yes with further members.
fn with_member(text: &str) -> String {
    let verdict = r#"{"product":"acme-cad","valid":true,"code":"VALID""#;
    format!(r#"{{"jsonrpc":"2.0","id":$ID,"result":{verdict},{text}}}}}"#)
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
    let cases: Vec<Case> = file.cases.into_iter().flat_map(Case::spelled_out).collect();
    assert!(cases.len() > 100, "{} cases", cases.len());
    for case in &cases {
        let asks = case.steps.iter().filter(|it| it.question.is_some());
        let judged = asks.clone().all(|it| it.is.is_some() != it.is_one_of.is_some());
        assert!(judged && asks.count() > 0, "{}: nothing is expected", case.name);
    }
    cases
}
