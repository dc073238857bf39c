use super::*;

#[test]
fn the_journal_is_known_by_device_and_inode() {
    assert!(names_stream("8:1234", 8, 1234));
    for stated in ["8:1235", "9:1234", "8", "", "8:1234:", "x:y"] {
        assert!(!names_stream(stated, 8, 1234), "{stated}");
    }
}
