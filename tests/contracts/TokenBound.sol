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
