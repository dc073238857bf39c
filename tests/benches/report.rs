//! What a benchmark found out, as a row of the table in `docs/performance.md`.
//!
//! Printed; and, where `BENCH_ROWS` names a file, appended to it as a line of JSON, of which `tables.py` makes the table.
//! Which rows there are, and what each is held to, stands there and nowhere else.

use std::io::Write as _;

use serde_json::json;

/// One row: what was measured of us, and of what stands beside it in the same run.
pub struct Row<'a> {
    pub id: &'a str,
    pub ours: String,
    pub peer: String,
    /// Processor time of the server for each request, ours and the peer's.
    pub processor: Option<(f64, f64)>,
    /// What targets are about, by name: ratios, or what has no peer.
    pub judged: &'a [(&'a str, f64)],
}

impl Row<'_> {
    pub fn tell(&self) {
        let processor = self.processor.map(|(ours, peer)| format!("{ours:.2} µs / {peer:.2} µs"));
        let judged: Vec<_> =
            self.judged.iter().map(|(name, it)| format!("{name} {it:.3}")).collect();
        println!(
            "{:22} {}   beside {}   {}   {}",
            self.id,
            self.ours,
            self.peer,
            processor.as_deref().unwrap_or_default(),
            judged.join(", ")
        );
        append(&json!({
            "id": self.id, "ours": self.ours, "peer": self.peer, "processor": processor,
            "judged": self.judged.iter().map(|(name, it)| json!([name, it])).collect::<Vec<_>>(),
        }));
    }
}

/// Says that a row could not be measured here, and why.
pub fn leave_out(id: &str, why: &str) {
    println!("{id:22} LEFT OUT: {why}");
    append(&json!({"id": id, "left_out": why}));
}

fn append(row: &serde_json::Value) {
    if let Some(path) = std::env::var_os("BENCH_ROWS") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "{row}").unwrap();
    }
}

/// The middle one.
pub fn median(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    of[of.len() / 2]
}
