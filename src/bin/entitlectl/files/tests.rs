use super::*;

#[test]
fn one_line_end_is_not_part_of_a_message() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("message");
    for (content, message) in [("a\nb\n", "a\nb"), ("a\r\n", "a"), ("a", "a"), ("a\n\n", "a\n")] {
        std::fs::write(&path, content).unwrap();
        assert_eq!(read_message(&path).unwrap(), message);
    }
}

/// By its name: root could replace the node itself.
#[test]
fn standard_output_is_no_file() {
    for (path, is_output) in
        [("-", true), ("/dev/stdout", true), ("./-", false), ("out", false), ("/dev/null", false)]
    {
        assert_eq!(is_standard_output(Path::new(path)), is_output, "{path}");
    }
}

#[test]
fn what_is_too_long_is_refused() {
    let endless = io::repeat(b'a');
    assert!(matches!(read_bounded(endless, Path::new("x")), Err(Failure::Usage(_))));
}
