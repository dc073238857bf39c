//! The whole: the real daemon, its real socket, a real EVM node, real contracts. By subject; each test has
//! its own state directory and, where the chain's state matters, its own chain.
//!
//! Needs what `make prepare` installs (the node and the compiled contracts).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::needless_pass_by_value,
    clippy::cast_possible_truncation,
    reason = "tests fail by panicking, wait by sleeping, and say so on stderr"
)]
#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod administration;
mod alerts;
mod bad_input;
mod book;
mod c_library;
mod changes;
mod clients;
mod command_line;
mod commands;
mod consensus;
mod contract_deployments;
mod contract_wallets;
mod contracts;
mod custody;
mod delegations;
mod descriptors;
mod discovery;
mod doctor;
mod endpoints;
mod environment;
mod evm_rules;
mod examples;
mod fake;
mod finality;
mod fleet;
mod fleet_amounts;
mod fleet_engines;
mod fleet_many;
mod fleet_meta;
mod fleet_restart;
mod fleet_storm;
mod fleet_tls;
mod fleet_unkept;
mod following;
mod gateway;
mod growth;
mod keys;
mod lies;
mod lifecycle;
mod local_users;
mod main_path;
mod many_tokens;
mod many_users;
mod memory_pages;
mod mistakes;
mod named_files;
mod observation;
mod openfeature;
mod pages;
mod prerequisites;
mod pseudo_terminal;
mod publishers;
mod quorum;
mod readme;
mod readme_libraries;
mod receipts;
mod receipts_rules;
mod reload;
mod rules;
mod rules_balance;
mod rules_reach;
mod rules_timed;
mod rules_unlock;
mod run_command;
mod seats;
mod seats_amounts;
mod seats_borrow;
mod seats_clients;
mod seats_clock;
mod seats_endings;
mod seats_health;
mod seats_loans;
mod seats_loans_clock;
mod seats_processes;
mod seats_queue;
mod seats_restart;
mod seats_rules;
mod seats_shares;
mod seats_unheard;
mod seats_users;
mod second_node;
mod shapeless;
mod side_by_side;
mod state_files;
mod succession;
mod telling;
mod terminal;
mod test_bed;
mod token_bound;
mod vendors;
mod wallets;
mod warm;
mod wrong_clock;
