//! chain_verifier
