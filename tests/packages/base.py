"""The Debian that packages are tested in: made once, kept outside the checkout, unpacked once for each run."""

import hashlib
import os
import pathlib
import subprocess

SUITE = "bookworm"
# What a server has, and what the tests themselves need: python3 to ask with, rpm for the other package.
INCLUDED = (
    "ca-certificates", "dbus", "init-system-helpers", "libpam-systemd", "libtss2-esys-3.0.2-0", "libpython3-stdlib",
    "procps", "python3-minimal", "rpm", "systemd", "systemd-sysv",
)  # fmt: skip
# What a vendor's machine has as well, where programs are compiled. Few tests need it.
COMPILING = ("gcc", "libc6-dev", "pkgconf")
MINUTES = 15


def cache() -> pathlib.Path:
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(home) / "entitled-test"


def tarball(more: tuple[str, ...]) -> pathlib.Path:
    """Makes it if this list of packages has none yet; needs a Debian mirror then, and never again."""
    included = (*INCLUDED, *more)
    name = hashlib.sha256(" ".join((SUITE, *included)).encode()).hexdigest()[:12]
    place = cache() / f"{SUITE}-{name}.tar"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        unfinished = place.with_suffix(".unfinished.tar")
        print(f"making {place}: a minute or two, once")
        run = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(included)}", SUITE, str(unfinished)]
        subprocess.run(run, check=True, timeout=MINUTES * 60)
        unfinished.rename(place)
    return place


def unpack(into: pathlib.Path, more: tuple[str, ...] = ()) -> pathlib.Path:
    """A tree that machines of a run lie over; nobody writes to it."""
    into.mkdir()
    subprocess.run(["tar", "-xf", tarball(more), "-C", into, "--exclude=./dev/*"], check=True, timeout=MINUTES * 60)
    # A container asks nobody on the network, and its clock is ours.
    (into / "etc/resolv.conf").unlink(missing_ok=True)
    (into / "etc/machine-id").write_text("")
    return into
