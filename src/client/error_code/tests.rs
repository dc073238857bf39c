use super::*;

#[test]
fn each_code_has_a_number_and_a_name_of_its_own() {
    for code in ErrorCode::ALL {
        assert_eq!(ErrorCode::of_number(code.number().into()), Some(*code), "{code:?}");
        let of_name: Vec<_> = ErrorCode::ALL.iter().filter(|it| it.name() == code.name()).collect();
        assert_eq!(of_name, [code]);
    }
    assert_eq!(ErrorCode::of_number(-32_000), None);
}
