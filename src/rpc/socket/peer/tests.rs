use super::*;

fn admin(uid: u32, gid: u32) -> Peer {
    Peer { uid, gid, pid: None, door: Door::Admin, account: uid, shares_uid: false }
}

#[tokio::test]
async fn the_kernel_names_this_process() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let peer = identify(&ours, Door::Public).unwrap();
    assert_eq!(peer.uid, geteuid().as_raw());
    assert_eq!(peer.pid, Some(i32::try_from(std::process::id()).unwrap()));
}

#[tokio::test]
async fn the_admin_door_is_for_root_ourselves_and_the_group() {
    let group = Some(4_000_000_001);
    assert!(may_enter(&admin(0, 0), None).await);
    assert!(may_enter(&admin(geteuid().as_raw(), 77), None).await);
    assert!(may_enter(&admin(4_000_000_000, 4_000_000_001), group).await);
    assert!(!may_enter(&admin(4_000_000_000, 77), group).await);
    assert!(!may_enter(&admin(4_000_000_000, 77), None).await);
}

#[tokio::test]
async fn anybody_may_use_the_public_door() {
    let peer = Peer { door: Door::Public, ..admin(4_000_000_000, 77) };
    assert!(may_enter(&peer, None).await);
}

#[test]
fn a_user_nobody_knows_is_in_no_group() {
    assert!(!is_member(4_000_000_000, 77, 77));
}

#[test]
fn a_subordinate_uid_is_in_the_groups_of_its_owner_too() {
    let (nobodys, gid) = (4_000_000_000, 4_000_000_001);
    assert_eq!(groups(nobodys, gid, nobodys), [gid], "the user database has nothing to say");
    let with_owner = groups(nobodys, gid, 0);
    assert_eq!(with_owner.first(), Some(&gid), "its own comes first");
    assert!(with_owner.contains(&0), "{with_owner:?}");
}
