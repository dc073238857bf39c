#!/usr/bin/env python3
"""Tests the packages where they are used: in a Debian with a systemd of its own, booted for each test.

tests/packages/run.py [--profile dev|release] [--only NAME]... Needs root, systemd-nspawn and mmdebstrap; skips, and
says so, where one is missing. Nothing outside the machines is changed but a cached file below ~/.cache.
"""

import argparse
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parent.parent / "packaging/build.py"
sys.path.insert(0, str(HERE))

import base  # noqa: E402
from scene import Stage  # noqa: E402

# Upgrades need packages that differ in nothing but what they say of themselves.
AGES = {"older": ("--version=0.0.1-1",), "current": (), "newer": ("--version=99.0.0-1", "--schema=4000000000")}


def main() -> None:
    asked = arguments()
    if lacking := base.missing():
        print(f"the packages were not tested: {', '.join(lacking)} is missing")
        return
    # Being told to end unwinds like everything else, and takes the machines along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="entitled-package-tests-") as temporary:
        home = pathlib.Path(temporary)
        Stage.packages = find_all(asked.packages) if asked.packages else build_all(asked, home / "packages")
        Stage.base = home / "base"
        base.unpack(Stage.base)
        loader = unittest.TestLoader()
        loader.testNamePatterns = [f"*{it}*" for it in asked.only] or None
        suite = loader.discover(str(HERE))
        if not unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful():
            sys.exit(1)


def build_all(asked: argparse.Namespace, into: pathlib.Path) -> dict[str, dict[str, pathlib.Path]]:
    programs = [f"--programs={asked.programs}"] if asked.programs else []
    for age, options in AGES.items():
        print(f"building the {age} packages", flush=True)
        run = [sys.executable, BUILD, f"--profile={asked.profile}", f"--out={into / age}", "--no-symbols",
               *programs, *options]  # fmt: skip
        subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    return find_all(into)


def find_all(directory: pathlib.Path) -> dict[str, dict[str, pathlib.Path]]:
    packages = {"deb": {}, "rpm": {}}
    for form, found in packages.items():
        for age in AGES:
            (found[age],) = (directory / age).glob(f"entitled[_-][0-9]*.{form}")
    return packages


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=["release", "dev"], default="dev")
    parser.add_argument("--programs", type=pathlib.Path, help="a directory of programs compiled before")
    parser.add_argument("--packages", type=pathlib.Path, help="packages made before, by age: older, current, newer")
    parser.add_argument("--only", action="append", default=[], help="tests whose name has this in it")
    return parser.parse_args()


if __name__ == "__main__":
    main()
