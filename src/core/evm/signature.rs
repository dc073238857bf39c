//! Who stands for a signature, over proven state: an account's contract (ERC-6492, ERC-1271) or its key.
//!
//! Pure: what is not proven yet is named. Asked by: `chain/evm/signature`. Never: says yes in doubt, nor no.
//!
//! The order is the one of the universal validator in ERC-6492: first whether the signature comes in that
//! standard's envelope, then whether the account has code, and only then its key. An account that
//! delegates (EIP-7702) has both a key and code; its key comes first, as nothing can take its power away.
//!
//! Where that validator would be deployed and called, the same steps are taken here one by one, because
//! it cannot tell "no" from "ran out of gas". What the steps change is thrown away.
//!
//! In one thing it is not followed: it makes the call of an envelope whatever that changes, for accounts with code too. The
//! answer would be that of a world that nobody made: a token bought by a call is in nobody's hands. Here the call may bring an
//! account without code into being, and nothing else (`deployment`).

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::sync::Mutex;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, address, hex};
use alloy_sol_types::{SolCall, SolValue, sol};
use revm::context::result::{EVMError, ExecutionResult, HaltReason};
use revm::context::{ContextSetters, ContextTr, JournalTr, TxEnv};
use revm::handler::{
    EthFrame, EvmTr, EvmTrError, FrameResult, FrameTr, Handler, MainnetHandler, SystemCallTx,
};
use revm::inspector::{InspectorEvmTr, InspectorHandler, JournalExt};
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::interpreter_action::FrameInit;
use revm::interpreter::{FrameInput, GasTracker};
use revm::state::EvmState;
use revm::{Context, Database, InspectSystemCallEvm, Inspector, MainBuilder, MainContext};

use super::deployment::DeploymentGuard;
use super::erc6551::is_account;
use super::execute::{Stopped, block};
use super::gas_meter::{GasMeter, Limits};
use super::rules::Rules;
use crate::domain::wallet_proof;
use crate::domain::wallet_proof::{NotSigned, SignedBy};
use crate::proof::state::{Facts, Library, Miss, Need, View};

/// Who asks, and who prepares what an envelope names: sender and origin of all calls. It is not the zero address, which
/// owns what was given up and is let through by accounts that can be simulated. The last 20 bytes of a hash
/// (see the tests), so that nobody has its key.
const ASKER: Address = address!("0x59E47AF2b78827069B9450028D10eC006268310C");

/// ERC-6492: what such a signature ends with.
const ENVELOPE: [u8; 32] = hex!("6492649264926492649264926492649264926492649264926492649264926492");
/// ERC-1271: a yes, and nothing else is one.
const ACCEPTED: [u8; 4] = isValidSignatureCall::SELECTOR;

sol! {
    function isValidSignature(bytes32 hash, bytes signature) returns (bytes4 magic);
}

/// That `account` stands for `signature` of `hash`.
#[derive(Debug, Clone)]
pub struct SignedHash {
    pub account: Address,
    pub hash: B256,
    pub signature: Bytes,
}

/// Why a signature could not be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// For want of this.
    Lacking(Need),
    /// A contract ran out of gas or of time, or the execution broke down.
    Doubt,
    /// A contract did what the rules of a later fork, or of its own chain, may tell otherwise.
    RulesInDoubt,
}

/// What the steps run on: the chain's id and the EVM's rules, the block, and what is proven at it; and what they may
/// cost.
pub struct Ground<'a> {
    rules: (u64, Rules),
    header: &'a Header,
    view: View<'a>,
    /// The gas in it is what is left.
    limits: Limits<'a>,
}

/// How a contract that is not deployed yet is deployed.
type Deployment = (Address, Bytes);

/// What is known of a signature by its form.
#[derive(Debug, Clone, PartialEq, Eq)]
enum SignatureFormat {
    Plain,
    Enveloped {
        deployment: Deployment,
        inner: Bytes,
    },
    /// Ends like an envelope and is none.
    Broken,
}

impl<'a> Ground<'a> {
    /// `rules`: the id of the chain, which contracts can ask for, and the rules of the EVM at the block of `header`. What is
    /// proven at that block is in the facts and the library.
    pub fn new(
        rules: (u64, Rules),
        header: &'a Header,
        (facts, library): (&'a Mutex<Facts>, &'a Mutex<Library>),
        limits: Limits<'a>,
    ) -> Self {
        Self { rules, header, view: View { facts, library, touched: BTreeSet::new() }, limits }
    }

    /// Who stands for the signature, if anybody does.
    ///
    /// # Errors
    /// [`Stop`]: what has to be proven before that can be told, or why it cannot be told.
    pub fn judge(&mut self, signed: &SignedHash) -> Result<Result<SignedBy, NotSigned>, Stop> {
        let SignedHash { account, hash, signature } = signed;
        let (code, has_key) = self.kind_of(*account)?;
        let (has_code, is_bound) =
            (code.is_some(), code.is_some_and(|it| is_account(*account, &it)));
        let (inner, deployment, by) = match SignatureFormat::of(signature) {
            SignatureFormat::Plain if has_key && is_by_key(signed) => return Ok(Ok(SignedBy::Key)),
            SignatureFormat::Plain if has_code => (signature.clone(), None, SignedBy::Contract),
            SignatureFormat::Plain | SignatureFormat::Broken => {
                return Ok(Err(NotSigned::ByNobody));
            }
            SignatureFormat::Enveloped { deployment, inner } => {
                (inner, Some(deployment).filter(|_| !has_code), SignedBy::Counterfactual)
            }
        };
        let said = self.ask(*account, question(*hash, inner), deployment)?;
        Ok(said.map(|is_made_bound| match by {
            by if is_bound || is_made_bound => {
                SignedBy::BoundAccount { deployed: by == SignedBy::Contract }
            }
            by => by,
        }))
    }

    /// Everything that was looked at so far.
    pub(crate) fn touched(&self) -> &BTreeSet<Need> {
        &self.view.touched
    }

    /// How many accounts were looked at so far.
    pub fn accounts(&self) -> usize {
        self.view.touched.iter().filter(|it| matches!(it, Need::Account(_))).count()
    }

    /// The gas that is left.
    pub fn gas(&self) -> u64 {
        self.limits.gas
    }

    /// The account's code, if it has any, and whether a key stands behind it.
    fn kind_of(&mut self, account: Address) -> Result<(Option<Bytes>, bool), Stop> {
        let lacking = |Miss(need)| Stop::Lacking(need);
        let Some(found) = self.view.basic(account).map_err(lacking)? else {
            return Ok((None, true));
        };
        if found.is_empty_code_hash() {
            return Ok((None, true));
        }
        let code = self.view.code_by_hash(found.code_hash).map_err(lacking)?;
        Ok((Some(code.original_bytes()), code.is_eip7702()))
    }

    /// Whether the contract at `account` says yes, after its deployment if one is given; and whether that makes it an account
    /// bound to a token.
    fn ask(
        &mut self,
        account: Address,
        question: Bytes,
        deployment: Option<Deployment>,
    ) -> Result<Result<bool, NotSigned>, Stop> {
        let (chain, rules) = self.rules;
        let mut is_made_bound = false;
        let watched = |limits, guard| (GasMeter::new(limits, rules), guard);
        let mut evm = Context::mainnet()
            .with_db(&mut self.view)
            .with_block(block(self.header))
            .modify_cfg_chained(|cfg| {
                cfg.set_spec_and_mainnet_gas_params(rules.spec());
                cfg.chain_id = chain;
            })
            .build_mainnet_with_inspector(watched(self.limits, DeploymentGuard::of(account)));
        if let Some((factory, data)) = deployment {
            let deployed = evm.inspect_one_system_call_with_caller(ASKER, factory, data);
            let (meter, guard) = &evm.inspector;
            self.limits.gas = self.limits.gas.saturating_sub(meter.gas());
            if guard.is_broken() {
                return Ok(Err(NotSigned::DeployFirst));
            }
            let succeeded = ended(deployed, meter)?.is_some();
            // Its code was not there before.
            let made = evm
                .ctx
                .journal()
                .evm_state()
                .get(&account)
                .filter(|it| succeeded && it.is_created() && !it.info.is_empty_code_hash());
            let Some(made) = made else { return Ok(Err(NotSigned::ByNobody)) };
            let code = made.info.code.as_ref().map(|it| it.original_bytes());
            is_made_bound = code.is_some_and(|it| is_account(account, &it));
        }
        // It may change nothing anyway.
        evm.inspector = watched(self.limits, DeploymentGuard::idle());
        evm.ctx.set_tx(TxEnv::new_system_tx_with_caller(ASKER, account, question));
        let said = StaticCall::default().inspect_run_system_call(&mut evm);
        let (meter, _) = &evm.inspector;
        self.limits.gas = self.limits.gas.saturating_sub(meter.gas());
        let said = ended(said, meter)?;
        Ok(if said.is_some_and(|it| is_yes(&it)) {
            Ok(is_made_bound)
        } else {
            Err(NotSigned::ByNobody)
        })
    }
}

fn question(hash: B256, signature: Bytes) -> Bytes {
    isValidSignatureCall { hash, signature }.abi_encode().into()
}

/// What a call returned; `None` if it was reverted, or did what no gas would have let it do.
fn ended(
    result: Result<ExecutionResult, EVMError<Miss>>,
    meter: &GasMeter<'_>,
) -> Result<Option<Bytes>, Stop> {
    match meter.stopped() {
        Some(Stopped::RulesInDoubt) => return Err(Stop::RulesInDoubt),
        Some(_) => return Err(Stop::Doubt),
        None => {}
    }
    match result {
        Ok(ExecutionResult::Success { output, .. }) => Ok(Some(output.into_data())),
        Ok(ExecutionResult::Revert { .. }) => Ok(None),
        Ok(ExecutionResult::Halt { reason: HaltReason::OutOfGas(_), .. }) => Err(Stop::Doubt),
        Ok(ExecutionResult::Halt { .. }) => Ok(None),
        Err(EVMError::Database(Miss(need))) => Err(Stop::Lacking(need)),
        Err(_) => Err(Stop::Doubt),
    }
}

/// A `bytes4` as contracts return it: a whole word, and zero behind the four bytes.
fn is_yes(returned: &[u8]) -> bool {
    returned.get(..32).is_some_and(|word| word.starts_with(&ACCEPTED) && word[4..] == [0; 28])
}

fn is_by_key(signed: &SignedHash) -> bool {
    let text = hex::encode_prefixed(&signed.signature);
    wallet_proof::is_signed_by(signed.hash, &text, signed.account).unwrap_or(false)
}

impl SignatureFormat {
    fn of(signature: &Bytes) -> Self {
        let Some(content) = signature.strip_suffix(&ENVELOPE) else { return Self::Plain };
        match <(Address, Bytes, Bytes)>::abi_decode_params(content) {
            Ok((factory, data, inner)) => Self::Enveloped { deployment: (factory, data), inner },
            Err(_) => Self::Broken,
        }
    }
}

/// A call that may change nothing, as ERC-1271 has it: what tries to, fails.
struct StaticCall<EVM, ERROR>(PhantomData<(EVM, ERROR)>);

impl<EVM, ERROR> Default for StaticCall<EVM, ERROR> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<EVM, ERROR> Handler for StaticCall<EVM, ERROR>
where
    EVM: EvmTr<
            Context: ContextTr<Journal: JournalTr<State = EvmState>>,
            Frame = EthFrame<EthInterpreter>,
        >,
    EthFrame<EthInterpreter>: FrameTr<FrameResult = FrameResult, FrameInit = FrameInit>,
    ERROR: EvmTrError<EVM>,
{
    type Evm = EVM;
    type Error = ERROR;
    type HaltReason = HaltReason;

    fn first_frame_input(
        &mut self,
        evm: &mut EVM,
        gas: &mut GasTracker,
    ) -> Result<Option<FrameInit>, ERROR> {
        let mut plain = MainnetHandler::<EVM, ERROR, EthFrame<EthInterpreter>>::default();
        let mut frame = plain.first_frame_input(evm, gas)?;
        if let Some(FrameInit { frame_input: FrameInput::Call(inputs), .. }) = &mut frame {
            inputs.is_static = true;
        }
        Ok(frame)
    }
}

impl<EVM, ERROR> InspectorHandler for StaticCall<EVM, ERROR>
where
    EVM: InspectorEvmTr<
            Context: ContextTr<Journal: JournalTr<State = EvmState> + JournalExt>,
            Frame = EthFrame<EthInterpreter>,
            Inspector: Inspector<<EVM as EvmTr>::Context, EthInterpreter>,
        >,
    ERROR: EvmTrError<EVM>,
{
    type IT = EthInterpreter;
}

#[cfg(test)]
mod tests;
