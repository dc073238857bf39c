//! OwnershipLedger by its messages.

use alloy_primitives::{Address, B256};

use super::*;
use crate::store::StoreSettings;
use crate::store::schema::SCHEMA;
use entitled_core::domain::ids::{ChainId, Collection, CustomerId, Timestamp};
use entitled_core::domain::ownership::{Anchor, Sighting};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + seconds).unwrap()
}

fn asked() -> Asked {
    Asked { by: "admin uid:0".into(), at: at(1) }
}

/// Runs a conversation with a ledger of its own.
fn converse<F: Future<Output = ()>>(talk: impl FnOnce(Addr<OwnershipLedger>, Store) -> F) {
    let dir = tempfile::tempdir().unwrap();
    let settings = StoreSettings::at(dir.path().join("ledger.redb"));
    let store = Store::open(settings, at(0)).unwrap();
    actix::System::new().block_on(async {
        let ledger = OwnershipLedger::new(store.clone()).start();
        talk(ledger, store.clone()).await;
    });
    store.close().unwrap();
}

fn create(name: &str, uids: &[u32]) -> CreateCustomer {
    let new = NewCustomer { name: name.into(), uids: uids.to_vec(), ..Default::default() };
    CreateCustomer { new, asked: asked() }
}

fn add(byte: u8, sealed_key: Option<&[u8]>) -> AddWallet {
    let origin = match sealed_key {
        Some(key) => Origin::Created { sealed_key: key.to_vec() },
        None => Origin::Linked { nonce: None, contract: None, proof: None },
    };
    add_by(origin, byte)
}

fn add_by(origin: Origin, byte: u8) -> AddWallet {
    let (address, customer) = (Address::repeat_byte(byte), CustomerId::Uid(1000));
    AddWallet { new: NewWallet { address, customer, label: None, origin }, asked: asked() }
}

#[test]
fn a_change_is_seen_by_the_question_after_it() {
    converse(|ledger, _| async move {
        let made = ledger.send(create("Ada", &[7])).await.unwrap().unwrap();
        let found = ledger.send(FindCustomer { id: made.id }).await.unwrap().unwrap();
        assert_eq!(found, Some(made.clone()));
        assert_eq!(ledger.send(CustomerOf { uid: 7 }).await.unwrap().unwrap(), made.id);
    });
}

#[test]
fn refusals_keep_their_kind() {
    converse(|ledger, _| async move {
        ledger.send(create("Ada", &[7])).await.unwrap().unwrap();
        let conflict = ledger.send(create("Bob", &[7])).await.unwrap();
        assert!(matches!(conflict, Err(LedgerError::Conflict { .. })));
        let (id, edit) = (CustomerId::Numbered(9), CustomerEdit::default());
        let update = UpdateCustomer { id, edit, asked: asked() };
        let missing = ledger.send(update).await.unwrap();
        assert!(matches!(missing, Err(LedgerError::NotFound { what: "customer" })));
        let answer = Origin::Linked { nonce: Some("none".into()), contract: None, proof: None };
        let spent = ledger.send(add_by(answer, 1)).await.unwrap();
        assert!(matches!(spent, Err(LedgerError::ChallengeSpent)));
    });
}

#[test]
fn trouble_with_the_store_is_told_as_trouble() {
    converse(|ledger, store| async move {
        store.close().unwrap();
        let change = ledger.send(create("Ada", &[])).await.unwrap();
        assert!(matches!(change, Err(LedgerError::Store { .. })));
        let question = ledger.send(FindProgress).await.unwrap();
        assert!(matches!(question, Err(LedgerError::Store { .. })));
    });
}

#[test]
fn a_destroyed_key_is_gone_when_the_answer_comes() {
    converse(|ledger, _| async move {
        ledger.send(add(1, Some(b"sealed"))).await.unwrap().unwrap();
        let address = Address::repeat_byte(1);
        let customer = CustomerId::Uid(1000);
        let remove = RemoveWallet { address, customer, destroy_key: true, asked: asked() };
        let removed = ledger.send(remove.clone()).await.unwrap().unwrap();
        assert!(!removed.active);
        let found = ledger.send(FindWallet { address }).await.unwrap().unwrap();
        assert_eq!(found, Some((removed, None)));
        let again = ledger.send(remove).await.unwrap();
        assert!(matches!(again, Err(LedgerError::NotFound { what: "wallet" })));
    });
}

#[test]
fn the_audit_tells_what_was_done_and_verifies() {
    converse(|ledger, _| async move {
        let note = NoteAudit {
            action: AuditAction::ProductInstalled,
            subject: "acme-cad".into(),
            detail: "version 3".into(),
            asked: asked(),
        };
        let noted = ledger.send(note).await.unwrap().unwrap();
        let list = ListAudit { since: None, after: Some(1), last: None, limit: 9 };
        let listed = ledger.send(list).await.unwrap().unwrap();
        assert_eq!(listed, std::slice::from_ref(&noted));
        let state = ledger.send(VerifyAudit).await.unwrap().unwrap();
        assert_eq!((state.entries, state.broken_at, state.head), (2, None, noted.hash));
    });
}

#[test]
fn the_audit_is_verified_for_one_at_a_time() {
    converse(|ledger, _| async move {
        // So that it takes a while.
        let note = || NoteAudit {
            action: AuditAction::ProductInstalled,
            subject: "acme-cad".into(),
            detail: "version 3".into(),
            asked: asked(),
        };
        for noted in futures_util::future::join_all((0..500).map(|_| ledger.send(note()))).await {
            noted.unwrap().unwrap();
        }
        let many = futures_util::future::join_all((0..24).map(|_| ledger.send(VerifyAudit))).await;
        let (verified, busy): (Vec<_>, Vec<_>) =
            many.into_iter().map(Result::unwrap).partition(Result::is_ok);
        assert!(!verified.is_empty() && !busy.is_empty(), "{} of 24 were told to wait", busy.len());
        assert!(busy.iter().all(|it| matches!(it, Err(LedgerError::Busy { .. }))), "{busy:?}");
        ledger.send(VerifyAudit).await.unwrap().unwrap();
    });
}

#[test]
fn figures_count_what_is_there() {
    converse(|ledger, _| async move {
        ledger.send(add(1, None)).await.unwrap().unwrap();
        let figures = ledger.send(FindFigures).await.unwrap().unwrap();
        assert_eq!((figures.customers, figures.wallets, figures.audit_entries), (2, 1, 3));
        assert_eq!((figures.schema, figures.commits, figures.changes), (SCHEMA, 1, 1));
        assert!(figures.file_bytes > 0);
    });
}

/// What a ledger told, with how many commits there had been by then.
type Told = Arc<std::sync::Mutex<Vec<(Whose, u64)>>>;

fn listening(store: &Store) -> (OwnershipLedger, Told) {
    let told = Told::default();
    let (kept, read) = (Arc::clone(&told), store.clone());
    let on_change = move |whose| {
        let commits = read.usage().unwrap().commits;
        kept.lock().unwrap().push((whose, commits));
    };
    (OwnershipLedger::new(store.clone()).telling(Arc::new(on_change)), told)
}

#[test]
fn what_entitlements_rest_on_is_told_when_it_is_durable_and_before_it_is_acknowledged() {
    converse(|_, store| async move {
        let (ledger, told) = listening(&store);
        let ledger = ledger.start();
        let news = || std::mem::take(&mut *told.lock().unwrap());
        let own = CustomerId::Uid(1000);
        let made = ledger.send(create("Ada", &[7])).await.unwrap().unwrap();
        assert_eq!(news(), [(Whose::Users(made.id), 1)]);
        let edit = CustomerEdit { active: Some(false), ..Default::default() };
        let update = UpdateCustomer { id: made.id, edit, asked: asked() };
        ledger.send(update).await.unwrap().unwrap();
        assert_eq!(news(), [(Whose::Users(made.id), 2)]);
        ledger.send(add(1, Some(b"sealed"))).await.unwrap().unwrap();
        assert_eq!(news(), [(Whose::Customer(own), 3)]);
        let address = Address::repeat_byte(1);
        let remove = RemoveWallet { address, customer: own, destroy_key: true, asked: asked() };
        ledger.send(remove).await.unwrap().unwrap();
        assert_eq!(news(), [(Whose::Customer(own), 4)], "before the key is freed");

        // Refused, or of no concern to anybody's entitlement.
        assert!(ledger.send(create("Ada", &[7])).await.unwrap().is_err());
        let note = NoteAudit {
            action: AuditAction::ProductInstalled,
            subject: "acme-cad".into(),
            detail: String::new(),
            asked: asked(),
        };
        ledger.send(note).await.unwrap().unwrap();
        assert_eq!(news(), []);
    });
}

#[test]
fn a_change_of_which_nothing_is_known_concerns_everybody() {
    converse(|_, store| async move {
        let told = Told::default();
        let kept = Arc::clone(&told);
        let on_change = Arc::new(move |whose| kept.lock().unwrap().push((whose, 0)));
        let ledger = OwnershipLedger::new(store.clone()).telling(on_change).start();
        store.close().unwrap();
        assert!(ledger.send(create("Ada", &[])).await.unwrap().is_err());
        assert_eq!(*told.lock().unwrap(), [(Whose::Everybody, 0)]);
    });
}

/// Panics in the actor, as a mistake in a handler would.
#[derive(Message)]
#[rtype(result = "()")]
struct Stumble;

impl Handler<Stumble> for OwnershipLedger {
    type Result = ();
    fn handle(&mut self, _: Stumble, _: &mut Self::Context) {
        panic!("on purpose")
    }
}

/// Runs a ledger that is restarted, as the supervisor does it, when it panics.
fn supervised(actor: OwnershipLedger) -> Addr<OwnershipLedger> {
    let context = Context::new();
    let ledger = context.address();
    let mut running = Box::pin(context.into_future(actor));
    actix::spawn(std::future::poll_fn(move |task| {
        loop {
            let poll = || running.as_mut().poll(task);
            match std::panic::catch_unwind(std::panic::AssertUnwindSafe(poll)) {
                Ok(state) => return state,
                Err(_) => assert!(running.restart()),
            }
        }
    }));
    ledger
}

#[test]
fn after_a_panic_a_restart_serves_the_same_store_at_the_same_address() {
    converse(|_, store| async move {
        let ledger = supervised(OwnershipLedger::new(store));
        let made = ledger.send(create("Ada", &[])).await.unwrap().unwrap();
        assert!(ledger.send(Stumble).await.is_err());
        let found = ledger.send(FindCustomer { id: made.id }).await.unwrap().unwrap();
        assert_eq!(found, Some(made));
        assert!(ledger.send(create("Bob", &[])).await.unwrap().is_ok());
    });
}

#[test]
fn a_change_is_told_though_nobody_waits_for_it_and_the_actor_stumbles_meanwhile() {
    converse(|_, store| async move {
        let (actor, told) = listening(&store);
        let ledger = supervised(actor);
        ledger.try_send(create("Ada", &[7])).unwrap();
        assert!(ledger.send(Stumble).await.is_err());
        for _ in 0..1_000 {
            if !told.lock().unwrap().is_empty() {
                break;
            }
            actix_rt::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(*told.lock().unwrap(), [(Whose::Users(CustomerId::Numbered(1)), 1)]);
        ledger.send(create("Bob", &[8])).await.unwrap().unwrap();
        assert_eq!(told.lock().unwrap().len(), 2, "it goes on telling after the restart");
    });
}

#[test]
fn a_look_is_counted_though_the_actor_stumbles_before_it_is_recorded() {
    converse(|_, store| async move {
        let (written, go_on) = std::sync::mpsc::channel::<()>();
        let ahead = store.write(move |_| {
            let _ = go_on.recv();
            Ok(())
        });
        let ledger = supervised(OwnershipLedger::new(store.clone()));
        let look = RecordSightings { look: Look::default(), asked: asked() };
        ledger.try_send(look).unwrap();
        assert!(ledger.send(Stumble).await.is_err());
        assert_eq!(ledger.send(LooksRecorded).await.unwrap(), 0, "it still waits to be written");
        written.send(()).unwrap();
        ahead.await.unwrap();
        for _ in 0..1_000 {
            if ledger.send(LooksRecorded).await.unwrap() > 0 {
                break;
            }
            actix_rt::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(ledger.send(LooksRecorded).await.unwrap(), 1);
    });
}

fn collection() -> Collection {
    let contract = Address::repeat_byte(0xcc);
    Collection {
        chain: ChainId(1),
        standard: entitled_core::domain::ids::Standard::Erc721,
        contract,
    }
}

/// A look that saw, at the block of its own number, whether the first wallet holds the one token there is.
fn look(number: u64, held: bool) -> RecordSightings {
    use entitled_core::domain::ownership::{Finality, Finding, Reach, Rule, Target, Trust};
    let anchor = Anchor {
        chain: ChainId(1),
        number,
        hash: B256::with_last_byte(u8::try_from(number).unwrap()),
        time: at(1),
        finality: Finality::Latest,
        trust: Trust::Single,
        attestation: None,
    };
    let sighting = Sighting {
        look: number,
        seen_at: at(1),
        wallet: Address::repeat_byte(1),
        rule: Rule::Owner,
        reach: Reach::default(),
        target: Target::Token(collection().token(alloy_primitives::U256::from(7))),
        finding: match held {
            true => Finding::Held { until: None, anchor },
            false => Finding::NotHeld { anchor },
        },
        amount: None,
        whole: None,
        via: Vec::new(),
    };
    let look = Look { sightings: vec![sighting], ..Look::default() };
    RecordSightings { look, asked: asked() }
}

fn claim(number: u64, held: bool) -> RecordClaim {
    let RecordSightings { look, asked } = look(number, held);
    let wallets = vec![Address::repeat_byte(1)];
    RecordClaim { customer: CustomerId::Uid(1000), wallets, look, asked }
}

#[test]
fn a_claim_is_told_for_its_customer_before_it_is_acknowledged() {
    converse(|_, store| async move {
        let (ledger, told) = listening(&store);
        let ledger = ledger.start();
        let news = || std::mem::take(&mut *told.lock().unwrap());
        let own = Whose::Customer(CustomerId::Uid(1000));
        ledger.send(add(1, None)).await.unwrap().unwrap();
        assert_eq!(news(), [(own, 1)]);
        let first = ledger.send(claim(1, true)).await.unwrap().unwrap().unwrap();
        assert_eq!(news(), [(own, 2)]);
        assert_eq!(newest_look(&ledger).await, Some(1));
        let again = ledger.send(claim(2, true)).await.unwrap().unwrap();
        assert_eq!(again, Some(first), "what is recorded is not recorded anew");
        assert_eq!(newest_look(&ledger).await, Some(1));
        assert!(matches!(&news()[..], [(whose, _)] if *whose == own), "and is read all the same");
    });
}

#[test]
fn what_a_claim_has_proven_counts_though_it_cannot_be_written() {
    converse(|_, store| async move {
        let (ledger, told) = listening(&store);
        let ledger = ledger.start();
        ledger.send(add(1, None)).await.unwrap().unwrap();
        fail_to_write(&ledger, &store, claim(1, true)).await;
        assert_eq!(newest_look(&ledger).await, Some(1));
        let last = told.lock().unwrap().last().map(|(whose, _)| *whose);
        assert_eq!(last, Some(Whose::Everybody));
    });
}

/// The number of the newest look the ledger knows of.
async fn newest_look(ledger: &Addr<OwnershipLedger>) -> Option<u64> {
    let ask = FindFacts { customers: vec![CustomerId::Uid(1000)], collections: vec![collection()] };
    let facts = ledger.send(ask).await.unwrap().unwrap();
    facts.sightings.iter().map(|it| it.look).max()
}

/// Has the store fail to write `order`, as on a full disk: another of its group panics.
async fn fail_to_write<M, T>(ledger: &Addr<OwnershipLedger>, store: &Store, order: M)
where
    M: Message<Result = Result<T, LedgerError>> + Send + 'static,
    T: Send + 'static,
    OwnershipLedger: Handler<M>,
{
    let (written, go_on) = std::sync::mpsc::channel::<()>();
    let ahead = store.write(move |_| {
        let _ = go_on.recv();
        Ok(())
    });
    // The writer has taken up the first group, before there is a second one.
    actix_rt::time::sleep(std::time::Duration::from_millis(100)).await;
    let recorded = ledger.send(order);
    ledger.send::<LooksRecorded>(LooksRecorded).await.unwrap();
    let stumbling = store.write(|_| -> Result<(), _> { panic!("on purpose") });
    let release = async {
        written.send(()).unwrap();
        ahead.await.unwrap();
        stumbling.await.unwrap_err();
    };
    let (recorded, ()) = futures_util::future::join(recorded, release).await;
    assert!(matches!(recorded.unwrap(), Err(LedgerError::Store { .. })));
}

#[test]
fn what_was_seen_and_could_not_be_written_counts_and_is_written_later() {
    converse(|ledger, store| async move {
        ledger.send(add(1, None)).await.unwrap().unwrap();
        ledger.send(look(1, true)).await.unwrap().unwrap();
        fail_to_write(&ledger, &store, look(2, false)).await;
        assert_eq!(newest_look(&ledger).await, Some(2), "what was proven is not forgotten");
        let other = OwnershipLedger::new(store.clone()).start();
        assert_eq!(newest_look(&other).await, Some(1), "it is not in the file");

        // The next look that can be written is at another wallet.
        let mut other_wallet = look(1, true);
        other_wallet.look.sightings[0].wallet = Address::repeat_byte(9);
        ledger.send(other_wallet).await.unwrap().unwrap();
        for _ in 0..1_000 {
            if newest_look(&other).await == Some(2) {
                break;
            }
            actix_rt::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(newest_look(&other).await, Some(2));
    });
}

#[test]
fn what_could_not_be_written_of_a_chain_that_is_gone_is_forgotten_with_it() {
    converse(|ledger, store| async move {
        ledger.send(add(1, None)).await.unwrap().unwrap();
        fail_to_write(&ledger, &store, look(2, true)).await;
        ledger.send(ForgetChain { chain: ChainId(1) }).await.unwrap().unwrap();
        assert_eq!(newest_look(&ledger).await, None);
    });
}
