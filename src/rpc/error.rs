//! What each failure is called in the public API, and the text that a caller gets to see. The codes themselves are the
//! client's ([`Code`]), which needs them to understand an answer.
//!
//! Never: a panic message, a path, a secret, or anything of another customer. The whole chain of causes
//! goes to the log here, once.

use jsonrpsee::types::ErrorObjectOwned;
use serde::Serialize;

use crate::actors::chain_verifier::{ProofFault, VerifierError};
use crate::actors::ownership_ledger::LedgerError;
use crate::actors::seat_keeper::{FleetOrderError, SeatError};
use crate::actors::tier_cache::{CheckError, InstallError, LoanError, ReceiptError};
use crate::actors::wallet_keeper::KeeperError;
use entitled_core::domain::causes::with_causes;
use entitled_core::domain::entitlement;
use entitled_core::domain::ids::IdError;
use entitled_core::domain::peer::Refusal;
use entitled_core::loan::LoanFault;

pub use entitled_client::ErrorCode as Code;

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

impl From<SeatError> for RpcError {
    fn from(error: SeatError) -> Self {
        let code = match error {
            SeatError::Count { source } => return source.into(),
            SeatError::Audit { source } => return source.into(),
            SeatError::Busy => Code::Busy,
            SeatError::NotFound => Code::NotFound,
            SeatError::TooYoung { .. }
            | SeatError::LentAway { .. }
            | SeatError::NoUnit
            | SeatError::Ended => Code::Conflict,
            SeatError::TooManyProcesses => Code::LimitExceeded,
            SeatError::NoRandomness => Code::Internal,
        };
        Self::new(code, error.to_string())
    }
}

impl From<FleetOrderError> for RpcError {
    fn from(error: FleetOrderError) -> Self {
        let code = match &error {
            FleetOrderError::Audit { source } => return source.clone().into(),
            FleetOrderError::NoMachine => Code::NotFound,
            FleetOrderError::Busy => Code::Busy,
            FleetOrderError::NoFleet
            | FleetOrderError::NotRestored
            | FleetOrderError::TooEarly { .. }
            | FleetOrderError::LastEpoch { .. }
            | FleetOrderError::NotBelieved { .. }
            | FleetOrderError::Store { .. } => Code::Conflict,
        };
        // Causes may name addresses and files.
        Self::new(code, error.to_string())
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

impl From<LoanFault> for RpcError {
    fn from(fault: LoanFault) -> Self {
        let code = match &fault {
            LoanFault::OtherMachine { .. } | LoanFault::Future { .. } | LoanFault::Over { .. } => {
                Code::Conflict
            }
            LoanFault::Format(_)
            | LoanFault::OtherFile
            | LoanFault::Request
            | LoanFault::Return
            | LoanFault::Loan
            | LoanFault::Evidence(_) => Code::SignatureInvalid,
        };
        Self::new(code, fault.to_string())
    }
}

impl From<LoanError> for RpcError {
    fn from(error: LoanError) -> Self {
        let code = match error {
            LoanError::Refused(fault) => return (*fault).into(),
            LoanError::Check(source) => return source.into(),
            LoanError::NoProduct => Code::NotFound,
            LoanError::NoGrant
            | LoanError::OtherLender { .. }
            | LoanError::Unvouched { .. }
            | LoanError::Another
            | LoanError::Spent => Code::Conflict,
            LoanError::BrokenOff => Code::Busy,
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
