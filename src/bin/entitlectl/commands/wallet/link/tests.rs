use super::{bare, written};

#[test]
fn a_challenge_that_an_editor_saved_is_the_challenge() {
    for saved in ["one\ntwo", "one\ntwo\n", "one\r\ntwo\r\n", "one\ntwo\n\n", "one\ntwo \n"] {
        assert_eq!(written(saved), "one\ntwo", "{saved:?}");
    }
    assert_eq!(written("one\n\ntwo"), "one\n\ntwo", "lines within belong to it");
}

#[test]
fn a_signature_is_taken_as_it_is_copied() {
    for copied in ["0xAb", " 0xAb\n", "\"0xAb\",", "'0xAb'", "Ab"] {
        assert_eq!(bare(copied), "0xAb", "{copied:?}");
    }
    for other in ["", "0x", "not a signature"] {
        assert_eq!(bare(other), other, "what is none is left to the daemon to refuse");
    }
}
