//! The one place that knows error codes and the text a caller gets to see.
//!
//! Never: a panic message, a path, a secret, or anything of another customer. The whole chain of causes
//! goes to the log here, once.

use jsonrpsee::types::ErrorObjectOwned;
use serde::Serialize;

use crate::actors::chain_verifier::VerifierError;
use crate::actors::ownership_ledger::LedgerError;
use crate::actors::tier_cache::{CheckError, InstallError};
use crate::actors::wallet_keeper::KeeperError;
use entitled_core::domain::ids::IdError;
use entitled_core::domain::peer::Refusal;

/// The kinds of failure a caller can tell apart. Values: JSON-RPC 2.0 §5.1, and our own from -32001.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Before any method is reached, as the next two.
    ParseError,
    InvalidRequest,
    MethodNotFound,
    InvalidParams,
    Internal,
    PermissionDenied,
    NotFound,
    Conflict,
    Locked,
    LimitExceeded,
    ChainUnavailable,
    StoreUnavailable,
    SignatureInvalid,
    Busy,
}

impl Code {
    pub const ALL: [Self; 14] = [
        Self::ParseError,
        Self::InvalidRequest,
        Self::MethodNotFound,
        Self::InvalidParams,
        Self::Internal,
        Self::PermissionDenied,
        Self::NotFound,
        Self::Conflict,
        Self::Locked,
        Self::LimitExceeded,
        Self::ChainUnavailable,
        Self::StoreUnavailable,
        Self::SignatureInvalid,
        Self::Busy,
    ];

    pub fn number(self) -> i32 {
        match self {
            Self::ParseError => -32700,
            Self::InvalidRequest => -32600,
            Self::MethodNotFound => -32601,
            Self::InvalidParams => -32602,
            Self::Internal => -32603,
            Self::PermissionDenied => -32001,
            Self::NotFound => -32002,
            Self::Conflict => -32003,
            Self::Locked => -32004,
            Self::LimitExceeded => -32005,
            Self::ChainUnavailable => -32006,
            Self::StoreUnavailable => -32007,
            Self::SignatureInvalid => -32008,
            Self::Busy => -32009,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::ParseError => "PARSE_ERROR",
            Self::InvalidRequest => "INVALID_REQUEST",
            Self::MethodNotFound => "METHOD_NOT_FOUND",
            Self::InvalidParams => "INVALID_PARAMS",
            Self::Internal => "INTERNAL_ERROR",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::NotFound => "NOT_FOUND",
            Self::Conflict => "CONFLICT",
            Self::Locked => "LOCKED",
            Self::LimitExceeded => "LIMIT_EXCEEDED",
            Self::ChainUnavailable => "CHAIN_UNAVAILABLE",
            Self::StoreUnavailable => "STORE_UNAVAILABLE",
            Self::SignatureInvalid => "SIGNATURE_INVALID",
            Self::Busy => "BUSY",
        }
    }

    /// What usually helps.
    pub fn help(self) -> &'static str {
        match self {
            Self::ParseError => "send JSON in UTF-8: one request object, or a batch of them",
            Self::InvalidRequest => "send one JSON-RPC 2.0 request object, or a batch of them",
            Self::MethodNotFound => "see rpc_discover for the methods there are",
            Self::InvalidParams => "see rpc_discover for what the method takes",
            Self::Internal => "this is a defect; the daemon's log has the cause",
            Self::PermissionDenied => "ask on the admin socket, or for yourself",
            Self::NotFound => "check the name, and that it was made before",
            Self::Conflict => "something stands in the way, as the message says",
            Self::Locked => {
                "the daemon has no key to open sealed keys with; `entitlectl keys status` says what to do"
            }
            Self::LimitExceeded => "send less, or later",
            Self::ChainUnavailable => "try again later; see chain_status",
            Self::StoreUnavailable => "check disk space and the daemon's log; nothing was changed",
            Self::SignatureInvalid => {
                "sign exactly the text that was given, without a newline at its end, with that account"
            }
            Self::Busy => "try again in a moment",
        }
    }
}

/// What a caller is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcError {
    pub code: Code,
    pub detail: String,
}

/// `error.data`.
#[derive(Debug, Clone, Serialize)]
struct Data<'a> {
    code: &'static str,
    detail: &'a str,
    help: &'static str,
}

impl RpcError {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    pub fn invalid_params(detail: impl Into<String>) -> Self {
        Self::new(Code::InvalidParams, detail)
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("no such {what}"))
    }

    /// For a failure that is no fault of the caller: the cause goes to the log, not to the caller.
    fn logged(code: Code, detail: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut causes = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push_str(": ");
            causes.push_str(&cause.to_string());
            source = cause.source();
        }
        tracing::error!(code = code.name(), error = causes, "a request failed");
        Self::new(code, detail)
    }
}

impl From<RpcError> for ErrorObjectOwned {
    fn from(error: RpcError) -> Self {
        let RpcError { code, detail } = error;
        let data = Data { code: code.name(), detail: &detail, help: code.help() };
        let message = code.name().to_lowercase().replace('_', " ");
        Self::owned(code.number(), format!("{message}: {detail}"), Some(data))
    }
}

impl From<Refusal> for RpcError {
    fn from(refusal: Refusal) -> Self {
        Self::new(Code::PermissionDenied, refusal.to_string())
    }
}

impl From<IdError> for RpcError {
    fn from(error: IdError) -> Self {
        Self::invalid_params(error.to_string())
    }
}

impl From<LedgerError> for RpcError {
    fn from(error: LedgerError) -> Self {
        match &error {
            LedgerError::NotFound { what } => Self::not_found(what),
            LedgerError::Conflict { why } => Self::new(Code::Conflict, why.clone()),
            LedgerError::Full { why } => Self::new(Code::LimitExceeded, why.clone()),
            LedgerError::Busy { why } => Self::new(Code::Busy, why.clone()),
            LedgerError::ChallengeSpent => Self::new(Code::NotFound, error.to_string()),
            LedgerError::Store { .. } => {
                Self::logged(Code::StoreUnavailable, "the store cannot be used now", &error)
            }
        }
    }
}

impl From<VerifierError> for RpcError {
    fn from(error: VerifierError) -> Self {
        match error {
            VerifierError::Unknown { .. } => Self::new(Code::ChainUnavailable, error.to_string()),
            VerifierError::NotHeld | VerifierError::OtherTransaction => {
                Self::new(Code::Conflict, error.to_string())
            }
            VerifierError::Feed { source } => {
                let cause = std::error::Error::source(&source).map(|it| format!(": {it}"));
                Self::new(Code::Conflict, format!("{source}{}", cause.unwrap_or_default()))
            }
            VerifierError::BrokenOff => Self::new(Code::Busy, error.to_string()),
            VerifierError::Ledger { source } => source.into(),
        }
    }
}

impl From<CheckError> for RpcError {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Ledger { source } => source.into(),
            CheckError::Busy => Self::new(Code::Busy, "the ledger is too busy"),
        }
    }
}

impl From<InstallError> for RpcError {
    fn from(error: InstallError) -> Self {
        match &error {
            InstallError::Wrong { faults } => {
                let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
                Self::invalid_params(faults.join("; "))
            }
            InstallError::Unknown { .. } => Self::not_found("product"),
            InstallError::Packaged { .. } => {
                Self::new(Code::Conflict, "the product belongs to a package; remove that instead")
            }
            InstallError::NoDirectory | InstallError::Refused { .. } | InstallError::Io { .. } => {
                Self::logged(Code::StoreUnavailable, "the product file cannot be written", &error)
            }
        }
    }
}

impl From<KeeperError> for RpcError {
    fn from(error: KeeperError) -> Self {
        let code = match error {
            KeeperError::Ledger { source } => return source.into(),
            KeeperError::Locked { .. } | KeeperError::StillLocked { .. } => Code::Locked,
            KeeperError::TooManyTries | KeeperError::Full { .. } => Code::LimitExceeded,
            KeeperError::NotFound { .. } => Code::NotFound,
            KeeperError::Conflict { .. } => Code::Conflict,
            KeeperError::SignatureInvalid { .. } => Code::SignatureInvalid,
            KeeperError::BadInput { .. } => Code::InvalidParams,
            KeeperError::Unknown { .. } => Code::ChainUnavailable,
            KeeperError::Busy
            | KeeperError::KeysBusy
            | KeeperError::Crowded
            | KeeperError::LedgerSilent { .. }
            | KeeperError::ChainSilent => Code::Busy,
            KeeperError::BrokenOff { .. } => {
                return Self::logged(Code::Internal, "the request could not be finished", &error);
            }
            KeeperError::KeyUnusable { .. } | KeeperError::Key { .. } => {
                return Self::logged(Code::Internal, "the key could not be used", &error);
            }
        };
        Self::new(code, error.to_string())
    }
}

/// An actor that did not take or answer a message.
impl From<actix::MailboxError> for RpcError {
    fn from(error: actix::MailboxError) -> Self {
        match error {
            actix::MailboxError::Timeout => Self::new(Code::Busy, "no answer in time"),
            actix::MailboxError::Closed => {
                Self::logged(Code::Busy, "the part that answers this is being restarted", &error)
            }
        }
    }
}
