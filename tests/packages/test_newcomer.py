"""What somebody does who has the README and nothing else: install, link a wallet in the browser, ask from Python, look, sell.

Each command of the README's block is run as it stands there, in a terminal of 80 columns. Ada is an ordinary user of the
machine: what begins with `sudo` is root's, and all else is hers, the browser too. What was typed and shown is printed at the
end; `TRANSCRIPT` names a file for it.
"""

import fcntl
import json
import os
import pathlib
import pty
import re
import struct
import shutil
import subprocess
import termios
import threading

import chain as chains
from chain import TESTS, TRANSFER, Chain, word
from machine import eventually
from scene import Scene, deb, vendor_package

ROOT = TESTS.parent
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PRODUCT = "/usr/share/entitled/products.d/acme-cad.toml"
# The wallet of a person, whose browser has its key.
KEY = "0x" + "11" * 31 + "01"
HOLDER = "0x667fF918754239Bc5DfB39EfE943f29c735E7CB4"
STRANGER = "0x00000000000000000000000000000000000000a1"
COLUMNS = 80
USER = "ada"
# Chromium as that user, who has to be able to write what it is told to keep its profile in.
BROWSER = """#!/bin/sh
for it in "$@"; do case $it in --user-data-dir=*) chown -R {uid}:{uid} "${{it#*=}}" ;; esac; done
exec setpriv --reuid={uid} --regid={uid} --clear-groups env HOME={home} {chromium} "$@"
"""


def block(after: str, language: str) -> str:
    """The first block of code of the README in this language, below a heading."""
    below = (ROOT / "README.md").read_text().split(f"\n## {after}\n")[1]
    return below.split(f"```{language}\n")[1].split("```")[0]


class Terminal:
    """A command in the machine, at a terminal."""

    def __init__(self, machine, *command: str, user: str | None = None):
        outer, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        told = ("env", "TERM=xterm", f"HOME=/home/{user}" if user else "HOME=/root")
        self.process = machine.start(*told, *command, user=user, stdin=inner, stdout=inner, stderr=inner)
        os.close(inner)
        self.outer = outer
        self.bytes = b""
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        # The end of a terminal is an error.
        try:
            while more := os.read(self.outer, 4096):
                self.bytes += more
        except OSError:
            pass

    def shown(self) -> str:
        plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", self.bytes.decode(errors="replace")).replace("\r\n", "\n")
        # What was drawn over is not to be seen.
        plain = "\n".join(it.rsplit("\r", 1)[-1] for it in plain.split("\n"))
        return re.sub("\n{3,}", "\n\n", plain)

    def ended(self) -> str:
        self.process.wait(120)
        self.reader.join(10)
        return self.shown()


class Newcomer(Scene):
    def setUp(self):
        if lacking := [*chains.missing(), *([] if os.path.exists(CHROMIUM) else [CHROMIUM])]:
            self.skipTest(f"run `make prepare`; missing: {', '.join(lacking)}")
        super().setUp()
        self.transcript = ""
        self.addCleanup(self.keep)
        self.machine.run("useradd", "--create-home", USER)
        self.uid = self.machine.run("id", "--user", USER).strip()
        # Somebody else's: a chain, a shop that has sold a licence, and the vendor's package.
        self.chain = Chain(self.machine)
        self.chain.mint(HOLDER, 7)
        gas = {"from": self.chain.account, "to": HOLDER, "value": "0xde0b6b3a7640000"}
        self.chain.call("eth_sendTransaction", [gas])
        self.chain.call("anvil_mine", ["0x2"])

    def keep(self) -> None:
        print(f"\n---- what was typed and shown, at {COLUMNS} columns ----\n{self.transcript}---- ----", flush=True)
        if place := os.environ.get("TRANSCRIPT"):
            pathlib.Path(place).write_text(self.transcript)

    def tell(self, text: str) -> None:
        self.transcript += text.rstrip("\n") + "\n"

    def types(self, line: str, *command: str, status: int = 0) -> str:
        user = None if line.startswith("sudo ") else USER
        terminal = Terminal(self.machine, *(command or ("sh", "-c", line)), user=user)
        shown = terminal.ended()
        self.tell(f"{USER}$ {line}\n{shown}")
        self.assertEqual(terminal.process.returncode, status, shown)
        if line.startswith("entitlectl"):
            self.assertFits(shown)
        return shown

    def assertFits(self, shown: str) -> None:
        too_long = [it for it in shown.split("\n") if len(it) > COLUMNS]
        self.assertEqual(too_long, [], "no line is longer than the terminal is wide")

    def browses(self, line: str, scene: str, more: dict) -> str:
        """Runs a command that opens a page, and a browser before it that is played."""
        terminal = Terminal(self.machine, *line.split(), user=USER)
        url = eventually("an address", lambda: re.search(r"http://\S+", terminal.shown()))[0]
        given = {"url": url, "chromium": str(self.browser()), "screenshots": str(self.machine.home), "chain": 31_337,
                 "node": chains.URL, "pid": terminal.process.pid, **more}  # fmt: skip
        # The host's browser, on the machine's own network, which has nothing but loopback.
        run = ["nsenter", "--net", "-t", str(self.machine.leader), "node", f"browser/{scene}.mjs", json.dumps(given)]
        played = subprocess.run(run, cwd=TESTS, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=180)
        self.tell(f"{USER}$ {line}\n{terminal.shown()}")
        self.assertFits(terminal.shown())
        self.assertEqual(played.returncode, 0, played.stdout)
        if played.stdout.strip():
            self.tell(f"    [in the browser] {played.stdout.strip()}".replace("\n", "\n    [in the browser] "))
        return terminal

    def browser(self) -> pathlib.Path:
        home = self.machine.home / "browser"
        if not home.exists():
            home.mkdir()
            shutil.chown(home, int(self.uid), int(self.uid))
            # The way there is others' too.
            self.machine.home.chmod(0o755)
        program = self.machine.home / "chromium"
        program.write_text(BROWSER.format(uid=self.uid, home=home, chromium=CHROMIUM))
        program.chmod(0o755)
        return program

    def python(self) -> str:
        program = block("Use it", "python")
        return self.types("python3 ask.py", "env", "PYTHONPATH=/srv/python", "python3", "-c", program).strip()

    def test_from_the_readme_alone(self):
        (package,) = self.machine.bring(deb("current"))
        lines = [it.split("#")[0].strip() for it in block("Use it", "sh").splitlines()]
        steps = {
            "make packages": lambda _: None,
            "sudo apt install ./target/packages/entitled_*.deb": lambda it: self.types(
                it, "apt-get", "install", "--quiet", "--yes", package),
            "sudoedit /etc/entitled/entitled.d/chains.toml": self.configure,
            "sudo systemctl reload-or-restart entitled": lambda it: self.types(it, *it.split()[1:]),
            "entitlectl wallet link": self.link,
            "entitlectl ui": self.look_and_sell,
        }  # fmt: skip
        self.assertEqual(lines, list(steps), "the README says something else than is done here")
        for line in lines:
            steps[line](line)
        self.assertEqual(self.python(), "not entitled")
        self.assertTrue(self.types("entitlectl why acme-cad", status=1).startswith("No:"))

    def configure(self, line: str) -> None:
        # The chain of the README is far away. Only its place is another one here, and how much it can be trusted.
        written = block("Use it", "toml")
        for name, value in (("id", '"eip155:31337"'), ("rpc", f'["{chains.URL}"]'), ("trust", '"single"')):
            written = re.sub(rf"(?m)^{name}\b.*$", f"{name} = {value}", written)
        written += 'poll = "200ms"\n'
        self.tell(f"{USER}$ {line}\n{written}")
        self.machine.write("/etc/entitled/entitled.d/chains.toml", written)
        # The vendor's package brings the product file.
        vendors = self.machine.bring(vendor_package({PRODUCT: chains.product(self.chain.token())}))
        self.types("sudo apt install ./acme-cad_1_all.deb", "dpkg", "--install", *vendors)

    def link(self, line: str) -> None:
        self.types("entitlectl", "entitlectl")
        terminal = self.browses(line, "link", {"key": KEY})
        self.assertEqual(terminal.process.wait(120), 0, terminal.shown())
        shown = terminal.ended()
        self.assertIn(f"{HOLDER} is linked", shown)
        self.assertIn("Next: `entitlectl`", shown, "what to do then")
        self.types("entitlectl")
        library = self.machine.root / "srv/python"
        subprocess.run(["cp", "--recursive", ROOT / "src/client/python", library], check=True)
        self.assertEqual(self.python(), "entitled")

    def look_and_sell(self, line: str) -> None:
        data = TRANSFER + word(int(HOLDER, 16)) + word(int(STRANGER, 16)) + word(7)
        sale = {"from": HOLDER, "to": self.chain.contract, "data": data}
        terminal = self.browses(line, "sale", {"sale": sale})
        terminal.process.terminate()
        terminal.ended()
