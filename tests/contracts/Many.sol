// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.24;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ERC721Enumerable} from "@openzeppelin/contracts/token/ERC721/extensions/ERC721Enumerable.sol";

/// A licence that is minted and moved many at a time: a collection of thousands in seconds.
contract ManyLicences is ERC721 {
    constructor() ERC721("Many licences", "MANY") {}

    function mintMany(address to, uint256 first, uint256 count) external {
        for (uint256 id = first; id < first + count; id++) _mint(to, id);
    }

    /// Every `step`th from `first` on.
    function moveMany(address from, address to, uint256 first, uint256 step, uint256 count) external {
        for (uint256 i = 0; i < count; i++) _transfer(from, to, first + i * step);
    }
}

/// The same, and it lists them.
contract ManyListedLicences is ERC721Enumerable {
    constructor() ERC721("Many listed licences", "LISTED") {}

    function mintMany(address to, uint256 first, uint256 count) external {
        for (uint256 id = first; id < first + count; id++) _mint(to, id);
    }

    /// Every `step`th from `first` on.
    function moveMany(address from, address to, uint256 first, uint256 step, uint256 count) external {
        for (uint256 i = 0; i < count; i++) _transfer(from, to, first + i * step);
    }
}
