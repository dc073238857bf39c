//! What one user piles up, and who waits for it.

use std::cell::Cell;
use std::rc::Rc;

use super::*;

const HOSTILE: u32 = 65_534;
const PILED: usize = 60;

/// Close to the dearest typed data there may be: 60 types of some 4 KiB, and over a hundred structs.
fn costly() -> Payload {
    let fields: Vec<_> = (0..60)
        .map(|it| json!({"name": format!("field{it}"), "type": format!("Type{it}[]")}))
        .collect();
    let mut types = json!({"EIP712Domain": [], "Note": fields});
    let mut message = json!({});
    for it in 0..60 {
        types[format!("Type{it}")] = json!([]);
        message[format!("field{it}")] = json!(vec![json!({}); 2]);
    }
    let primary = "Note";
    Payload::TypedData(
        json!({"types": types, "primaryType": primary, "domain": {}, "message": message}),
    )
}

fn question(uid: u32, payload: Payload) -> VerifyMessage {
    let signature = format!("0x{}1b", "11".repeat(64));
    VerifyMessage { address: Address::ZERO, payload, signature, chain: None, uid }
}

#[actix::test]
async fn what_one_user_piles_up_keeps_nobody_else_waiting() {
    let house = house();
    let answered = Rc::new(Cell::new(0));
    for _ in 0..PILED {
        let (reply, answered) =
            (house.keeper.send(question(HOSTILE, costly())), Rc::clone(&answered));
        actix::spawn(async move {
            let verified = reply.await.unwrap().unwrap();
            assert!(!verified.valid);
            answered.set(answered.get() + 1);
        });
    }
    // Now the pile is in the mailbox, and all that is asked now is behind it.
    tokio::task::yield_now().await;
    let text = Payload::Text("hello".to_owned());
    house.keeper.send(question(UID, text)).await.unwrap().unwrap();
    house.create().await.unwrap();
    assert!(house.keeper.send(FindKeysStatus).await.unwrap().is_ok());
    assert!(answered.get() < PILED / 2, "{} of the pile came first", answered.get());
    while answered.get() < PILED {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[actix::test]
async fn a_user_whose_places_are_all_taken_is_refused_alone() {
    let house = house();
    let pile: Vec<_> = (0..100).map(|_| house.keeper.send(question(HOSTILE, costly()))).collect();
    let replies = futures_util::future::join_all(pile).await;
    let refused = replies.iter().filter(|it| matches!(it, Ok(Err(KeeperError::Crowded)))).count();
    assert!((1..100).contains(&refused), "{refused}");
    let text = Payload::Text("hello".to_owned());
    assert!(house.keeper.send(question(HOSTILE, text)).await.unwrap().is_ok(), "it is over");
}

#[actix::test]
async fn keystores_are_made_one_at_a_time_and_each_user_has_a_turn() {
    let house = house();
    let address = house.create().await.unwrap().address;
    let order = |uid| {
        let passphrase = Secret::new("twelve words".to_owned());
        ExportKey { address, customer: OWNER, passphrase, uid, asked: noon() }
    };
    let (one, again, other) = futures_util::join!(
        house.keeper.send(order(HOSTILE)),
        house.keeper.send(order(HOSTILE)),
        house.keeper.send(order(UID)),
    );
    assert!(one.unwrap().is_ok());
    assert!(matches!(again.unwrap(), Err(KeeperError::Crowded)), "one place for each user");
    assert!(other.unwrap().is_ok(), "another user waits for its turn and is not refused");
}
