//! Keys exchanged, locked and unlocked while wallets are used.

use super::*;
use entitled_core::domain::secret::Secret;

async fn settled(keeper: &Addr<WalletKeeper>) -> KeysStatus {
    loop {
        let status = keeper.send(FindKeysStatus).await.unwrap().unwrap();
        let rotating = |it: &RotationStatus| it.state == RotationState::UnderWay;
        if !status.rotation.as_ref().is_some_and(rotating) {
            return status;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

fn rotate() -> RotateKeys {
    RotateKeys { passphrase: None, asked: noon() }
}

#[actix::test]
async fn wallets_sign_while_the_keys_are_rotated_and_after() {
    let house = house();
    let one = house.create().await.unwrap().address;
    let two = house.create().await.unwrap().address;
    house.unlink(two, false).await.unwrap();
    let before = settled(&house.keeper).await;
    house.keeper.send(rotate()).await.unwrap().unwrap();
    assert!(house.sign(one, OWNER, "during").await.is_ok());
    let after = settled(&house.keeper).await;
    let rotation = after.rotation.unwrap();
    assert_eq!((rotation.state, rotation.total), (RotationState::Done, 2));
    assert_eq!((after.wallets, after.under_key), (2, 2));
    assert_ne!(after.key, before.key);
    assert!(house.sign(one, OWNER, "after").await.is_ok());
    assert!(house.create().await.is_ok());
    let found = house.ledger.send(FindSealedKeys).await.unwrap().unwrap();
    let census = Census::of(found.iter().map(|it| it.record.as_slice()));
    let again = KeyRing::open_for(KeySource::File(house.dir.path().join("kek")), None, &census);
    assert_eq!(again.key_id().map(|it| it.to_string()), after.key);
}

#[actix::test]
async fn wallets_made_while_the_keys_are_rotated_are_not_left_behind() {
    let house = house();
    let creates = futures_util::future::join_all((0..20).map(|_| house.create()));
    let rotated = async { house.keeper.send(rotate()).await.unwrap() };
    let (made, begun) = futures_util::join!(creates, rotated);
    begun.unwrap();
    let status = settled(&house.keeper).await;
    assert_eq!(status.rotation.unwrap().state, RotationState::Done);
    for reply in made {
        match reply {
            Ok(wallet) => assert!(house.sign(wallet.address, OWNER, "hello").await.is_ok()),
            Err(error) => assert!(matches!(error, KeeperError::KeysBusy), "{error:?}"),
        }
    }
}

#[actix::test]
async fn a_damaged_wallet_stops_the_rotation_and_the_old_key_stays() {
    let house = house();
    let one = house.create().await.unwrap().address;
    let two = house.create().await.unwrap().address;
    house.ledger.send(Swap(one, two)).await.unwrap();
    let before = settled(&house.keeper).await;
    house.keeper.send(rotate()).await.unwrap().unwrap();
    let after = settled(&house.keeper).await;
    let RotationState::Failed { why } = after.rotation.unwrap().state else { panic!("it rotated") };
    assert!(why.contains(&two.to_string()), "{why}");
    assert_eq!(after.key, before.key);
    assert!(house.sign(one, OWNER, "hello").await.is_ok());
    assert!(!house.dir.path().join("kek.next").exists());
}

#[actix::test]
async fn a_ledger_that_refuses_leaves_the_old_key_and_a_rotation_can_be_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = MemoryLedger { refuses_replacements: true, ..MemoryLedger::default() }.start();
    let house = House { keeper: keeper_at(dir.path(), &ledger, "kek"), ledger, dir };
    let address = house.create().await.unwrap().address;
    let before = settled(&house.keeper).await;
    house.keeper.send(rotate()).await.unwrap().unwrap();
    let after = settled(&house.keeper).await;
    let failed = RotationState::Failed { why: "the disk is full".to_owned() };
    assert_eq!((after.rotation.unwrap().state, after.key), (failed, before.key));
    assert!(!house.dir.path().join("kek.next").exists());
    assert!(house.sign(address, OWNER, "hello").await.is_ok());
    assert!(house.keeper.send(rotate()).await.unwrap().is_ok());
}

#[actix::test]
async fn there_is_one_rotation_at_a_time() {
    let house = house();
    let (one, two) = futures_util::join!(house.keeper.send(rotate()), house.keeper.send(rotate()));
    assert!(one.unwrap().is_ok());
    let two = two.unwrap();
    assert!(matches!(two, Err(KeeperError::KeysBusy)), "{two:?}");
}

#[actix::test]
async fn a_passphrase_unlocks_what_it_locked_and_guessing_is_slowed_down() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = MemoryLedger::default().start();
    let machine = MachineName::read_or_make(&dir.path().join("machine-id")).unwrap();
    let source = || KeySource::Passphrase(dir.path().join("kek.passphrase"));
    let start =
        || WalletKeeper::new(&ledger, KeyRing::open(source(), None), machine.clone()).start();
    let unlock = |text: &str, set| UnlockKeys {
        passphrase: Secret::new(text.to_owned()),
        set,
        asked: noon(),
    };
    let keeper = start();
    let status = keeper.send(unlock("right one", true)).await.unwrap().unwrap();
    assert!(matches!(status.state, KeyRingState::Open { .. }), "{status:?}");

    let keeper = start();
    for _ in 0..5 {
        let wrong = keeper.send(unlock("wrong one", false)).await.unwrap();
        assert!(matches!(wrong, Err(KeeperError::StillLocked { .. })), "{wrong:?}");
    }
    let slowed = keeper.send(unlock("right one", false)).await.unwrap();
    assert!(matches!(slowed, Err(KeeperError::TooManyTries)), "{slowed:?}");
    let mut later = unlock("right one", false);
    later.asked = asked("2026-11-22T12:02:00Z");
    let open = keeper.send(later).await.unwrap().unwrap();
    assert_eq!(open.key, status.key);
}
