//! Licences of every kind a rule can ask for, on a test chain: deployed, given, lent, paid for, taken away.
//!
//! Real contracts where npm has them (OpenZeppelin, Unlock's locks of versions 9 to 15, the registry of
//! token-bound accounts), ours of `tests/contracts` elsewhere. Anybody may do anything to them.

use std::ops::Range;
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, U256, address, hex, keccak256};
use alloy_sol_types::{SolCall, SolValue as _, sol};
use serde_json::json;

use super::anvil::{Anvil, number};
use super::contract::{Contract, artifact};
use super::{CHAIN, eventually};

/// Where the delegate registry (delegate.xyz, version 2) is on each chain.
pub const DELEGATE_REGISTRY: Address = address!("0x00000000000000447e69651d841bD8D104Bed493");
/// Where the registry of token-bound accounts (ERC-6551) is on each chain.
pub const ACCOUNT_REGISTRY: Address = address!("0x000000006551c19487814612e58FE06813775758");

sol! {
    function issue(address to, uint256 id, uint256 amount);
    function takeBack(address from, uint256 id, uint256 amount);
    function setUser(uint256 id, address user, uint64 expires);
    function renewSubscription(uint256 id, uint64 duration);
    function cancelSubscription(uint256 id);
    function setTerm(uint256 id, uint256 start, uint256 end);

    function createAccount(address implementation, bytes32 salt, uint256 chainId, address tokenContract, uint256 tokenId)
        returns (address account);
    function account(address implementation, bytes32 salt, uint256 chainId, address tokenContract, uint256 tokenId)
        returns (address account);
    function execute(address to, uint256 value, bytes data, uint8 operation);
    function transferFrom(address from, address to, uint256 id);

    function delegateAll(address to, bytes32 rights, bool enable);
    function delegateContract(address to, address contract_, bytes32 rights, bool enable);
    function delegateERC721(address to, address contract_, uint256 tokenId, bytes32 rights, bool enable);
    function delegateERC1155(address to, address contract_, uint256 tokenId, bytes32 rights, uint256 amount);
    function multicall(bytes[] calls);

    function say(bytes4 selector, bytes answer);
    function refuse(bytes4 selector, bytes answer);
}

/// Unlock's own functions. Some change from version to version with the same name.
mod unlock {
    alloy_sol_types::sol! {
        event NewLock(address indexed lockOwner, address indexed newLockAddress);

        function initialize(address owner);
        function addLockTemplate(address template, uint16 version);
        function createUpgradeableLockAtVersion(bytes data, uint16 version);

        interface Lock {
            function initialize(address creator, uint256 duration, address token, uint256 price, uint256 most, string name);
            function grantKeys(address[] recipients, uint256[] expirations, address[] managers);
            function purchase(uint256[] values, address[] recipients, address[] referrers, address[] managers, bytes[] data);
            function extend(uint256 value, uint256 id, address referrer, bytes data);
            function expireAndRefundFor(uint256 id, uint256 amount);
            function tokenOfOwnerByIndex(address owner, uint256 index) returns (uint256);
        }

        /// Up to version 9 a key goes by the address of its owner, who has at most one.
        interface OldLock {
            function purchase(uint256 value, address recipient, address referrer, address manager, bytes data);
            function expireAndRefundFor(address owner, uint256 amount);
            function getTokenIdFor(address owner) returns (uint256);
        }
    }
}

fn id(number: u64) -> U256 {
    U256::from(number)
}

/// The time of the newest block, in seconds.
pub fn chain_time(anvil: &Anvil) -> u64 {
    number(&anvil.block("latest")["timestamp"])
}

/// An ERC-1155 contract.
#[derive(Debug, Clone, Copy)]
pub struct Editions(pub Contract);

impl Editions {
    pub fn deploy(anvil: &Anvil) -> Self {
        Self(Contract::deploy(anvil, "EditionLicence", None))
    }

    /// The whole collection, in CAIP-19.
    pub fn collection(&self) -> String {
        format!("{CHAIN}/erc1155:{}", self.0.address)
    }

    pub fn token(&self, id: u64) -> String {
        format!("{}/{id}", self.collection())
    }

    pub fn issue(&self, anvil: &Anvil, to: Address, token: u64, amount: u64) -> String {
        self.0.send(anvil, &issueCall { to, id: id(token), amount: id(amount) }.abi_encode())
    }

    pub fn take_back(&self, anvil: &Anvil, from: Address, token: u64, amount: u64) -> String {
        self.0.send(anvil, &takeBackCall { from, id: id(token), amount: id(amount) }.abi_encode())
    }
}

/// An ERC-4907 contract, which lists its tokens. Mint first, then rent out.
#[derive(Debug, Clone, Copy)]
pub struct Rentals(pub Contract);

impl Rentals {
    pub fn deploy(anvil: &Anvil) -> Self {
        Self(Contract::deploy(anvil, "RentalLicence", None))
    }

    /// Until `expires`, in seconds of chain time.
    pub fn rent(&self, anvil: &Anvil, token: u64, user: Address, expires: u64) -> String {
        self.0.send(anvil, &setUserCall { id: id(token), user, expires }.abi_encode())
    }

    /// Takes it from whoever uses it.
    pub fn take_back(&self, anvil: &Anvil, token: u64) -> String {
        self.rent(anvil, token, Address::ZERO, 0)
    }
}

/// An ERC-5643 contract, which lists its tokens. Mint first, then renew.
#[derive(Debug, Clone, Copy)]
pub struct Subscriptions(pub Contract);

impl Subscriptions {
    pub fn deploy(anvil: &Anvil) -> Self {
        Self(Contract::deploy(anvil, "SubscriptionLicence", None))
    }

    /// Pays for so much more, from the end of what is paid or from now.
    pub fn renew(&self, anvil: &Anvil, token: u64, more: Duration) -> String {
        let duration = more.as_secs();
        self.0.send(anvil, &renewSubscriptionCall { id: id(token), duration }.abi_encode())
    }

    pub fn cancel(&self, anvil: &Anvil, token: u64) -> String {
        self.0.send(anvil, &cancelSubscriptionCall { id: id(token) }.abi_encode())
    }
}

/// An ERC-7858 contract, which lists its tokens. Mint first, then set the term; without one it lasts for ever.
#[derive(Debug, Clone, Copy)]
pub struct Expirables(pub Contract);

impl Expirables {
    pub fn by_time(anvil: &Anvil) -> Self {
        Self(Contract::deploy(anvil, "ExpirableByTime", None))
    }

    pub fn by_block(anvil: &Anvil) -> Self {
        Self(Contract::deploy(anvil, "ExpirableByBlock", None))
    }

    /// From `start` to `end`, in seconds or in blocks; an end of zero is none.
    pub fn set_term(&self, anvil: &Anvil, token: u64, start: u64, end: u64) -> String {
        let call = setTermCall { id: id(token), start: id(start), end: id(end) };
        self.0.send(anvil, &call.abi_encode())
    }
}

/// A PublicLock of some version, made by Unlock as on a real chain: the lock is a proxy.
#[derive(Debug, Clone, Copy)]
pub struct Lock {
    pub contract: Contract,
    pub version: u16,
}

impl Lock {
    /// The versions npm has.
    pub const VERSIONS: std::ops::RangeInclusive<u16> = 9..=15;

    /// Keys cost nothing and last for `duration`.
    pub fn deploy(anvil: &Anvil, version: u16, duration: Duration) -> Self {
        let owner: Address = anvil.account(0).parse().unwrap();
        let unlock = behind(anvil, "UnlockV14", &unlock::initializeCall { owner }.abi_encode());
        let template = Contract::deploy(anvil, &format!("PublicLockV{version}"), None).address;
        unlock.send(anvil, &unlock::addLockTemplateCall { template, version }.abi_encode());
        let lock = unlock::Lock::initializeCall {
            creator: owner,
            duration: U256::from(duration.as_secs()),
            token: Address::ZERO,
            price: U256::ZERO,
            most: id(1_000),
            name: "Lock of the tests".to_owned(),
        };
        let data = lock.abi_encode().into();
        let call = unlock::createUpgradeableLockAtVersionCall { data, version };
        let made = anvil.send(Some(&unlock.address.to_string()), &hex(&call.abi_encode()));
        let topic = <unlock::NewLock as alloy_sol_types::SolEvent>::SIGNATURE_HASH;
        let logs = made["logs"].as_array().unwrap();
        let log = logs.iter().find(|it| it["topics"][0] == json!(topic)).unwrap();
        let address: B256 = log["topics"][2].as_str().unwrap().parse().unwrap();
        Self { contract: Contract { address: Address::from_word(address) }, version }
    }

    /// Buys a key for somebody; it lasts as long as the lock says.
    pub fn buy(&self, anvil: &Anvil, recipient: Address) -> String {
        let call = if self.is_old() {
            unlock::OldLock::purchaseCall {
                value: U256::ZERO,
                recipient,
                referrer: Address::ZERO,
                manager: Address::ZERO,
                data: Bytes::new(),
            }
            .abi_encode()
        } else {
            unlock::Lock::purchaseCall {
                values: vec![U256::ZERO],
                recipients: vec![recipient],
                referrers: vec![Address::ZERO],
                managers: vec![Address::ZERO],
                data: vec![Bytes::new()],
            }
            .abi_encode()
        };
        self.contract.send(anvil, &call)
    }

    /// Gives somebody a key until `expires`, in seconds of chain time; `None` for ever.
    pub fn grant(&self, anvil: &Anvil, recipient: Address, expires: Option<u64>) -> String {
        let call = unlock::Lock::grantKeysCall {
            recipients: vec![recipient],
            expirations: vec![expires.map_or(U256::MAX, U256::from)],
            managers: vec![Address::ZERO],
        };
        self.contract.send(anvil, &call.abi_encode())
    }

    /// Buys more time for a key. From version 10 on.
    pub fn extend(&self, anvil: &Anvil, token: u64) -> String {
        let call = unlock::Lock::extendCall {
            value: U256::ZERO,
            id: id(token),
            referrer: Address::ZERO,
            data: Bytes::new(),
        };
        self.contract.send(anvil, &call.abi_encode())
    }

    /// The manager of the lock ends a key at once.
    pub fn cancel(&self, anvil: &Anvil, owner: Address, token: u64) -> String {
        let amount = U256::ZERO;
        let call = match self.is_old() {
            true => unlock::OldLock::expireAndRefundForCall { owner, amount }.abi_encode(),
            false => unlock::Lock::expireAndRefundForCall { id: id(token), amount }.abi_encode(),
        };
        self.contract.send(anvil, &call)
    }

    /// The id of the first key somebody has.
    pub fn key_of(&self, anvil: &Anvil, owner: Address) -> u64 {
        let answer = match self.is_old() {
            true => {
                let call = unlock::OldLock::getTokenIdForCall { owner };
                self.contract.ask(anvil, &call.abi_encode())
            }
            false => {
                let call = unlock::Lock::tokenOfOwnerByIndexCall { owner, index: U256::ZERO };
                self.contract.ask(anvil, &call.abi_encode())
            }
        };
        U256::abi_decode(&answer).unwrap().to()
    }

    fn is_old(&self) -> bool {
        self.version < 10
    }
}

/// The registry of delegations, at its own address.
#[derive(Debug, Clone, Copy)]
pub struct Delegations(Contract);

#[allow(
    clippy::too_many_arguments,
    reason = "as many as the registry's own functions take, and the chain"
)]
impl Delegations {
    pub fn install(anvil: &Anvil) -> Self {
        Self(install(anvil, "DelegateRegistry", DELEGATE_REGISTRY))
    }

    /// `vault` lets `to` stand for it in everything; or no more.
    pub fn all(&self, anvil: &Anvil, vault: Address, to: Address, rights: B256, enable: bool) {
        self.0.send_as(anvil, vault, &delegateAllCall { to, rights, enable }.abi_encode());
    }

    /// As [`Self::all`], for one contract.
    pub fn contract(
        &self,
        anvil: &Anvil,
        (vault, to): (Address, Address),
        contract_: Address,
        rights: B256,
        enable: bool,
    ) {
        let call = delegateContractCall { to, contract_, rights, enable };
        self.0.send_as(anvil, vault, &call.abi_encode());
    }

    /// As [`Self::all`], for one token of ERC-721.
    pub fn token(
        &self,
        anvil: &Anvil,
        (vault, to): (Address, Address),
        (contract_, token): (Address, u64),
        rights: B256,
        enable: bool,
    ) {
        let call = delegateERC721Call { to, contract_, tokenId: id(token), rights, enable };
        self.0.send_as(anvil, vault, &call.abi_encode());
    }

    /// As [`Self::all`], for so many of one token of ERC-1155; none takes it back.
    pub fn amount(
        &self,
        anvil: &Anvil,
        (vault, to): (Address, Address),
        (contract_, token): (Address, u64),
        rights: B256,
        amount: u64,
    ) {
        let amount = id(amount);
        let call = delegateERC1155Call { to, contract_, tokenId: id(token), rights, amount };
        self.0.send_as(anvil, vault, &call.abi_encode());
    }

    /// A stranger delegates tokens of a contract to `to`, each by itself, whether or not there are such.
    pub fn made_up(&self, anvil: &Anvil, to: Address, contract_: Address, tokens: Range<u64>) {
        /// Within what one transaction may cost (EIP-7825).
        const AT_ONCE: usize = 60;
        let token = |it: u64| {
            let (token, rights) = (id(it), B256::ZERO);
            delegateERC721Call { to, contract_, tokenId: token, rights, enable: true }.abi_encode()
        };
        let calls: Vec<Bytes> = tokens.map(|it| token(it).into()).collect();
        for calls in calls.chunks(AT_ONCE) {
            let call = multicallCall { calls: calls.to_vec() };
            anvil.send(Some(&self.0.address.to_string()), &hex(&call.abi_encode()));
        }
    }

    /// As if `count` delegations to `to` had been written down, of which only the first are there to be read.
    pub fn pretend(&self, anvil: &Anvil, to: Address, count: u64) {
        /// Where the registry has the hashes of what was delegated to whom.
        const INCOMING: u64 = 2;
        let slot = keccak256((to, U256::from(INCOMING)).abi_encode());
        let count = B256::from(U256::from(count));
        anvil.set_storage(&self.0.address.to_string(), &slot.to_string(), &count.to_string());
        anvil.mine(1);
    }
}

/// The registry of token-bound accounts, at its own address, and the account they all run.
#[derive(Debug, Clone, Copy)]
pub struct Accounts {
    registry: Contract,
    implementation: Address,
}

impl Accounts {
    pub fn install(anvil: &Anvil) -> Self {
        let registry = install(anvil, "ERC6551Registry", ACCOUNT_REGISTRY);
        let implementation = Contract::deploy(anvil, "ERC6551Account", None).address;
        Self { registry, implementation }
    }

    /// Makes the account bound to a token.
    pub fn create(&self, anvil: &Anvil, contract: Address, token: u64) -> Address {
        let (registry, call) = self.creation(contract, token);
        Contract { address: registry }.send(anvil, &call);
        self.address(anvil, contract, token)
    }

    /// The call that makes the account bound to a token.
    pub fn creation(&self, contract: Address, token: u64) -> (Address, Vec<u8>) {
        let (implementation, salt) = (self.implementation, B256::ZERO);
        let chain = U256::from(31_337);
        let create = createAccountCall {
            implementation,
            salt,
            chainId: chain,
            tokenContract: contract,
            tokenId: id(token),
        };
        (self.registry.address, create.abi_encode())
    }

    /// Where the account bound to a token is, or will be.
    pub fn address(&self, anvil: &Anvil, contract: Address, token: u64) -> Address {
        let (implementation, salt) = (self.implementation, B256::ZERO);
        let chain = U256::from(31_337);
        let ask = accountCall {
            implementation,
            salt,
            chainId: chain,
            tokenContract: contract,
            tokenId: id(token),
        };
        Address::abi_decode(&self.registry.ask(anvil, &ask.abi_encode())).unwrap()
    }

    /// The owner of the bound token has the account give a token away.
    pub fn give(
        &self,
        anvil: &Anvil,
        (owner, account): (Address, Address),
        (contract, token): (Address, u64),
        to: Address,
    ) {
        let data = transferFromCall { from: account, to, id: id(token) }.abi_encode();
        let call = executeCall { to: contract, value: U256::ZERO, data: data.into(), operation: 0 };
        Contract { address: account }.send_as(anvil, owner, &call.abi_encode());
    }
}

/// A contract that answers what it is told to.
#[derive(Debug, Clone, Copy)]
pub struct Scripted(pub Contract);

impl Scripted {
    pub fn deploy(anvil: &Anvil) -> Self {
        Self(Contract::deploy(anvil, "Scripted", None))
    }

    /// Answers the function with these bytes from now on.
    pub fn say(&self, anvil: &Anvil, selector: [u8; 4], answer: &[u8]) {
        let call = sayCall { selector: selector.into(), answer: answer.to_vec().into() };
        self.0.send(anvil, &call.abi_encode());
    }

    /// Reverts with these bytes from now on.
    pub fn refuse(&self, anvil: &Anvil, selector: [u8; 4], answer: &[u8]) {
        let call = refuseCall { selector: selector.into(), answer: answer.to_vec().into() };
        self.0.send(anvil, &call.abi_encode());
    }
}

/// Deploys a contract behind a proxy and prepares it with a call.
fn behind(anvil: &Anvil, name: &str, preparation: &[u8]) -> Contract {
    let code = Contract::deploy(anvil, name, None).address;
    let arguments = (code, Bytes::from(preparation.to_vec())).abi_encode_params();
    let creation = artifact("Behind")["bytecode"].as_str().unwrap().to_owned();
    let receipt = anvil.send(None, &format!("{creation}{}", hex::encode(arguments)));
    Contract { address: receipt["contractAddress"].as_str().unwrap().parse().unwrap() }
}

/// Puts a contract where it has to be.
fn install(anvil: &Anvil, name: &str, address: Address) -> Contract {
    let code = artifact(name)["code"].clone();
    anvil.call("anvil_setCode", json!([address, code]));
    anvil.mine(1);
    eventually("the code is there", || {
        let found = anvil.call("eth_getCode", json!([address, "latest"]));
        if found == code { Ok(()) } else { Err(found.to_string()) }
    });
    Contract { address }
}

fn hex(data: &[u8]) -> String {
    hex::encode_prefixed(data)
}
