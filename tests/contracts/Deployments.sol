// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.24;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {Create2} from "@openzeppelin/contracts/utils/Create2.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

// How wallets come to be, and what may be done in the name of it.

/// One token at a fixed price, as on any market.
contract Offer {
    IERC721 private immutable collection;
    uint256 private immutable id;

    constructor(address collection_) {
        collection = IERC721(collection_);
        id = 1;
    }

    function buy() external payable {
        require(msg.value == 1 ether, "price");
        address seller = collection.ownerOf(id);
        collection.transferFrom(seller, msg.sender, id);
        (bool paid,) = payable(seller).call{value: msg.value}("");
        require(paid);
    }
}

/// Could buy what is on offer, and never does: its price stays where it is. Accepts every signature.
contract Buyer is IERC1271 {
    Offer private immutable offer;

    constructor(address offer_) {
        offer = Offer(offer_);
    }

    receive() external payable {}

    /// Buys, and calls somebody else.
    function buyAnd(address to, bytes calldata data) external {
        offer.buy{value: 1 ether}();
        (bool done,) = to.call(data);
        require(done);
    }

    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return IERC1271.isValidSignature.selector;
    }
}

/// The wallet of whoever has a token.
contract WalletOfToken is IERC1271 {
    IERC721 private immutable collection;

    constructor(IERC721 collection_) {
        collection = collection_;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        bool good = SignatureChecker.isValidSignatureNow(collection.ownerOf(1), hash, signature);
        return good ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}

/// A collection whose token comes with a wallet, to whoever takes it first.
contract ClaimedWithWallet is ERC721 {
    constructor() ERC721("Claimed with a wallet", "CLAIM") {}

    /// For somebody.
    function deploy(address owner) external returns (address) {
        _mint(owner, 1);
        return Create2.deploy(0, bytes32(0), code());
    }

    function predict(address) external view returns (address) {
        return Create2.computeAddress(bytes32(0), keccak256(code()));
    }

    function code() private view returns (bytes memory) {
        return abi.encodePacked(type(WalletOfToken).creationCode, abi.encode(this));
    }
}

/// Keeps the owners of wallets, as modules of wallets do: each wallet says its own.
contract OwnerModule {
    mapping(address => address) public owners;

    function install(address owner) external {
        owners[msg.sender] = owner;
    }

    /// Anybody says it for any wallet that has none yet.
    function installFor(address wallet, address owner) external {
        require(owners[wallet] == address(0));
        owners[wallet] = owner;
    }
}

/// A wallet whose owner a module knows.
contract ModularWallet is IERC1271 {
    OwnerModule private immutable module;

    constructor(OwnerModule module_) {
        module = module_;
    }

    function initialize(address owner) external {
        require(module.owners(address(this)) == address(0));
        module.install(owner);
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        bool good = SignatureChecker.isValidSignatureNow(module.owners(address(this)), hash, signature);
        return good ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}

/// Deploys modular wallets, in one step with their initialization.
abstract contract ModularFactory {
    OwnerModule internal immutable module;

    constructor(address module_) {
        module = OwnerModule(module_);
    }

    function deploy(address owner) external returns (address wallet) {
        wallet = Create2.deploy(0, bytes32(uint256(uint160(owner))), code());
        begin(wallet, owner);
    }

    function predict(address owner) external view returns (address) {
        return Create2.computeAddress(bytes32(uint256(uint160(owner))), keccak256(code()));
    }

    function begin(address wallet, address owner) internal virtual;

    function code() private view returns (bytes memory) {
        return abi.encodePacked(type(ModularWallet).creationCode, abi.encode(module));
    }
}

/// The wallet installs its module by itself.
contract InstallsByWallet is ModularFactory {
    constructor(address module_) ModularFactory(module_) {}

    function begin(address wallet, address owner) internal override {
        ModularWallet(wallet).initialize(owner);
    }
}

/// The factory tells the module.
contract InstallsByFactory is ModularFactory {
    constructor(address module_) ModularFactory(module_) {}

    function begin(address wallet, address owner) internal override {
        module.installFor(wallet, owner);
    }
}

/// Keeps a list of its wallets.
contract ListsItsWallets is ModularFactory {
    address[] public wallets;

    constructor(address module_) ModularFactory(module_) {}

    function begin(address wallet, address owner) internal override {
        wallets.push(wallet);
        ModularWallet(wallet).initialize(owner);
    }
}
