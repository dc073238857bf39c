#!/usr/bin/env python3
"""Tests the image: tests/image/run.py [--programs DIRECTORY]. Builds it, twice, and runs the services of the compose file in
real containers (runc), with a real EVM node on this machine. Needs root; installs the Debian packages it needs."""

import argparse
import gzip
import hashlib
import json
import os
import pathlib
import signal
import ssl
import stat
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path += [str(HERE), str(HERE.parent / "packages")]

import chain as chains  # noqa: E402
import tools  # noqa: E402
import yaml  # noqa: E402
from containers import UID, Image, Project  # noqa: E402
from host import Host, free_port  # noqa: E402
from machine import eventually  # noqa: E402

COMPOSE = ROOT / "packaging/compose/compose.yaml"
NEEDED = {"buildah": "buildah", "openssl": "openssl", "runc": "runc", "ldd": "libc-bin", "strip": "binutils"}

TOKEN = "a-token-of-the-web-shop"

# The containers share this machine's network, whose loopback addresses alone are the tests'.
PORT, PROBES = free_port(), free_port()
GATEWAY = f"""
listen = "127.0.0.1:{PORT}"
probes = "127.0.0.1:{PROBES}"

[tls]
certificate = "/etc/entitled/gateway.crt"
key = "/etc/entitled/gateway.key"

[[client]]
name = "shop"
token_sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"
customer = "customer:1"
scopes = ["entitlements", "wallets"]
"""


class Stage:
    programs: list[str]
    home: pathlib.Path
    image: Image
    digests: list[str]


class Content(unittest.TestCase):
    def test_the_same_sources_give_the_same_digest(self):
        # It was made as the manual says.
        self.assertIn("```sh\npackaging/image.py ", (ROOT / "docs/containers.md").read_text())
        first, second = Stage.digests
        self.assertEqual(first, second)
        self.assertEqual(first, Stage.image.manifest_digest)

    def test_nothing_else_in_it_can_run(self):
        runs = {path for path, status in Stage.image.files.items() if is_program(status.st_mode)}
        libraries = {it for it in runs if ".so" in it}
        self.assertEqual(runs - libraries, {"/usr/sbin/entitled", "/usr/bin/entitlectl"})

    def test_it_is_nobody_in_particular(self):
        told = Stage.image.configuration
        self.assertEqual(told["User"], f"{UID}:{UID}")
        self.assertEqual(told["Entrypoint"], ["/usr/sbin/entitled"])
        for path, status in Stage.image.files.items():
            if not stat.S_ISLNK(status.st_mode):
                self.assertFalse(status.st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IWOTH), path)
        owned = {path for path, status in Stage.image.files.items() if status.st_uid != 0}
        self.assertEqual(owned, {"/var/lib/entitled", "/run/entitled"})

    def test_it_names_what_is_in_it(self):
        bill = json.loads(gzip.decompress((Stage.image.root / "usr/share/doc/entitled/sbom.cdx.json.gz").read_bytes()))
        self.assertIn("revm", {it["name"] for it in bill["components"]})

    def test_nothing_is_wrong_with_the_containerfile(self):
        lint = ROOT / "tests/.venv/bin/hadolint"
        done = subprocess.run([lint, ROOT / "packaging/Containerfile"], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_the_containerfile_says_the_same(self):
        text = (ROOT / "packaging/Containerfile").read_text().replace("\\\n", " ")
        said = dict(line.split(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        told = Stage.image.configuration
        self.assertEqual(said["USER"], told["User"])
        self.assertEqual(json.loads(said["ENTRYPOINT"]), told["Entrypoint"])
        self.assertEqual(sorted(said["ENV"].split()), sorted(told["Env"]))
        self.assertEqual(json.loads(said["VOLUME"]), list(told["Volumes"]))
        healthy = yaml.safe_load(COMPOSE.read_text())["services"]["daemon"]["healthcheck"]["test"]
        self.assertEqual(json.loads(said["HEALTHCHECK"].split("CMD ", 1)[1]), healthy[1:])


def is_program(mode: int) -> bool:
    return stat.S_ISREG(mode) and bool(mode & 0o111)


class Compose(unittest.TestCase):
    """The services as they are described, each in a container of its own."""

    def setUp(self):
        self.assertEqual(chains.missing(), [], "run `make prepare`")
        self.home = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="entitled-containers-")))
        self.chain = chains.Chain(Host(), free_port())
        self.addCleanup(self.chain.end)
        beside = self.home / "beside"
        for path, text in {
            "products/acme-cad.toml": chains.product(self.chain.token()),
            "secrets/chains.toml": chains.configuration(self.chain.url),
            "secrets/gateway.toml": GATEWAY,
            "delegates.toml": (COMPOSE.parent / "delegates.toml").read_text(),
        }.items():
            (beside / path).parent.mkdir(parents=True, exist_ok=True)
            (beside / path).write_text(text)
        certify(beside / "secrets")
        self.project = Project(yaml.safe_load(COMPOSE.read_text()), beside, Stage.image, self.home)
        self.addCleanup(self.project.end)
        self.daemon = self.start()

    def start(self) -> subprocess.Popen:
        daemon = self.project.run("daemon")
        eventually("the daemon is healthy", lambda: True if self.project.health("daemon") == 0 else self.alive(daemon))
        return daemon

    def replace_daemon(self) -> None:
        """After it has ended: a new container in the place of the old one."""
        self.project.remove(self.project.container("daemon"))
        bundle = self.project.home / "bundles" / self.project.container("daemon")
        bundle.rename(bundle.with_suffix(".before"))
        self.daemon = self.start()

    def alive(self, daemon: subprocess.Popen) -> None:
        if daemon.poll() is not None:
            raise RuntimeError(f"the daemon ended with {daemon.returncode}: {daemon.stdout.read()}")

    def start_gateway(self) -> subprocess.Popen:
        """As the engine does it: once the daemon is healthy, which it is."""
        self.assertEqual(self.project.services["gateway"]["depends_on"], {"daemon": {"condition": "service_healthy"}})
        gateway = self.project.run("gateway")
        eventually("the gateway is healthy", lambda: True if self.project.health("gateway") == 0 else self.alive(gateway))
        return gateway

    def by_gateway(self, path: str, token: str | None = TOKEN, body: dict | None = None) -> tuple[int, dict]:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        sent = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"https://127.0.0.1:{PORT}{path}", sent, headers)
        trust = ssl.create_default_context(cafile=self.home / "beside/secrets/gateway.crt")
        try:
            with urllib.request.urlopen(request, timeout=20, context=trust) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)

    def ask(self, *command: str) -> dict:
        status, said = self.project.ask("client", "--json", *command)
        self.assertIn(status, (0, 1, 3), said)
        return json.loads(said)

    def eventually_code(self, code: str) -> None:
        def probe():
            verdict = self.ask("check", "acme-cad")
            assert verdict["code"] == code, verdict
            return verdict

        eventually(f"it is {code}", probe)

    def test_a_program_in_another_container_learns_what_it_is_entitled_to(self):
        wallet = self.ask("wallet", "create")["address"]
        self.eventually_code("NOT_HELD")
        self.chain.mint(wallet, 7)
        self.eventually_code("VALID")

        # The daemon's container is replaced: who has the directory finds the new socket, and nothing was forgotten.
        self.project.kill("daemon", "TERM")
        said, _ = self.daemon.communicate(timeout=60)
        self.assertEqual(self.daemon.returncode, 0, said)
        self.assertNotIn("PANIC", said.upper())
        status, _ = self.project.ask("client", "check", "acme-cad")
        self.assertEqual(status, 4)
        self.replace_daemon()
        self.eventually_code("VALID")

    def test_a_program_is_told_while_it_watches(self):
        wallet = self.ask("wallet", "create")["address"]
        watching = self.project.run("client")
        self.assertTrue(watching.stdout.readline())
        self.chain.mint(wallet, 8)
        until = time.monotonic() + 60
        while "VALID" not in (line := watching.stdout.readline()):
            self.assertTrue(line and time.monotonic() < until, "it was never told")

    def test_whoever_has_a_token_is_answered_over_http_and_nobody_else(self):
        # What the file says for the containers' own network, the test says for this machine's.
        self.assertEqual(self.project.services["gateway"]["ports"], ["8443:8443"])
        gateway = self.start_gateway()
        status, said = self.by_gateway("/api/v1/customer")
        self.assertEqual((status, said["code"]), (404, "NOT_FOUND"), "an administrator makes the customer")
        made = self.project.administer("daemon", "customer", "create", "Web shop")
        self.assertEqual(made["id"], "customer:1")
        self.assertEqual(self.by_gateway("/api/v1/customer"), (200, made))
        path = "/api/v1/products/acme-cad/entitlement"
        self.assertEqual(self.by_gateway(path)[1]["code"], "NO_WALLET")
        status, wallet = self.by_gateway("/api/v1/wallets", body={"label": "made here"})
        self.assertEqual((status, wallet["customer"]), (201, "customer:1"))
        self.chain.mint(wallet["address"], 9)

        def probe():
            status, verdict = self.by_gateway(path)
            assert (status, verdict["code"]) == (200, "VALID"), verdict
            return verdict

        eventually("the web shop is entitled", probe)
        for token in (None, "another"):
            self.assertEqual(self.by_gateway(path, token)[0], 401)

        # A daemon that is away is told as that, and makes the gateway unready; the one after it is found by the directory.
        self.project.kill("daemon", "TERM")
        self.daemon.communicate(timeout=60)
        self.assertEqual(self.by_gateway(path)[0], 503)
        self.assertEqual(self.project.health("gateway"), 1)
        self.replace_daemon()
        eventually("it is entitled as before", probe)

        def ready():
            # What was said a moment ago is told on.
            self.assertEqual(self.project.health("gateway"), 0)
            return True

        eventually("it is ready again", ready)
        self.project.kill("gateway", "TERM")
        said, _ = gateway.communicate(timeout=60)
        self.assertEqual(gateway.returncode, 0, said)

    def test_it_leaves_nothing_but_its_state_and_its_sockets(self):
        state, sockets = (sorted(it.name for it in self.project.volume(name).iterdir()) for name in ("state", "sockets"))
        self.assertIn("ledger.redb", state)
        self.assertIn("entitled.sock", sockets)
        self.assertEqual(self.project.health("daemon"), 0)


def certify(folder: pathlib.Path) -> None:
    """A certificate for this machine, which vouches for itself, and its key."""
    run = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
           "-subj", "/CN=gateway", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE",
           "-keyout", folder / "gateway.key", "-out", folder / "gateway.crt"]  # fmt: skip
    subprocess.run(run, check=True, capture_output=True, timeout=60)
    # A secret belongs to who reads it.
    uid = int(yaml.safe_load(COMPOSE.read_text())["services"]["gateway"]["user"].split(":")[0])
    for name in ("gateway.key", "gateway.toml"):
        os.chown(folder / name, uid, uid)
        (folder / name).chmod(0o400)


def build(out: pathlib.Path) -> tuple[pathlib.Path, str]:
    run = [sys.executable, ROOT / "packaging/image.py", "--profile=dev", f"--out={out}", *Stage.programs]
    *_, archive, digest = subprocess.run(run, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return pathlib.Path(archive), digest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=pathlib.Path, help="a directory of programs compiled before")
    asked = parser.parse_args()
    tools.provide(NEEDED, "the image was NOT tested")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    Stage.programs = [f"--programs={asked.programs.resolve()}"] if asked.programs else []
    with tempfile.TemporaryDirectory(prefix="entitled-image-tests-") as temporary:
        Stage.home = pathlib.Path(temporary)
        archive, first = build(Stage.home / "first")
        _, second = build(Stage.home / "second")
        Stage.digests = [first, second]
        Stage.image = Image(archive, Stage.home)
        suite = unittest.TestLoader().loadTestsFromModule(sys.modules[__name__])
        if not unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful():
            sys.exit(1)


if __name__ == "__main__":
    main()
