// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.24;

/// Stands in for the delegate registry of delegate.xyz, version 2, at its address: the same questions,
/// answers and events, over a storage of our own. Its own code is not on npm.
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

    mapping(bytes32 => Delegation) private delegations;
    mapping(bytes32 => bool) private written;
    mapping(address => bytes32[]) private incoming;

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
            if (delegations[hashes[i]].type_ != DelegationType.NONE) count++;
        }
        found = new Delegation[](count);
        for (uint256 i = hashes.length; i > 0; i--) {
            Delegation storage it = delegations[hashes[i - 1]];
            if (it.type_ != DelegationType.NONE) found[--count] = it;
        }
    }

    /// With full rights, or with these.
    function has(Delegation memory it) private view returns (bool) {
        if (delegations[hash(it)].type_ != DelegationType.NONE) return true;
        it.rights = "";
        return delegations[hash(it)].type_ != DelegationType.NONE;
    }

    function amount(address to, address from, address contract_, uint256 tokenId, bytes32 rights)
        private
        view
        returns (uint256)
    {
        return delegations[
            hash(Delegation(DelegationType.ERC1155, to, from, rights, contract_, tokenId, 0))
        ].amount;
    }

    function write(Delegation memory it, bool enable) private returns (bytes32 key) {
        key = hash(it);
        if (!written[key]) {
            written[key] = true;
            incoming[it.to].push(key);
        }
        if (enable) delegations[key] = it;
        else delete delegations[key];
    }

    /// Of everything but the amount.
    function hash(Delegation memory it) private pure returns (bytes32) {
        return keccak256(abi.encode(it.type_, it.to, it.from, it.rights, it.contract_, it.tokenId));
    }
}
