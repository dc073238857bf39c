// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.24;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ERC721Consecutive} from "@openzeppelin/contracts/token/ERC721/extensions/ERC721Consecutive.sol";

/// A licence whose first tokens, 0 to 299, come to `holder` at once, by a single event (ERC-2309).
contract ConsecutiveLicence is ERC721Consecutive {
    constructor(address holder) ERC721("Consecutive licence", "CONS") {
        _mintConsecutive(holder, 300);
    }
}
