use super::*;

fn admin(uid: u32, gid: u32) -> Peer {
    Peer {
        uid,
        gid,
        pid: None,
        door: Door::Admin,
        account: uid,
        chose_gid: false,
        shares_uid: false,
    }
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
    let chosen = Peer { chose_gid: true, ..admin(4_000_000_000, 4_000_000_001) };
    assert!(!may_enter(&chosen, group).await, "one of its own subordinate gids");
}

#[tokio::test]
async fn anybody_may_use_the_public_door() {
    let peer = Peer { door: Door::Public, ..admin(4_000_000_000, 77) };
    assert!(may_enter(&peer, None).await);
}

#[test]
fn a_user_nobody_knows_is_in_no_group() {
    assert!(!is_member(4_000_000_000, 77));
}

#[test]
fn a_subordinate_uid_is_in_the_groups_of_its_owner_too() {
    let (nobodys, gid) = (4_000_000_000, 4_000_000_001);
    let alone = groups(nobodys, Some(gid), nobodys).unwrap();
    assert_eq!(alone, [gid], "the user database has nothing to say");
    let with_owner = groups(nobodys, Some(gid), 0).unwrap();
    assert_eq!(with_owner.first(), Some(&gid), "its own comes first");
    assert!(with_owner.contains(&0), "{with_owner:?}");
}

#[test]
fn a_user_is_in_its_primary_group_whichever_it_runs_with() {
    assert!(groups(0, Some(4_000_000_001), 0).unwrap().contains(&0));
}

#[test]
fn a_group_of_ones_own_choice_counts_only_for_whom_the_user_database_has_in_it() {
    let chosen = Peer { chose_gid: true, ..admin(4_000_000_000, 4_000_000_001) };
    assert!(groups(chosen.uid, chosen.group(), chosen.uid).unwrap().is_empty());
    let chosen = Peer { chose_gid: true, ..admin(0, 0) };
    assert!(groups(chosen.uid, chosen.group(), chosen.uid).unwrap().contains(&0));
}

#[test]
fn what_cannot_be_found_out_is_an_error_and_no_entry_is_none() {
    assert!(found::<u32>(Err(Errno::ENOENT)).is_ok_and(|it| it.is_none()));
    for error in [Errno::EACCES, Errno::EMFILE, Errno::EIO, Errno::ECONNREFUSED] {
        assert!(found::<u32>(Err(error)).is_err(), "{error}");
    }
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    drop(std::os::unix::net::UnixListener::bind(at("socket")).unwrap());
    assert!(can_be_opened(&at("socket")).is_err());
    assert!(can_be_opened(&at("nothing")).is_ok());
}
