// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.24;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ERC721Enumerable} from "@openzeppelin/contracts/token/ERC721/extensions/ERC721Enumerable.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";

/// A licence that lists its own tokens. Anybody may mint and burn: this is for tests.
contract Licence is ERC721Enumerable {
    constructor() ERC721("Licence", "LIC") {}

    function mint(address to, uint256 id) external {
        _mint(to, id);
    }

    function burn(uint256 id) external {
        _burn(id);
    }
}

/// A licence whose tokens only its Transfer events name.
contract PlainLicence is ERC721 {
    constructor() ERC721("Plain licence", "PLAIN") {}

    function mint(address to, uint256 id) external {
        _mint(to, id);
    }

    function burn(uint256 id) external {
        _burn(id);
    }
}

/// A licence behind an upgradeable proxy: the state is here, the code elsewhere.
contract ProxiedLicence is ERC1967Proxy {
    constructor(address code) ERC1967Proxy(code, abi.encodeCall(Licence.mint, (msg.sender, 1))) {}
}

/// Any code behind a proxy, prepared by a call of its own.
contract Behind is ERC1967Proxy {
    constructor(address code, bytes memory preparation) ERC1967Proxy(code, preparation) {}
}
