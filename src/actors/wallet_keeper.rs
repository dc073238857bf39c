//! wallet_keeper
