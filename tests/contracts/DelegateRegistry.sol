// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.24;

/// Stands in for the delegate registry of delegate.xyz, version 2, at its address: the same questions,
/// answers, events, hashes and places in the storage, which `readSlot` shows. Its own code is not on npm.
contract DelegateRegistry {
    enum DelegationType {
        NONE,
        ALL,
        CONTRACT,
        ERC721,
        ERC20,
        ERC1155
    }

    struct Delegation {
        DelegationType type_;
        address to;
        address from;
        bytes32 rights;
        address contract_;
        uint256 tokenId;
        uint256 amount;
    }

    event DelegateAll(address indexed from, address indexed to, bytes32 rights, bool enable);
    event DelegateContract(
        address indexed from, address indexed to, address indexed contract_, bytes32 rights, bool enable
    );
    event DelegateERC721(
        address indexed from,
        address indexed to,
        address indexed contract_,
        uint256 tokenId,
        bytes32 rights,
        bool enable
    );
    event DelegateERC1155(
        address indexed from,
        address indexed to,
        address indexed contract_,
        uint256 tokenId,
        bytes32 rights,
        uint256 amount
    );

    /// Of each delegation, by its hash: the first 8 bytes of its contract and who delegated; the other 12 and
    /// to whom; the rights; the token; the amount. Who took it back is left as the address 1.
    mapping(bytes32 => bytes32[5]) private delegations;
    mapping(address => bytes32[]) private outgoing;
    mapping(address => bytes32[]) private incoming;

    function multicall(bytes[] calldata calls) external payable returns (bytes[] memory answers) {
        answers = new bytes[](calls.length);
        for (uint256 i; i < calls.length; i++) {
            bool done;
            (done, answers[i]) = address(this).delegatecall(calls[i]);
            require(done, "MulticallFailed");
        }
    }

    function readSlot(bytes32 location) external view returns (bytes32 contents) {
        assembly {
            contents := sload(location)
        }
    }

    function delegateAll(address to, bytes32 rights, bool enable) external payable returns (bytes32) {
        emit DelegateAll(msg.sender, to, rights, enable);
        return write(Delegation(DelegationType.ALL, to, msg.sender, rights, address(0), 0, 0), enable);
    }

    function delegateContract(address to, address contract_, bytes32 rights, bool enable)
        external
        payable
        returns (bytes32)
    {
        emit DelegateContract(msg.sender, to, contract_, rights, enable);
        return write(Delegation(DelegationType.CONTRACT, to, msg.sender, rights, contract_, 0, 0), enable);
    }

    function delegateERC721(address to, address contract_, uint256 tokenId, bytes32 rights, bool enable)
        external
        payable
        returns (bytes32)
    {
        emit DelegateERC721(msg.sender, to, contract_, tokenId, rights, enable);
        return
            write(Delegation(DelegationType.ERC721, to, msg.sender, rights, contract_, tokenId, 0), enable);
    }

    /// No amount takes it back.
    function delegateERC1155(address to, address contract_, uint256 tokenId, bytes32 rights, uint256 amount_)
        external
        payable
        returns (bytes32)
    {
        emit DelegateERC1155(msg.sender, to, contract_, tokenId, rights, amount_);
        return write(
            Delegation(DelegationType.ERC1155, to, msg.sender, rights, contract_, tokenId, amount_),
            amount_ > 0
        );
    }

    function checkDelegateForAll(address to, address from, bytes32 rights) public view returns (bool) {
        return has(Delegation(DelegationType.ALL, to, from, rights, address(0), 0, 0));
    }

    function checkDelegateForContract(address to, address from, address contract_, bytes32 rights)
        public
        view
        returns (bool)
    {
        return checkDelegateForAll(to, from, rights)
            || has(Delegation(DelegationType.CONTRACT, to, from, rights, contract_, 0, 0));
    }

    function checkDelegateForERC721(
        address to,
        address from,
        address contract_,
        uint256 tokenId,
        bytes32 rights
    ) external view returns (bool) {
        return checkDelegateForContract(to, from, contract_, rights)
            || has(Delegation(DelegationType.ERC721, to, from, rights, contract_, tokenId, 0));
    }

    function checkDelegateForERC1155(
        address to,
        address from,
        address contract_,
        uint256 tokenId,
        bytes32 rights
    ) external view returns (uint256) {
        if (checkDelegateForContract(to, from, contract_, rights)) return type(uint256).max;
        uint256 any = amount(to, from, contract_, tokenId, "");
        uint256 own = amount(to, from, contract_, tokenId, rights);
        return any > own ? any : own;
    }

    function getIncomingDelegations(address to) external view returns (Delegation[] memory found) {
        bytes32[] storage hashes = incoming[to];
        uint256 count;
        for (uint256 i; i < hashes.length; i++) {
            if (stands(hashes[i])) count++;
        }
        found = new Delegation[](count);
        for (uint256 i = hashes.length; i > 0; i--) {
            if (stands(hashes[i - 1])) found[--count] = read(hashes[i - 1]);
        }
    }

    /// With full rights, or with these.
    function has(Delegation memory it) private view returns (bool) {
        if (stands(hash(it))) return true;
        it.rights = "";
        return stands(hash(it));
    }

    function amount(address to, address from, address contract_, uint256 tokenId, bytes32 rights)
        private
        view
        returns (uint256)
    {
        return read(hash(Delegation(DelegationType.ERC1155, to, from, rights, contract_, tokenId, 0))).amount;
    }

    function write(Delegation memory it, bool enable) private returns (bytes32 key) {
        key = hash(it);
        bytes32[5] storage at = delegations[key];
        if (enable && at[0] == 0) {
            outgoing[it.from].push(key);
            incoming[it.to].push(key);
        }
        if (!enable && !stands(key)) return key;
        uint256 contract_ = uint160(it.contract_);
        at[0] = bytes32(((contract_ >> 96) << 160) | (enable ? uint160(it.from) : 1));
        at[1] = bytes32((contract_ << 160) | uint160(it.to));
        at[2] = it.rights;
        at[3] = bytes32(it.tokenId);
        at[4] = bytes32(it.amount);
    }

    function stands(bytes32 key) private view returns (bool) {
        return uint160(uint256(delegations[key][0])) > 1;
    }

    function read(bytes32 key) private view returns (Delegation memory it) {
        bytes32[5] storage at = delegations[key];
        uint256 contract_ = ((uint256(at[0]) >> 160) << 96) | (uint256(at[1]) >> 160);
        it = Delegation(
            DelegationType(uint8(uint256(key))),
            address(uint160(uint256(at[1]))),
            address(uint160(uint256(at[0]))),
            at[2],
            address(uint160(contract_)),
            uint256(at[3]),
            uint256(at[4])
        );
    }

    /// Of everything but the amount; the last byte says of what kind it is.
    function hash(Delegation memory it) private pure returns (bytes32) {
        bytes memory packed = abi.encodePacked(it.rights, it.from, it.to);
        if (it.type_ != DelegationType.ALL) packed = abi.encodePacked(packed, it.contract_);
        if (it.type_ == DelegationType.ERC721 || it.type_ == DelegationType.ERC1155) {
            packed = abi.encodePacked(packed, it.tokenId);
        }
        return bytes32((uint256(keccak256(packed)) << 8) | uint8(it.type_));
    }
}
