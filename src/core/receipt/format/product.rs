//! A product file and its signature, without what of the signature's text nobody signed.

use super::LONGEST_PRODUCT;
use crate::domain::publisher::{PublisherKey, SignatureFault};
use crate::receipt::armour::{base64, unbase64};
use crate::receipt::codec::{Reader, Writer};
use crate::receipt::fault::FormatFault;

/// The longest trusted comment, in bytes.
const TRUSTED_COMMENT_LIMIT: usize = 2_048;
const COMMENT: &str = "trusted comment: ";

/// A product file and minisign's signature of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedProduct {
    pub text: String,
    /// Algorithm, key number and signature.
    signature: [u8; 74],
    trusted_comment: String,
    /// Of the signature and the trusted comment.
    global: [u8; 64],
}

impl SignedProduct {
    /// Takes what lies beside a product file. `None` when that is no signature, or one that no receipt can carry.
    pub fn new(text: &str, signature: &str) -> Option<Self> {
        let decoded = |line: &str| {
            let mut bytes = Vec::new();
            unbase64(line, true, &mut bytes)?;
            Some(bytes)
        };
        let mut lines = signature.lines().skip(1);
        let signature = decoded(lines.next()?)?.try_into().ok()?;
        let trusted_comment = lines.next()?.strip_prefix(COMMENT)?.to_owned();
        let global = decoded(lines.next()?)?.try_into().ok()?;
        let fits = text.len() <= LONGEST_PRODUCT && trusted_comment.len() <= TRUSTED_COMMENT_LIMIT;
        fits.then(|| Self { text: text.to_owned(), signature, trusted_comment, global })
    }

    /// Whether a key made the signature.
    ///
    /// # Errors
    /// As [`PublisherKey::verify`].
    pub fn check(&self, key: &PublisherKey) -> Result<(), SignatureFault> {
        // It would begin another line, and what stands there would not be read.
        if self.trusted_comment.contains(['\n', '\r']) {
            return Err(SignatureFault::Unreadable);
        }
        let (signature, global) = (base64(&self.signature), base64(&self.global));
        let comment = &self.trusted_comment;
        let text = format!("untrusted comment: \n{signature}\n{COMMENT}{comment}\n{global}\n");
        key.verify(&self.text, &text)
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.text);
        writer.fixed(self.signature);
        writer.bytes(&self.trusted_comment);
        writer.fixed(self.global);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, FormatFault> {
        Ok(Self {
            text: reader.text("product file", LONGEST_PRODUCT)?.to_owned(),
            signature: reader.fixed()?,
            trusted_comment: reader.text("trusted comment", TRUSTED_COMMENT_LIMIT)?.to_owned(),
            global: reader.fixed()?,
        })
    }
}
