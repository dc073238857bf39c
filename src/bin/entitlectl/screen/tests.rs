use super::*;

#[test]
fn marks_are_ascii_where_the_locale_is() {
    for (locale, unicode) in
        [(Some("de_DE.UTF-8"), true), (Some("C.utf8"), true), (Some("C"), false), (None, false)]
    {
        assert_eq!(is_unicode(locale), unicode, "{locale:?}");
    }
}
