#!/usr/bin/env python3
"""Builds the packages: packaging/build.py [--profile release|dev] [--form deb|rpm] [--out DIRECTORY].

`release` is what is shipped. `dev` takes the ordinary debug build, for working on the packages themselves; of the C library
there is one build only. Prints the paths of what it made, one a line.
"""

import argparse
import pathlib
import shutil
import sys
import tempfile

import binaries
import debian
import redhat
import release as releases
import tree

TOOLS = {"deb": ["dpkg-deb"], "rpm": ["rpmbuild"]}


def main() -> None:
    asked = arguments()
    forms = asked.form or ["deb", "rpm"]
    wanted = ["ar", "cc", "ld", "objcopy", "strip", "readelf", "objdump"] + [tool for form in forms for tool in TOOLS[form]]
    missing = [tool for tool in wanted if shutil.which(tool) is None]
    if missing:
        sys.exit(f"missing: {', '.join(missing)} (Debian: apt-get install binutils gcc dpkg rpm)")
    release = releases.read(asked.version, asked.schema)
    compiled = asked.programs or binaries.compile_all(release, asked.profile)
    asked.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="entitled-packages-") as temporary:
        work = pathlib.Path(temporary)
        programs = binaries.split(compiled, work / "programs", asked.symbols)
        library = binaries.compile_library(release, work / "library") if asked.library else None
        maker = tree.Maker(release, programs, library, quick=asked.profile == "dev")
        made = []
        if "deb" in forms:
            made += debian.build(maker, work / "deb", asked.out)
        if "rpm" in forms:
            made += redhat.build(maker, work / "rpm", asked.out)
    for package in made:
        print(package)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=["release", "dev"], default="release")
    parser.add_argument("--form", choices=["deb", "rpm"], action="append", help="only this form")
    parser.add_argument("--out", type=pathlib.Path, default=binaries.target_directory() / "packages")
    parser.add_argument("--programs", type=pathlib.Path, help="a directory of programs compiled before")
    parser.add_argument("--no-symbols", dest="symbols", action="store_false", help="no packages of debug symbols")
    parser.add_argument("--no-library", dest="library", action="store_false", help="no packages of the C library")
    parser.add_argument("--version", help="another version than the sources', such as 1.2.3-1")
    parser.add_argument("--schema", type=int, help="another schema than the sources'")
    return parser.parse_args()


if __name__ == "__main__":
    main()
