#!/usr/bin/env python3
"""Builds the container's image: packaging/image.py [--profile release|dev] [--out DIRECTORY] [--tree DIRECTORY].

From scratch, without a base and without a network: what files.toml marks with `image`, the libraries the programs are linked
with, the certificates of https endpoints, and one user without rights. Writes an OCI archive and a Docker archive (Debian's
buildah), and prints their paths and the image's digest. Of the same commit on the same Debian the digest is the same. With
`--tree` it only lays out what is in the image, for the Containerfile.
"""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

import binaries
import release as releases
import tree

CERTIFICATES = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
UID = 65532
STATE, SOCKETS = "/var/lib/entitled", "/run/entitled"
# Nobody can log in, and nothing is looked up elsewhere.
ACCOUNTS = {
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/passwd": f"root:x:0:0::/:/nonexistent\nentitled:x:{UID}:{UID}::{STATE}:/nonexistent\n",
    "etc/group": f"root:x:0:\nentitled:x:{UID}:\nentitled-admin:x:{UID + 1}:\n",
}
# By these the daemon knows that it is the machine's, and where its things are.
ENVIRONMENT = {"STATE_DIRECTORY": STATE, "RUNTIME_DIRECTORY": SOCKETS}
ENTRYPOINT = ["/usr/sbin/entitled"]
HEALTH = f"/usr/bin/entitlectl --socket {SOCKETS}/entitled.sock status"
MINUTES = 10


def main() -> None:
    asked = arguments()
    wanted = ["strip", "readelf", "objdump", "ldd"] + ([] if asked.tree else ["buildah"])
    if missing := [it for it in wanted if shutil.which(it) is None]:
        sys.exit(f"missing: {', '.join(missing)} (Debian: apt-get install binutils libc-bin buildah)")
    if not CERTIFICATES.exists():
        sys.exit(f"missing: {CERTIFICATES} (Debian: apt-get install ca-certificates)")
    release = releases.read(None, None)
    compiled = asked.programs or binaries.compile_all(release, asked.profile)
    with tempfile.TemporaryDirectory(prefix="entitled-image-") as temporary:
        work = pathlib.Path(temporary)
        programs = binaries.split(compiled, work / "programs", False)
        place = asked.tree or work / "tree"
        if place.exists():
            sys.exit(f"{place} is there already: name a new directory")
        lay_out(tree.Maker(release, programs, None), place)
        if asked.tree:
            print(place)
            return
        asked.out.mkdir(parents=True, exist_ok=True)
        for made in build(release, place, work, asked.out):
            print(made)


def lay_out(maker: tree.Maker, place: pathlib.Path) -> None:
    """`root` is all but the two directories that belong to the user, and `empty` is what is in these."""
    root = place / "root"
    root.mkdir(parents=True)
    (place / "empty").mkdir()
    tree.lay_out(tree.entries("image"), root, maker)
    for owned in (STATE, SOCKETS):
        # What lies above these is root's.
        (root / owned.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
    for program in maker.programs.values():
        for library in linked_with(program.stripped):
            place = root / library.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(library, place)
            place.chmod(0o755)
    certificates = root / str(CERTIFICATES).lstrip("/")
    certificates.parent.mkdir(parents=True)
    shutil.copyfile(CERTIFICATES, certificates)
    for path, text in ACCOUNTS.items():
        (root / path).write_text(text)


def linked_with(program: pathlib.Path) -> list[str]:
    said = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    return sorted(set(re.findall(r"(/\S+\.so\S*)", said)))


class Buildah:
    """A store of its own, which nobody else's images are in."""

    def __init__(self, work: pathlib.Path):
        # What is built here has nobody's signature.
        policy = work / "policy.json"
        policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        self.policy = f"--signature-policy={policy}"
        self.store = ["--root", str(work / "store"), "--runroot", str(work / "run"), "--storage-driver", "vfs"]

    def run(self, command: str, *more: object) -> str:
        run = ["buildah", *self.store, command, *map(str, more)]
        done = subprocess.run(run, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=MINUTES * 60)
        if done.returncode != 0:
            sys.exit(f"buildah {command} failed:\n{done.stderr}")
        return done.stdout.strip()


def build(release: releases.Release, place: pathlib.Path, work: pathlib.Path, out: pathlib.Path) -> list[str]:
    buildah = Buildah(work)
    image = buildah.run("from", buildah.policy, "scratch")
    buildah.run("copy", "--quiet", image, place / "root", "/")
    for owned, mode in ((STATE, "0700"), (SOCKETS, "0755")):
        buildah.run("copy", "--quiet", f"--chown={UID}:{UID}", f"--chmod={mode}", image, place / "empty", owned)
    buildah.run("config", *settings(release), image)
    made = []
    for form, kind in (("docker", "docker-archive"), ("oci", "oci-archive")):
        archive = out / f"entitled_{release.version}.{form}.tar"
        archive.unlink(missing_ok=True)
        where = f"{kind}:{archive}" + (f":entitled:{release.upstream.replace('~', '-')}" if form == "docker" else "")
        buildah.run("commit", "--quiet", "--timestamp=0", "--disable-compression=false", f"--format={form}", buildah.policy, image, where)
        made.append(str(archive))
    buildah.run("rm", image)
    return [*made, digest(archive)]


def digest(archive: pathlib.Path) -> str:
    """Of the manifest in an OCI archive, by which a registry knows the image."""
    with tarfile.open(archive) as opened:
        (manifest,) = json.load(opened.extractfile("index.json"))["manifests"]
    return manifest["digest"]


def settings(release: releases.Release) -> list[str]:
    labels = {
        "org.opencontainers.image.title": "entitled",
        "org.opencontainers.image.description": "tells installed software what it is entitled to",
        "org.opencontainers.image.version": release.version,
        "org.opencontainers.image.revision": release.commit,
        "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
    }
    return [
        "--created-by=packaging/image.py",
        f"--user={UID}:{UID}",
        "--workingdir=/",
        f"--entrypoint={json.dumps(ENTRYPOINT)}",
        "--cmd=",
        f"--volume={STATE}",
        "--stop-signal=SIGTERM",
        # Of the Docker form only: the OCI's has no place for it, and compose files say it themselves.
        f"--healthcheck=CMD {HEALTH}",
        "--healthcheck-interval=30s",
        "--healthcheck-timeout=6s",
        *(f"--env={name}={value}" for name, value in ENVIRONMENT.items()),
        *(f"--label={name}={value}" for name, value in labels.items()),
    ]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=["release", "dev"], default="release")
    parser.add_argument("--out", type=pathlib.Path, default=binaries.target_directory() / "packages")
    parser.add_argument("--programs", type=pathlib.Path, help="a directory of programs compiled before")
    parser.add_argument("--tree", type=pathlib.Path, help="only lay out what is in the image, in this new directory")
    return parser.parse_args()


if __name__ == "__main__":
    main()
