//! `why` in words: the answer, the path that leads to it as a tree, and the paths that lead nowhere, folded.
//!
//! The daemon tells its steps one after the other: for each grant and wallet the tokens that are held, each down to the block it was
//! proven at, and that no others are. Here each of these is a path, which grants, does not, or is not known.

use entitled_client::{Code, Explanation, Step};

use crate::screen::{Mark, Screen};
use crate::{verdicts, words};

/// A grant's step, and the steps from a token, or from its absence, down to the block.
struct Path<'a> {
    grant: &'a Step,
    steps: Vec<&'a Step>,
}

/// Who is spoken of, and how much is said.
pub(crate) struct Telling<'a> {
    pub(crate) who: Option<&'a str>,
    /// Paths that lead nowhere as well.
    pub(crate) all: bool,
    /// What to do about what is no yes.
    pub(crate) next: &'a str,
}

pub(crate) fn why_text(screen: &Screen, explanation: &Explanation, telling: &Telling) -> String {
    let Explanation { verdict, steps } = explanation;
    let now = words::now();
    let mark = verdicts::mark(verdict);
    let word = match mark {
        Mark::Yes => "Yes",
        Mark::No => "No",
        Mark::Unknown => "Not known",
    };
    let mut first = format!("{}: {}", word, verdicts::sentence(verdict, telling.who));
    match mark {
        Mark::Yes => first.extend(verdicts::until(verdict, now).map(|it| format!("; {it}"))),
        Mark::No | Mark::Unknown if !verdict.detail.is_empty() => {
            first.push_str(&format!(
                ": {}",
                words::with_moments(&words::tame(&verdict.detail), now)
            ));
        }
        Mark::No | Mark::Unknown => {}
    }
    let page = Page { screen, now };
    let mut text = page.lines(&first, "").replacen(word, &screen.paint(mark, word), 1);
    if mark != Mark::Yes {
        // The reason is told already.
        let next = match verdict.code {
            Code::Suspended => "ask the administrator of this machine".to_owned(),
            _ => words::tame(telling.next),
        };
        let next = format!("Next: {next}");
        text.push_str(&format!("\n{}", page.lines(&next, "  ")));
    }
    let paths = paths(steps);
    let leads = |it: &&Path| {
        mark == Mark::Yes && it.mark() == Mark::Yes && it.is_of(verdict.token.as_deref())
    };
    let granting = paths.iter().position(|it| leads(&it));
    if let Some(path) = granting.and_then(|it| paths.get(it)) {
        text.push_str(&format!("\n\n{}", page.tree(path)));
    }
    let others: Vec<&Path> = paths
        .iter()
        .enumerate()
        .filter(|(at, _)| Some(*at) != granting)
        .map(|(_, it)| it)
        .collect();
    text.push_str(&page.others(&others, mark, telling.all));
    text
}

/// The steps as paths. One that begins without a grant is its own.
fn paths(steps: &[Step]) -> Vec<Path<'_>> {
    let mut paths: Vec<Path> = Vec::new();
    let mut grant = None;
    let mut open = false;
    for step in steps {
        match step.step.as_str() {
            "grant" => {
                grant = Some(step);
                open = false;
                continue;
            }
            "token" => open = false,
            "ownership"
                if paths.last().is_some_and(|it| it.has("ownership") || it.has("block")) =>
            {
                open = false;
            }
            _ => {}
        }
        match paths.last_mut().filter(|_| open) {
            Some(path) => path.steps.push(step),
            None => paths.push(Path { grant: grant.unwrap_or(step), steps: vec![step] }),
        }
        open = true;
    }
    paths
}

impl Path<'_> {
    fn has(&self, kind: &str) -> bool {
        self.steps.iter().any(|it| it.step == kind)
    }

    fn is_of(&self, token: Option<&str>) -> bool {
        self.steps.iter().any(|it| it.step == "token" && Some(it.subject.as_str()) == token)
    }

    /// A path is as good as its worst step.
    fn mark(&self) -> Mark {
        let is = |outcome: &str| self.steps.iter().any(|it| it.outcome == outcome);
        match (is("no"), self.steps.iter().all(|it| it.outcome == "yes")) {
            (true, _) => Mark::No,
            (false, true) => Mark::Yes,
            (false, false) => Mark::Unknown,
        }
    }

    /// The step that decides: the first that is no yes, else the last.
    fn deciding(&self) -> Option<&Step> {
        self.steps.iter().find(|it| it.outcome != "yes").or(self.steps.last()).copied()
    }

    /// Where nothing at all is held, "no other" would be a riddle.
    fn said(&self, step: &Step) -> String {
        let said = said(step);
        match self.has("token") || self.grant.outcome == "yes" {
            true => said,
            false => said.replace("was proven to hold no other", "was proven to hold none"),
        }
    }

    /// `pro`, of `pro of uid:0 by rule owner asked of wallet 0x…`.
    fn tier(&self) -> &str {
        self.grant.reason.split(" of ").next().unwrap_or_default()
    }
}

/// Where it is written.
struct Page<'a> {
    screen: &'a Screen,
    now: jiff::Timestamp,
}

impl Page<'_> {
    fn lines(&self, text: &str, indent: &str) -> String {
        let text = match self.screen.view().shortens() {
            true => words::shortened(text),
            false => text.to_owned(),
        };
        match self.screen.view().width {
            Some(width) => words::wrapped(&text, width, indent),
            None => text,
        }
    }

    fn step(&self, depth: usize, outcome: &str, text: &str) -> String {
        let mark = match outcome {
            "yes" => Mark::Yes,
            "no" => Mark::No,
            _ => Mark::Unknown,
        };
        // The mark is put in after the lines are broken: colour has no width.
        let begin = "  ".repeat(depth);
        let text = words::with_moments(&words::tame(text), self.now);
        let lines = self.lines(&format!("{begin}* {text}"), &format!("{begin}  "));
        lines.replacen('*', &self.screen.mark(mark), 1)
    }

    /// The grant and each step below the one it rests on.
    fn tree(&self, path: &Path) -> String {
        let begins = path.steps.first().is_some_and(|it| std::ptr::eq(path.grant, *it));
        let outcome = match path.mark() {
            Mark::Yes => "yes",
            Mark::No => "no",
            Mark::Unknown => "unknown",
        };
        let grant = (!begins).then(|| self.step(0, outcome, &said(path.grant)));
        let from = usize::from(!begins);
        let step = |(at, it): (usize, &&Step)| self.step(at + from, &it.outcome, &path.said(it));
        let lines = grant.into_iter().chain(path.steps.iter().enumerate().map(step));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// What leads nowhere: in full, a line each, or, where there is a yes, how many.
    fn others(&self, paths: &[&Path], mark: Mark, all: bool) -> String {
        if paths.is_empty() {
            return String::new();
        }
        if all {
            let trees: Vec<_> = paths.iter().map(|it| self.tree(it)).collect();
            return format!("\n\n{}", trees.join("\n\n"));
        }
        if mark == Mark::Yes {
            let (are, count) =
                if paths.len() == 1 { ("way was", 1) } else { ("ways were", paths.len()) };
            return format!("\n\n{count} other {are} looked at; --all shows what came of it.");
        }
        let mut lines: Vec<String> = Vec::new();
        for path in paths {
            let Some(step) = path.deciding() else { continue };
            let begin = match std::ptr::eq(path.grant, step) {
                true => said(step),
                false => format!(
                    "tier {}, by {}: {}",
                    path.tier(),
                    collection(&path.grant.subject),
                    path.said(step)
                ),
            };
            let line = self.step(0, &step.outcome, begin.trim_end_matches([':', ' ']));
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        format!("\n\n{}\n\n--all shows every step.", lines.join("\n"))
    }
}

/// `eip155:1/erc721:0x…` as `a token of 0x… (erc721 on eip155:1)`.
fn collection(subject: &str) -> String {
    let parts = subject.split_once('/').and_then(|(chain, it)| Some((chain, it.split_once(':')?)));
    match parts {
        Some((chain, (standard, address))) => {
            format!("a token of {address} ({standard} on {chain})")
        }
        None => subject.to_owned(),
    }
}

/// A step as a sentence.
fn said(step: &Step) -> String {
    let Step { step: kind, subject, reason, .. } = step;
    let last = subject.rsplit('/').next().unwrap_or(subject);
    match kind.as_str() {
        "grant" if reason.contains(" by rule ") => {
            let tier = reason.split(" of ").next().unwrap_or_default();
            format!("{} gives tier {tier}", collection(subject))
        }
        "token" if reason.starts_with("grants ") => format!("token {last} is one"),
        // `wallet 0x… holds 1 of 2`.
        "token" if step.held.is_some() => format!("{reason} of token {last}"),
        "loan" => format!("{reason} (loan {subject})"),
        "ownership" if step.outcome == "yes" => format!("the contract says so: {reason}"),
        "ownership" => reason.clone(),
        "block" => format!("seen in {}; {reason}", subject.replacen(" of ", ", made ", 1)),
        "anchor" if !reason.is_empty() => format!("block {subject}: {}", trust_words(reason)),
        _ => {
            let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            format!("{kind} {subject}{reason}")
        }
    }
}

/// `trust single, latest` in words.
fn trust_words(reason: &str) -> String {
    let words = [
        ("trust single,", "on one endpoint's word (single),"),
        ("trust quorum,", "agreed by several endpoints (quorum),"),
        ("trust consensus,", "signed by the chain's validators (consensus),"),
    ];
    match words.iter().find(|(from, _)| reason.starts_with(from)) {
        Some((from, to)) => reason.replacen(from, to, 1),
        None => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests;
