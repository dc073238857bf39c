use super::*;

#[derive(Message)]
#[rtype(result = "u32")]
struct Count;

#[derive(Message)]
#[rtype(result = "()")]
struct Break;

/// Panics inside a future of its own, not in a handler.
#[derive(Message)]
#[rtype(result = "()")]
struct BreakLater;

#[derive(Default)]
struct Counter(u32);

impl Actor for Counter {
    type Context = Context<Self>;
}

impl Supervised for Counter {
    fn restarting(&mut self, _: &mut Context<Self>) {
        *self = Self::default();
    }
}

impl Handler<Count> for Counter {
    type Result = u32;
    fn handle(&mut self, _: Count, _: &mut Context<Self>) -> u32 {
        self.0 += 1;
        self.0
    }
}

impl Handler<Break> for Counter {
    type Result = ();
    fn handle(&mut self, _: Break, _: &mut Context<Self>) {
        panic!("broken on purpose");
    }
}

impl Handler<BreakLater> for Counter {
    type Result = ResponseActFuture<Self, ()>;
    fn handle(&mut self, _: BreakLater, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async { panic!("broken later on purpose") }.into_actor(self))
    }
}

fn quick() -> Policy {
    Policy { rests: vec![Duration::ZERO], ..Policy::default() }
}

#[actix::test]
async fn a_panic_keeps_the_address_and_the_queue_and_replaces_the_state() {
    let tree = Tree::new(quick());
    let counter = tree.start("counter", Counter::default());
    assert_eq!(counter.send(Count).await, Ok(1));
    let (broken, queued) =
        futures_util::future::join(counter.send(Break), counter.send(Count)).await;
    assert!(broken.is_err());
    assert_eq!(queued, Ok(1), "answered by the fresh state");
    assert!(counter.send(BreakLater).await.is_err());
    assert_eq!(counter.send(Count).await, Ok(1));
    assert_eq!(tree.children()[0].restarts(), 2);
}

#[actix::test]
async fn those_started_later_are_restarted_too_and_those_before_are_not() {
    let tree = Tree::new(quick());
    let first = tree.start("first", Counter::default());
    let second = tree.start("second", Counter::default());
    let third = tree.start("third", Counter::default());
    for it in [&first, &second, &third] {
        assert_eq!(it.send(Count).await, Ok(1));
    }
    assert!(second.send(Break).await.is_err());
    assert_eq!(second.send(Count).await, Ok(1));
    assert_eq!(third.send(Count).await, Ok(1));
    assert_eq!(first.send(Count).await, Ok(2));
}

#[actix::test]
async fn failing_too_often_escalates() {
    let tree = Tree::new(quick());
    let counter = tree.start("counter", Counter::default());
    for _ in 0..4 {
        assert!(counter.send(Break).await.is_err());
    }
    assert_eq!(tree.failed().await, "counter");
}

#[actix::test]
async fn stopping_ends_every_child() {
    let tree = Tree::new(quick());
    let counter = tree.start("counter", Counter::default());
    assert_eq!(counter.send(Count).await, Ok(1));
    tree.stop().await;
    assert!(!tree.children()[0].is_running());
    assert!(counter.send(Count).await.is_err());
}
