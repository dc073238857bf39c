//! Why a file of a loan is of no use.

use alloy_primitives::Address;

use crate::domain::ids::Timestamp;
use crate::receipt::{FormatFault, ReceiptFault};

/// Why a request, a loan or a return is not taken.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LoanFault {
    #[error("the file cannot be read: {0}")]
    Format(#[from] FormatFault),
    #[error("the file is none that can be imported here: a loan, or what a machine gives back")]
    OtherFile,
    #[error("the request is not signed by the key of the machine that it names")]
    Request,
    #[error("what is given back is not signed by the key of the machine that it names")]
    Return,
    #[error("the loan is not signed by the key of the wallet that it names")]
    Loan,
    #[error("the loan does not prove a licence: {0}")]
    Evidence(#[from] ReceiptFault),
    #[error("the loan is for another machine, {machine}")]
    OtherMachine { machine: Address },
    #[error("the loan is of {at}, which has not come: check the clocks")]
    Future { at: Timestamp },
    #[error("the loan ended at {until}")]
    Over { until: Timestamp },
}
