use super::*;

#[test]
fn other_peoples_crates_are_heard_of_errors_alone() {
    use tracing::Level as L;
    let targets = targets(Level::Trace);
    assert!(targets.would_enable("entitled::chain", &L::TRACE));
    assert!(targets.would_enable("hyper_util::client", &L::ERROR));
    // `h2` warns of each stream that a caller opens and resets: thousands in a second.
    assert!(!targets.would_enable("h2::proto::streams::recv", &L::WARN));
    assert!(!super::targets(Level::Warn).would_enable("h2::proto::streams::recv", &L::WARN));
}
