//! Several questions to contracts at one block, one after the other, within one allowance of gas. Pure.
//!
//! Owns: what all of them looked at together. Asked by: `receipt`, and by whoever makes one. Never: goes on past what is
//! not proven; it is named, and whoever asked begins again.

use std::collections::BTreeSet;
use std::sync::Mutex;

use alloy_consensus::Header;
use alloy_primitives::{Address, Bytes, KECCAK256_EMPTY};

use super::execute::{Call, Outcome, Stopped, execute};
use super::gas_meter::Limits;
use super::rules::Rules;
use super::signature::{Ground, SignedHash, Stop};
use crate::domain::wallet_proof::{NotSigned, SignedBy};
use crate::proof::state::{Facts, Library, Need, locked};

/// Questions at one block.
pub struct Session<'a> {
    rules: (u64, Rules),
    header: &'a Header,
    state: (&'a Mutex<Facts>, &'a Mutex<Library>),
    /// The gas in it is what is left.
    limits: Limits<'a>,
    touched: BTreeSet<Need>,
}

impl<'a> Session<'a> {
    /// `rules`: the id of the chain, and the rules of the EVM at the block of `header`. What is proven at that block is in
    /// the facts and the library.
    pub fn new(
        rules: (u64, Rules),
        header: &'a Header,
        state: (&'a Mutex<Facts>, &'a Mutex<Library>),
        limits: Limits<'a>,
    ) -> Self {
        Self { rules, header, state, limits, touched: BTreeSet::new() }
    }

    /// Everything that was looked at so far.
    pub fn touched(&self) -> &BTreeSet<Need> {
        &self.touched
    }

    /// The gas that is left.
    pub fn gas(&self) -> u64 {
        self.limits.gas
    }

    /// How a call ends.
    ///
    /// # Errors
    /// [`Stop`]: what has to be proven before that can be told, or why it cannot be told.
    pub fn ask(&mut self, call: &Call) -> Result<Outcome, Stop> {
        let attempt = execute(self.rules, self.header, self.state, call, self.limits);
        self.touched.extend(attempt.touched);
        self.limits.gas = self.limits.gas.saturating_sub(attempt.gas);
        attempt.ended.map_err(|stopped| match stopped {
            Stopped::Missing(need) => Stop::Lacking(need),
            Stopped::Limited => Stop::Doubt,
            Stopped::RulesInDoubt => Stop::RulesInDoubt,
        })
    }

    /// The code at an address; empty where there is none.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn code(&mut self, address: Address) -> Result<Bytes, Stop> {
        let account = Need::Account(address);
        self.touched.insert(account);
        let hash = locked(self.state.0).code_hash(address).ok_or(Stop::Lacking(account))?;
        if hash == KECCAK256_EMPTY {
            return Ok(Bytes::new());
        }
        let code = locked(self.state.1).code(hash);
        Ok(code.ok_or(Stop::Lacking(Need::Code(address, hash)))?.original_bytes())
    }

    /// Who stands for a signature, or why nobody does.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn judge(&mut self, signed: &SignedHash) -> Result<Result<SignedBy, NotSigned>, Stop> {
        let mut ground = Ground::new(self.rules, self.header, self.state, self.limits);
        let judged = ground.judge(signed);
        self.touched.extend(ground.touched());
        self.limits.gas = ground.gas();
        judged
    }
}
