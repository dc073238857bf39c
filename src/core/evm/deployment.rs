//! Watches the call that deploys a wallet: it may bring into being, and change nothing that was there. Pure.
//!
//! Owned by: `signature`, for the length of one call. Never: judges by how the call ends. What is changed and changed back
//! again was changed, and could be built on meanwhile.

use alloy_primitives::{Address, U256};
use revm::Inspector;
use revm::bytecode::opcode::{SELFDESTRUCT, SSTORE, TSTORE};
use revm::context::{ContextTr, CreateScheme, JournalTr};
use revm::interpreter::interpreter_types::{InputsTr, Jumps};
use revm::interpreter::{
    CallInputs, CallOutcome, CreateInputs, CreateOutcome, InstructionResult, Interpreter,
};
use revm::state::EvmState;

/// Whether a call keeps to bringing one account into being, and whatever else it creates.
///
/// Storage, lasting and transient, is changed only of what this call created; or by a frame that the account itself
/// called, and it was created here: so wallets install their modules, which keep their settings by who calls. No ether moves, and
/// nothing destroys itself. What was there before creates only where the address tells what will stand there (CREATE2): by its nonce,
/// anybody could have made anything there. The nonces themselves may rise.
pub(crate) struct DeploymentGuard {
    /// `None`: nothing is watched.
    account: Option<Address>,
    broken: bool,
}

impl DeploymentGuard {
    pub(crate) fn of(account: Address) -> Self {
        Self { account: Some(account), broken: false }
    }

    pub(crate) fn idle() -> Self {
        Self { account: None, broken: false }
    }

    /// Whether the call tried to change what was there before.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    fn refuse_if(&mut self, is_change: bool) {
        self.broken |= is_change && self.account.is_some();
    }
}

/// Whether the running transaction created it.
fn is_created<CTX>(context: &CTX, address: Address) -> bool
where
    CTX: ContextTr<Journal: JournalTr<State = EvmState>>,
{
    context.journal().evm_state().get(&address).is_some_and(|it| it.is_created_locally())
}

impl<CTX> Inspector<CTX> for DeploymentGuard
where
    CTX: ContextTr<Journal: JournalTr<State = EvmState>>,
{
    fn step(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        match interpreter.bytecode.opcode() {
            SSTORE | TSTORE => {
                let (of, by) =
                    (interpreter.input.target_address(), interpreter.input.caller_address());
                let is_own = is_created(context, of)
                    || (self.account == Some(by) && is_created(context, by));
                self.refuse_if(!is_own);
            }
            SELFDESTRUCT => self.refuse_if(true),
            _ => {}
        }
        // Every frame is ended: there is nothing more to find out.
        if self.broken {
            interpreter.halt(InstructionResult::OutOfGas);
        }
    }

    fn call(&mut self, _: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.refuse_if(inputs.transfers_value());
        None
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        let by_nonce = matches!(inputs.scheme(), CreateScheme::Create);
        self.refuse_if(inputs.value() != U256::ZERO);
        self.refuse_if(by_nonce && !is_created(context, inputs.caller()));
        None
    }
}
