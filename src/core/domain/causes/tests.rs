use super::with_causes;

#[derive(Debug, thiserror::Error)]
#[error("the disk is full")]
struct Cause;

#[derive(Debug, thiserror::Error)]
#[error("cannot write")]
struct Effect {
    source: Cause,
}

#[test]
fn an_error_is_told_with_its_causes() {
    assert_eq!(with_causes(&Effect { source: Cause }), "cannot write: the disk is full");
    assert_eq!(with_causes(&Cause), "the disk is full");
}
