//! The usual scene: a chain, a licence contract on it, a daemon that knows both, and somebody's wallet.

use alloy_primitives::Address;

use super::anvil::Anvil;
use super::contract::Contract;
use super::daemon::Daemon;
use super::settings::{ProductFile, Settings};
use super::wallet::Wallet;

/// The product of the usual scene.
pub const ACME: &str = "acme-cad";

pub struct Stage {
    // Dropped in this order: the daemon before its chain.
    pub daemon: Daemon,
    pub licence: Contract,
    pub anvil: Anvil,
    pub wallet: Wallet,
}

impl Stage {
    /// Nobody has linked a wallet yet.
    pub fn start() -> Self {
        Self::with(|licence| ProductFile::acme(&licence.collection()))
    }

    /// The wallet is linked to the customer of our own uid.
    pub fn linked() -> Self {
        let stage = Self::start();
        stage.daemon.link(&stage.wallet);
        stage
    }

    /// The wallet is linked, and holds token 7: the verdict is VALID.
    pub fn entitled() -> Self {
        Self::linked().enter(7)
    }

    /// Mints a token to the wallet and waits until the daemon knows.
    pub fn enter(self, id: u64) -> Self {
        self.mint(id);
        self.daemon.wait_for_code(ACME, "VALID");
        self
    }

    /// With another product file, made for the licence contract.
    pub fn with(product: impl FnOnce(&Contract) -> ProductFile) -> Self {
        let anvil = Anvil::start();
        let licence = Contract::licence(&anvil);
        let settings = Settings::new([anvil.url()]).product(product(&licence));
        Self::on(anvil, licence, &settings)
    }

    /// On a chain and with settings made before.
    pub fn on(anvil: Anvil, licence: Contract, settings: &Settings) -> Self {
        let daemon = Daemon::start(settings);
        Self { daemon, licence, anvil, wallet: Wallet::numbered(1) }
    }

    pub fn holder(&self) -> Address {
        self.wallet.address()
    }

    pub fn mint(&self, id: u64) -> String {
        self.licence.mint(&self.anvil, self.holder(), id)
    }

    /// The wallet gives a token to somebody else.
    pub fn give_away(&self, id: u64) -> String {
        self.licence.transfer(&self.anvil, self.holder(), stranger(), id)
    }

    /// Somebody else gives it back.
    pub fn give_back(&self, id: u64) -> String {
        self.licence.transfer(&self.anvil, stranger(), self.holder(), id)
    }
}

/// Somebody who has nothing to do with this machine.
pub fn stranger() -> Address {
    Wallet::numbered(99).address()
}

/// The customer of whoever runs the tests.
pub fn own_customer() -> String {
    format!("uid:{}", nix::unistd::getuid())
}
