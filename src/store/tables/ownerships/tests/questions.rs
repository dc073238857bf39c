//! Several questions about one holding: by other rules, and through others.

use super::*;

fn under(rule: Rule, reach: Reach, sighting: Sighting) -> Sighting {
    Sighting { rule, reach, ..sighting }
}

const DIRECT: Reach = Reach { delegation: None, token_bound: false };

#[test]
fn what_one_rule_says_no_to_is_still_held_by_another() {
    let bench = Bench::new();
    turned(&bench, &[seen(1, 7, held(10, Latest))]);
    let user = under(Rule::User, DIRECT, seen(2, 7, gone(11, Latest)));
    assert_eq!(turned(&bench, &[user]), [], "who rents it out still owns it");
    assert_eq!(turned(&bench, &[seen(3, 7, gone(12, Latest))]), [(1, false)]);
}

#[test]
fn a_rest_spares_only_what_its_own_rule_sighted_by_itself() {
    let bench = Bench::new();
    turned(&bench, &[under(Rule::User, DIRECT, seen(1, 7, held(10, Latest)))]);
    let owned = seen(2, 7, held(11, Latest));
    let none_rented = under(Rule::User, DIRECT, rest(2, IdRanges::every(), gone(11, Latest)));
    turned(&bench, &[owned, none_rented]);
    let of_user = |it: &Sighting| it.rule == Rule::User && it.target == Target::Token(token(7));
    let found = kept(&bench).into_iter().find(of_user).unwrap();
    assert_eq!(found.finding, gone(11, Latest));
}

#[test]
fn what_a_vault_held_is_closed_when_no_vault_holds_it() {
    let bench = Bench::new();
    let vaults = Reach { delegation: Some(B256::ZERO), ..DIRECT };
    let via = vec![Via::Vault(Address::repeat_byte(9))];
    let through = under(Rule::Owner, vaults, seen(1, 7, held(10, Latest)));
    turned(&bench, &[Sighting { via: via.clone(), ..through }]);
    assert_eq!(active(&bench)[0].evidence.via, via);
    // That the wallet itself does not hold it was known before.
    assert_eq!(turned(&bench, &[seen(2, 7, gone(11, Latest))]), []);
    let gone = under(Rule::Owner, vaults, seen(3, 7, gone(12, Latest)));
    assert_eq!(turned(&bench, &[gone]), [(1, false)]);
}
