//! The functions of `entitled.h`. What each does stands there; here is how it crosses the border.
//!
//! # Safety
//! What holds for all of them: a pointer is NULL, or to what `entitled.h` says, for as long as the function runs.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;

use entitled_client::Feature;

use crate::abi::{Failure, Options, State, Verdict};
use crate::border::guarded;
use crate::handle::Handle;
use crate::sized::{self, Out};
use crate::subscription::Subscription;
use crate::{answer, features, text};

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
            false => unsafe { sized::read_options(options) }?,
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
            (None, _) => {
                answer::not_known(Failure::Argument, "there is nothing to ask with: it is NULL")
            }
            (_, None) => {
                answer::not_known(Failure::Argument, "the product's name is NULL or not UTF-8")
            }
        }
    });
    out.write(&answer.unwrap_or(Verdict { error: Failure::Internal, ..Verdict::INIT }))
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
