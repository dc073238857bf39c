use super::*;

#[test]
fn other_peoples_crates_are_heard_from_warn_up() {
    use tracing::Level as L;
    let targets = targets(Level::Trace);
    assert!(targets.would_enable("entitled::chain", &L::TRACE));
    assert!(targets.would_enable("hyper_util::client", &L::WARN));
    assert!(!targets.would_enable("hyper_util::client", &L::INFO));
    assert!(!super::targets(Level::Error).would_enable("hyper_util::client", &L::WARN));
}
