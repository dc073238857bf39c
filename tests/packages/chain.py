"""A real EVM node inside the machine, and a licence contract on it."""

import json
import os
import pathlib
import subprocess

from machine import Machine, eventually

TESTS = pathlib.Path(__file__).resolve().parent.parent
# `ANVIL` names another than npm's, as for the other tests.
ANVIL = pathlib.Path(os.environ.get("ANVIL") or TESTS / "node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil")
ARTIFACT = TESTS / "contracts/out/Licence.json"
PORT = 8545
URL = f"http://127.0.0.1:{PORT}"

# The first four bytes of keccak-256 of the signatures.
MINT = "0x40c10f19"  # mint(address,uint256)
TRANSFER = "0x23b872dd"  # transferFrom(address,address,uint256)

ASK = """
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], sys.stdin.buffer.read(), {"content-type": "application/json"})
print(urllib.request.urlopen(request, timeout=20).read().decode())
"""



def configuration(url: str = URL) -> str:
    return f"""
[[chain]]
id = "eip155:31337"
rpc = ["{url}"]
trust = "single"
poll = "200ms"
"""


CONFIGURATION = configuration()


def missing() -> list[str]:
    return [str(it) for it in (ANVIL, ARTIFACT) if not it.exists()]


class Chain:
    """Its process ends with the machine, or by `end`."""

    def __init__(self, machine: Machine, port: int = PORT):
        self.machine = machine
        self.url = f"http://127.0.0.1:{port}"
        (node,) = machine.bring(ANVIL)
        # Finalized is two blocks behind the newest, and proofs are of the block that was asked for.
        run = (node, "--port", str(port), "--slots-in-an-epoch", "1", "--preserve-historical-states", "--silent")
        self.process = machine.start(*run, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            self.deploy()
        except BaseException:
            self.end()
            raise

    def deploy(self) -> None:
        self.account = eventually("the node answers", lambda: self.call("eth_accounts", [])[0])
        code = json.loads(ARTIFACT.read_text())["bytecode"]
        self.contract = self.send({"data": code})["contractAddress"]
        # A contract in the newest block only is not there at the finalized one, nor is the proof that it is not.
        self.call("anvil_mine", ["0x2"])

    def end(self) -> None:
        self.process.kill()
        self.process.wait()

    def call(self, method: str, params: list):
        request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        reply = json.loads(self.machine.run("python3", "-c", ASK, self.url, stdin=request))
        if "error" in reply:
            raise ValueError(f"{method}: {reply['error']}")
        return reply["result"]

    def send(self, transaction: dict) -> dict:
        name = self.call("eth_sendTransaction", [{"from": self.account, "gas": "0x7a1200"} | transaction])
        receipt = eventually("the receipt", lambda: self.call("eth_getTransactionReceipt", [name]))
        assert receipt["status"] == "0x1", receipt
        return receipt

    def mint(self, to: str, number: int) -> None:
        """A token for somebody, finalized."""
        self.send({"to": self.contract, "data": MINT + word(int(to, 16)) + word(number)})
        self.call("anvil_mine", ["0x2"])

    def token(self) -> str:
        return f"eip155:31337/erc721:{self.contract}"


def word(number: int) -> str:
    return f"{number:064x}"


def product(token: str, name: str = "acme-cad") -> str:
    return f"""product = "{name}"
name = "Acme CAD"
trust = "single"
refresh = "10m"
grace = "14d"

[tiers.pro]
rank = 20
features = {{ export = true }}

[[grants]]
tier = "pro"
token = "{token}"
"""
