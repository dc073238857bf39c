//! The functions of `entitled.h`. What each does stands there; here is how it crosses the border.
//!
//! # Safety
//! What holds for all of them: a pointer is NULL, or to what `entitled.h` says, for as long as the function runs.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use entitled_client::Feature;
use entitled_core::domain::publisher::PublisherKey;

use crate::abi::{Failure, Options, Question, State, Verdict};
use crate::border::guarded;
use crate::handle::Handle;
use crate::receipt::{self, Asked};
use crate::sized::{self, Out};
use crate::subscription::Subscription;
use crate::{answer, features, text};

/// `ENTITLED_NONCE_MAX`
const NONCE_MAX: usize = 64;
const FAULT: Verdict = Verdict { error: Failure::Internal, ..Verdict::INIT };
const NOTHING_TO_ASK: &str = "there is nothing to ask with: it is NULL";
const NO_PRODUCT: &str = "the product's name is NULL or not UTF-8";

const VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => c"",
    };

#[unsafe(no_mangle)]
pub extern "C" fn entitled_version() -> *const c_char {
    VERSION.as_ptr()
}

/// Takes any number, as C does.
#[unsafe(no_mangle)]
pub extern "C" fn entitled_strerror(error: u32) -> *const c_char {
    let words = match error {
        0 => c"there is no error",
        1 => c"the program gave NULL, a size that cannot be, or a text that is not as it has to be",
        2 => c"the daemon cannot be reached",
        3 => c"the socket is served by somebody who is neither root, nor you, nor the owner of its directory",
        4 => c"the daemon did not answer in time",
        5 => c"the daemon declined",
        6 => c"what the daemon said is no answer to what it was asked",
        7 => c"nothing new has arrived",
        8 => c"the subscription is over",
        9 => c"a fault of the library",
        10 => c"the receipt does not prove what was asked",
        11 => c"the buffer is too small",
        _ => c"an error of a later version",
    };
    words.as_ptr()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn entitled_open(options: *const Options) -> *mut Handle {
    let opened = guarded(|| {
        let options = match options.is_null() {
            true => Options::INIT,
            // SAFETY: as above.
            false => unsafe { sized::read(options) }?,
        };
        // SAFETY: as above.
        Some(Box::into_raw(Box::new(unsafe { Handle::new(&options) })))
    });
    opened.flatten().unwrap_or(ptr::null_mut())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn entitled_close(daemon: *mut Handle) {
    // SAFETY: NULL, or from `entitled_open` and not closed yet.
    let _ = guarded(|| (!daemon.is_null()).then(|| drop(unsafe { Box::from_raw(daemon) })));
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn entitled_check(
    daemon: *const Handle,
    product: *const c_char,
    verdict: *mut Verdict,
) -> State {
    // SAFETY: as above.
    let Some(out) = (unsafe { Out::new(verdict) }) else { return State::NotKnown };
    let answer = guarded(|| {
        // SAFETY: as above.
        match unsafe { (daemon.as_ref(), text::read(product)) } {
            (Some(daemon), Some(product)) => daemon.check(product),
            (None, _) => answer::not_known(Failure::Argument, NOTHING_TO_ASK),
            (_, None) => answer::not_known(Failure::Argument, NO_PRODUCT),
        }
    });
    out.write(&answer.unwrap_or(FAULT))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn entitled_valid(daemon: *const Handle, product: *const c_char) -> State {
    // SAFETY: as above.
    let (Some(daemon), false) = (unsafe { daemon.as_ref() }, product.is_null()) else {
        return State::NotKnown;
    };
    // SAFETY: as above, and not NULL.
    let product = unsafe { CStr::from_ptr(product) };
    // Nothing in the first can panic.
    daemon
        .at_hand(product)
        .unwrap_or_else(|| guarded(|| daemon.state(product)).unwrap_or(State::NotKnown))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn entitled_feature_bool(
    verdict: *const Verdict,
    feature: *const c_char,
) -> State {
    // SAFETY: as above.
    answer_of(unsafe { feature_of(verdict, feature) }, |it| match it.is_on() {
        true => State::Yes,
        false => State::No,
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn entitled_feature_int(
    verdict: *const Verdict,
    feature: *const c_char,
    value: *mut i64,
) -> State {
    // SAFETY: as above.
    answer_of(unsafe { feature_of(verdict, feature) }, |it| {
        let Some(number) = it.as_i64().filter(|_| !value.is_null()) else { return State::NotKnown };
        // SAFETY: as above, and not NULL.
        unsafe { value.write(number) };
        State::Yes
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn entitled_feature_str(
    verdict: *const Verdict,
    feature: *const c_char,
    buffer: *mut c_char,
    size: usize,
) -> State {
    // SAFETY: as above.
    answer_of(unsafe { feature_of(verdict, feature) }, |it| {
        let value = it.to_string();
        if buffer.is_null() || value.len() >= size || value.contains('\0') {
            return State::NotKnown;
        }
        // SAFETY: as above, and there is room for the text and its end.
        unsafe {
            ptr::copy_nonoverlapping(value.as_ptr().cast::<c_char>(), buffer, value.len());
            buffer.add(value.len()).write(0);
        }
        State::Yes
    })
}

/// A feature, or the answer instead of it.
///
/// # Safety
/// As above.
unsafe fn feature_of(verdict: *const Verdict, feature: *const c_char) -> Result<Feature, State> {
    let found = guarded(|| {
        // SAFETY: as above.
        match unsafe { (sized::read_verdict(verdict), text::read(feature)) } {
            (Some(verdict), Some(feature)) => features::find(&verdict, feature),
            _ => Err(State::NotKnown),
        }
    });
    found.unwrap_or(Err(State::NotKnown))
}

fn answer_of(found: Result<Feature, State>, read: impl FnOnce(&Feature) -> State) -> State {
    guarded(|| found.map_or_else(|it| it, |it| read(&it))).unwrap_or(State::NotKnown)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn entitled_prove(
    daemon: *const Handle,
    product: *const c_char,
    now: i64,
    verdict: *mut Verdict,
) -> State {
    // SAFETY: as above.
    let Some(out) = (unsafe { Out::new(verdict) }) else { return State::NotKnown };
    let answer = guarded(|| {
        // SAFETY: as above.
        match unsafe { (daemon.as_ref(), text::read(product)) } {
            (Some(daemon), Some(product)) => daemon.prove(product, now),
            (None, _) => answer::not_known(Failure::Argument, NOTHING_TO_ASK),
            (_, None) => answer::not_known(Failure::Argument, NO_PRODUCT),
        }
    });
    out.write(&answer.unwrap_or(FAULT))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn entitled_receipt(
    daemon: *const Handle,
    product: *const c_char,
    nonce: *const c_void,
    nonce_length: usize,
    receipt: *mut c_char,
    length: *mut usize,
) -> Failure {
    let made = guarded(|| {
        // SAFETY: as above.
        let given = unsafe {
            (daemon.as_ref(), text::read(product), bytes(nonce, nonce_length, NONCE_MAX))
        };
        let (Some(daemon), Some(product), Some(nonce)) = given else {
            return Err(Failure::Argument);
        };
        daemon.receipt(product, nonce).map_err(|it| it.error)
    });
    let made = match made {
        _ if length.is_null() => return Failure::Argument,
        Some(Ok(made)) => made,
        Some(Err(failure)) => return failure,
        None => return Failure::Internal,
    };
    // SAFETY: as above, and not NULL; the room is as much as the program says.
    unsafe {
        let room = length.replace(made.len());
        if receipt.is_null() || room < made.len() {
            return Failure::Space;
        }
        ptr::copy_nonoverlapping(made.as_ptr().cast::<c_char>(), receipt, made.len());
    }
    Failure::None
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn entitled_receipt_verify(
    receipt: *const c_char,
    length: usize,
    question: *const Question,
    verdict: *mut Verdict,
) -> State {
    // SAFETY: as above.
    let Some(out) = (unsafe { Out::new(verdict) }) else { return State::NotKnown };
    let answer = guarded(|| {
        // SAFETY: as above.
        let judged = unsafe { judge(receipt, length, question) };
        judged.unwrap_or_else(|wrong| answer::not_known(Failure::Argument, wrong))
    });
    out.write(&answer.unwrap_or(FAULT))
}

/// # Safety
/// As above.
unsafe fn judge(
    receipt: *const c_char,
    length: usize,
    question: *const Question,
) -> Result<Verdict, &'static str> {
    // SAFETY: as above.
    let question = unsafe { sized::read(question) }
        .ok_or("the question is NULL, or of a size that cannot be")?;
    // SAFETY: as above.
    let (product, publisher) =
        unsafe { (text::read(question.product), text::read(question.publisher)) };
    let publisher = publisher.and_then(|it| it.parse::<PublisherKey>().ok());
    // A nonce that lost its address or its length is no question without one, which less would answer.
    if question.nonce.is_null() != (question.nonce_length == 0) {
        return Err("the nonce is NULL or has no length, but not both");
    }
    // SAFETY: as above.
    let nonce = unsafe { bytes(question.nonce, question.nonce_length, NONCE_MAX) };
    // SAFETY: as above.
    let receipt = unsafe { bytes(receipt.cast(), length, usize::MAX >> 1) };
    let asked = Asked {
        product: product.ok_or(NO_PRODUCT)?,
        publisher: &publisher.ok_or("the publisher's key is NULL or no minisign public key")?,
        nonce: nonce
            .map(|it| Some(it).filter(|it| !it.is_empty()))
            .ok_or("the nonce is too long")?,
        now: question.now,
        accept_linked: question.accept_linked != 0,
        min_version: question.min_version,
        accept_maker: question.accept_maker != 0,
    };
    Ok(receipt::verify(receipt.ok_or("the receipt is too long")?, &asked))
}

/// As many bytes as C says, none for NULL; `None` for more than `most`.
///
/// # Safety
/// As above.
unsafe fn bytes<'a>(at: *const c_void, length: usize, most: usize) -> Option<&'a [u8]> {
    match at.is_null() || length == 0 {
        true => Some(&[]),
        // SAFETY: as above, and not NULL.
        false => (length <= most).then(|| unsafe { std::slice::from_raw_parts(at.cast(), length) }),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn entitled_subscribe(
    daemon: *const Handle,
    product: *const c_char,
    subscription: *mut *mut Subscription,
) -> Failure {
    if subscription.is_null() {
        return Failure::Argument;
    }
    // SAFETY: as above, and not NULL.
    unsafe { subscription.write(ptr::null_mut()) };
    let made = guarded(|| {
        // SAFETY: as above.
        match unsafe { (daemon.as_ref(), text::read(product)) } {
            (Some(daemon), Some(product)) => daemon.subscribe(product).map(Box::new),
            _ => Err(Failure::Argument),
        }
    });
    match made {
        Some(Ok(made)) => {
            // SAFETY: as above, and not NULL.
            unsafe { subscription.write(Box::into_raw(made)) };
            Failure::None
        }
        Some(Err(failure)) => failure,
        None => Failure::Internal,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn entitled_fd(subscription: *const Subscription) -> c_int {
    // SAFETY: as above.
    guarded(|| unsafe { subscription.as_ref() }?.descriptor()).flatten().unwrap_or(-1)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn entitled_next(
    subscription: *mut Subscription,
    verdict: *mut Verdict,
) -> Failure {
    // SAFETY: as above.
    let (out, subscription) = unsafe { (Out::new(verdict), subscription.as_mut()) };
    let Some(out) = out else { return Failure::Argument };
    let Some(subscription) = subscription else {
        out.write(&answer::not_known(Failure::Argument, "there is no subscription: it is NULL"));
        return Failure::Argument;
    };
    let next = guarded(|| subscription.next()).unwrap_or_else(|| {
        subscription.end(Failure::Internal);
        Err(Failure::Internal)
    });
    match next {
        Ok(next) => {
            out.write(&next);
            Failure::None
        }
        Err(Failure::Again) => Failure::Again,
        Err(error) => {
            out.write(&Verdict { error, ..Verdict::INIT });
            error
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn entitled_unsubscribe(subscription: *mut Subscription) {
    // SAFETY: NULL, or from `entitled_subscribe` and not ended yet.
    let _ =
        guarded(|| (!subscription.is_null()).then(|| drop(unsafe { Box::from_raw(subscription) })));
}
