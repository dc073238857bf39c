use super::*;

#[test]
fn a_step_says_its_share() {
    assert_eq!(Step::of("copying", 1, 3), Step { what: "copying", done: Some(333) });
    assert_eq!(Step::of("copying", 7, 3).done, Some(1_000));
    assert_eq!(Step::of("copying", 0, 0).done, Some(1_000), "of nothing all is done");
    for (share, done) in
        [(0.0, 0), (0.3, 300), (1.0, 1_000), (2.0, 1_000), (-1.0, 0), (f64::NAN, 0)]
    {
        assert_eq!(Step::at("checking", share).done, Some(done), "{share}");
    }
    assert_eq!(Step::of("copying", 1, 3).to_string(), "copying: 33 %");
    assert_eq!(Step { what: "opening", done: None }.to_string(), "opening");
}
