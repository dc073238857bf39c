//! The one place that knows error codes and the text a caller gets to see.
//!
//! Never: a panic message, a path, a secret, or anything of another customer. The whole chain of causes
//! goes to the log here, once.

use jsonrpsee::types::ErrorObjectOwned;
use serde::Serialize;

use crate::actors::chain_verifier::{ProofFault, VerifierError};
use crate::actors::ownership_ledger::LedgerError;
use crate::actors::tier_cache::{CheckError, InstallError, ReceiptError};
use crate::actors::wallet_keeper::KeeperError;
use entitled_core::domain::causes::with_causes;
use entitled_core::domain::entitlement;
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
        self.row().number
    }

    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// What it is in a few words, for people. What a method says continues with what exactly was wrong.
    pub fn message(self) -> &'static str {
        self.row().message
    }

    /// What usually helps.
    pub fn help(self) -> &'static str {
        self.row().help
    }

    /// The table of errors.
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn row(self) -> Row {
        match self {
            Self::ParseError => Row {
                number: -32700,
                name: "PARSE_ERROR",
                message: "not JSON",
                help: "send one JSON-RPC 2.0 object, or an array of them, in UTF-8",
            },
            Self::InvalidRequest => Row {
                number: -32600,
                name: "INVALID_REQUEST",
                message: "not a JSON-RPC 2.0 request",
                help: "send {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"...\",\"params\":{...}}",
            },
            Self::MethodNotFound => Row {
                number: -32601,
                name: "METHOD_NOT_FOUND",
                message: "no such method",
                help: "rpc_discover lists the methods",
            },
            Self::InvalidParams => Row {
                number: -32602,
                name: "INVALID_PARAMS",
                message: "invalid params",
                help: "see rpc_discover for what the method takes",
            },
            Self::Internal => Row {
                number: -32603,
                name: "INTERNAL_ERROR",
                message: "internal error",
                help: "this is a defect; the daemon's log has the cause",
            },
            Self::PermissionDenied => Row {
                number: -32001,
                name: "PERMISSION_DENIED",
                message: "permission denied",
                help: "ask on the admin socket, or for yourself",
            },
            Self::NotFound => Row {
                number: -32002,
                name: "NOT_FOUND",
                message: "not found",
                help: "check the name, and that it was made before",
            },
            Self::Conflict => Row {
                number: -32003,
                name: "CONFLICT",
                message: "conflict",
                help: "something stands in the way, as the message says",
            },
            Self::Locked => Row {
                number: -32004,
                name: "LOCKED",
                message: "locked",
                help: "the daemon has no key to open sealed keys with; `entitlectl keys status` says what to do",
            },
            Self::LimitExceeded => Row {
                number: -32005,
                name: "LIMIT_EXCEEDED",
                message: "limit exceeded",
                help: "send less, or later",
            },
            Self::ChainUnavailable => Row {
                number: -32006,
                name: "CHAIN_UNAVAILABLE",
                message: "chain unavailable",
                help: "try again later; see chain_status",
            },
            Self::StoreUnavailable => Row {
                number: -32007,
                name: "STORE_UNAVAILABLE",
                message: "store unavailable",
                help: "check disk space and the daemon's log; nothing was changed",
            },
            Self::SignatureInvalid => Row {
                number: -32008,
                name: "SIGNATURE_INVALID",
                message: "signature invalid",
                help: "sign exactly the text that was given, without a newline at its end, with that account",
            },
            Self::Busy => {
                Row { number: -32009, name: "BUSY", message: "busy", help: "try again in a moment" }
            }
        }
    }
}

/// What is told of a kind of failure.
struct Row {
    number: i32,
    name: &'static str,
    message: &'static str,
    help: &'static str,
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
        let causes = with_causes(error);
        tracing::error!(code = code.name(), error = causes, "a request failed");
        Self::new(code, detail)
    }
}

impl From<RpcError> for ErrorObjectOwned {
    fn from(error: RpcError) -> Self {
        let RpcError { code, detail } = error;
        let data = Data { code: code.name(), detail: &detail, help: code.help() };
        Self::owned(code.number(), format!("{}: {detail}", code.message()), Some(data))
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
            VerifierError::NoProof { source } => match source {
                ProofFault::Unknown(_) | ProofFault::NoWay { .. } => {
                    Self::new(Code::ChainUnavailable, source.to_string())
                }
                ProofFault::NotHeld | ProofFault::NotLinked => {
                    Self::new(Code::Conflict, source.to_string())
                }
            },
            VerifierError::KnownBetter { .. } => Self::new(Code::Conflict, error.to_string()),
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

impl From<ReceiptError> for RpcError {
    fn from(error: ReceiptError) -> Self {
        let code = match &error {
            ReceiptError::NoYes { verdict } => match verdict.code {
                entitlement::Code::Undetermined => Code::ChainUnavailable,
                entitlement::Code::NoProduct => Code::NotFound,
                _ => Code::Conflict,
            },
            ReceiptError::NoProduct | ReceiptError::NoWallet => Code::NotFound,
            ReceiptError::Refused(_) => Code::SignatureInvalid,
            ReceiptError::Unsigned
            | ReceiptError::LinkedBefore
            | ReceiptError::UnfitSignature
            | ReceiptError::Unvouched => Code::Conflict,
            ReceiptError::BrokenOff => Code::Busy,
            ReceiptError::Check(source) => return source.clone().into(),
            ReceiptError::Verifier(source) => return source.clone().into(),
        };
        Self::new(code, error.to_string())
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
            InstallError::NotTaken { .. } => Self::new(Code::Conflict, error.to_string()),
            InstallError::NotKept => Self::new(Code::StoreUnavailable, error.to_string()),
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
            KeeperError::Unknown { .. } | KeeperError::Receipt { .. } => Code::ChainUnavailable,
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
