// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.24;

/// Answers each function with whatever bytes it was told, right or wrong; what it was not told about, it
/// refuses with an error nobody knows.
contract Scripted {
    error NotInTheScript(bytes4 selector);

    struct Line {
        bool known;
        bool refuses;
        bytes answer;
    }

    mapping(bytes4 => Line) private script;

    function say(bytes4 selector, bytes calldata answer) external {
        script[selector] = Line(true, false, answer);
    }

    function refuse(bytes4 selector, bytes calldata answer) external {
        script[selector] = Line(true, true, answer);
    }

    fallback() external {
        Line storage line = script[msg.sig];
        if (!line.known) revert NotInTheScript(msg.sig);
        bytes memory answer = line.answer;
        if (line.refuses) {
            assembly {
                revert(add(answer, 32), mload(answer))
            }
        }
        assembly {
            return(add(answer, 32), mload(answer))
        }
    }
}
