#!/usr/bin/env python3
"""Tests the packages where they are used: in a Debian with a systemd of its own, booted for each test.

tests/packages/run.py [--profile dev|release] [--form deb|rpm]... [--only NAME]... Needs root. Installs the Debian
packages it needs (tools.py); nothing else outside the machines is changed but a cached file below ~/.cache.
"""

import argparse
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Sequence

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parent.parent / "packaging/build.py"
sys.path.insert(0, str(HERE))

import base  # noqa: E402
import tools  # noqa: E402
from scene import Stage  # noqa: E402

FORMS = ("deb", "rpm")
# Upgrades need packages that differ in nothing but what they say of themselves.
AGES = {"older": ("--version=0.0.1-1",), "current": (), "newer": ("--version=99.0.0-1", "--schema=4000000000")}


def main() -> None:
    asked = arguments()
    tools.provide()
    # Being told to end unwinds like everything else, and takes the machines along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="entitled-package-tests-") as temporary:
        home = pathlib.Path(temporary)
        loader = unittest.TestLoader()
        loader.testNamePatterns = [f"*{it}*" for it in asked.only] or None
        suite = loader.discover(str(HERE))
        if suite.countTestCases() == 0:
            sys.exit(f"the packages were NOT tested: no test is named {' or '.join(asked.only)}")
        # Minutes, for what is compiled as it is shipped: for those tests only that are about it.
        with_library = "test_c_library" in str(suite)
        made = asked.packages or build_all(asked, home / "packages", with_library)
        Stage.packages = find_all(made, asked.form or FORMS)
        Stage.libraries = {it: sorted((made / "current").glob(f"libentitled*.{it}")) for it in asked.form or FORMS}
        Stage.home = home
        Stage.base = base.unpack(home / "base")
        if not unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful():
            sys.exit(1)


def build_all(asked: argparse.Namespace, into: pathlib.Path, with_library: bool) -> pathlib.Path:
    programs = [f"--programs={asked.programs}"] if asked.programs else []
    forms = [f"--form={it}" for it in asked.form]
    for age, options in AGES.items():
        print(f"building the {age} packages", flush=True)
        library = [] if with_library and age == "current" else ["--no-library"]
        run = [sys.executable, BUILD, f"--profile={asked.profile}", f"--out={into / age}", "--no-symbols",
               *library, *programs, *forms, *options]  # fmt: skip
        subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    return into


def find_all(directory: pathlib.Path, forms: Sequence[str]) -> dict[str, dict[str, pathlib.Path]]:
    packages = {form: {} for form in forms}
    for form, found in packages.items():
        for age in AGES:
            (found[age],) = (directory / age).glob(f"entitled[_-][0-9]*.{form}")
    return packages


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=["release", "dev"], default="dev")
    parser.add_argument("--form", choices=FORMS, action="append", default=[], help="only this form")
    parser.add_argument("--programs", type=pathlib.Path, help="a directory of programs compiled before")
    parser.add_argument("--packages", type=pathlib.Path, help="packages made before, by age: older, current, newer")
    parser.add_argument("--only", action="append", default=[], help="tests whose name has this in it")
    return parser.parse_args()


if __name__ == "__main__":
    main()
