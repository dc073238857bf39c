//! The header against the library: layouts, functions, and what each function makes of nothing.

#![allow(clippy::print_stderr, reason = "what was skipped is said there")]

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr;

use crate::abi::{
    Failure, Options, Proof, Question, SeatInfo, SeatRequest, State, Verdict, Vouched,
};
use crate::border::guarded;
use crate::*;

const HEADER: &str = include_str!("include/entitled.h");
const STRICT: [&str; 4] = ["-Wall", "-Wextra", "-Werror", "-pedantic"];

fn include() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("include")
}

/// Runs a compiler; `false`, said aloud, where there is none.
fn compile(compiler: &str, options: &[&str], source: &Path, program: &Path) -> bool {
    let mut run = Command::new(compiler);
    run.args(STRICT).args(options).arg("-I").arg(include()).arg("-o").arg(program).arg(source);
    match run.output() {
        Ok(output) => {
            assert!(
                output.status.success(),
                "{run:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            true
        }
        Err(_) => {
            eprintln!("skipped: the header of the C library: {compiler} is missing");
            false
        }
    }
}

fn in_every_dialect(source: &Path, mut each: impl FnMut(&Path)) {
    let program = source.with_extension("program");
    for dialect in ["-std=c89", "-std=c99", "-std=c11", "-std=c17"] {
        if compile("cc", &["-x", "c", dialect], source, &program) {
            each(&program);
        }
    }
    for dialect in ["-std=c++98", "-std=c++11", "-std=c++20"] {
        if compile("c++", &["-x", "c++", dialect], source, &program) {
            each(&program);
        }
    }
}

/// Declares a structure's members once: for C, as text, and for Rust.
macro_rules! layout {
    ($structure:literal, $rust:ty: $($member:ident)*) => {
        [
            (format!("sizeof({})", $structure), size_of::<$rust>()),
            $((format!("offsetof({}, {})", $structure, stringify!($member)), offset_of!($rust, $member)),)*
        ]
    };
}

#[test]
fn structures_have_the_same_layout_on_both_sides() {
    let mut layout = layout!("entitled_verdict", Verdict: size state error expires_at grace_until verified_at
        seconds_until_change rank seats provisional features_left_out proof vouched code product tier freshness trust publisher wallet
        token detail features version reserved)
    .to_vec();
    layout.extend(
        layout!("entitled_options", Options: size socket publisher timeout_ms accept_linked min_version accept_maker),
    );
    layout.extend(layout!("entitled_question", Question: size product publisher nonce nonce_length now accept_linked accept_maker min_version reserved));
    layout.extend(layout!("entitled_seat_request", SeatRequest: size product tier feature wait_ms));
    layout.extend(layout!("entitled_seat_info", SeatInfo: size state error ends_at queue code seat tier detail));
    layout.push(("sizeof(enum entitled_proof)".to_owned(), size_of::<Proof>()));
    layout.push(("sizeof(enum entitled_vouched)".to_owned(), size_of::<Vouched>()));
    layout.push(("sizeof(enum entitled_state)".to_owned(), size_of::<State>()));
    layout.push(("sizeof(enum entitled_error)".to_owned(), size_of::<Failure>()));
    let checks: String = layout
        .iter()
        .enumerate()
        .map(|(at, (what, is))| format!("typedef char check_{at}[{what} == {is} ? 1 : -1];\n"))
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("layout.c");
    let main = "int main(void) { entitled_verdict v = ENTITLED_VERDICT_INIT; entitled_options o = ENTITLED_OPTIONS_INIT;\n\
                entitled_question q = ENTITLED_QUESTION_INIT; entitled_seat_request s = ENTITLED_SEAT_REQUEST_INIT;\n\
                entitled_seat_info i = ENTITLED_SEAT_INFO_INIT;\n\
                return v.size == sizeof v && o.size == sizeof o && q.size == sizeof q && s.size == sizeof s\n\
                && i.size == sizeof i ? 0 : 1; }\n";
    std::fs::write(&source, format!("#include <entitled.h>\n{checks}{main}")).unwrap();
    in_every_dialect(&source, |program| assert!(Command::new(program).status().unwrap().success()));
}

#[test]
fn enumerations_have_the_same_numbers_on_both_sides() {
    use Failure::{
        Again, Argument, Closed, Internal, None, Protocol, Receipt, Refused, Space, Timeout,
        Unreachable, Untrusted,
    };
    let errors = [
        None,
        Argument,
        Unreachable,
        Untrusted,
        Timeout,
        Refused,
        Protocol,
        Again,
        Closed,
        Internal,
        Receipt,
        Space,
    ];
    let proofs = [Proof::Unproven, Proof::Proven, Proof::ProvenByKey, Proof::ProvenNow];
    let states = [State::NotKnown, State::Yes, State::No];
    let vouched = [Vouched::ByNobody, Vouched::ByMaker, Vouched::ByValidators];
    let snake = |name: String| {
        let mut words = String::new();
        for it in name.chars() {
            if it.is_uppercase() && !words.is_empty() {
                words.push('_');
            }
            words.push(it.to_ascii_uppercase());
        }
        words
    };
    let errors = errors.map(|it| (snake(format!("{it:?}")).replace("NONE", "OK"), it as i32));
    let states = states.map(|it| (snake(format!("{it:?}")), it as i32));
    let proofs = proofs.map(|it| (snake(format!("{it:?}")), it as i32));
    let vouched = vouched.map(|it| (format!("VOUCHED_{}", snake(format!("{it:?}"))), it as i32));
    for (name, number) in errors.into_iter().chain(states).chain(proofs).chain(vouched) {
        assert!(HEADER.contains(&format!("    ENTITLED_{name} = {number}")), "{name}");
    }
    // One text each, and none beyond.
    let texts: BTreeSet<_> = (0..=12).map(|it| read(entitled_strerror(it))).collect();
    assert_eq!(texts.len(), 13);
    assert_eq!(read(entitled_strerror(u32::MAX)), read(entitled_strerror(12)));
}

fn read(text: *const std::ffi::c_char) -> &'static str {
    // SAFETY: texts of the library, which stay.
    unsafe { CStr::from_ptr(text) }.to_str().unwrap()
}

#[test]
fn the_version_is_that_of_the_package() {
    assert_eq!(read(entitled_version()), env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_header_declares_what_the_map_lists() {
    let names = |text: &str, end: char| -> BTreeSet<String> {
        let words = text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_' && it != end);
        let named =
            words.filter_map(|it| it.strip_suffix(end)).filter(|it| it.starts_with("entitled_"));
        named.map(str::to_owned).collect()
    };
    // Of the comments only what is called there is a function as well.
    let declared: BTreeSet<String> = HEADER
        .split("*/")
        .filter_map(|it| it.split("/*").next())
        .flat_map(|it| names(&it.replace("(", "( "), '('))
        .collect();
    assert_eq!(declared, names(include_str!("libentitled.map"), ';'));
    assert!(declared.len() <= 20, "a small library");
}

#[test]
fn nothing_is_answered_with_nothing() {
    let (none, p) = (ptr::null::<Verdict>(), c"p".as_ptr());
    let mut number = 7;
    // SAFETY: NULL wherever it may be.
    unsafe {
        let daemon = entitled_open(ptr::null());
        assert!(!daemon.is_null());
        assert_eq!(entitled_check(ptr::null(), p, ptr::null_mut()), State::NotKnown);
        assert_eq!(entitled_check(daemon, ptr::null(), ptr::null_mut()), State::NotKnown);
        assert_eq!(entitled_check(daemon, c"\xff".as_ptr(), ptr::null_mut()), State::NotKnown);
        assert_eq!(entitled_valid(ptr::null(), p), State::NotKnown);
        assert_eq!(entitled_valid(daemon, ptr::null()), State::NotKnown);
        assert_eq!(entitled_valid(daemon, c"\xff".as_ptr()), State::NotKnown);
        assert_eq!(entitled_feature_bool(none, p), State::NotKnown);
        assert_eq!(entitled_feature_int(none, p, &raw mut number), State::NotKnown);
        assert_eq!(entitled_feature_str(none, p, ptr::null_mut(), 0), State::NotKnown);
        assert_eq!(number, 7);
        let mut made = ptr::dangling_mut();
        assert_eq!(entitled_subscribe(daemon, p, ptr::null_mut()), Failure::Argument);
        assert_eq!(entitled_subscribe(ptr::null(), p, &raw mut made), Failure::Argument);
        assert!(made.is_null());
        assert_eq!(entitled_subscribe(daemon, ptr::null(), &raw mut made), Failure::Argument);
        let (no_bytes, no_text) = (ptr::null(), ptr::null_mut());
        assert_eq!(entitled_prove(ptr::null(), p, 1, ptr::null_mut()), State::NotKnown);
        assert_eq!(entitled_prove(daemon, ptr::null(), 1, ptr::null_mut()), State::NotKnown);
        let receipt = |daemon, product| {
            let mut length = 7;
            (entitled_receipt(daemon, product, no_bytes, 9, no_text, &raw mut length), length)
        };
        assert_eq!(receipt(ptr::null(), p), (Failure::Argument, 7));
        assert_eq!(receipt(daemon, ptr::null()), (Failure::Argument, 7));
        let verify = |it| entitled_receipt_verify(ptr::null(), 9, it, ptr::null_mut());
        assert_eq!(verify(ptr::null()), State::NotKnown);
        assert_eq!(verify(&Question::INIT), State::NotKnown);
        let mut verdict = Verdict { state: State::Yes, ..Verdict::INIT };
        assert_eq!(entitled_next(ptr::null_mut(), &raw mut verdict), Failure::Argument);
        assert_eq!((verdict.state, verdict.error), (State::NotKnown, Failure::Argument));
        assert_eq!(entitled_fd(ptr::null()), -1);
        let (request, mut seat) = (SeatRequest::INIT, ptr::dangling_mut());
        let mut info = SeatInfo { state: State::Yes, ..SeatInfo::INIT };
        let asked =
            |daemon, request, seat, info| entitled_seat_acquire(daemon, request, seat, info);
        assert_eq!(asked(ptr::null(), &request, &raw mut seat, &raw mut info), State::NotKnown);
        assert!(seat.is_null() && info.state == State::NotKnown);
        assert_eq!(info.error, Failure::Argument);
        assert_eq!(asked(daemon, ptr::null(), &raw mut seat, ptr::null_mut()), State::NotKnown);
        assert_eq!(asked(daemon, &request, &raw mut seat, ptr::null_mut()), State::NotKnown);
        assert_eq!(asked(daemon, &request, ptr::null_mut(), ptr::null_mut()), State::NotKnown);
        assert_eq!(entitled_seat_check(ptr::null_mut(), 0, &raw mut info), State::NotKnown);
        assert_eq!(entitled_seat_release(ptr::null_mut()), Failure::None);
        entitled_unsubscribe(ptr::null_mut());
        entitled_close(ptr::null_mut());
        entitled_close(daemon);
    }
}

#[test]
fn a_verdict_that_is_not_known_takes_the_place_of_an_old_yes() {
    let mut verdict = Verdict { state: State::Yes, ..Verdict::INIT };
    // SAFETY: a whole structure.
    let state = unsafe { entitled_check(ptr::null(), c"p".as_ptr(), &raw mut verdict) };
    assert_eq!(
        (state, verdict.state, verdict.error),
        (State::NotKnown, State::NotKnown, Failure::Argument)
    );
}

#[test]
fn wrong_options_are_told_by_each_question() {
    let wrong = [
        Options { publisher: c"no key".as_ptr(), ..Options::INIT },
        Options { publisher: c"\xff".as_ptr(), ..Options::INIT },
        Options { socket: c"\xff".as_ptr(), ..Options::INIT },
        Options { timeout_ms: -1, ..Options::INIT },
    ];
    for options in wrong {
        let mut verdict = Verdict::INIT;
        let mut made = ptr::null_mut();
        // SAFETY: whole structures, and texts with their ends.
        unsafe {
            let daemon = entitled_open(&raw const options);
            assert_eq!(entitled_check(daemon, c"p".as_ptr(), &raw mut verdict), State::NotKnown);
            assert_eq!(entitled_valid(daemon, c"p".as_ptr()), State::NotKnown);
            assert_eq!(entitled_subscribe(daemon, c"p".as_ptr(), &raw mut made), Failure::Argument);
            entitled_close(daemon);
        }
        assert_eq!(verdict.error, Failure::Argument);
        assert!(text::of_field(&verdict.detail).contains(' '), "it says what is wrong");
    }
    let size = Options { size: 1, ..Options::INIT };
    // SAFETY: the size alone is looked at.
    assert!(unsafe { entitled_open(&raw const size) }.is_null());
}

#[test]
fn a_panic_ends_at_the_border() {
    assert_eq!(guarded(|| -> u8 { panic!("a fault of ours") }), None);
    assert_eq!(guarded(|| 7), Some(7));
}

#[test]
fn a_feature_is_read_by_its_kind() {
    let features =
        text::whole(r#"{"export":true,"off":false,"max":50,"zero":0,"ratio":1.5,"region":"eu"}"#);
    let verdict = Verdict { state: State::Yes, features, ..Verdict::INIT };
    let on = |name: &CStr| {
        // SAFETY: a whole structure, and a text with its end.
        unsafe { entitled_feature_bool(&raw const verdict, name.as_ptr()) }
    };
    assert_eq!([c"export", c"max", c"region"].map(on), [State::Yes; 3]);
    assert_eq!([c"off", c"zero", c"none"].map(on), [State::No; 3]);
    let number = |name: &CStr| {
        let mut value = 7;
        // SAFETY: as above.
        let state =
            unsafe { entitled_feature_int(&raw const verdict, name.as_ptr(), &raw mut value) };
        (state, value)
    };
    assert_eq!(number(c"max"), (State::Yes, 50));
    assert_eq!(number(c"zero"), (State::Yes, 0));
    assert_eq!(number(c"none"), (State::No, 7));
    assert_eq!(number(c"ratio"), (State::NotKnown, 7));
    let words = |name: &CStr, room: usize| {
        let mut buffer = [0x7f; 8];
        // SAFETY: as above, and no more room than there is.
        let state = unsafe {
            entitled_feature_str(
                &raw const verdict,
                name.as_ptr(),
                buffer.as_mut_ptr().cast(),
                room,
            )
        };
        (state, text::of_field(&buffer.map(|it: u8| it)).trim_end_matches('\x7f').to_owned())
    };
    assert_eq!(words(c"region", 3), (State::Yes, "eu".to_owned()));
    assert_eq!(
        words(c"region", 2),
        (State::NotKnown, String::new()),
        "there is no room for its end"
    );
    assert_eq!(words(c"ratio", 8), (State::Yes, "1.5".to_owned()));
    assert_eq!(words(c"none", 8), (State::No, String::new()));
}
