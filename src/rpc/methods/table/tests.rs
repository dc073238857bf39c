use super::*;

#[test]
fn each_question_is_a_method_for_everybody() {
    for name in QUESTIONS {
        let row = ROWS.iter().find(|it| it.name == *name);
        assert!(row.is_some_and(|it| it.access == Access::SelfService), "{name}");
    }
}
