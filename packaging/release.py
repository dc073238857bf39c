"""What is being packaged: version, moment, commit and schema, all read from the sources.

Everything here follows from the commit, never from the clock or the machine: the same commit gives the same
packages, byte for byte.
"""

import dataclasses
import pathlib
import re
import subprocess
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent


def git(*arguments: str) -> str:
    run = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(run, check=True, capture_output=True, text=True).stdout.strip()


@dataclasses.dataclass(frozen=True)
class Release:
    """`upstream` is the version without the packagers' revision; both formats sort `~` before everything."""

    upstream: str
    revision: str
    epoch: int
    commit: str
    schema: int

    @property
    def version(self) -> str:
        return f"{self.upstream}-{self.revision}"

    def moment(self, form: str) -> str:
        return time.strftime(form, time.gmtime(self.epoch))


def read(version: str | None = None, schema: int | None = None) -> Release:
    """The release of this checkout. `version` and `schema` replace what the sources say; the tests of upgrades
    and downgrades need packages that differ in nothing else."""
    epoch = int(git("log", "-1", "--format=%ct"))
    commit = git("rev-parse", "HEAD")
    upstream, _, revision = (version or sources_version(epoch, commit)).partition("-")
    return Release(upstream, revision or "1", epoch, commit, schema or sources_schema())


def sources_version(epoch: int, commit: str) -> str:
    """Cargo.toml's version where that is tagged; before its tag, a version that sorts below it."""
    cargo = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    tags = git("tag", "--points-at", commit).split()
    if f"v{cargo}" in tags and not git("status", "--porcelain"):
        return f"{cargo}-1"
    day = time.strftime("%Y%m%d.%H%M%S", time.gmtime(epoch))
    return f"{cargo}~git{day}.{commit[:8]}-1"


def sources_schema() -> int:
    text = (ROOT / "src/store/schema.rs").read_text()
    found = re.search(r"^pub const SCHEMA: u32 = (\d+);$", text, re.MULTILINE)
    if found is None:
        raise SystemExit("src/store/schema.rs no longer says `pub const SCHEMA: u32 = N;`")
    return int(found.group(1))
