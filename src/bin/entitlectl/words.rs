//! Times, durations and pairs as people write and read them.

use std::time::Duration;

use entitled_core::domain::control_character::is_control_character;

/// Reads `500ms`, `90s`, `10m`, `2h` or `14d`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("`{text}` is not a duration: use a number and ms, s, m, h or d, such as 5s");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(wrong)
}

/// The longest that the daemon lets one check wait.
const LONGEST_CHECK: Duration = Duration::from_secs(30);

/// Reads how long a check may wait for the chain.
pub(crate) fn parse_wait(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        wait if wait <= LONGEST_CHECK => Ok(wait),
        _ => Err(format!(
            "`{text}` is too long: a check waits at most 30s; `entitlectl watch` waits for ever"
        )),
    }
}

/// Reads `KEY=VALUE`.
pub(crate) fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not KEY=VALUE")),
    }
}

/// `6 December 2026, 10:00 UTC`; the text itself if it is no RFC 3339 time.
pub(crate) fn moment(text: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(it) => it.strftime("%-d %B %Y, %H:%M UTC").to_string(),
        Err(_) => text.to_owned(),
    }
}

/// `2026-12-06 10:00:05`, for tables; the text itself if it is no RFC 3339 time.
pub(crate) fn short_moment(text: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(it) => it.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => text.to_owned(),
    }
}

/// `14 days`, in the largest unit that says it well.
pub(crate) fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..=119 => (seconds, "second"),
        120..=7_199 => (seconds / 60, "minute"),
        7_200..=172_799 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

/// Now, by this machine's clock.
pub(crate) fn now() -> jiff::Timestamp {
    entitled::clock::Clock::system().now()
}

/// `in 14 days`, `3 minutes ago`, `now`: how far a time is from another.
pub(crate) fn away(moment: jiff::Timestamp, now: jiff::Timestamp) -> String {
    let seconds = moment.duration_since(now).as_secs();
    match seconds {
        -1..=1 => "now".to_owned(),
        2.. => format!("in {}", span(seconds.unsigned_abs())),
        _ => format!("{} ago", span(seconds.unsigned_abs())),
    }
}

/// `13 December 2026 (in 14 days)`, and of today or yesterday the hour; the text itself if it is no RFC 3339 time.
pub(crate) fn moment_from(text: &str, now: jiff::Timestamp) -> String {
    let Ok(moment) = text.parse::<jiff::Timestamp>() else { return text.to_owned() };
    let near = moment.duration_since(now).as_secs().unsigned_abs() < 172_800;
    let form = if near { "%-d %B %Y, %H:%M UTC" } else { "%-d %B %Y" };
    format!("{} ({})", moment.strftime(form), away(moment, now))
}

/// The same text with each RFC 3339 time in it as people say it.
pub(crate) fn with_moments(text: &str, now: jiff::Timestamp) -> String {
    let said = |word: &str| {
        let bare = word.trim_end_matches([',', ';', ':', '.', ')']);
        let is_time = bare.len() >= 20 && bare.ends_with('Z') && bare.contains('T');
        match is_time && bare.parse::<jiff::Timestamp>().is_ok() {
            true => format!("{}{}", moment_from(bare, now), &word[bare.len()..]),
            false => word.to_owned(),
        }
    };
    text.split(' ').map(said).collect::<Vec<_>>().join(" ")
}

/// The same text with every address and hash in it shortened to `0x7099…79C8`.
pub(crate) fn shortened(text: &str) -> String {
    let mut short = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("0x") {
        let (before, from) = rest.split_at(at);
        let digits = from.bytes().skip(2).take_while(u8::is_ascii_hexdigit).count();
        let (hex, after) = from.split_at(2 + digits);
        short.push_str(before);
        match digits {
            40.. => short.push_str(&format!("{}…{}", &hex[..6], &hex[hex.len() - 4..])),
            _ => short.push_str(hex),
        }
        rest = after;
    }
    short.push_str(rest);
    short
}

/// At most so many characters of a text, the last of which is `…` where there is more.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => {
            let kept: String = text.chars().take(most.saturating_sub(1)).collect();
            format!("{}…", kept.trim_end_matches([' ', '…']))
        }
    }
}

/// Text in lines of at most `width`, broken between words only; each line but the first begins with `indent`.
pub(crate) fn wrapped(text: &str, width: usize, indent: &str) -> String {
    let begin = text.len() - text.trim_start_matches(' ').len();
    let (begin, text) = text.split_at(begin);
    let mut lines: Vec<String> = vec![begin.to_owned()];
    for word in text.split(' ') {
        let last = lines.last().map_or(0, |it| it.chars().count());
        let fits = last + 1 + word.chars().count() <= width;
        let is_empty = lines.last().is_none_or(|it| it.trim().is_empty());
        match lines.last_mut() {
            Some(line) if is_empty => line.push_str(word),
            Some(line) if fits => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{indent}{word}")),
        }
    }
    lines.join("\n")
}

/// Text of others on one line, without anything a terminal would obey, or not show.
pub(crate) fn tame(text: &str) -> String {
    let is_wild = |it: char| is_control_character(it) || is_unseen(it);
    text.chars().map(|it| if is_wild(it) { '\u{fffd}' } else { it }).collect()
}

/// Whether a character is there and not shown, so that two texts look alike that are not.
fn is_unseen(it: char) -> bool {
    matches!(it, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The same of a JSON text, which stays the JSON that it was: each such character in a string becomes its escape.
pub(crate) fn tame_json(text: &str) -> String {
    let mut tamed = String::with_capacity(text.len());
    for it in text.chars() {
        match it {
            // Between values, where alone they may stand as they are.
            '\n' | '\r' | '\t' => tamed.push(it),
            _ if is_control_character(it) || is_unseen(it) => {
                for unit in it.encode_utf16(&mut [0; 2]) {
                    tamed.push_str(&format!("\\u{unit:04x}"));
                }
            }
            _ => tamed.push(it),
        }
    }
    tamed
}

#[cfg(test)]
mod tests;
