// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.24;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ERC721Enumerable} from "@openzeppelin/contracts/token/ERC721/extensions/ERC721Enumerable.sol";

/// A licence that lists its tokens. Anybody may mint and burn: this is for tests.
abstract contract Listed is ERC721Enumerable {
    constructor(string memory name) ERC721(name, "T") {}

    function mint(address to, uint256 id) external {
        _mint(to, id);
    }

    function burn(uint256 id) external {
        _burn(id);
    }
}

/// A licence that can be lent (ERC-4907): who uses it is not who owns it. As in the standard's own example,
/// the user is nobody once the time is over, and the time stays written down.
contract RentalLicence is Listed {
    struct Rental {
        address user;
        uint64 expires;
    }

    event UpdateUser(uint256 indexed tokenId, address indexed user, uint64 expires);

    mapping(uint256 => Rental) private rentals;

    constructor() Listed("Rental") {}

    function setUser(uint256 id, address user, uint64 expires) external {
        rentals[id] = Rental(user, expires);
        emit UpdateUser(id, user, expires);
    }

    function userOf(uint256 id) external view returns (address) {
        return rentals[id].expires >= block.timestamp ? rentals[id].user : address(0);
    }

    function userExpires(uint256 id) external view returns (uint256) {
        return rentals[id].expires;
    }

    function _update(address to, uint256 id, address auth) internal override returns (address from) {
        from = super._update(to, id, auth);
        if (from != to && rentals[id].user != address(0)) {
            delete rentals[id];
            emit UpdateUser(id, address(0), 0);
        }
    }
}

/// A licence that lasts as long as it is paid for (ERC-5643). Cancelled, it says zero.
contract SubscriptionLicence is Listed {
    event SubscriptionUpdate(uint256 indexed tokenId, uint64 expiration);

    mapping(uint256 => uint64) private expirations;

    constructor() Listed("Subscription") {}

    function renewSubscription(uint256 id, uint64 duration) external payable {
        uint64 begin = expirations[id] > block.timestamp ? expirations[id] : uint64(block.timestamp);
        expirations[id] = begin + duration;
        emit SubscriptionUpdate(id, expirations[id]);
    }

    function cancelSubscription(uint256 id) external payable {
        delete expirations[id];
        emit SubscriptionUpdate(id, 0);
    }

    function expiresAt(uint256 id) external view returns (uint64) {
        return expirations[id];
    }

    function isRenewable(uint256) external pure returns (bool) {
        return true;
    }
}

/// A licence with a beginning and an end (ERC-7858), both in blocks or both in seconds. What has ended is
/// still somebody's, and still counted.
abstract contract ExpirableLicence is Listed {
    struct Term {
        uint256 start;
        uint256 end;
    }

    event TokenExpiryUpdated(uint256 indexed tokenId, uint256 indexed startTime, uint256 indexed endTime);

    error ERC7858InvalidTimeStamp(uint256 start, uint256 end);

    mapping(uint256 => Term) private terms;

    function setTerm(uint256 id, uint256 start, uint256 end) external {
        _requireOwned(id);
        if (end != 0 && start >= end) revert ERC7858InvalidTimeStamp(start, end);
        terms[id] = Term(start, end);
        emit TokenExpiryUpdated(id, start, end);
    }

    function startTime(uint256 id) external view returns (uint256) {
        _requireOwned(id);
        return terms[id].start;
    }

    function endTime(uint256 id) external view returns (uint256) {
        _requireOwned(id);
        return terms[id].end;
    }

    function isTokenExpired(uint256 id) external view returns (bool) {
        _requireOwned(id);
        return terms[id].end != 0 && terms[id].end <= moment();
    }

    function moment() internal view virtual returns (uint256);
}

contract ExpirableByTime is ExpirableLicence {
    constructor() Listed("Expirable by time") {}

    function expiryType() external pure returns (uint8) {
        return 1;
    }

    function moment() internal view override returns (uint256) {
        return block.timestamp;
    }
}

contract ExpirableByBlock is ExpirableLicence {
    constructor() Listed("Expirable by block") {}

    function expiryType() external pure returns (uint8) {
        return 0;
    }

    function moment() internal view override returns (uint256) {
        return block.number;
    }
}
