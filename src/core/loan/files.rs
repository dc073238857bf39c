//! What a machine that is offline writes: a request for a seat, and what it gives back.

use std::time::Duration;

use alloy_primitives::{Address, B256};

use super::fault::LoanFault;
use super::terms::{LONGEST, Loan, SHORTEST, label, read_label, read_time, second};
use crate::domain::ids::{ProductId, Timestamp};
use crate::domain::label::Label;
use crate::receipt::FormatFault;
use crate::receipt::armour::{self, Kind};
use crate::receipt::codec::Writer;
use crate::receipt::control::is_by_key;
use crate::receipt::format::{sealed, unsealed};

const VERSION: u8 = 1;
const REQUEST: (&[u8; 4], u8) = (b"ENTQ", VERSION);
const RETURN: (&[u8; 4], u8) = (b"ENTB", VERSION);
/// No product's id is longer.
const LONGEST_PRODUCT: usize = 256;

/// What a machine asks for a seat with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatRequest {
    pub product: ProductId,
    /// The machine, by the address of its key. What is lent is bound to it.
    pub machine: Address,
    /// Random: one request has one loan.
    pub nonce: B256,
    /// Whole seconds.
    pub time: Duration,
    /// For people: for whom or what it is.
    pub label: Option<Label>,
    pub issued_at: Timestamp,
}

impl SeatRequest {
    /// What the machine's key signs.
    pub fn statement(&self) -> String {
        let Self { product, machine, nonce, time, issued_at, .. } = self;
        let (label, time) = (label(self.label.as_ref()), time.as_secs());
        format!(
            "entitled seat request 1\n\n\
             A machine asks to borrow a seat. This is not a transaction.\n\n\
             Product: {product}\nMachine: {machine}\nNonce: {nonce}\nSeconds: {time}\nLabel: {label}\n\
             Issued At: {issued_at}"
        )
    }

    /// The file, with the signature of [`Self::statement`].
    pub fn write(&self, signature: &[u8; 65]) -> String {
        let mut writer = begun(REQUEST);
        writer.bytes(self.product.as_str());
        writer.fixed(self.machine);
        writer.fixed(self.nonce);
        writer.number(self.time.as_secs());
        writer.bytes(label(self.label.as_ref()));
        writer.fixed(second(self.issued_at));
        writer.fixed(signature);
        armour::write(Kind::SeatRequest, &sealed(writer))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`LoanFault`]: it is no request, or not one of the machine that it names.
    pub fn read(text: &[u8]) -> Result<Self, LoanFault> {
        let bytes = armour::read(Kind::SeatRequest, text)?;
        let mut reader = unsealed(&bytes, REQUEST)?;
        let product = reader.text("product", LONGEST_PRODUCT)?.parse();
        let product = product.map_err(|_| FormatFault::Field { what: "product" })?;
        let (machine, nonce) = (Address::from(reader.fixed()?), B256::from(reader.fixed()?));
        let time = Duration::from_secs(reader.number()?);
        if !(SHORTEST..=LONGEST).contains(&time) {
            return Err(FormatFault::Field { what: "duration" }.into());
        }
        let (label, issued_at) = (read_label(&mut reader)?, read_time(&mut reader)?);
        let signature: [u8; 65] = reader.fixed()?;
        reader.finish()?;
        let request = Self { product, machine, nonce, time, label, issued_at };
        match is_by_key(&request.statement(), &signature, machine) {
            true => Ok(request),
            false => Err(LoanFault::Request),
        }
    }
}

/// That a machine uses a loan no more, for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatReturn {
    pub machine: Address,
    /// Of its request.
    pub nonce: B256,
    /// Which loan: [`Loan::id`].
    pub loan: B256,
    pub returned_at: Timestamp,
}

impl SeatReturn {
    /// What the machine's key signs.
    pub fn statement(&self) -> String {
        let Self { machine, nonce, loan, returned_at } = self;
        format!(
            "entitled seat return 1\n\n\
             A machine gives a borrowed seat back, and uses it no more. This is not a transaction.\n\n\
             Machine: {machine}\nNonce: {nonce}\nLoan: {loan}\nReturned At: {returned_at}"
        )
    }

    /// The file, with the signature of [`Self::statement`].
    pub fn write(&self, signature: &[u8; 65]) -> String {
        let mut writer = begun(RETURN);
        writer.fixed(self.machine);
        writer.fixed(self.nonce);
        writer.fixed(self.loan);
        writer.fixed(second(self.returned_at));
        writer.fixed(signature);
        armour::write(Kind::SeatReturn, &sealed(writer))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`LoanFault`]: it gives nothing back, or not by the machine that it names.
    pub fn read(text: &[u8]) -> Result<Self, LoanFault> {
        let bytes = armour::read(Kind::SeatReturn, text)?;
        let mut reader = unsealed(&bytes, RETURN)?;
        let machine = Address::from(reader.fixed()?);
        let (nonce, loan) = (B256::from(reader.fixed()?), B256::from(reader.fixed()?));
        let returned_at = read_time(&mut reader)?;
        let signature: [u8; 65] = reader.fixed()?;
        reader.finish()?;
        let returned = Self { machine, nonce, loan, returned_at };
        match is_by_key(&returned.statement(), &signature, machine) {
            true => Ok(returned),
            false => Err(LoanFault::Return),
        }
    }
}

/// A file that somebody brings.
#[derive(Debug, Clone, PartialEq)]
pub enum Brought {
    Loan(Box<Loan>),
    Return(SeatReturn),
}

impl Brought {
    /// Reads a file of either kind.
    ///
    /// # Errors
    /// [`LoanFault`]
    pub fn read(text: &[u8]) -> Result<Self, LoanFault> {
        if Kind::SeatLoan.begins(text) {
            Loan::read(text).map(|it| Self::Loan(it.into()))
        } else if Kind::SeatReturn.begins(text) {
            SeatReturn::read(text).map(Self::Return)
        } else {
            Err(LoanFault::OtherFile)
        }
    }
}

fn begun((magic, version): (&[u8; 4], u8)) -> Writer {
    let mut writer = Writer::default();
    writer.fixed(magic);
    writer.kind(version);
    writer
}
