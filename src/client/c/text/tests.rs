use std::ptr;

use super::*;

#[test]
fn a_name_is_whole_or_not_there() {
    assert_eq!(of_field(&whole::<8>("1234567")), "1234567");
    assert_eq!(of_field(&whole::<8>("12345678")), "", "there is no room for its end");
    assert_eq!(of_field(&whole::<8>("12\0")), "", "it would end too early");
}

#[test]
fn what_is_for_people_is_cut_between_two_characters() {
    assert_eq!(of_field(&cut::<8>("1234567")), "1234567");
    assert_eq!(of_field(&cut::<8>("12345678")), "1234567");
    assert_eq!(of_field(&cut::<8>("123456é")), "123456");
    assert_eq!(of_field(&cut::<8>("1\x002")), "1?2");
    assert_eq!(cut::<8>("12345678").last(), Some(&0));
}

#[test]
fn a_field_without_an_end_is_read_to_its_own() {
    assert_eq!(of_field(b"abc"), "abc");
    assert_eq!(of_field(b"\xff\xfe"), "");
}

#[test]
fn null_and_what_is_not_utf_8_are_no_text() {
    // SAFETY: NULL, or texts with their ends.
    unsafe {
        assert_eq!(read(ptr::null()), None);
        assert_eq!(read(c"acme".as_ptr()), Some("acme"));
        assert_eq!(read(c"\xff".as_ptr()), None);
    }
}
