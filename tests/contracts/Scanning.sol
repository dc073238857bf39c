// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.24;

/// A licence that finds owners as ERC721A does: back from the token's own slot to the first that names
/// somebody. Token 40 takes 41 slots, each known only after the one before.
contract ScanningLicence {
    mapping(uint256 => address) internal owners;

    constructor(address holder) {
        owners[0] = holder;
    }

    function balanceOf(address who) external view returns (uint256) {
        return who == owners[0] ? 1 : 0;
    }

    function ownerOf(uint256 id) external view returns (address owner) {
        while ((owner = owners[id]) == address(0)) id--;
    }
}
