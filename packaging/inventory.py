"""What the programs are made of: a bill of materials (CycloneDX 1.5), and the licences of all of it.

Both from Cargo.lock and the crates as cargo has them on disk; what only builds or tests is left out.
"""

import collections
import functools
import json
import pathlib
import re
import subprocess
import tomllib
import urllib.parse
import uuid

from binaries import host_triple
from release import ROOT, Release

LICENCE_FILE = re.compile(r"^(licen[cs]e|copying|notice|unlicense|copyright)", re.IGNORECASE)
# A text that names a licence's terms and is longer than this is not one.
LONGEST_LICENCE = 128 * 1024


@functools.cache
def metadata() -> dict:
    run = ["cargo", "metadata", "--locked", "--offline", "--format-version=1", f"--filter-platform={host_triple()}"]
    return json.loads(subprocess.run(run, cwd=ROOT, check=True, capture_output=True).stdout)


@functools.cache
def built_alone(package: str) -> frozenset[tuple[str, str]]:
    """Name and version of everything that a package of ours is made of when it is built by itself: with fewer features than
    the same crates have beside the programs."""
    run = ["cargo", "tree", "--locked", "--offline", f"--package={package}", f"--target={host_triple()}", "--edges=normal",
           "--prefix=none", "--format={p}"]  # fmt: skip
    told = subprocess.run(run, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return frozenset((it.split()[0], it.split()[1].removeprefix("v")) for it in told.splitlines() if it)


def parts(told: dict) -> tuple[dict, dict[str, list[str]]]:
    """The packages the programs are made of, by id, and who needs whom."""
    packages = {it["id"]: it for it in told["packages"]}
    needs = {
        node["id"]: sorted(
            it["pkg"] for it in node["deps"] if any(kind["kind"] is None for kind in it["dep_kinds"])
        )
        for node in told["resolve"]["nodes"]
    }
    found, waiting = set(), [told["resolve"]["root"]]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += needs[one]
    order = sorted(found, key=lambda it: (packages[it]["name"], packages[it]["version"]))
    return {it: packages[it] for it in order}, needs


def reference(package: dict) -> str:
    name, version = (urllib.parse.quote(package[it], safe="") for it in ("name", "version"))
    return f"pkg:cargo/{name}@{version}"


def checksums() -> dict[tuple[str, str], str]:
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    return {(it["name"], it["version"]): it["checksum"] for it in locked if "checksum" in it}


def bill_of_materials(release: Release) -> bytes:
    told = metadata()
    found, needs = parts(told)
    root = told["resolve"]["root"]
    sums = checksums()
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        # Of the commit, so that the same sources give the same bill.
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, release.commit)}",
        "version": 1,
        "metadata": {
            "timestamp": release.moment("%Y-%m-%dT%H:%M:%SZ"),
            "component": component(found[root], sums) | {"type": "application", "version": release.version},
        },
        "components": [component(it, sums) for key, it in found.items() if key != root],
        "dependencies": [
            {"ref": reference(it), "dependsOn": [reference(found[other]) for other in needs[key]]}
            for key, it in found.items()
        ],
    }
    return (json.dumps(bill, indent=1) + "\n").encode()


def component(package: dict, sums: dict[tuple[str, str], str]) -> dict:
    made = {
        "type": "library",
        "bom-ref": reference(package),
        "name": package["name"],
        "version": package["version"],
        "purl": reference(package),
    }
    if package["license"]:
        # Before SPDX expressions, cargo took a slash for "or".
        made["licenses"] = [{"expression": re.sub(r"\s*/\s*", " OR ", package["license"])}]
    checksum = sums.get((package["name"], package["version"]))
    if checksum:
        made["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return made


def third_party_licences(of: str | None = None) -> bytes:
    """Every crate with its licence, then each text once, with whom it belongs to: of the programs, or of one package of ours
    that is built by itself."""
    told = metadata()
    found, _ = parts(told)
    crates = [it for key, it in found.items() if key != told["resolve"]["root"]]
    if of:
        ours = built_alone(of)
        crates = [it for it in told["packages"] if it["name"] != of and (it["name"], it["version"]) in ours]
        crates.sort(key=lambda it: (it["name"], it["version"]))
    owners = collections.defaultdict(list)
    for crate in crates:
        for text in licence_texts(pathlib.Path(crate["manifest_path"]).parent):
            owners[text].append(f"{crate['name']} {crate['version']}")
    lines = ["entitled is made with the works of others, listed here with their licences; the texts follow.", ""]
    lines += [f"{it['name']} {it['version']}: {it['license'] or 'see its text'}" for it in crates]
    for text, of in sorted(owners.items(), key=lambda it: (it[1], it[0])):
        lines += ["", "=" * 80, *of, "-" * 80, text]
    return ("\n".join(lines) + "\n").encode()


def licence_texts(directory: pathlib.Path) -> list[str]:
    places = [it for it in directory.iterdir() if it.is_file() and LICENCE_FILE.match(it.name)]
    small = [it for it in sorted(places) if it.stat().st_size <= LONGEST_LICENCE and it.suffix not in (".rs", ".toml")]
    texts = (it.read_text(errors="replace").replace("\r\n", "\n").strip() for it in small)
    return sorted({it for it in texts if it})
