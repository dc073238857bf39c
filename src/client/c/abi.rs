//! The types of `entitled.h`, with the same layout. New members go to the end.

use std::ffi::{c_char, c_void};

/// `enum entitled_state`
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    NotKnown = 0,
    Yes = 1,
    No = 2,
}

/// `enum entitled_error`
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    None = 0,
    Argument = 1,
    Unreachable = 2,
    Untrusted = 3,
    Timeout = 4,
    Refused = 5,
    Protocol = 6,
    Again = 7,
    Closed = 8,
    Internal = 9,
    Receipt = 10,
    Space = 11,
}

/// `enum entitled_proof`
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    Unproven = 0,
    Proven = 1,
    ProvenByKey = 2,
    ProvenNow = 3,
}

/// `enum entitled_vouched`
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vouched {
    ByNobody = 0,
    ByMaker = 1,
    ByValidators = 2,
}

/// `entitled_options`
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub size: usize,
    pub socket: *const c_char,
    pub publisher: *const c_char,
    pub timeout_ms: i32,
    pub accept_linked: i32,
    pub min_version: u32,
    pub accept_maker: i32,
}

impl Options {
    pub const INIT: Self = Self {
        size: size_of::<Self>(),
        socket: std::ptr::null(),
        publisher: std::ptr::null(),
        timeout_ms: 0,
        accept_linked: 0,
        min_version: 0,
        accept_maker: 0,
    };
}

/// `entitled_question`
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Question {
    pub size: usize,
    pub product: *const c_char,
    pub publisher: *const c_char,
    pub nonce: *const c_void,
    pub nonce_length: usize,
    pub now: i64,
    pub accept_linked: i32,
    pub accept_maker: i32,
    pub min_version: u32,
    pub reserved: i32,
}

impl Question {
    pub const INIT: Self = Self {
        size: size_of::<Self>(),
        product: std::ptr::null(),
        publisher: std::ptr::null(),
        nonce: std::ptr::null(),
        nonce_length: 0,
        now: 0,
        accept_linked: 0,
        accept_maker: 0,
        min_version: 0,
        reserved: 0,
    };
}

/// `entitled_verdict`. Texts end with a zero byte.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Verdict {
    pub size: usize,
    pub state: State,
    pub error: Failure,
    pub expires_at: i64,
    pub grace_until: i64,
    pub verified_at: i64,
    pub seconds_until_change: i64,
    pub rank: i64,
    pub seats: i64,
    pub provisional: i32,
    pub features_left_out: i32,
    pub proof: Proof,
    pub vouched: Vouched,
    pub code: [u8; 32],
    pub product: [u8; 72],
    pub tier: [u8; 72],
    pub freshness: [u8; 16],
    pub trust: [u8; 16],
    pub publisher: [u8; 64],
    pub wallet: [u8; 96],
    pub token: [u8; 176],
    pub detail: [u8; 512],
    /// A JSON object.
    pub features: [u8; 8192],
    pub version: u32,
    pub reserved: i32,
}

impl Verdict {
    /// Not known, and nothing more.
    pub const INIT: Self = Self {
        size: size_of::<Self>(),
        state: State::NotKnown,
        error: Failure::None,
        expires_at: 0,
        grace_until: 0,
        verified_at: 0,
        seconds_until_change: -1,
        rank: -1,
        seats: 0,
        provisional: 0,
        features_left_out: 0,
        proof: Proof::Unproven,
        vouched: Vouched::ByNobody,
        code: [0; 32],
        product: [0; 72],
        tier: [0; 72],
        freshness: [0; 16],
        trust: [0; 16],
        publisher: [0; 64],
        wallet: [0; 96],
        token: [0; 176],
        detail: [0; 512],
        features: [0; 8192],
        version: 0,
        reserved: 0,
    };
}

/// `entitled_seat_request`
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct SeatRequest {
    pub size: usize,
    pub product: *const c_char,
    pub tier: *const c_char,
    pub feature: *const c_char,
    pub wait_ms: i64,
}

impl SeatRequest {
    pub const INIT: Self = Self {
        size: size_of::<Self>(),
        product: std::ptr::null(),
        tier: std::ptr::null(),
        feature: std::ptr::null(),
        wait_ms: 0,
    };
}

/// `entitled_seat_info`. Texts end with a zero byte.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct SeatInfo {
    pub size: usize,
    pub state: State,
    pub error: Failure,
    pub ends_at: i64,
    pub queue: i64,
    pub code: [u8; 32],
    pub seat: [u8; 32],
    pub tier: [u8; 72],
    pub detail: [u8; 512],
}

impl SeatInfo {
    /// Not known, and nothing more.
    pub const INIT: Self = Self {
        size: size_of::<Self>(),
        state: State::NotKnown,
        error: Failure::None,
        ends_at: 0,
        queue: 0,
        code: [0; 32],
        seat: [0; 32],
        tier: [0; 72],
        detail: [0; 512],
    };
}
