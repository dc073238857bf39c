// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.24;

import {ERC721A} from "erc721a/contracts/ERC721A.sol";
import {ERC721 as SoladyERC721} from "solady/src/tokens/ERC721.sol";
import {ERC1155 as SoladyERC1155} from "solady/src/tokens/ERC1155.sol";
import {BeaconProxy} from "@openzeppelin/contracts/proxy/beacon/BeaconProxy.sol";
import {UpgradeableBeacon} from "@openzeppelin/contracts/proxy/beacon/UpgradeableBeacon.sol";

/// Chiru Labs' ERC721A: owners are found by going back from a token's own slot. Mints `amount` at once.
contract BatchLicence is ERC721A {
    constructor() ERC721A("Batch licence", "BATCH") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function burn(uint256 id) external {
        _burn(id);
    }
}

/// Solady's ERC721: owner and more in one slot at a place of its own making.
contract SoladyLicence is SoladyERC721 {
    function name() public pure override returns (string memory) {
        return "Solady licence";
    }

    function symbol() public pure override returns (string memory) {
        return "SOLADY";
    }

    function tokenURI(uint256) public pure override returns (string memory) {
        return "";
    }

    function mint(address to, uint256 id) external {
        _mint(to, id);
    }

    function burn(uint256 id) external {
        _burn(id);
    }
}

/// Solady's ERC1155.
contract SoladyEditions is SoladyERC1155 {
    function uri(uint256) public pure override returns (string memory) {
        return "";
    }

    function mint(address to, uint256 id) external {
        _mint(to, id, 2, "");
    }
}

/// A licence behind a beacon: its code is where another contract says.
contract BeaconLicence is BeaconProxy {
    constructor(address code) BeaconProxy(address(new UpgradeableBeacon(code, msg.sender)), "") {}
}
