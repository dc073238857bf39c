//! What one execution may cost: gas, and being told to stop; whether it reads the block, and whether the rules it is run by
//! leave it in doubt. Pure: whether to go on is asked of a function.
//!
//! Owned by: `execute`, for the length of one attempt. Never: lets a contract notice. The gas it sees is
//! always that of a system call; what is counted here is what it used of it.

use revm::Inspector;
use revm::interpreter::interpreter_types::Jumps;
use revm::interpreter::{
    CallInputs, CallOutcome, CreateInputs, CreateOutcome, InstructionResult, Interpreter,
};

use super::execute::Stopped;
use super::rules::Rules;

/// Instructions between two questions whether to go on: some microseconds.
const STEPS: u32 = 1_024;

/// How long an attempt may last.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// Gas it may use before it is stopped.
    pub gas: u64,
    /// Asked every so often; `false` stops it.
    pub go_on: &'a dyn Fn() -> bool,
}

/// Watches an execution, counts its gas, and stops it at its limits and where the rules are in doubt.
pub(crate) struct GasMeter<'a> {
    limits: Limits<'a>,
    rules: Rules,
    /// Gas at the start; `None` before the first instruction.
    given: Option<u64>,
    /// Gas left in each frame, outermost first. What a frame has passed on is not in it.
    left: Vec<u64>,
    until_asked: u32,
    stopped: Option<Stopped>,
    reads_block: bool,
}

/// Whether an instruction tells a contract which block it is run in: BLOCKHASH to BASEFEE, BLOBBASEFEE and
/// SLOTNUM (EIP-7843). CHAINID, SELFBALANCE and BLOBHASH lie between and do not.
fn reads_block(opcode: u8) -> bool {
    matches!(opcode, 0x40..=0x45 | 0x48 | 0x4a..=0x4f)
}

impl<'a> GasMeter<'a> {
    pub(crate) fn new(limits: Limits<'a>, rules: Rules) -> Self {
        let (left, given, stopped) = (Vec::new(), None, None);
        Self { limits, rules, given, left, until_asked: 0, stopped, reads_block: false }
    }

    /// Whether the contract asked for anything of its block: its outcome may be another in the next one.
    pub(crate) fn reads_block(&self) -> bool {
        self.reads_block
    }

    pub(crate) fn stopped(&self) -> Option<Stopped> {
        self.stopped
    }

    /// Gas used so far, in whatever frame.
    pub(crate) fn gas(&self) -> u64 {
        let left = self.left.iter().fold(0_u64, |sum, it| sum.saturating_add(*it));
        self.given.map_or(0, |given| given.saturating_sub(left))
    }

    fn note(&mut self, interpreter: &Interpreter) {
        let left = interpreter.gas.remaining();
        self.given.get_or_insert(left);
        if let Some(frame) = self.left.last_mut() {
            *frame = left;
        }
    }

    fn stop(&mut self, why: Stopped) {
        self.stopped.get_or_insert(why);
    }

    fn entered(&mut self) {
        self.left.push(0);
        // One call may be as much work as many instructions.
        self.until_asked = 0;
    }

    /// The outermost frame stays, to tell what it left over; and all do when something is missing, which
    /// ends them all.
    fn returned(&mut self, result: InstructionResult) {
        let is_too_long = matches!(
            result,
            InstructionResult::CreateContractSizeLimit | InstructionResult::CreateInitCodeSizeLimit
        );
        if is_too_long && self.rules.doubt_lengths() {
            self.stop(Stopped::RulesInDoubt);
        }
        if self.left.len() > 1 && result != InstructionResult::FatalExternalError {
            self.left.pop();
        }
    }
}

impl<CTX> Inspector<CTX> for GasMeter<'_> {
    fn step(&mut self, interpreter: &mut Interpreter, _: &mut CTX) {
        self.note(interpreter);
        let opcode = interpreter.bytecode.opcode();
        self.reads_block |= reads_block(opcode);
        if self.rules.doubt(opcode) {
            self.stop(Stopped::RulesInDoubt);
        }
        if self.until_asked == 0 {
            self.until_asked = STEPS;
            if self.gas() >= self.limits.gas || !(self.limits.go_on)() {
                self.stop(Stopped::Limited);
            }
        }
        self.until_asked -= 1;
        // Once stopped, every frame is: a caller never sees that its callee was.
        if self.stopped.is_some() {
            interpreter.halt(InstructionResult::OutOfGas);
        }
    }

    /// After a call this is what the caller kept for itself.
    fn step_end(&mut self, interpreter: &mut Interpreter, _: &mut CTX) {
        self.note(interpreter);
    }

    fn call(&mut self, _: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        let (_, code) = &inputs.known_bytecode;
        if self.rules.doubt_call(inputs.bytecode_address, code.original_byte_slice()) {
            self.stop(Stopped::RulesInDoubt);
        }
        self.entered();
        None
    }

    fn call_end(&mut self, _: &mut CTX, _: &CallInputs, outcome: &mut CallOutcome) {
        self.returned(outcome.result.result);
    }

    fn create(&mut self, _: &mut CTX, _: &mut CreateInputs) -> Option<CreateOutcome> {
        self.entered();
        None
    }

    fn create_end(&mut self, _: &mut CTX, _: &CreateInputs, outcome: &mut CreateOutcome) {
        self.returned(outcome.result.result);
    }
}
