//! Seats that machines lend each other, in the store.

use actix::prelude::*;
use alloy_primitives::Address;

use super::Change;
use crate::actors::ownership_ledger::messages::Reply;
use crate::actors::ownership_ledger::messages::loans::{
    FindGivenLoan, FindLoans, FindMachineKey, FindTakenLoan, GiveLoanBack, KeepGivenLoan,
    KeepMachineKey, NoteLoanTime, SpendLoan, TakeLoan,
};
use crate::actors::ownership_ledger::{OwnershipLedger, Whose};
use crate::store::tables::loans;
use entitled_core::loan::{GivenLoan, TakenLoan};

// Whoever uses the machine may be entitled by what was lent to it.
revisions! {
    TakeLoan -> TakenLoan, "take a loan", |_| Whose::Everybody, |it, changes| {
        loans::take(changes, &it.loan, &it.asked)
    };
    SpendLoan -> TakenLoan, "give a loan back", |_| Whose::Everybody, |it, changes| {
        loans::spend(changes, (it.nonce, &it.text), &it.asked)
    };
}

changes! {
    KeepGivenLoan -> GivenLoan, "keep a loan", |it, changes| {
        loans::keep_given(changes, &it.loan, &it.asked)
    };
    GiveLoanBack -> GivenLoan, "take a loan back", |it, changes| {
        loans::give_back(changes, &it.returned, &it.asked)
    };
    NoteLoanTime -> (), "note how late it is", |it, changes| {
        loans::write_time(changes, it.now)
    };
    KeepMachineKey -> (Address, Vec<u8>), "keep the machine's key", |it, changes| {
        loans::keep_machine_key(changes, (it.address, &it.sealed))
    };
}

questions! {
    FindMachineKey -> Option<(Address, Vec<u8>)>, "find the machine's key", |_it, view| {
        loans::machine_key(view)
    };
    FindGivenLoan -> Option<GivenLoan>, "find a loan", |it, view| loans::find_given(view, it.nonce);
    FindTakenLoan -> Option<TakenLoan>, "find a loan", |it, view| loans::find_taken(view, it.nonce);
    FindLoans -> (Vec<GivenLoan>, Vec<TakenLoan>), "find the loans", |_it, view| {
        Ok((loans::given(view)?, loans::open(view)?))
    };
}
