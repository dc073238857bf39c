//! A loan: the evidence of a licence, and the terms to which a seat of it is lent, signed by the key of the wallet that
//! holds it.

use std::time::Duration;

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

use super::fault::LoanFault;
use crate::domain::ids::{CustomerId, Timestamp};
use crate::domain::label::Label;
use crate::receipt::armour::{self, Kind};
use crate::receipt::codec::{Reader, Writer};
use crate::receipt::format::{sealed, sha256, unsealed};
use crate::receipt::{Evidence, FormatFault};

const MAGIC: (&[u8; 4], u8) = (b"ENTL", 1);
/// For how long a seat is asked for.
pub const SHORTEST: Duration = Duration::from_secs(60);
pub const LONGEST: Duration = Duration::from_secs(30 * 86_400);
/// In UTF-8.
const LONGEST_LABEL: usize = 256;
/// How what is signed for a loan begins. A key here signs no text of somebody else's that begins so.
const HEADLINE: &str = "entitled seat loan";

/// To what terms a seat is lent. Which product, tier and features it is of follows from the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoanTerms {
    /// Which holds the licence.
    pub wallet: Address,
    /// Whose it is, at the lender's.
    pub customer: CustomerId,
    /// The machine that asked, by the address of its key.
    pub machine: Address,
    /// Of its request.
    pub nonce: B256,
    /// Of its request.
    pub label: Option<Label>,
    /// The number of the seat at the lender's.
    pub fence: u64,
    pub from: Timestamp,
    pub until: Timestamp,
}

/// A seat lent to one machine for a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Loan {
    pub evidence: Evidence,
    pub terms: LoanTerms,
    pub signature: [u8; 65],
}

impl LoanTerms {
    /// What the key of the wallet signs.
    pub fn statement(&self, evidence: B256) -> String {
        let Self { wallet, customer, machine, nonce, fence, from, until, .. } = self;
        let label = label(self.label.as_ref());
        format!(
            "{HEADLINE} 1\n\n\
             One seat of the licence that this wallet holds is lent to a machine. This is not a transaction.\n\n\
             Wallet: {wallet}\nCustomer: {customer}\nEvidence: {evidence}\nMachine: {machine}\nNonce: {nonce}\n\
             Label: {label}\nSeat: {fence}\nFrom: {from}\nUntil: {until}"
        )
    }

    fn write(&self, writer: &mut Writer) {
        writer.fixed(self.wallet);
        writer.bytes(self.customer.to_string());
        writer.fixed(self.machine);
        writer.fixed(self.nonce);
        writer.bytes(label(self.label.as_ref()));
        writer.number(self.fence);
        writer.fixed(second(self.from));
        writer.fixed(second(self.until));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, FormatFault> {
        let wallet = Address::from(reader.fixed()?);
        let customer = reader.text("customer", 64)?.parse();
        let customer = customer.map_err(|_| FormatFault::Field { what: "customer" })?;
        let (machine, nonce) = (Address::from(reader.fixed()?), B256::from(reader.fixed()?));
        let (label, fence) = (read_label(reader)?, reader.number()?);
        let (from, until) = (read_time(reader)?, read_time(reader)?);
        let lasts = Duration::try_from(until.duration_since(from)).unwrap_or_default();
        if lasts.is_zero() || lasts > LONGEST {
            return Err(FormatFault::Field { what: "duration" });
        }
        Ok(Self { wallet, customer, machine, nonce, label, fence, from, until })
    }
}

impl Loan {
    /// The loan as its one text.
    pub fn write(&self) -> String {
        let (magic, version) = MAGIC;
        let mut writer = Writer::default();
        writer.fixed(magic);
        writer.kind(version);
        self.evidence.write(&mut writer);
        self.terms.write(&mut writer);
        writer.fixed(self.signature);
        armour::write(Kind::SeatLoan, &sealed(writer))
    }

    /// Reads a loan's text. What it is worth, [`super::verify_loan`] says.
    ///
    /// # Errors
    /// [`LoanFault::Format`]
    pub fn read(text: &[u8]) -> Result<Self, LoanFault> {
        let bytes = armour::read(Kind::SeatLoan, text)?;
        let mut reader = unsealed(&bytes, MAGIC)?;
        let evidence = Evidence::read(&mut reader)?;
        let terms = LoanTerms::read(&mut reader)?;
        let signature = reader.fixed()?;
        reader.finish()?;
        Ok(Self { evidence, terms, signature })
    }

    /// By which it is told from others.
    pub fn id(&self) -> B256 {
        sha256(self.terms.statement(self.evidence.digest()).as_bytes())
    }
}

/// Whether a text is one by which a loan would be made.
pub fn is_statement(text: &str) -> bool {
    text.starts_with(HEADLINE)
}

pub(super) fn label(it: Option<&Label>) -> String {
    it.map(ToString::to_string).unwrap_or_default()
}

/// An empty one is none.
pub(super) fn read_label(reader: &mut Reader<'_>) -> Result<Option<Label>, FormatFault> {
    let text = reader.text("label", LONGEST_LABEL)?;
    let wrong = |_| FormatFault::Field { what: "label" };
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(wrong) }
}

pub(super) fn second(at: Timestamp) -> [u8; 8] {
    at.as_second().to_be_bytes()
}

pub(super) fn read_time(reader: &mut Reader<'_>) -> Result<Timestamp, FormatFault> {
    let second = i64::from_be_bytes(reader.fixed()?);
    Timestamp::from_second(second).map_err(|_| FormatFault::Field { what: "time" })
}
