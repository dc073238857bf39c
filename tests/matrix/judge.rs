//! Judges everything the daemon says: a yes has to name a block at which it was true, a no has to be true, and
//! what was proven once stays allowed for as long as nobody can say otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::socket::{Line, result_of};

/// What is true of one product's licence, and what may be said of it.
#[derive(Debug, Clone)]
struct Truth {
    /// Ours, and not somebody else's.
    held: bool,
    gone: &'static str,
    /// The last block at which it was surely held; `None` as long as nobody takes it away.
    taken_after: Option<u64>,
    /// Who has heard a yes already: what one connection is told may overtake what another is.
    known: BTreeSet<Ear>,
}

/// Who hears it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ear {
    Asking,
    Listening,
}

/// All products, what was said of them, and what of that was wrong.
#[derive(Clone, Default)]
pub struct Judge(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    truths: BTreeMap<String, Truth>,
    /// The phase of the test, for the report.
    phase: String,
    wrong: Vec<String>,
}

impl Judge {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn expect(&self, product: &str, held: bool, gone: &'static str) {
        let truth = Truth { held, gone, taken_after: None, known: BTreeSet::new() };
        self.book().truths.insert(product.to_owned(), truth);
    }

    pub fn phase(&self, phase: &str) {
        phase.clone_into(&mut self.book().phase);
    }

    /// From now on the licence may be gone; after `block` it will be.
    pub fn taken_after(&self, product: &str, block: u64) {
        self.book().truths.get_mut(product).unwrap().taken_after = Some(block);
    }

    pub fn hear(&self, ear: Ear, verdict: &Value) {
        let mut book = self.book();
        let product = verdict["product"].as_str().unwrap();
        let truth = book.truths.get_mut(product).unwrap_or_else(|| panic!("{verdict}"));
        let fault = truth.judge(ear, verdict);
        if let Some(fault) = fault {
            let line = format!("{} ({}): {verdict}", fault, book.phase);
            book.wrong.push(line);
        }
    }

    /// # Panics
    /// When anything said so far was wrong.
    pub fn all_was_right(&self) {
        let wrong = self.book().wrong.join("\n");
        assert!(wrong.is_empty(), "wrong:\n{wrong}");
    }
}

impl Truth {
    /// What is wrong with a verdict.
    fn judge(&mut self, ear: Ear, verdict: &Value) -> Option<&'static str> {
        let code = verdict["code"].as_str().unwrap();
        let valid = matches!(code, "VALID" | "GRACE");
        if verdict["valid"] != json!(valid) {
            return Some("code and `valid` do not fit");
        }
        if valid && !self.held {
            return Some("a yes that was never true");
        }
        if valid {
            self.known.insert(ear);
            let at = verdict["anchor"]["number"].as_u64();
            let Some(at) = at else { return Some("a yes of no block") };
            return self
                .taken_after
                .is_some_and(|last| at > last)
                .then_some("a yes of a block at which it was gone");
        }
        if code == self.gone || code == "NOT_HELD" {
            let right = !self.held || (code == self.gone && self.taken_after.is_some());
            return (!right).then_some("a no that was not true");
        }
        match code {
            // Before anybody has a wallet.
            "NO_WALLET" => self.known.contains(&ear).then_some("the wallet was forgotten"),
            "UNDETERMINED" => {
                let forgot = self.known.contains(&ear) && self.taken_after.is_none();
                forgot.then_some("what was proven was forgotten before its time")
            }
            _ => Some("a code that nothing here calls for"),
        }
    }
}

/// Subscriptions to all products. What is told goes to the judge.
pub struct Listener(Arc<AtomicBool>);

impl Listener {
    pub fn start(socket: &Path, products: &[String], judge: &Judge) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        // As many as one connection may have.
        for some in products.chunks(16) {
            let mut line = Line::connect(socket);
            for product in some {
                let id = line.ask("entitlement_subscribe", &json!({ "product": product }));
                loop {
                    let heard = line.hear().unwrap();
                    if heard["id"] == id {
                        result_of(heard).unwrap();
                        break;
                    }
                    judge.hear(Ear::Listening, &heard["params"]["result"]);
                }
            }
            let (judge, ended) = (judge.clone(), Arc::clone(&ended));
            std::thread::spawn(move || {
                while !ended.load(Ordering::SeqCst) {
                    if let Some(note) = line.hear_within(PATIENCE) {
                        judge.hear(Ear::Listening, &note["params"]["result"]);
                    }
                }
            });
        }
        Self(ended)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
