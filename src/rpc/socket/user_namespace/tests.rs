use super::*;

#[test]
fn where_all_uids_are_mapped_each_user_has_one() {
    for whole in ["         0          0 4294967295\n", "0 1000 1\n1 100000 4294967294\n"] {
        assert_eq!(shared(whole, USUAL), None, "{whole}");
    }
}

#[test]
fn where_some_are_not_one_uid_stands_for_all_of_them() {
    for part in ["0 0 1\n", "0 1000 1\n1 100000 65536\n", "", "nonsense\n", "0 0 x\n"] {
        assert_eq!(shared(part, 7), Some(7), "{part}");
    }
}
