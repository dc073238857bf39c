#!/usr/bin/env python3
"""Tests the image: tests/image/run.py [--programs DIRECTORY]. Builds it, twice, and runs the services of the compose file in
real containers (runc), with a real EVM node on this machine. Needs root; installs the Debian packages it needs."""

import argparse
import gzip
import json
import pathlib
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path += [str(HERE), str(HERE.parent / "packages")]

import chain as chains  # noqa: E402
import tools  # noqa: E402
import yaml  # noqa: E402
from containers import UID, Image, Project  # noqa: E402
from machine import eventually  # noqa: E402

COMPOSE = ROOT / "packaging/compose/compose.yaml"
NEEDED = {"buildah": "buildah", "runc": "runc", "ldd": "libc-bin", "strip": "binutils"}


class Stage:
    programs: list[str]
    home: pathlib.Path
    image: Image
    digests: list[str]


class Host:
    """This machine, in the words in which the tests of the packages speak of theirs."""

    def bring(self, *files: pathlib.Path) -> list[str]:
        return [str(it) for it in files]

    def start(self, *command: str, **streams) -> subprocess.Popen:
        return subprocess.Popen(command, **streams)

    def run(self, *command: str, stdin: str = "") -> str:
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=True, timeout=60).stdout


class Content(unittest.TestCase):
    def test_the_same_sources_give_the_same_digest(self):
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
        self.chain = chains.Chain(Host())
        self.addCleanup(end, self.chain.process)
        beside = self.home / "beside"
        for path, text in {
            "products/acme-cad.toml": chains.product(self.chain.token()),
            "secrets/chains.toml": chains.CONFIGURATION,
        }.items():
            (beside / path).parent.mkdir(parents=True)
            (beside / path).write_text(text)
        self.project = Project(yaml.safe_load(COMPOSE.read_text()), beside, Stage.image, self.home)
        self.addCleanup(self.project.end)
        self.daemon = self.start()

    def start(self) -> subprocess.Popen:
        daemon = self.project.run("daemon")
        eventually("the daemon is healthy", lambda: True if self.project.health("daemon") == 0 else self.alive(daemon))
        return daemon

    def alive(self, daemon: subprocess.Popen) -> None:
        if daemon.poll() is not None:
            raise RuntimeError(f"the daemon ended with {daemon.returncode}: {daemon.stdout.read()}")

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
        self.project.remove(self.project.container("daemon"))
        bundle = self.project.home / "bundles" / self.project.container("daemon")
        bundle.rename(bundle.with_suffix(".before"))
        self.daemon = self.start()
        self.eventually_code("VALID")

    def test_a_program_is_told_while_it_watches(self):
        wallet = self.ask("wallet", "create")["address"]
        watching = self.project.run("client")
        self.assertTrue(watching.stdout.readline())
        self.chain.mint(wallet, 8)
        until = time.monotonic() + 60
        while "VALID" not in (line := watching.stdout.readline()):
            self.assertTrue(line and time.monotonic() < until, "it was never told")

    def test_it_leaves_nothing_but_its_state_and_its_sockets(self):
        state, sockets = (sorted(it.name for it in self.project.volume(name).iterdir()) for name in ("state", "sockets"))
        self.assertIn("ledger.redb", state)
        self.assertIn("entitled.sock", sockets)
        self.assertEqual(self.project.health("daemon"), 0)


def end(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()


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
