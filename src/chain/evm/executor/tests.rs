use super::*;
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes};
use entitled_core::evm::execute::{Outcome, Stopped};
use entitled_core::evm::rules::Rules;
use entitled_core::proof::state::testing::having;
use revm::primitives::hardfork::SpecId;

/// Jumps to its beginning for ever.
const LOOP: [u8; 4] = [0x5b, 0x60, 0x00, 0x56];
const HOUR: Duration = Duration::from_secs(3_600);

fn round(code: &[u8], asker: Asker, deadline: Instant) -> Round {
    let (facts, library) = having(Address::ZERO, code);
    let rules = Rules::exactly(SpecId::OSAKA);
    let block = Pinned { hash: B256::ZERO, header: Header::default(), rules, facts };
    let call = Call { to: Address::ZERO, data: Bytes::new() };
    let pending = vec![(0, u64::MAX)];
    let (block, library, calls) = (Arc::new(block), Arc::new(library), [call].into());
    Round { block, library, outcomes: Arc::default(), calls, pending, asker, deadline }
}

fn many(places: usize) -> u32 {
    u32::try_from(places).unwrap()
}

async fn runs(executor: &Executor, asker: Asker) -> bool {
    let soon = Instant::now() + Duration::from_millis(20);
    let deadline = if executor.free(asker) { Instant::now() + HOUR } else { soon };
    let done = executor.run(round(&[0], asker, deadline)).await;
    matches!(&done.attempts[..], [(0, it)] if it.ended == Ok(Outcome::Returned(Bytes::new())))
}

impl Executor {
    fn free(&self, asker: Asker) -> bool {
        let of_these = match asker {
            Asker::Ourselves => true,
            Asker::OfStranger => self.for_strangers.available_permits() > 0,
            Asker::Caller => self.for_callers.available_permits() > 0,
        };
        of_these && self.places.available_permits() > 0
    }
}

#[tokio::test]
async fn callers_leave_a_place_to_strangers_and_both_one_to_ourselves() {
    let executor = Executor::new(1);
    assert!(runs(&executor, Asker::Caller).await);
    let _for_callers = executor.for_callers.acquire_many(many(FOR_CALLERS)).await.unwrap();
    let _places = executor.places.acquire_many(many(FOR_CALLERS)).await.unwrap();
    assert!(!runs(&executor, Asker::Caller).await);
    assert!(runs(&executor, Asker::OfStranger).await);
    let _for_strangers = executor.for_strangers.acquire_many(many(FOR_STRANGERS)).await.unwrap();
    let _more = executor.places.acquire_many(many(FOR_STRANGERS)).await.unwrap();
    assert!(!runs(&executor, Asker::OfStranger).await);
    assert!(runs(&executor, Asker::Ourselves).await);
}

#[tokio::test]
async fn waiting_for_a_place_ends_at_the_deadline() {
    let executor = Executor::new(1);
    let places = executor.places.acquire_many(many(PLACES)).await.unwrap();
    assert!(!runs(&executor, Asker::Ourselves).await);
    drop(places);
    assert!(runs(&executor, Asker::Ourselves).await);
}

#[tokio::test]
async fn an_endless_loop_ends_after_its_slice_and_gives_back_its_place() {
    let executor = Executor::new(1);
    let endless = round(&LOOP, Asker::Caller, Instant::now() + HOUR);
    let done = executor.run(endless).await;
    let ended = &done.attempts[0].1.ended;
    assert!(matches!(ended, Ok(Outcome::Halted) | Err(Stopped::Limited)), "{ended:?}");
    assert_eq!(executor.places.available_permits(), PLACES);
    assert_eq!(executor.for_callers.available_permits(), FOR_CALLERS);
}

/// What its thread waits for meanwhile, as on a machine that has others to serve, is not its own doing.
#[tokio::test]
async fn a_contract_is_not_stopped_because_the_machine_is_busy() {
    let executor = Executor::new(1);
    let round = round(&[0], Asker::OfStranger, Instant::now() + HOUR);
    let (block, (tell, told)) = (Arc::clone(&round.block), std::sync::mpsc::channel());
    let busy = std::thread::spawn(move || {
        let _facts = block.facts();
        tell.send(()).unwrap();
        let (_open, never) = std::sync::mpsc::channel::<()>();
        never.recv_timeout(SLICE * 2).unwrap_err();
    });
    told.recv().unwrap();
    let done = executor.run(round).await;
    busy.join().unwrap();
    assert_eq!(done.attempts[0].1.ended, Ok(Outcome::Returned(Bytes::new())));
    assert!(done.took < SLICE, "{:?}", done.took);
}

#[tokio::test]
async fn many_calls_take_many_turns() {
    let many = 100_000;
    let mut round = round(&[0], Asker::Ourselves, Instant::now() + HOUR);
    // Each another call, so that none is recalled.
    let call = |it: u32| Call { to: Address::ZERO, data: it.to_be_bytes().into() };
    round.calls = (0..many).map(call).collect();
    round.pending = (0..many as usize).map(|it| (it, u64::MAX)).collect();
    let done = round.attempt(1, &AtomicBool::new(false));
    assert!(!done.attempts.is_empty() && done.attempts.len() < round.pending.len());
    assert_eq!(done.attempts[0].0, 0, "in order");
}

#[tokio::test]
async fn nobody_works_for_one_who_gave_up() {
    let round = round(&LOOP, Asker::Caller, Instant::now() + HOUR);
    assert!(round.attempt(1, &AtomicBool::new(true)).attempts.is_empty());
}

#[tokio::test]
async fn a_place_stays_taken_until_the_work_is_over() {
    let executor = Arc::new(Executor::new(1));
    let endless = round(&LOOP, Asker::Caller, Instant::now() + HOUR);
    let running = tokio::spawn({
        let executor = Arc::clone(&executor);
        async move { executor.run(endless).await }
    });
    while executor.places.available_permits() == PLACES {
        tokio::task::yield_now().await;
    }
    running.abort();
    // It hears of it and stops; then both are free again.
    let _all = executor.places.acquire_many(many(PLACES)).await.unwrap();
    assert_eq!(executor.for_callers.available_permits(), FOR_CALLERS);
}
