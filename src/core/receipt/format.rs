//! What a receipt holds, and its bytes. Pure.
//!
//! Owns: format 1. Each receipt has one sequence of bytes and each such sequence is one receipt at most: widths are fixed
//! or written in front, every length has a bound, and nothing stands behind the end. Never: judges what it reads.
//!
//! ```text
//! "ENTR", 1, evidence, control, SHA-256 of everything before
//! evidence: product file and signature, token, grant, via, block, header, nodes of tries, codes
//! ```

use alloy_primitives::{Address, B256, Bytes, U256};
use ring::digest;

use super::armour::{self, Kind};
use super::codec::{Reader, Writer};
use super::fault::FormatFault;
use crate::domain::ids::{ChainId, Collection, CustomerId, Standard, Timestamp, Token};
use crate::domain::ownership::{Finality, Trust, Via};
use crate::domain::product::document;
use crate::domain::wallet_proof::MESSAGE_LIMIT;
use crate::light_client::Path;

mod path;
mod product;

pub use product::SignedProduct;

const MAGIC: &[u8; 4] = b"ENTR";
const VERSION: u8 = 1;

/// The longest signature of a link: enough for a contract's own code in an envelope (ERC-6492).
pub const LINK_SIGNATURE_LIMIT: usize = 32 * 1024;
/// The longest nonce, in bytes.
pub const NONCE_LIMIT: usize = 64;
/// Who may stand between a wallet and a token: a vault, and accounts one in the other.
const MOST_VIA: usize = 8;
const LONGEST_HEADER: usize = 4 * 1024;
const LONGEST_SPECIFICATION: usize = 64 * 1024;
const MOST_NODES: usize = 8 * 1024;
const LONGEST_NODE: usize = 1024;
const MOST_CODES: usize = 64;
const LONGEST_CODE: usize = 512 * 1024;

/// A verdict's proof in one piece. Nothing of it is believed: [`super::verify`] says what it comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    pub evidence: Evidence,
    pub control: Control,
}

/// What holds for everybody: the product, the token, and the state of the chain that proves who holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    pub product: SignedProduct,
    pub token: Token,
    /// Which grant of the product: the first one with its terms that is about the token.
    pub grant: u32,
    /// Through whom the wallet holds the token, beginning at the wallet.
    pub via: Vec<Via>,
    pub block: BlockEvidence,
    /// The execution block's header, in RLP.
    pub header: Bytes,
    /// Nodes of tries, in the order of their hashes.
    pub nodes: Vec<Bytes>,
    /// Contracts' code, in the order of their hashes.
    pub codes: Vec<Bytes>,
}

/// Why the block is the chain's.
#[derive(Debug, Clone, PartialEq)]
pub enum BlockEvidence {
    /// Whoever made the receipt says so: one endpoint named it to them, or several did.
    Claimed { trust: Trust, finality: Finality },
    /// Its validators signed for it.
    Signed {
        /// The text of the chain's specification, where the product names one by its digest.
        specification: Option<String>,
        path: Box<Path>,
    },
}

/// How control of the wallet is shown.
#[derive(Debug, Clone, PartialEq)]
pub enum Control {
    /// By the text and the signature by which it was linked. It can be copied.
    Linked { message: String, signature: Bytes },
    /// By its key, which is on the machine that made the receipt, over [`super::control::text`].
    Managed {
        wallet: Address,
        customer: CustomerId,
        issued_at: Timestamp,
        /// Empty where nobody gave one.
        nonce: Bytes,
        signature: [u8; 65],
    },
}

/// With a checksum behind it, which tells damage from forgery.
pub(crate) fn sealed(writer: Writer) -> Vec<u8> {
    let mut bytes = writer.finish();
    bytes.extend(sha256(&bytes));
    bytes
}

/// What stands behind the beginning and the version, and before the checksum.
pub(crate) fn unsealed<'a>(
    bytes: &'a [u8],
    (magic, version): (&[u8; 4], u8),
) -> Result<Reader<'a>, FormatFault> {
    let (content, checksum) = bytes.split_last_chunk::<32>().ok_or(FormatFault::CutShort)?;
    let mut reader = Reader::new(content);
    if reader.fixed()? != *magic {
        return Err(FormatFault::Field { what: "beginning" });
    }
    let found = reader.kind()?;
    if found != version {
        return Err(FormatFault::Version { found });
    }
    match sha256(content) == *checksum {
        true => Ok(reader),
        false => Err(FormatFault::Checksum),
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> B256 {
    B256::from_slice(digest::digest(&digest::SHA256, bytes).as_ref())
}

impl Receipt {
    /// The receipt as its one text.
    pub fn to_text(&self) -> String {
        armour::write(Kind::Receipt, &self.to_bytes())
    }

    /// Reads a receipt's text.
    ///
    /// # Errors
    /// [`FormatFault`]: it is anything but a receipt in its one form.
    pub fn from_text(text: &[u8]) -> Result<Self, FormatFault> {
        Self::from_bytes(&armour::read(Kind::Receipt, text)?)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.fixed(MAGIC);
        writer.kind(VERSION);
        self.evidence.write(&mut writer);
        self.control.write(&mut writer);
        sealed(writer)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, FormatFault> {
        let mut reader = unsealed(bytes, (MAGIC, VERSION))?;
        let evidence = Evidence::read(&mut reader)?;
        let control = Control::read(&mut reader)?;
        reader.finish()?;
        Ok(Self { evidence, control })
    }
}

impl Evidence {
    /// The evidence by itself, to be kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.kind(VERSION);
        self.write(&mut writer);
        writer.finish()
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`FormatFault`]: it is anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatFault> {
        let mut reader = Reader::new(bytes);
        match reader.kind()? {
            VERSION => {}
            found => return Err(FormatFault::Version { found }),
        }
        let evidence = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(evidence)
    }

    /// What the key of a managed wallet signs for.
    pub fn digest(&self) -> B256 {
        sha256(&self.to_bytes())
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        self.product.write(writer);
        let Token { collection, id } = self.token;
        writer.number(collection.chain.0);
        writer.kind(match collection.standard {
            Standard::Erc721 => 0,
            Standard::Erc1155 => 1,
        });
        writer.fixed(collection.contract);
        writer.fixed(id.to_be_bytes::<32>());
        writer.fixed(self.grant.to_be_bytes());
        writer.list(self.via.iter(), |writer, via| {
            let (kind, address) = match via {
                Via::Vault(address) => (0, address),
                Via::Account(address) => (1, address),
            };
            writer.kind(kind);
            writer.fixed(address);
        });
        self.block.write(writer);
        writer.bytes(&self.header);
        for pieces in [&self.nodes, &self.codes] {
            writer.list(pieces.iter(), |writer, piece| writer.bytes(piece));
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, FormatFault> {
        let product = SignedProduct::read(reader)?;
        let chain = ChainId(reader.number()?);
        let standard = match reader.kind()? {
            0 => Standard::Erc721,
            1 => Standard::Erc1155,
            _ => return Err(FormatFault::Field { what: "token" }),
        };
        let contract = Address::from(reader.fixed()?);
        let collection = Collection { chain, standard, contract };
        let token = collection.token(U256::from_be_bytes::<32>(reader.fixed()?));
        let grant = u32::from_be_bytes(reader.fixed()?);
        let via = reader.list(("holders between", MOST_VIA), |reader| {
            let kind = reader.kind()?;
            let address = Address::from(reader.fixed()?);
            match kind {
                0 => Ok(Via::Vault(address)),
                1 => Ok(Via::Account(address)),
                _ => Err(FormatFault::Field { what: "holder between" }),
            }
        })?;
        let block = BlockEvidence::read(reader)?;
        let header = Bytes::copy_from_slice(reader.bytes("header", LONGEST_HEADER)?);
        let piece = |what, most| {
            move |reader: &mut Reader<'_>| reader.bytes(what, most).map(Bytes::copy_from_slice)
        };
        let nodes = reader.list(("nodes", MOST_NODES), piece("node", LONGEST_NODE))?;
        let codes = reader.list(("codes", MOST_CODES), piece("code", LONGEST_CODE))?;
        Ok(Self { product, token, grant, via, block, header, nodes, codes })
    }
}

impl BlockEvidence {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Claimed { trust, finality } => {
                writer.kind(if *trust == Trust::Single { 0 } else { 1 });
                writer.kind(match finality {
                    Finality::Latest => 0,
                    Finality::Safe => 1,
                    Finality::Finalized => 2,
                });
            }
            Self::Signed { specification, path } => {
                writer.kind(2);
                // A specification is never empty.
                writer.bytes(specification.as_deref().unwrap_or_default());
                path::write(writer, path);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, FormatFault> {
        let trust = match reader.kind()? {
            0 => Trust::Single,
            1 => Trust::Quorum,
            2 => {
                let text = reader.text("specification", LONGEST_SPECIFICATION)?;
                let specification = (!text.is_empty()).then(|| text.to_owned());
                return Ok(Self::Signed { specification, path: path::read(reader)?.into() });
            }
            _ => return Err(FormatFault::Field { what: "trust" }),
        };
        let finality = match reader.kind()? {
            0 => Finality::Latest,
            1 => Finality::Safe,
            2 => Finality::Finalized,
            _ => return Err(FormatFault::Field { what: "finality" }),
        };
        Ok(Self::Claimed { trust, finality })
    }
}

impl Control {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Linked { message, signature } => {
                writer.kind(0);
                writer.bytes(message);
                writer.bytes(signature);
            }
            Self::Managed { wallet, customer, issued_at, nonce, signature } => {
                writer.kind(1);
                writer.fixed(wallet);
                writer.bytes(customer.to_string());
                writer.fixed(issued_at.as_second().to_be_bytes());
                writer.bytes(nonce);
                writer.fixed(signature);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, FormatFault> {
        match reader.kind()? {
            0 => {
                let message = reader.text("link's text", MESSAGE_LIMIT)?.to_owned();
                let signature = reader.bytes("link's signature", LINK_SIGNATURE_LIMIT)?;
                Ok(Self::Linked { message, signature: Bytes::copy_from_slice(signature) })
            }
            1 => {
                let wallet = Address::from(reader.fixed()?);
                let wrong = |what| move |_| FormatFault::Field { what };
                let customer = reader.text("customer", 64)?;
                let customer =
                    customer.parse().map_err(|_| FormatFault::Field { what: "customer" })?;
                let second = i64::from_be_bytes(reader.fixed()?);
                let issued_at = Timestamp::from_second(second).map_err(wrong("time"))?;
                let nonce = Bytes::copy_from_slice(reader.bytes("nonce", NONCE_LIMIT)?);
                let signature = reader.fixed()?;
                Ok(Self::Managed { wallet, customer, issued_at, nonce, signature })
            }
            _ => Err(FormatFault::Field { what: "control" }),
        }
    }
}

/// The longest product file there is.
const LONGEST_PRODUCT: usize = document::LONGEST_TEXT;

/// How much of a receipt a path is.
#[cfg(test)]
pub(super) fn path_bytes(it: &Path) -> Vec<u8> {
    let mut writer = Writer::default();
    path::write(&mut writer, it);
    writer.finish()
}
