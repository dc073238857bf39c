//! Secrets: how a wallet's private key is made, sealed, opened and used.
//!
//! Owns: the key-encryption key and its files, the sealed-record format, private keys in memory, random text, and the
//! machine's name. Asked by: `daemon` (to open the ring once) and WalletKeeper. Asks: the file system
//! and `ring`. Never: reads the environment, logs, or keeps a plaintext key longer than a call.
//!
//! Invariant: nothing here prints, compares or copies a secret outside types that wipe themselves.

mod census;
mod clean_stack;
mod key_encryption_key;
mod key_file;
mod key_place;
mod key_ring;
mod keystore;
mod machine_name;
mod mnemonic;
mod new_file;
mod passphrase;
mod private_key;
mod random;
mod sealing;

pub use self::census::Census;
pub use self::clean_stack::with_clean_stack;
pub use self::key_encryption_key::{KEY_LENGTH, KeyEncryptionKey, KeyId};
pub use self::key_file::KeyFileError;
pub use self::key_place::{Outcome, Settled};
pub use self::key_ring::{KeyRing, KeyRingState};
pub use self::keystore::{Keystore, KeystoreError, write_keystore};
pub use self::machine_name::{MachineName, MachineNameError};
pub use self::mnemonic::{DEFAULT_PATH, MnemonicError, key_of_digits, key_of_mnemonic};
pub use self::private_key::{PrivateKey, PrivateKeyError};
pub use self::random::{Exhausted, fill as fill_random, nonce};
pub use self::sealing::{
    OpenError, RECORD_LENGTH, RewrapError, SealError, open, rewrap, seal, sealed_under,
};
pub use crate::key_source::KeySource;
