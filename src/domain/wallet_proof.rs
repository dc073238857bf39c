//! Proofs that somebody controls a wallet: EIP-191 signatures and EIP-4361 messages.
