//! Who stands for a signature, over proven state: an account's contract (ERC-6492, ERC-1271) or its key.
//!
//! Asked by: `mod`. Asks: `gather`, for what has to be proven. Never: says yes in doubt, nor no.
//!
//! The order is the one of the universal validator in ERC-6492: first whether the signature comes in that
//! standard's envelope, then whether the account has code, and only then its key. An account that
//! delegates (EIP-7702) has both a key and code; its key comes first, as nothing can take its power away.
//!
//! Where that validator would be deployed and called, the same steps are taken here one by one, because
//! it cannot tell "no" from "ran out of gas". What the steps change is thrown away.

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use alloy_consensus::Header;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::Bytes;
use alloy_primitives::address;
use alloy_primitives::hex;
use alloy_sol_types::SolCall;
use alloy_sol_types::SolValue;
use alloy_sol_types::sol;
use revm::Context;
use revm::Database;
use revm::InspectSystemCallEvm;
use revm::Inspector;
use revm::MainBuilder;
use revm::MainContext;
use revm::context::ContextSetters;
use revm::context::ContextTr;
use revm::context::JournalTr;
use revm::context::TxEnv;
use revm::context::result::EVMError;
use revm::context::result::ExecutionResult;
use revm::context::result::HaltReason;
use revm::handler::EthFrame;
use revm::handler::EvmTr;
use revm::handler::EvmTrError;
use revm::handler::FrameResult;
use revm::handler::FrameTr;
use revm::handler::Handler;
use revm::handler::MainnetHandler;
use revm::handler::SystemCallTx;
use revm::inspector::InspectorEvmTr;
use revm::inspector::InspectorHandler;
use revm::inspector::JournalExt;
use revm::interpreter::FrameInput;
use revm::interpreter::GasTracker;
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::interpreter_action::FrameInit;
use revm::primitives::hardfork::SpecId;
use revm::state::EvmState;
use tokio::time::Instant;

use super::effort::Effort;
use super::effort::Limits;
use super::execute::block;
use super::executor::Asker;
use super::executor::goes_on;
use super::gather::ACCOUNTS;
use super::gather::BUSY;
use super::gather::GAS;
use super::gather::Gatherer;
use super::gather::MISSES;
use super::gather::Pinned;
use super::pool::Pool;
use super::refusal::Refusal;
use super::state::Facts;
use super::state::Library;
use super::state::Miss;
use super::state::Need;
use super::state::View;
use crate::domain::ownership::Cause;
use crate::domain::wallet_proof;
use crate::domain::wallet_proof::SignedBy;

/// No longer than this for one signature. Anybody may name the contract that is run for it.
const DEADLINE: Duration = Duration::from_secs(15);

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
pub(super) struct Claim {
    pub(super) account: Address,
    pub(super) hash: B256,
    pub(super) signature: Bytes,
}

/// Why a claim could not be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// For want of this.
    Lacking(Need),
    /// A contract ran out of gas or of time, or the execution broke down.
    Doubt,
}

/// What the steps run on: the chain's id and the EVM's rules, the block, and what is proven at it; and what they may
/// cost.
struct Ground<'a> {
    rules: (u64, SpecId),
    header: &'a Header,
    view: View<'a>,
    /// The gas in it is what is left.
    limits: Limits<'a>,
}

/// How one attempt went, and what it cost.
struct Attempt {
    judged: Result<Option<SignedBy>, Stop>,
    accounts: usize,
    gas: u64,
    took: Duration,
}

/// How a contract that is not deployed yet is deployed.
type Deployment = (Address, Bytes);

/// What is known of a signature by its form.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Plain,
    Enveloped {
        deployment: Deployment,
        inner: Bytes,
    },
    /// Ends like an envelope and is none.
    Broken,
}

/// Judges `claim`, fetching and proving what that takes.
pub(super) async fn prove(
    gatherer: &Gatherer,
    pool: &Pool,
    block: &Arc<Pinned>,
    claim: Claim,
) -> Result<Option<SignedBy>, Cause> {
    let deadline = Instant::now() + DEADLINE;
    let claim = Arc::new(claim);
    let (mut gas, mut took) = (GAS, Duration::ZERO);
    for _ in 0..MISSES {
        let attempt = attempt(gatherer, block, &claim, (gas, deadline)).await?;
        gas = gas.saturating_sub(attempt.gas);
        took += attempt.took;
        if attempt.accounts > ACCOUNTS || took >= BUSY || Instant::now() > deadline {
            return Err(Cause::Contract);
        }
        let need = match attempt.judged {
            Ok(signed_by) => return Ok(signed_by),
            Err(Stop::Doubt | Stop::Lacking(Need::BlockHash(_))) => return Err(Cause::Contract),
            Err(Stop::Lacking(need)) => need,
        };
        gatherer.fetch(pool, block, &BTreeSet::from([need]), deadline).await?;
    }
    Err(Cause::Contract)
}

/// One attempt, at a place for contracts that anybody may name.
async fn attempt(
    gatherer: &Gatherer,
    block: &Arc<Pinned>,
    claim: &Arc<Claim>,
    (gas, deadline): (u64, Instant),
) -> Result<Attempt, Cause> {
    let (chain, library) = (gatherer.executor.chain, Arc::clone(&gatherer.library));
    let (block, claim) = (Arc::clone(block), Arc::clone(claim));
    let work = move |given_up: &AtomicBool| {
        let begun = Instant::now();
        let go_on = || goes_on(given_up, deadline, begun);
        let limits = Limits { gas, go_on: &go_on };
        let rules = (chain, block.rules);
        let mut ground = Ground::new(rules, &block.header, (&block.facts, &library), limits);
        let judged = ground.judge(&claim);
        let accounts = ground.view.touched.iter().filter(|it| matches!(it, Need::Account(_)));
        let accounts = accounts.count();
        Attempt { judged, accounts, gas: gas - ground.limits.gas, took: begun.elapsed() }
    };
    let done = gatherer.executor.at_place(Asker::Caller, deadline, work).await;
    let late = Instant::now() >= deadline;
    done.ok_or_else(|| if late { Refusal::Late.cause() } else { Cause::Contract })
}

impl<'a> Ground<'a> {
    fn new(
        rules: (u64, SpecId),
        header: &'a Header,
        (facts, library): (&'a Mutex<Facts>, &'a Mutex<Library>),
        limits: Limits<'a>,
    ) -> Self {
        Self { rules, header, view: View { facts, library, touched: BTreeSet::new() }, limits }
    }

    fn judge(&mut self, claim: &Claim) -> Result<Option<SignedBy>, Stop> {
        let Claim { account, hash, signature } = claim;
        let (has_code, has_key) = self.kind_of(*account)?;
        match Form::of(signature) {
            Form::Broken => Ok(None),
            Form::Enveloped { deployment, inner } => {
                let question = question(*hash, inner);
                // Deployed already, the contract may still need what the envelope prepares.
                let accepted = (has_code && self.accepts(*account, &question, None)?)
                    || self.accepts(*account, &question, Some(&deployment))?;
                Ok(accepted.then_some(SignedBy::Counterfactual))
            }
            Form::Plain if has_key && is_by_key(claim) => Ok(Some(SignedBy::Key)),
            Form::Plain if has_code => {
                let accepted = self.accepts(*account, &question(*hash, signature.clone()), None)?;
                Ok(accepted.then_some(SignedBy::Contract))
            }
            Form::Plain => Ok(None),
        }
    }

    /// Whether an account has code, and whether a key stands behind it.
    fn kind_of(&mut self, account: Address) -> Result<(bool, bool), Stop> {
        let lacking = |Miss(need)| Stop::Lacking(need);
        let Some(found) = self.view.basic(account).map_err(lacking)? else {
            return Ok((false, true));
        };
        if found.is_empty_code_hash() {
            return Ok((false, true));
        }
        let code = self.view.code_by_hash(found.code_hash).map_err(lacking)?;
        Ok((true, code.is_eip7702()))
    }

    /// Whether the contract at `account` says yes, after its deployment if one is given.
    fn accepts(
        &mut self,
        account: Address,
        question: &Bytes,
        deployment: Option<&Deployment>,
    ) -> Result<bool, Stop> {
        let (chain, rules) = self.rules;
        let mut evm = Context::mainnet()
            .with_db(&mut self.view)
            .with_block(block(self.header))
            .modify_cfg_chained(|cfg| {
                cfg.set_spec_and_mainnet_gas_params(rules);
                cfg.chain_id = chain;
            })
            .build_mainnet_with_inspector(Effort::new(self.limits));
        if let Some((factory, data)) = deployment {
            let deployed = evm.inspect_one_system_call_with_caller(ASKER, *factory, data.clone());
            self.limits.gas = self.limits.gas.saturating_sub(evm.inspector.gas());
            if ended(deployed, &evm.inspector)?.is_none() {
                return Ok(false);
            }
            evm.inspector = Effort::new(self.limits);
        }
        evm.ctx.set_tx(TxEnv::new_system_tx_with_caller(ASKER, account, question.clone()));
        let said = StaticCall::default().inspect_run_system_call(&mut evm);
        self.limits.gas = self.limits.gas.saturating_sub(evm.inspector.gas());
        let said = ended(said, &evm.inspector)?;
        Ok(said.is_some_and(|it| is_yes(&it)))
    }
}

fn question(hash: B256, signature: Bytes) -> Bytes {
    isValidSignatureCall { hash, signature }.abi_encode().into()
}

/// What a call returned; `None` if it was reverted, or did what no gas would have let it do.
fn ended(
    result: Result<ExecutionResult, EVMError<Miss>>,
    effort: &Effort<'_>,
) -> Result<Option<Bytes>, Stop> {
    match result {
        _ if effort.is_stopped() => Err(Stop::Doubt),
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

fn is_by_key(claim: &Claim) -> bool {
    let text = hex::encode_prefixed(&claim.signature);
    wallet_proof::is_signed_by(claim.hash, &text, claim.account).unwrap_or(false)
}

impl Form {
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
mod tests {
    use alloy_primitives::KECCAK256_EMPTY;
    use alloy_primitives::keccak256;
    use alloy_signer::SignerSync;
    use alloy_signer_local::PrivateKeySigner;
    use alloy_trie::EMPTY_ROOT_HASH;
    use alloy_trie::TrieAccount;

    use super::*;
    use crate::chain::proof::ProvenAccount;

    const CONTRACT: Address = Address::repeat_byte(0xc0);
    /// Returns ERC-1271's yes to whatever it is asked.
    const YES: [u8; 14] = hex!("631626ba7e60e01b5f5260205ff3");

    fn key() -> PrivateKeySigner {
        PrivateKeySigner::from_slice(&[7; 32]).unwrap()
    }

    fn signed() -> Bytes {
        key().sign_hash_sync(&B256::ZERO).unwrap().as_bytes().into()
    }

    /// Judges `signature` of the zero hash where these accounts are proven, with this code.
    fn judge(
        accounts: &[(Address, &[u8])],
        account: Address,
        signature: Bytes,
    ) -> Result<Option<SignedBy>, Stop> {
        judge_within((u64::MAX, SpecId::OSAKA), accounts, account, signature)
    }

    fn judge_within(
        (gas, rules): (u64, SpecId),
        accounts: &[(Address, &[u8])],
        account: Address,
        signature: Bytes,
    ) -> Result<Option<SignedBy>, Stop> {
        let (mut facts, mut library) = (Facts::default(), Library::default());
        for (address, code) in accounts {
            let code_hash = if code.is_empty() { KECCAK256_EMPTY } else { keccak256(code) };
            let proven =
                TrieAccount { code_hash, storage_root: EMPTY_ROOT_HASH, ..TrieAccount::default() };
            facts.learn(*address, ProvenAccount { account: Some(proven), slots: Vec::new() });
            library.learn(*address, code_hash, Bytes::copy_from_slice(code));
        }
        let claim = Claim { account, hash: B256::ZERO, signature };
        let header = Header { base_fee_per_gas: Some(1), ..Header::default() };
        let (facts, library) = (Mutex::new(facts), Mutex::new(library));
        let limits = Limits { gas, go_on: &|| true };
        Ground::new((1, rules), &header, (&facts, &library), limits).judge(&claim)
    }

    #[test]
    fn nothing_is_said_of_an_account_that_is_not_proven() {
        let lacking = Err(Stop::Lacking(Need::Account(key().address())));
        assert_eq!(judge(&[], key().address(), signed()), lacking);
    }

    #[test]
    fn a_key_signs_for_an_account_without_code() {
        let own = key().address();
        assert_eq!(judge(&[(own, &[])], own, signed()), Ok(Some(SignedBy::Key)));
        assert_eq!(judge(&[(CONTRACT, &[])], CONTRACT, signed()), Ok(None));
        let short = signed().slice(..64);
        assert_eq!(judge(&[(own, &[])], own, short), Ok(None));
    }

    #[test]
    fn code_at_the_address_of_a_key_outranks_it() {
        let own = key().address();
        let stop = hex!("00");
        assert_eq!(judge(&[(own, &stop)], own, signed()), Ok(None));
        assert_eq!(judge(&[(own, &YES)], own, Bytes::new()), Ok(Some(SignedBy::Contract)));
    }

    #[test]
    fn a_delegating_account_is_asked_for_its_key_first() {
        let own = key().address();
        let delegation = [&hex!("ef0100"), CONTRACT.as_slice()].concat();
        let accounts: [(Address, &[u8]); 2] = [(own, &delegation), (CONTRACT, &YES)];
        assert_eq!(judge(&accounts, own, signed()), Ok(Some(SignedBy::Key)));
        assert_eq!(judge(&accounts, own, Bytes::new()), Ok(Some(SignedBy::Contract)));
        let without: [(Address, &[u8]); 1] = [(own, &delegation)];
        let lacking = Err(Stop::Lacking(Need::Account(CONTRACT)));
        assert_eq!(judge(&without, own, Bytes::new()), lacking);
    }

    #[test]
    fn an_endless_loop_is_a_doubt_and_an_invalid_opcode_a_no() {
        let ask = |code: &[u8]| judge(&[(CONTRACT, code)], CONTRACT, signed());
        assert_eq!(ask(&hex!("5b5f56")), Err(Stop::Doubt));
        assert_eq!(ask(&hex!("fe")), Ok(None));
        let writes = [&hex!("60015f55")[..], &YES].concat();
        assert_eq!(ask(&writes), Ok(None), "nothing may be written");
    }

    #[test]
    fn who_asks_is_a_hash_and_has_no_key() {
        let hash = keccak256("entitled: who asks a contract for a signature");
        assert_eq!(ASKER, Address::from_word(hash));
        // Says yes where sender and origin are who they should be.
        let sender = [&hex!("33")[..], &hex!("73"), ASKER.as_slice(), &hex!("14")].concat();
        let origin = [&hex!("32")[..], &hex!("73"), ASKER.as_slice(), &hex!("14")].concat();
        for asked in [sender, origin] {
            // Jumps over a stop, to the yes.
            let jump = u8::try_from(asked.len() + 4).unwrap();
            let code = [&asked[..], &[0x60, jump, 0x57, 0x00, 0x5b], &YES].concat();
            let said = judge(&[(CONTRACT, &code)], CONTRACT, signed());
            assert_eq!(said, Ok(Some(SignedBy::Contract)));
        }
    }

    /// CLZ (EIP-7939) came with Osaka, and no header tells Osaka from Prague.
    #[test]
    fn the_rules_are_those_that_calls_go_by() {
        let code = [&hex!("5f1e50")[..], &YES].concat();
        let ask = |rules| judge_within((u64::MAX, rules), &[(CONTRACT, &code)], CONTRACT, signed());
        assert_eq!(ask(SpecId::OSAKA), Ok(Some(SignedBy::Contract)));
        assert_eq!(ask(SpecId::PRAGUE), Ok(None));
    }

    #[test]
    fn who_is_stopped_has_said_nothing() {
        assert_eq!(
            judge_within((0, SpecId::OSAKA), &[(CONTRACT, &YES)], CONTRACT, signed()),
            Err(Stop::Doubt)
        );
    }

    #[test]
    fn an_envelope_is_read_or_is_broken_but_never_plain() {
        let plain = signed();
        assert_eq!(Form::of(&plain), Form::Plain);
        let content = (CONTRACT, Bytes::from_static(b"call"), plain.clone()).abi_encode_params();
        let whole = Bytes::from([&content[..], &ENVELOPE].concat());
        let deployment = (CONTRACT, Bytes::from_static(b"call"));
        assert_eq!(Form::of(&whole), Form::Enveloped { deployment, inner: plain });
        for broken in [ENVELOPE.to_vec(), [&content[..64], &ENVELOPE].concat()] {
            assert_eq!(Form::of(&broken.into()), Form::Broken);
        }
        let cut = whole.slice(..whole.len() - 1);
        assert_eq!(Form::of(&cut), Form::Plain, "without its mark it is none");
    }

    #[test]
    fn only_one_word_is_a_yes() {
        let word = |bytes: [u8; 4]| [&bytes[..], &[0; 28]].concat();
        assert!(is_yes(&word(ACCEPTED)));
        assert!(is_yes(&[word(ACCEPTED), vec![1; 32]].concat()), "as any contract may return more");
        let mut dirty = word(ACCEPTED);
        dirty[31] = 1;
        for no in
            [Vec::new(), ACCEPTED.to_vec(), word(ACCEPTED)[..31].to_vec(), dirty, word([0xff; 4])]
        {
            assert!(!is_yes(&no), "{no:?}");
        }
    }
}
