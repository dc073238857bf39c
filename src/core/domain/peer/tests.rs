use super::*;

fn peer(door: Door) -> Peer {
    Peer {
        uid: 1000,
        gid: 1000,
        pid: Some(1),
        door,
        account: 1000,
        chose_gid: false,
        shares_uid: false,
    }
}

#[test]
fn the_public_door_serves_the_callers_own_customer_only() {
    let own = CustomerId::Uid(1000);
    let public = peer(Door::Public);
    assert_eq!(permit(&public, Access::SelfService, own, None).unwrap().customer(), own);
    assert!(permit(&public, Access::SelfService, own, Some(own)).is_ok());
    assert_eq!(
        permit(&public, Access::SelfService, own, Some(CustomerId::Machine)),
        Err(Refusal::ForeignCustomer)
    );
    assert_eq!(permit(&public, Access::Admin, own, None), Err(Refusal::AdminOnly));
}

#[test]
fn the_admin_door_serves_any_customer() {
    let admin = peer(Door::Admin);
    let named = Some(CustomerId::Machine);
    let permit = permit(&admin, Access::Admin, CustomerId::Uid(0), named).unwrap();
    assert_eq!(permit.customer(), CustomerId::Machine);
    assert_eq!(permit.asker(), "admin uid:1000");
}

#[test]
fn a_delegate_speaks_for_customers_that_an_administrator_made() {
    let (delegate, own) = (peer(Door::Delegate), CustomerId::Uid(1000));
    let one = Some(CustomerId::Numbered(1));
    let given = permit(&delegate, Access::SelfService, own, one).unwrap();
    assert_eq!((given.customer(), given.is_admin()), (CustomerId::Numbered(1), false));
    assert_eq!(given.asker(), "delegate uid:1000");
    assert_eq!(permit(&delegate, Access::SelfService, own, None).unwrap().customer(), own);
    for named in [CustomerId::Machine, CustomerId::Uid(1001)] {
        let refused = permit(&delegate, Access::SelfService, own, Some(named));
        assert_eq!(refused, Err(Refusal::NotDelegated), "{named}");
    }
    assert_eq!(permit(&delegate, Access::Owner, own, one), Err(Refusal::OwnerOnly));
    assert_eq!(permit(&delegate, Access::Admin, own, one), Err(Refusal::AdminOnly));
    assert!(permit(&peer(Door::Public), Access::Owner, own, None).is_ok());
}

#[test]
fn who_cannot_be_told_from_others_is_told_what_is_so_and_has_nothing_of_their_own() {
    let own = CustomerId::Uid(65_534);
    for door in [Door::Public, Door::Delegate, Door::Admin] {
        let peer = Peer { uid: 65_534, shares_uid: true, ..peer(door) };
        assert_eq!(permit(&peer, Access::Anybody, own, None).unwrap().customer(), own);
        for access in [Access::SelfService, Access::Owner, Access::Admin] {
            assert_eq!(permit(&peer, access, own, None), Err(Refusal::NotTold), "{access:?}");
        }
    }
}
