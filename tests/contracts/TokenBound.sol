// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.24;

import {ERC6551Registry} from "erc6551/ERC6551Registry.sol";
import {ERC6551Account} from "erc6551/examples/simple/ERC6551Account.sol";

/// Says that it is bound to a token of which nobody made it the account: it answers `token()` as the real
/// ones do, and no registry deployed it.
contract PretendedAccount {
    address private immutable collection;
    uint256 private immutable id;

    constructor(address collection_) {
        collection = collection_;
        id = 1;
    }

    function token() external view returns (uint256, address, uint256) {
        return (block.chainid, collection, id);
    }
}

/// Says whom its tokens belong to only after going through its storage, by a way that each block draws anew. Whoever has one
/// licence may put it into the account of such a token.
contract WandersForItsOwner {
    address private immutable owner;
    mapping(uint256 => uint256) private marks;

    constructor(address owner_) {
        owner = owner_;
        for (uint256 i = 0; i < 600; i++) marks[i] = 1;
    }

    function ownerOf(uint256) external view returns (address) {
        for (uint256 i = 0; i < 220; i++) {
            require(marks[uint256(keccak256(abi.encode(block.number, i))) % 600] == 1);
        }
        return owner;
    }
}
