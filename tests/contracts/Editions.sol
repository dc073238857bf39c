// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.24;

import {ERC1155} from "@openzeppelin/contracts/token/ERC1155/ERC1155.sol";

/// Licences of which many are alike (ERC-1155). Anybody may issue and take back: this is for tests.
contract EditionLicence is ERC1155 {
    constructor() ERC1155("") {}

    function issue(address to, uint256 id, uint256 amount) external {
        _mint(to, id, amount, "");
    }

    function issueMany(address to, uint256[] calldata ids, uint256[] calldata amounts) external {
        _mintBatch(to, ids, amounts, "");
    }

    function takeBack(address from, uint256 id, uint256 amount) external {
        _burn(from, id, amount);
    }
}
