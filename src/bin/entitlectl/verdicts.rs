//! Verdicts in words: `check`, and the sentences of `status` and `watch`. `explained` has those of `why`.

use entitled_client::{Anchor, Code, Feature, Verdict};

use crate::exit::Exit;
use crate::screen::{Mark, Screen};
use crate::session::Question;
use crate::words;

pub(crate) fn exit(verdict: &Verdict) -> Exit {
    match mark(verdict) {
        Mark::Yes => Exit::Done,
        Mark::No => Exit::No,
        Mark::Unknown => Exit::Undetermined,
    }
}

pub(crate) fn mark(verdict: &Verdict) -> Mark {
    match (verdict.valid, &verdict.code) {
        (_, Code::Undetermined) => Mark::Unknown,
        (true, _) => Mark::Yes,
        (false, _) => Mark::No,
    }
}

/// Why a verdict is no answer to what was asked, whoever gave it.
pub(crate) fn contradiction(verdict: &Verdict, question: &Question) -> Option<&'static str> {
    let is_on = |it: &str| !matches!(verdict.features.get(it), None | Some(Feature::Flag(false)));
    if question.text("product").is_some_and(|it| it != verdict.product) {
        return Some("the answer is about another product");
    }
    if !verdict.valid {
        return None;
    }
    if question.text("publisher").is_some_and(|it| verdict.publisher.as_ref() != Some(&it)) {
        return Some("the answer is a yes to another publisher's product");
    }
    let lacks = question.text("feature").is_some_and(|it| !is_on(&it));
    lacks.then_some("the answer is a yes without the feature that was asked for")
}

/// `entitled: pro`, `not entitled: NOT_HELD`, `undetermined`.
fn headline(screen: &Screen, verdict: &Verdict) -> String {
    let mark = mark(verdict);
    let (word, more) = match mark {
        Mark::Yes => ("entitled", verdict.tier.as_deref().unwrap_or("yes")),
        Mark::No => ("not entitled", verdict.code.as_str()),
        Mark::Unknown if verdict.is_fake() => {
            return format!("{}, says a fake daemon", screen.paint(mark, "undetermined"));
        }
        Mark::Unknown => return screen.paint(mark, "undetermined"),
    };
    let fake = if verdict.is_fake() { ", says a fake daemon" } else { "" };
    format!("{}: {}{fake}", screen.paint(mark, word), words::tame(more))
}

/// Why something is not started, in one sentence.
pub(crate) fn refusal(
    verdict: &Verdict,
    product: &str,
    feature: Option<&str>,
    next: &str,
) -> String {
    let what = match feature {
        Some(feature) => format!("the feature {feature} of {product}"),
        None => product.to_owned(),
    };
    let said = match mark(verdict) {
        Mark::Unknown => format!("it is not known whether you are entitled to {what}"),
        Mark::No | Mark::Yes => format!("you are not entitled to {what}"),
    };
    let detail = Some(&verdict.detail).filter(|it| !it.is_empty());
    let detail = detail.map(|it| format!(": {it}")).unwrap_or_default();
    words::tame(&format!("{said} ({}{detail}); {next}", verdict.code))
}

/// The whole answer in one sentence, to who asks or about `who`.
pub(crate) fn sentence(verdict: &Verdict, who: Option<&str>) -> String {
    let who = who.map_or_else(|| "you are".to_owned(), |it| format!("{it} is"));
    let mut text = match mark(verdict) {
        Mark::Yes => {
            let tier = verdict.tier.as_ref().map(|it| format!(", tier {it}")).unwrap_or_default();
            format!("{who} entitled to {}{tier}", verdict.product)
        }
        Mark::No => format!("{who} not entitled to {}", verdict.product),
        Mark::Unknown => {
            format!("nobody can say now whether {who} entitled to {}", verdict.product)
        }
    };
    if verdict.provisional {
        text.push_str(", provisionally: the chain has not settled it yet");
    }
    if verdict.code == Code::Grace {
        text.push_str(", for now: the chain cannot be reached, and the last proof still counts");
    }
    if verdict.is_fake() {
        text.push_str(", says a fake daemon");
    }
    words::tame(&text)
}

/// A sentence a change: what the answer is now, and why.
pub(crate) fn watch_line(screen: &Screen, verdict: &Verdict) -> String {
    let mark_of = mark(verdict);
    let detail = match mark_of {
        Mark::Yes => until(verdict, words::now()).unwrap_or_default(),
        Mark::No | Mark::Unknown => words::tame(&verdict.detail),
    };
    let detail =
        if detail.is_empty() { detail } else { format!(": {}", words::shortened(&detail)) };
    let code = words::tame(verdict.code.as_str());
    let sentence = sentence(verdict, None);
    format!("{} {sentence} ({code}){detail}", screen.mark(mark_of))
}

/// Until when a yes holds: its end, or for how long without the chain.
pub(crate) fn until(verdict: &Verdict, now: jiff::Timestamp) -> Option<String> {
    let until = |time: &String| words::tame(&words::moment_from(time, now));
    match (&verdict.expires_at, &verdict.grace_until) {
        (Some(end), _) => Some(format!("until {}", until(end))),
        (None, Some(end)) => Some(format!("without end; works offline until {}", until(end))),
        (None, None) => None,
    }
}

/// A verdict in lines; what to do `next` is told with one that is no yes.
pub(crate) fn check_text(
    screen: &Screen,
    verdict: &Verdict,
    feature: Option<&str>,
    next: &str,
) -> String {
    let mut text = headline(screen, verdict);
    let lines = match mark(verdict) {
        Mark::Yes => reasons_yes(verdict, feature),
        Mark::No | Mark::Unknown => reasons_no(verdict, next),
    };
    let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let room = screen.view().width.unwrap_or(usize::MAX);
    let indent = " ".repeat(width + 4);
    for (name, said) in &lines {
        let is_too_long = |it: &str| it.chars().count() > room.saturating_sub(width + 4);
        let said = match said.split(' ').any(is_too_long) {
            true => words::shortened(said),
            false => said.clone(),
        };
        text.push('\n');
        text.push_str(&words::wrapped(&format!("  {name:width$}  {said}"), room, &indent));
    }
    text
}

fn reasons_yes(verdict: &Verdict, feature: Option<&str>) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let mut add = |name: &str, text: Option<String>| {
        lines.extend(text.map(|it| (name.to_owned(), words::tame(&it))));
    };
    let code = match verdict.provisional {
        true => format!("{} (provisional: not yet settled on the chain)", verdict.code),
        false => verdict.code.to_string(),
    };
    add("code", Some(code));
    if verdict.code == Code::Grace {
        add("note", Some("the chain cannot be reached; the last proof still counts".to_owned()));
    }
    add("detail", Some(verdict.detail.clone()).filter(|it| !it.is_empty()));
    add("token", verdict.token.clone());
    add("wallet", verdict.wallet.clone());
    add("proven", proven(verdict).filter(|_| !verdict.is_fake()));
    add("expires", verdict.expires_at.as_deref().map(words::moment));
    add("offline until", verdict.grace_until.as_deref().map(words::moment));
    let seconds = verdict.seconds_until_change.and_then(|it| u64::try_from(it).ok());
    add("next change", seconds.map(|it| format!("in {}", words::span(it))));
    match feature {
        Some(name) => add("feature", verdict.feature(name).map(|it| feature_text(name, it))),
        None => add("features", features(verdict)),
    }
    lines
}

/// `fresh, by quorum at block 12 of eip155:1 (finalized), 22 November 2026, 10:00 UTC`
fn proven(verdict: &Verdict) -> Option<String> {
    let mut parts = Vec::new();
    parts.extend(verdict.freshness.clone());
    let place = verdict.anchor.as_ref().map(|Anchor { chain, number, finality, .. }| {
        let finality = finality.as_deref().map(|it| format!(" ({it})")).unwrap_or_default();
        format!("at block {number} of {chain}{finality}")
    });
    let trust = verdict.trust.as_ref().map(|it| format!("by {it}"));
    let where_by: Vec<_> = trust.into_iter().chain(place).collect();
    if !where_by.is_empty() {
        parts.push(where_by.join(" "));
    }
    parts.extend(verdict.verified_at.as_deref().map(words::moment));
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn features(verdict: &Verdict) -> Option<String> {
    let features: Vec<_> =
        verdict.features.iter().map(|(name, value)| feature_text(name, value)).collect();
    (!features.is_empty()).then(|| features.join(", "))
}

fn feature_text(name: &str, value: &Feature) -> String {
    match value {
        Feature::Flag(true) => name.to_owned(),
        Feature::Flag(false) => format!("no {name}"),
        _ => format!("{name} = {value}"),
    }
}

fn reasons_no(verdict: &Verdict, next: &str) -> Vec<(String, String)> {
    let mut lines = vec![("code".to_owned(), words::tame(verdict.code.as_str()))];
    if !verdict.detail.is_empty() {
        lines.push(("reason".to_owned(), words::tame(&verdict.detail)));
    }
    lines.push(("next".to_owned(), words::tame(next)));
    lines
}
