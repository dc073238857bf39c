//! The two ways of writing the figures down: OpenMetrics 1.0, and the text format of Prometheus before it (0.0.4).
//!
//! OpenMetrics is what is made; the other is made from it, for who asks for it. Pure.

/// How the figures are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rpc) enum Format {
    OpenMetrics,
    Plain,
}

impl Format {
    /// What a request with this `Accept` gets (RFC 9110, 12.5.1): OpenMetrics unless it says that it likes
    /// `text/plain` better.
    pub(in crate::rpc) fn of(accept: &str) -> Self {
        let (mut open, mut plain) = (0.0_f32, 0.0_f32);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|it| it.strip_prefix("q=")?.parse::<f32>().ok());
            let weight = weight.unwrap_or(1.0);
            match kind.as_str() {
                "application/openmetrics-text" => open = open.max(weight),
                "text/plain" | "text/*" => plain = plain.max(weight),
                _ => {}
            }
        }
        if plain > open { Self::Plain } else { Self::OpenMetrics }
    }

    pub(in crate::rpc) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// Writes what was made as OpenMetrics.
    pub(in crate::rpc) fn write(self, open: String) -> String {
        match self {
            Self::OpenMetrics => open,
            Self::Plain => plain(&open),
        }
    }
}

/// A counter is named without `_total` where OpenMetrics describes it, and with it in the older format. There is no
/// unit there, and no end.
fn plain(open: &str) -> String {
    let names = open.lines().filter_map(|it| {
        it.strip_prefix("# TYPE ")?.strip_suffix(" counter").map(ToOwned::to_owned)
    });
    let counters: std::collections::BTreeSet<String> = names.collect();
    let mut text = String::with_capacity(open.len());
    for line in open.lines() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        let described = ["# HELP ", "# TYPE "].into_iter().find_map(|it| {
            let (name, rest) = line.strip_prefix(it)?.split_once(' ')?;
            counters.contains(name).then(|| format!("{it}{name}_total {rest}"))
        });
        text.push_str(described.as_deref().unwrap_or(line));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
