//! Floating seats, as C holds them: a pointer that gives a seat back when it is released.
//!
//! # Safety
//! As in [`exports`](crate::exports): a pointer is NULL, or to what `entitled.h` says, for as long as the function runs.

use std::ptr;
use std::time::Duration;

use entitled_client::{Seat, SeatError, SeatState};
use entitled_core::domain::ids::Timestamp;

use crate::abi::{Failure, SeatInfo, SeatRequest, State};
use crate::border::guarded;
use crate::handle::Handle;
use crate::sized::{self, Out};
use crate::{answer, text};

const FAULT: SeatInfo = SeatInfo { error: Failure::Internal, ..SeatInfo::INIT };

#[unsafe(no_mangle)]
pub unsafe extern "C" fn entitled_seat_acquire(
    daemon: *const Handle,
    request: *const SeatRequest,
    seat: *mut *mut Seat,
    info: *mut SeatInfo,
) -> State {
    // SAFETY: as above.
    let Some(out) = (unsafe { Out::new(info) }) else { return State::NotKnown };
    if seat.is_null() {
        return out.write(&wrong("there is nowhere to put the seat: it is NULL"));
    }
    // SAFETY: as above, and not NULL.
    unsafe { seat.write(ptr::null_mut()) };
    // SAFETY: as above.
    let taken = guarded(|| unsafe { take(daemon, request) }).unwrap_or(Err(Box::new(FAULT)));
    match taken {
        Ok(taken) => {
            let said = held(&taken, None);
            // SAFETY: as above, and not NULL.
            unsafe { seat.write(Box::into_raw(taken)) };
            out.write(&said)
        }
        Err(said) => out.write(&said),
    }
}

/// # Safety
/// As above.
unsafe fn take(
    daemon: *const Handle,
    request: *const SeatRequest,
) -> Result<Box<Seat>, Box<SeatInfo>> {
    // SAFETY: as above.
    let (daemon, request) = unsafe { (daemon.as_ref(), sized::read(request)) };
    let daemon = daemon.ok_or_else(|| wrong("there is nothing to ask with: it is NULL"))?;
    let request =
        request.ok_or_else(|| wrong("the request is NULL, or of a size that cannot be"))?;
    // SAFETY: as above.
    let named =
        unsafe { [request.product, request.tier, request.feature].map(|it| text::read(it)) };
    let is_text = |at: usize, given: bool| named.get(at).is_some_and(|it| it.is_some() == given);
    let wait = u64::try_from(request.wait_ms).map_err(|_| wrong("the wait is negative"))?;
    let [Some(product), tier, feature] = named else {
        return Err(wrong("the product's name is NULL or not UTF-8"));
    };
    if !is_text(1, !request.tier.is_null()) || !is_text(2, !request.feature.is_null()) {
        return Err(wrong("a name is not UTF-8"));
    }
    let mut asked = entitled_client::SeatRequest::new(product).wait(Duration::from_millis(wait));
    asked = tier.into_iter().fold(asked, |it, tier| it.tier(tier));
    asked = feature.into_iter().fold(asked, |it, feature| it.feature(feature));
    let (path, timeout) = daemon.place().map_err(wrong)?;
    Seat::acquire(&path, asked.timeout(timeout)).map(Box::new).map_err(|it| without(&it).into())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn entitled_seat_check(
    seat: *mut Seat,
    wait_ms: i64,
    info: *mut SeatInfo,
) -> State {
    // SAFETY: as above.
    let (out, seat) = unsafe { (Out::new(info), seat.as_mut()) };
    let Some(out) = out else { return State::NotKnown };
    let Some(seat) = seat else { return out.write(&wrong("there is no seat: it is NULL")) };
    let said = guarded(|| {
        let wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0));
        match seat.check(wait) {
            SeatState::Held { ends_at } => held(seat, ends_at.as_deref()),
            SeatState::Ended { reason } => {
                SeatInfo { state: State::No, code: text::whole(&reason), ..about(seat) }
            }
            SeatState::NotKnown(error) => without(&error),
        }
    });
    out.write(&said.unwrap_or(FAULT))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn entitled_seat_release(seat: *mut Seat) -> Failure {
    let released = guarded(|| {
        if seat.is_null() {
            return Ok(());
        }
        // SAFETY: from `entitled_seat_acquire`, and not released yet.
        unsafe { Box::from_raw(seat) }.release()
    });
    match released {
        Some(Ok(())) => Failure::None,
        Some(Err(error)) => answer::failure_of(&error),
        None => Failure::Internal,
    }
}

fn about(seat: &Seat) -> SeatInfo {
    SeatInfo { seat: text::whole(seat.id()), tier: text::whole(seat.tier()), ..SeatInfo::INIT }
}

fn held(seat: &Seat, ends_at: Option<&str>) -> SeatInfo {
    let ends_at = ends_at.or(seat.ends_at());
    let moment = ends_at.and_then(|it| it.parse::<Timestamp>().ok());
    let ends_at = moment.map_or(0, Timestamp::as_second);
    SeatInfo { state: State::Yes, code: text::whole("GRANTED"), ends_at, ..about(seat) }
}

fn without(error: &SeatError) -> SeatInfo {
    match error {
        SeatError::Refused(refusal) => SeatInfo {
            state: if refusal.is_known() { State::No } else { State::NotKnown },
            queue: i64::try_from(refusal.queue).unwrap_or(i64::MAX),
            code: text::whole(&refusal.code),
            detail: text::cut(&refusal.detail),
            ..SeatInfo::INIT
        },
        SeatError::NotAnswered(error) => SeatInfo {
            error: answer::failure_of(error),
            detail: text::cut(&answer::words_of(error)),
            ..SeatInfo::INIT
        },
    }
}

fn wrong(what: &str) -> Box<SeatInfo> {
    Box::new(SeatInfo { error: Failure::Argument, detail: text::cut(what), ..SeatInfo::INIT })
}
