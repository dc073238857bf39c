"""What this machine needs to build packages and to boot machines. Installs what it lacks."""

import os
import shutil
import subprocess
import sys

# By the program that is run: the Debian package that has it.
DEBIAN = {
    "ar": "binutils",
    "cc": "gcc",
    "dpkg-deb": "dpkg",
    "git": "git",
    "ld": "binutils",
    "mmdebstrap": "mmdebstrap",
    "mount": "mount",
    "nsenter": "util-linux",
    "objcopy": "binutils",
    "objdump": "binutils",
    "readelf": "binutils",
    "rpmbuild": "rpm",
    "strip": "binutils",
    "systemd-nspawn": "systemd-container",
}
MINUTES = 15


def missing(needed: dict[str, str]) -> list[str]:
    return [it for it in needed if shutil.which(it) is None]


def provide(needed: dict[str, str] = DEBIAN, untested: str = "the packages were NOT tested") -> None:
    """Ends the run where a machine cannot be booted: packages that nobody tested are not packages that work."""
    if os.geteuid() != 0:
        sys.exit(f"{untested}: booting a machine needs root")
    if lacking := missing(needed):
        install({needed[it] for it in lacking})
    if lacking := missing(needed):
        sys.exit(f"{untested}: {', '.join(lacking)} is missing, and could not be installed")


def install(packages: set[str]) -> None:
    if shutil.which("apt-get") is None:
        return
    print(f"installing {', '.join(sorted(packages))}", flush=True)
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for run in (["update"], ["install", "--yes", "--no-install-recommends", *sorted(packages)]):
        # What apt-get has to say matters when it fails only.
        done = subprocess.run(["apt-get", "--quiet", *run], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", env=quiet,
                              timeout=MINUTES * 60)  # fmt: skip
        if done.returncode != 0:
            print(done.stdout, file=sys.stderr)
