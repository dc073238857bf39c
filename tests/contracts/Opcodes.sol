// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.24;

/// Looks at everything a contract can look at, so that two machines can be compared by what it sees.
contract Opcodes {
    uint256 private stored = 42;

    /// What only the block says.
    function ofTheBlock() external view returns (uint256, uint256, uint256, address, uint256, uint256) {
        return (block.number, block.timestamp, block.chainid, block.coinbase, block.prevrandao, block.gaslimit);
    }

    function baseFee() external view returns (uint256) {
        return block.basefee;
    }

    function blobBaseFee() external view returns (uint256) {
        return block.blobbasefee;
    }

    function hashOf(uint256 back) external view returns (bytes32) {
        return blockhash(block.number - back);
    }

    function whoAsks() external view returns (address, address, uint256) {
        return (msg.sender, tx.origin, tx.gasprice);
    }

    /// How much exactly differs from node to node.
    function gasIsPlenty() external view returns (bool) {
        return gasleft() > 25_000_000 && gasleft() < 40_000_000;
    }

    function lookAt(address at) external view returns (uint256, bytes32, uint256, bytes memory) {
        return (at.balance, at.codehash, at.code.length, at.code);
    }

    /// Asks any account anything; tells how that ended.
    function ask(address at, bytes calldata data) external view returns (bool, bytes memory) {
        return at.staticcall(data);
    }

    /// Runs any code as its own.
    function lend(address at, bytes calldata data) external returns (bool, bytes memory) {
        return at.delegatecall(data);
    }

    /// Writes, reads back and takes it back.
    function writes(uint256 value) external returns (uint256 before, uint256 after_) {
        before = stored;
        stored = value;
        after_ = stored;
        stored = before;
    }

    function transient_(uint256 value) external returns (uint256 seen) {
        assembly {
            tstore(value, value)
            seen := tload(value)
        }
    }

    /// Deploys a contract that returns what it is given, and asks it.
    function creates(uint256 value) external returns (address at, uint256 seen) {
        at = address(new Echo{salt: bytes32(value)}(value));
        seen = Echo(at).value();
    }

    function destroys() external returns (uint256) {
        Echo it = new Echo(1);
        it.end();
        return it.value();
    }

    function pays(address payable to) external returns (bool sent) {
        (sent,) = to.call{value: 1}("");
    }

    function goesDeep(uint256 depth) external view returns (uint256) {
        if (depth == 0) return gasleft() > 0 ? stored : 0;
        return this.goesDeep(depth - 1) + 1;
    }

    function panics(uint256 by) external view returns (uint256) {
        return stored / by;
    }

    function copies(bytes calldata data) external pure returns (bytes32, bytes memory) {
        bytes memory there = data;
        return (keccak256(there), abi.encodePacked(there, there));
    }

    /// One of the precompiled contracts, with this input.
    function precompiled(uint16 which, bytes calldata input) external view returns (bool, bytes memory) {
        return address(uint160(which)).staticcall(input);
    }
}

contract Echo {
    uint256 public immutable value;

    constructor(uint256 value_) {
        value = value_;
    }

    function end() external {
        selfdestruct(payable(msg.sender));
    }
}
