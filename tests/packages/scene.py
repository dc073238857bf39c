"""What the tests have in common: the packages, the tree that machines lie over, and words for what is asked often."""

import json
import pathlib
import subprocess
import tempfile
import unittest

from machine import Machine, eventually

SOCKETS = ("entitled.socket", "entitled-admin.socket")
UNITS = (*SOCKETS, "entitled.service")
NOWHERE = "eip155:31337/erc721:0x0000000000000000000000000000000000000001"

# More than one user, because one user may have 16 connections.
CLIENTS, USERS = 50, 10


class Stage:
    """Set by run.py before any test runs."""

    base: pathlib.Path
    # A directory of the run.
    home: pathlib.Path
    # By form: what is of the C library, for the age `current` only, and only where a test needs it.
    libraries: dict[str, list[pathlib.Path]]
    # By form (`deb`, `rpm`) and age (`older`, `current`, `newer`); `newer` says it has a newer ledger.
    packages: dict[str, dict[str, pathlib.Path]]


def deb(age: str) -> pathlib.Path:
    return Stage.packages["deb"][age]


def rpm(age: str) -> pathlib.Path:
    return Stage.packages["rpm"][age]


class Scene(unittest.TestCase):
    """Each test has a machine of its own, freshly booted."""

    def base(self) -> pathlib.Path:
        return Stage.base

    def setUp(self):
        self.machine = self.enterContext(Machine(self.base()))
        self.machine.bring(pathlib.Path(__file__).with_name("load.py"))

    def check(self, product: str, user: str | None = "nobody") -> dict:
        """The verdict, whatever it is."""
        told = self.machine.run("entitlectl", "--json", "check", product, user=user, fine=(0, 1, 3))
        return json.loads(told)

    def code(self, product: str = "acme-cad", user: str | None = "nobody") -> str:
        return self.check(product, user)["code"]

    def eventually_code(self, code: str, product: str = "acme-cad", user: str | None = "nobody") -> None:
        def probe():
            verdict = self.check(product, user)
            assert verdict["code"] == code, verdict
            return verdict

        eventually(f"{product} is {code}", probe)

    def assertActive(self, *units: str):
        for unit in units:
            state = self.machine.property(unit, "ActiveState")
            self.assertEqual(state, "active", f"{unit}; its journal:\n{self.machine.journal(unit)}")

    def pid(self) -> int:
        return int(self.machine.property("entitled.service", "MainPID"))

    def under_load(self):
        return Load(self)


class Load:
    """Clients that ask without end while the body runs; then nothing may have gone wrong for any of them."""

    def __init__(self, scene: Scene):
        self.scene = scene
        self.machine = scene.machine

    def __enter__(self):
        run = ("python3", "/srv/load.py", str(CLIENTS), str(USERS), "/srv/load.json")
        self.process = self.machine.start(*run, stdin=subprocess.DEVNULL)
        eventually("every client has had an answer", lambda: self.is_ready())
        return self

    def is_ready(self) -> bool | None:
        assert self.process.poll() is None, "the load ended by itself"
        return True if (self.machine.root / "srv/load.json.ready").exists() else None

    def __exit__(self, kind, *_):
        self.machine.run("pkill", "--oldest", "--full", "python3 /srv/load.py")
        self.process.wait(60)
        if kind is not None:
            return
        told = json.loads((self.machine.root / "srv/load.json").read_text())
        print(f"    {told['clients']} clients, {told['answers']} answers, the slowest {told['slowest']:.2f} s")
        self.scene.assertEqual(told["faults"], [])
        self.scene.assertEqual(told["clients"], CLIENTS)


def vendor_package(files: dict[str, str], name: str = "acme-cad") -> pathlib.Path:
    """A vendor's package: files, and no script."""
    with tempfile.TemporaryDirectory() as temporary:
        root = pathlib.Path(temporary, "root")
        for path, text in files.items():
            place = root / path.lstrip("/")
            place.parent.mkdir(parents=True)
            place.write_text(text)
        control = root / "DEBIAN/control"
        control.parent.mkdir()
        control.write_text(
            f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: Acme <acme@localhost>\n"
            "Description: somebody's software\n"
        )
        out = pathlib.Path(tempfile.mkdtemp(prefix="entitled-vendor-"), f"{name}_1_all.deb")
        run = ["dpkg-deb", "--root-owner-group", "--build", root, out]
        subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
        return out
