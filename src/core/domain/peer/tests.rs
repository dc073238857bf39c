use super::*;

fn peer(door: Door) -> Peer {
    Peer { uid: 1000, gid: 1000, pid: Some(1), door, account: 1000 }
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
