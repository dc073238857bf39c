//! What a receipt proves to a program: a yes, or nothing.

use entitled_core::domain::ids::Timestamp;
use entitled_core::domain::publisher::PublisherKey;
use entitled_core::receipt::{self, Binding, Demands, ReceiptFault, Verified};

use crate::abi::{Failure, Proof, Verdict, Vouched};
use crate::answer;

/// What has to be proven.
pub(crate) struct Asked<'a> {
    pub(crate) product: &'a str,
    pub(crate) publisher: &'a PublisherKey,
    pub(crate) nonce: Option<&'a [u8]>,
    /// Seconds since 1970.
    pub(crate) now: i64,
    /// Whether the receipt of a linked wallet does, though nothing ties it to this machine.
    pub(crate) accept_linked: bool,
    /// No older version of the product file does.
    pub(crate) min_version: u32,
    /// Whether the word of whoever made the receipt does for its block.
    pub(crate) accept_maker: bool,
}

/// Runs everything again. What is not proven is not known: no receipt proves that there is no licence.
pub(crate) fn verify(receipt: &[u8], asked: &Asked<'_>) -> Verdict {
    let refused = |why: &str| answer::not_known(Failure::Receipt, why);
    let Some(now) = Timestamp::from_second(asked.now).ok().filter(|_| asked.now > 0) else {
        return answer::not_known(Failure::Argument, "the time is none");
    };
    let Asked { publisher, nonce, min_version, accept_maker, .. } = *asked;
    let demands = Demands { publisher, nonce, now, min_version, accept_maker };
    let proven = match receipt::verify(receipt, &demands) {
        Ok(proven) => proven,
        Err(fault) => return told(&fault, now),
    };
    if proven.verdict.product.as_str() != asked.product {
        return refused("the receipt is about another product of the publisher's");
    }
    if proven.binding == Binding::None && nonce.is_some() && !asked.accept_linked {
        return refused("the receipt is of a linked wallet: nothing ties it to this machine");
    }
    let (proof, vouched) = worth_of(&proven);
    let version = proven.version;
    Verdict { proof, vouched, version, ..answer::of_decision(&proven.verdict, now) }
}

/// On a chain of its maker's own, everything else in a receipt is easily true.
fn worth_of(proven: &Verified) -> (Proof, Vouched) {
    match (proven.vouched, proven.binding) {
        (receipt::Vouched::Maker, _) => (Proof::Unproven, Vouched::ByMaker),
        (receipt::Vouched::Validators, Binding::None) => (Proof::Proven, Vouched::ByValidators),
        (receipt::Vouched::Validators, Binding::Key) => (Proof::ProvenByKey, Vouched::ByValidators),
        (receipt::Vouched::Validators, Binding::Nonce) => (Proof::ProvenNow, Vouched::ByValidators),
    }
}

/// Not known, with what the receipt does prove where that is something.
fn told(fault: &ReceiptFault, now: Timestamp) -> Verdict {
    let refused = answer::not_known(Failure::Receipt, &fault.to_string());
    match fault {
        ReceiptFault::NotValid { verdict } => {
            let decided = answer::of_decision(verdict, now);
            Verdict {
                code: decided.code,
                product: decided.product,
                token: decided.token,
                ..refused
            }
        }
        _ => refused,
    }
}

/// Random bytes that were never used before; `None` where the kernel has none.
pub(crate) fn fresh_nonce() -> Option<[u8; 32]> {
    let mut nonce = [0_u8; 32];
    // SAFETY: there are as many bytes as are asked for.
    let given = unsafe { libc::getrandom(nonce.as_mut_ptr().cast(), nonce.len(), 0) };
    (usize::try_from(given) == Ok(nonce.len())).then_some(nonce)
}

#[cfg(test)]
mod tests;
