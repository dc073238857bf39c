// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.24;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ERC721Enumerable} from "@openzeppelin/contracts/token/ERC721/extensions/ERC721Enumerable.sol";

/// Licences of Acme CAD. Ids below 1,000,000 are the `standard` tier, those from there on are `pro`. Enumerable, so that one
/// question tells all tokens of a wallet. Licences are the customer's: they can be sold on, and nobody can take them back.
contract AcmeLicence is ERC721Enumerable, Ownable {
    uint256 public constant STANDARD_PRICE = 0.05 ether;
    uint256 public constant PRO_PRICE = 0.2 ether;
    uint256 private constant FIRST_PRO = 1_000_000;

    uint256 private _nextStandard = 1;
    uint256 private _nextPro = FIRST_PRO;

    error WrongPrice(uint256 price);

    constructor(address seller) ERC721("Acme CAD", "ACAD") Ownable(seller) {}

    /// A licence for somebody: who pays need not be who holds it.
    function buy(address holder, bool pro) external payable returns (uint256 id) {
        uint256 price = pro ? PRO_PRICE : STANDARD_PRICE;
        if (msg.value != price) revert WrongPrice(price);
        id = pro ? _nextPro++ : _nextStandard++;
        _safeMint(holder, id);
    }

    /// A refund is an agreement between two: the customer gives the token back, and the seller pays.
    function refund(uint256 id) external payable onlyOwner {
        address holder = ownerOf(id);
        if (getApproved(id) != owner()) revert ERC721InsufficientApproval(owner(), id);
        _burn(id);
        (bool paid, ) = payable(holder).call{value: msg.value}("");
        require(paid);
    }

    function withdraw() external onlyOwner {
        (bool paid, ) = payable(owner()).call{value: address(this).balance}("");
        require(paid);
    }
}
