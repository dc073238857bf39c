use super::*;

const ONE: CustomerId = CustomerId::Uid(1);
const TWO: CustomerId = CustomerId::Numbered(2);

#[test]
fn a_change_ends_what_was_known_of_whom_it_concerns_and_of_nobody_else() {
    let mut epochs = Epochs::default();
    let before = epochs.now();
    epochs.raise(Whose::Customer(ONE));
    assert_eq!((epochs.holds(before, ONE), epochs.holds(before, TWO)), (false, true));
    assert!(epochs.holds(epochs.now(), ONE), "what is gathered from now on holds");
    assert!(epochs.same_users(before));
}

#[test]
fn what_changes_for_the_machine_changes_for_everybody() {
    for whose in [Whose::Everybody, Whose::Customer(CustomerId::Machine)] {
        let mut epochs = Epochs::default();
        let before = epochs.now();
        epochs.raise(whose);
        assert!(!epochs.holds(before, ONE) && !epochs.holds(before, TWO));
    }
}

#[test]
fn a_change_of_users_is_told_from_one_of_wallets() {
    for (whose, same) in [
        (Whose::Customer(ONE), true),
        (Whose::Users(ONE), false),
        (Whose::Users(CustomerId::Machine), false),
        (Whose::Everybody, false),
    ] {
        let mut epochs = Epochs::default();
        let before = epochs.now();
        epochs.raise(whose);
        assert_eq!(epochs.same_users(before), same, "{whose:?}");
        assert!(!epochs.holds(before, ONE), "{whose:?}");
    }
}

#[test]
fn a_later_change_of_another_does_not_bring_back_what_ended() {
    let mut epochs = Epochs::default();
    let before = epochs.now();
    epochs.raise(Whose::Customer(ONE));
    let between = epochs.now();
    for uid in 0..u32::try_from(REMEMBERED).unwrap() + 2 {
        epochs.raise(Whose::Customer(CustomerId::Uid(uid + 10)));
        assert!(!epochs.holds(before, ONE));
    }
    assert!(!epochs.holds(between, ONE), "too many to remember: then it is all of them");
    assert!(epochs.holds(epochs.now(), ONE));
}
