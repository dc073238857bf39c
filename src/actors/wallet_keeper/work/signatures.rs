//! Signatures that no key made: whether the contract that is a wallet accepts them.
//!
//! A key is asked first and needs no chain. What remains is put to ChainVerifier; while that cannot find
//! out, the answer is "unknown".

use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, hex};

use super::tools::{Prover, hash, worked};
use crate::actors::chain_verifier::{CheckSignature, Stands, VerifierError};
use crate::actors::wallet_keeper::messages::{KeeperError, Verified, VerifyMessage};
use entitled_core::domain::customer::Challenge;
use entitled_core::domain::ids::ChainId;
use entitled_core::domain::ownership::{Anchor, Cause};
use entitled_core::domain::wallet_proof::{
    self, Method, NotSigned, Payload, ProofFault, SignatureFault, SignedBy, is_mirror_image,
    personal_message_hash,
};

/// Longer than the verifier's own bound, so that it is the one that answers.
const PATIENCE: Duration = Duration::from_secs(70);
/// The longest signature, in bytes: enough for a contract's own code in an envelope (ERC-6492).
const SIGNATURE_LIMIT: usize = 32 * 1024;

/// Whoever buys the token has the account, and nobody would be told.
const BOUND: &str = "the address is an account bound to a token (ERC-6551), and belongs to whoever owns that token: link the wallet \
                     that does; what the account holds counts for it where the product's grant has `token_bound = true`";

impl Prover {
    pub(in crate::actors::wallet_keeper) async fn verify(
        self,
        question: VerifyMessage,
    ) -> Result<Verified, KeeperError> {
        let VerifyMessage { address, payload, signature, chain, uid } = question;
        let method = payload.method();
        let judging = self.cpu.run(uid, move || judge(&payload, &signature, address));
        let Judged { hash, by_key: signed, is_mirror, bytes } =
            worked("check a signature", judging.await)?;
        let by_key = |valid| Ok(Verified { valid, method, anchor: None });
        let invalid = |why: String| KeeperError::SignatureInvalid { why };
        let fault = match (signed, chain) {
            (Ok(true), _) => return by_key(true),
            (Ok(valid), None) => return by_key(valid),
            (Err(fault), None) => {
                let hint = "; if a contract is to judge it, name its `chain`";
                return Err(invalid(format!("{fault}{hint}")));
            }
            (Ok(false), Some(_)) => None,
            (Err(fault), Some(_)) => Some(fault),
        };
        if is_mirror {
            return Err(invalid(fault.map(|it| it.to_string()).unwrap_or_default()));
        }
        let (Some(chain), Some(bytes)) = (chain, bytes) else {
            return Err(invalid(fault.map(|it| it.to_string()).unwrap_or_default()));
        };
        let unknown = |cause| KeeperError::Unknown {
            why: format!("whether a contract on {chain} accepts the signature is not known"),
            cause,
        };
        let asked = self.ask_chain((uid, chain), address, (hash, bytes)).await?;
        let (by, anchor) = asked.map_err(unknown)?;
        let method = match by {
            Ok(SignedBy::Key) | Err(NotSigned::ByNobody) => method,
            Ok(SignedBy::Contract | SignedBy::BoundAccount { deployed: true }) => Method::Eip1271,
            Ok(SignedBy::Counterfactual | SignedBy::BoundAccount { deployed: false }) => {
                Method::Erc6492
            }
            Err(NotSigned::DeployFirst) => return Err(invalid(deploy_first(chain))),
        };
        let anchor = Some(anchor).filter(|_| by != Ok(SignedBy::Key));
        Ok(Verified { valid: by.is_ok(), method, anchor })
    }

    /// Whether a contract on the challenge's chain accepts a signature that is not by the address's key;
    /// gives the block at which it did. `fault` is why the signature is not by the key.
    pub(in crate::actors::wallet_keeper) async fn accepted_by_contract(
        &self,
        (uid, challenge): (u32, &Challenge),
        signature: &str,
        fault: &ProofFault,
    ) -> Result<Option<Anchor>, KeeperError> {
        let refused =
            |more: String| KeeperError::SignatureInvalid { why: format!("{fault}{more}") };
        let (chain, address) = (ChainId(challenge.chain), challenge.address);
        let hash = personal_message_hash(challenge.message.as_bytes());
        let signature = signature.to_owned();
        let reading = self.cpu.run(uid, move || {
            Ok(read(&signature).filter(|_| !is_mirror_image(hash, &signature, address)))
        });
        let bytes = worked("check a signature", reading.await)?;
        let Some(bytes) = bytes else { return Err(refused(String::new())) };
        match self.ask_chain((uid, chain), address, (hash, bytes)).await? {
            Ok((Ok(SignedBy::Key), _)) => Ok(None),
            Ok((Ok(SignedBy::Contract | SignedBy::Counterfactual), at)) => Ok(Some(at)),
            Ok((Ok(SignedBy::BoundAccount { .. }), _)) => {
                Err(KeeperError::Conflict { why: BOUND.to_owned() })
            }
            Ok((Err(NotSigned::DeployFirst), _)) => {
                Err(KeeperError::SignatureInvalid { why: deploy_first(chain) })
            }
            Ok((Err(NotSigned::ByNobody), _)) => {
                Err(refused(format!("; and no contract on {chain} accepts it")))
            }
            // Asking again would not help, so that this is no "try later".
            Err(Cause::NotConfigured) => {
                Err(refused(format!("; and no contract can judge it: {chain} is not configured")))
            }
            Err(cause) => {
                let why = format!(
                    "{fault}; whether a contract on {chain} accepts the signature is not known"
                );
                Err(KeeperError::Unknown { why, cause })
            }
        }
    }

    async fn ask_chain(
        &self,
        (uid, chain): (u32, ChainId),
        address: Address,
        (hash, signature): (B256, Bytes),
    ) -> Result<Result<Stands, Cause>, KeeperError> {
        let Some(chains) = &self.chains else { return Ok(Err(Cause::NotConfigured)) };
        let question = CheckSignature { chain, uid, address, hash, signature };
        match chains.send(question).timeout(PATIENCE).await {
            Ok(Ok(signed_by)) => Ok(Ok(signed_by)),
            Ok(Err(VerifierError::Unknown { cause })) => Ok(Err(cause)),
            Ok(Err(_)) | Err(_) => Err(KeeperError::ChainSilent),
        }
    }
}

fn deploy_first(chain: ChainId) -> String {
    format!("deploy the wallet first: its deployment changes what is there already on {chain}")
}

/// What can be said of a signature without a chain.
struct Judged {
    hash: B256,
    by_key: Result<bool, SignatureFault>,
    is_mirror: bool,
    /// The signature itself, for a contract.
    bytes: Option<Bytes>,
}

fn judge(payload: &Payload, signature: &str, address: Address) -> Result<Judged, KeeperError> {
    let hash = hash(payload)?;
    let by_key = wallet_proof::is_signed_by(hash, signature, address);
    let is_mirror = by_key != Ok(true) && is_mirror_image(hash, signature, address);
    Ok(Judged { hash, by_key, is_mirror, bytes: read(signature) })
}

/// A signature of any length in hexadecimal.
fn read(text: &str) -> Option<Bytes> {
    let digits = text.strip_prefix("0x").filter(|it| it.len() <= 2 * SIGNATURE_LIMIT)?;
    hex::decode(digits).ok().filter(|_| !digits.starts_with("0x")).map(Bytes::from)
}

#[cfg(test)]
mod tests;
