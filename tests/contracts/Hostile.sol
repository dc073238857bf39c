// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.24;

/// Contracts that no honest vendor would write. Each says that `holder` has one token and then
/// misbehaves in one way when asked for its owner.
abstract contract Hostile {
    address internal holder;

    constructor(address holder_) {
        holder = holder_;
    }

    function balanceOf(address who) external view virtual returns (uint256) {
        return who == holder ? 1 : 0;
    }
}

contract RevertsWithCustomError is Hostile {
    error OutOfOrder(uint256 until);

    constructor(address holder_) Hostile(holder_) {}

    function ownerOf(uint256) external view returns (address) {
        revert OutOfOrder(block.timestamp + 1 days);
    }
}

/// A text that speaks of a missing token, but is not what any known implementation says.
contract RevertsWithUnknownText is Hostile {
    constructor(address holder_) Hostile(holder_) {}

    function ownerOf(uint256) external pure returns (address) {
        revert("come back later");
    }
}

contract RevertsForBalance is Hostile {
    error Closed();

    constructor(address holder_) Hostile(holder_) {}

    function balanceOf(address) external pure override returns (uint256) {
        revert Closed();
    }

    function ownerOf(uint256) external pure returns (address) {
        revert Closed();
    }
}

contract LoopsForEver is Hostile {
    constructor(address holder_) Hostile(holder_) {}

    function ownerOf(uint256 id) external view returns (address) {
        uint256 sum = id;
        while (sum != type(uint256).max) {
            sum = (sum + 1) % 1000;
        }
        return holder;
    }
}

/// Reads one storage slot after another, each of which has to be fetched and proven.
contract ReadsWithoutEnd is Hostile {
    constructor(address holder_) Hostile(holder_) {}

    function ownerOf(uint256) external view returns (address owner) {
        for (uint256 i = 0; ; i++) {
            assembly {
                if gt(sload(add(i, 1000)), 0) { invalid() }
            }
        }
        owner = holder;
    }
}

contract ReturnsShort is Hostile {
    constructor(address holder_) Hostile(holder_) {}

    function ownerOf(uint256) external view returns (address) {
        uint256 word = uint256(uint160(holder));
        assembly {
            mstore(0, word)
            return(12, 20)
        }
    }
}

contract ReturnsNothing is Hostile {
    constructor(address holder_) Hostile(holder_) {}

    function ownerOf(uint256) external pure {}
}

/// The low 20 bytes are the holder; the other twelve are not zero, so it is not an address.
contract ReturnsNoAddress is Hostile {
    constructor(address holder_) Hostile(holder_) {}

    function ownerOf(uint256) external view returns (bytes32) {
        return bytes32(uint256(uint160(holder)) | (uint256(1) << 255));
    }
}

contract ReturnsOneMebibyte is Hostile {
    constructor(address holder_) Hostile(holder_) {}

    function ownerOf(uint256) external view returns (address) {
        uint256 word = uint256(uint160(holder));
        assembly {
            mstore(0, word)
            return(0, 1048576)
        }
    }
}

contract ReadsBlockHash is Hostile {
    constructor(address holder_) Hostile(holder_) {}

    function ownerOf(uint256) external view returns (address) {
        return uint256(blockhash(block.number - 1)) == 0 ? address(0) : holder;
    }
}

/// Says "yours" to everybody who can be told from the daemon: by sender, origin, gas price or gas.
contract Chameleon is Hostile {
    constructor(address holder_) Hostile(holder_) {}

    function ownerOf(uint256) external view returns (address) {
        bool known = msg.sender != address(0) || tx.origin != address(0) || tx.gasprice != 0
            || gasleft() > 40_000_000;
        return known ? holder : address(0);
    }
}

/// Claims five tokens for the holder; there is none.
contract LiesInBalance is Hostile {
    event Transfer(address indexed from, address indexed to, uint256 indexed id);

    error ERC721NonexistentToken(uint256 id);

    constructor(address holder_) Hostile(holder_) {}

    function balanceOf(address) external pure override returns (uint256) {
        return 5;
    }

    function ownerOf(uint256 id) external pure returns (address) {
        revert ERC721NonexistentToken(id);
    }
}

/// Announces transfers that never happened: its events say yes, its state says no.
contract LiesInEvents is Hostile {
    event Transfer(address indexed from, address indexed to, uint256 indexed id);

    error ERC721NonexistentToken(uint256 id);

    constructor(address holder_) Hostile(holder_) {}

    function balanceOf(address) external pure override returns (uint256) {
        return 0;
    }

    function ownerOf(uint256 id) external pure returns (address) {
        revert ERC721NonexistentToken(id);
    }

    function mint(address to, uint256 id) external {
        emit Transfer(address(0), to, id);
    }
}

/// Says at once what most have of it, as ERC-1155 has it, and of a few only after going through its storage, by a way that
/// each block draws anew.
contract SlowForSome {
    mapping(uint256 => uint256) private marks;
    mapping(address => bool) private slow;
    address private immutable holder;
    bool private entered;
    uint256 private stirred;

    constructor(address holder_) {
        holder = holder_;
        stir();
    }

    function slowFor(address who) external {
        slow[who] = true;
    }

    /// From now on the holder has one.
    function enter() external {
        entered = true;
    }

    /// From now on its storage is another.
    function stir() public {
        stirred++;
        for (uint256 i = 0; i < 600; i++) marks[i] = stirred;
    }

    function balanceOf(address who, uint256) external view returns (uint256) {
        if (slow[who]) {
            for (uint256 i = 0; i < 240; i++) {
                require(marks[uint256(keccak256(abi.encode(block.number, i))) % 600] > 0);
            }
        }
        return entered && who == holder ? 1 : 0;
    }
}
