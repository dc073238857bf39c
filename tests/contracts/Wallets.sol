// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.24;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {Create2} from "@openzeppelin/contracts/utils/Create2.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {SignerECDSA} from "@openzeppelin/contracts/utils/cryptography/signers/SignerECDSA.sol";
import {MultiSignerERC7913} from "@openzeppelin/contracts/utils/cryptography/signers/MultiSignerERC7913.sol";

/// A wallet with one owner, whose key signs for it.
contract OwnedWallet is IERC1271, SignerECDSA {
    constructor(address owner) SignerECDSA(owner) {}

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        return _rawSignatureValidation(hash, signature) ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }

    /// Hands the wallet to another owner. Anybody may: this is for tests.
    function handOver(address owner) external {
        _setSigner(owner);
    }
}

/// Two of three: the signature is longer than a key's.
contract SharedWallet is IERC1271, MultiSignerERC7913 {
    constructor(bytes[] memory owners) MultiSignerERC7913(owners, 2) {}

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        return _rawSignatureValidation(hash, signature) ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }
}

/// A wallet that accepts nothing until it is prepared.
contract LockedWallet is IERC1271 {
    bool private open;
    address private immutable owner;

    constructor(address owner_) {
        owner = owner_;
    }

    function prepare() external {
        open = true;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        bool good = open && SignatureChecker.isValidSignatureNow(owner, hash, signature);
        return good ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}

/// A wallet whose owner gave up the right to say who signs for it: nobody has it.
contract RenouncedWallet is IERC1271, SignerECDSA, Ownable {
    constructor(address signer_) SignerECDSA(signer_) Ownable(msg.sender) {
        renounceOwnership();
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        return _rawSignatureValidation(hash, signature) ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }

    function handOver(address owner) external onlyOwner {
        _setSigner(owner);
    }
}

/// Deploys wallets at addresses that are known beforehand.
contract WalletFactory {
    function deploy(address owner) external returns (address) {
        return Create2.deploy(0, bytes32(0), code(owner));
    }

    function predict(address owner) external view returns (address) {
        return Create2.computeAddress(bytes32(0), keccak256(code(owner)));
    }

    function code(address owner) private pure returns (bytes memory) {
        return abi.encodePacked(type(OwnedWallet).creationCode, abi.encode(owner));
    }
}

// What follows accepts everything, each in a way that counts for nothing.

/// The right four bytes, and only those: not a word.
contract AcceptsInFourBytes {
    fallback() external {
        assembly {
            mstore(0, shl(224, 0x1626ba7e))
            return(0, 4)
        }
    }
}

/// The right four bytes, with dirt behind them.
contract AcceptsWithDirt {
    fallback() external {
        assembly {
            mstore(0, or(shl(224, 0x1626ba7e), 1))
            return(0, 32)
        }
    }
}

/// `true` is not what ERC-1271 asks for.
contract AcceptsWithTrue {
    fallback() external {
        assembly {
            mstore(0, 1)
            return(0, 32)
        }
    }
}

/// The right answer, but as an error.
contract AcceptsByReverting {
    fallback() external {
        assembly {
            mstore(0, shl(224, 0x1626ba7e))
            revert(0, 32)
        }
    }
}

/// Writes before it answers, which ERC-1271 forbids.
contract AcceptsAndWrites {
    fallback() external {
        assembly {
            sstore(0, 1)
            mstore(0, shl(224, 0x1626ba7e))
            return(0, 32)
        }
    }
}

// What follows gives no answer at all.

contract LoopsOverSignatures {
    fallback() external {
        assembly {
            for {} 1 {} {}
        }
    }
}

/// Each slot it reads has to be fetched and proven.
contract ReadsForSignatures {
    fallback() external {
        assembly {
            for { let i := 1000 } 1 { i := add(i, 1) } {
                if gt(sload(i), 0) { invalid() }
            }
        }
    }
}

contract AcceptsByBlockHash {
    fallback() external {
        assembly {
            if iszero(blockhash(sub(number(), 1))) { revert(0, 0) }
            mstore(0, shl(224, 0x1626ba7e))
            return(0, 32)
        }
    }
}

/// Accepts what nobody asks, as accounts do that let themselves be simulated.
contract AcceptsFromNobody {
    fallback() external {
        assembly {
            if and(gt(caller(), 0), gt(origin(), 0)) { revert(0, 0) }
            mstore(0, shl(224, 0x1626ba7e))
            return(0, 32)
        }
    }
}
