"""The files of a package in their places: what files.toml lists, laid out below a directory."""

import dataclasses
import gzip
import os
import pathlib
import posixpath
import subprocess
import tomllib

import inventory
import pages
from binaries import Program, library_directory
from release import ROOT, Release

HERE = pathlib.Path(__file__).resolve().parent
# Whoever publishes packages says so here.
MAINTAINER = os.environ.get("ENTITLED_MAINTAINER", "The entitled authors <entitled@localhost>")


@dataclasses.dataclass(frozen=True)
class Entry:
    """A file, directory or link of a package. `source` is None for a directory."""

    path: str
    source: str | None
    mode: int
    kind: str
    compressed: bool

    def link(self) -> str | None:
        """Where it leads, if it is a link."""
        scheme, _, name = (self.source or "").partition(":")
        return name if scheme == "link" else None


def entries(form: str, package: str = "entitled") -> list[Entry]:
    """What goes into a package of this form, `deb` or `rpm`, or into the container's `image`."""
    listed = tomllib.loads((HERE / "files.toml").read_text())["file"]
    if form == "image":
        return [entry(it, form) for it in listed if it.get("image", False)]
    ours = [it for it in listed if it.get("only", form) == form and it.get("in", "entitled") == package]
    return [entry(it, form) for it in ours]


def entry(listed: dict, form: str) -> Entry:
    source, path = listed.get("from"), listed["to"]
    if "@LIBDIR@" in path:
        path = path.replace("@LIBDIR@", library_directory(form))
    if path.endswith("/"):
        path += pathlib.PurePath(source).name
    mode = int(listed.get("mode", "0644" if source else "0755"), 8)
    return Entry(path, source, mode, listed.get("kind", ""), listed.get("gz", False))


class Maker:
    """Makes what is in no source file. Each thing is made once and used by both forms. `quick` packages are not
    compressed well. Without `library`, the packages of the C library are not made."""

    def __init__(self, release: Release, programs: dict[str, Program], library: pathlib.Path | None, quick: bool = False):
        self.release = release
        self.programs = programs
        self.library = library
        self.quick = quick
        self.made: dict[str, bytes] = {}

    def has_symbols(self) -> bool:
        return all(it.symbols for it in self.programs.values())

    def content(self, source: str) -> bytes:
        scheme, _, name = source.partition(":")
        if scheme == "bin":
            return self.programs[name].stripped.read_bytes()
        if scheme == "lib":
            return (self.library / name).read_bytes()
        if scheme != "make":
            return (ROOT / source).read_bytes()
        if name not in self.made:
            self.made[name] = self.make(name)
        return self.made[name]

    def make(self, name: str) -> bytes:
        match name:
            case "bash" | "zsh" | "fish":
                run = [self.programs["entitlectl"].stripped, "completions", name]
                return subprocess.run(run, check=True, capture_output=True).stdout
            case "schema":
                return f"{self.release.schema}\n".encode()
            case "pkg-config-deb" | "pkg-config-rpm":
                words = {"LIBDIR": library_directory(name[-3:]), "VERSION": self.release.upstream}
                return fill(ROOT / "src/client/c/entitled.pc.in", words).encode()
            case "sbom":
                return inventory.bill_of_materials(self.release)
            case "third-party":
                return inventory.third_party_licences()
            case "library-third-party":
                return inventory.third_party_licences("entitled-c")
            case "debian-changelog":
                return debian_changelog(self.release)
        raise SystemExit(f"files.toml asks for make:{name}, which nobody makes")


def debian_changelog(release: Release) -> bytes:
    date = release.moment("%a, %d %b %Y %H:%M:%S +0000")
    return (
        f"entitled ({release.version}) stable; urgency=medium\n\n"
        f"  * Version {release.upstream}; what changed is in changelog.gz.\n\n"
        f" -- {MAINTAINER}  {date}\n"
    ).encode()


def lay_out(listed: list[Entry], into: pathlib.Path, maker: Maker) -> None:
    """Writes the entries below `into`, with their modes, and every time set to the release's."""
    for one in listed:
        place = into / one.path.lstrip("/")
        if one.source is None:
            place.mkdir(parents=True, exist_ok=True)
        elif one.link():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(one.link())
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            content = maker.content(one.source)
            if one.source.endswith(".md"):
                content = page(content.decode(), one, listed).encode()
            # No name and no time in the header: both would differ from build to build.
            place.write_bytes(gzip.compress(content, 9, mtime=0) if one.compressed else content)
    settle(into, {one.path: one.mode for one in listed}, maker.release.epoch)


def page(text: str, one: Entry, listed: list[Entry]) -> str:
    """The text of a page of the documents, with links that lead to what is installed beside it."""
    places = {it.source: it.path for it in listed}

    def moved(source: str) -> str | None:
        place = places.get(source)
        return place and posixpath.relpath(place, posixpath.dirname(one.path))

    return pages.rewrite(text, one.source, moved)


def settle(root: pathlib.Path, modes: dict[str, int], epoch: int) -> None:
    for directory, _, files in os.walk(root, topdown=False):
        for name in files:
            place = pathlib.Path(directory, name)
            if not place.is_symlink():
                place.chmod(modes.get(f"/{place.relative_to(root)}", 0o644))
            os.utime(place, (epoch, epoch), follow_symlinks=False)
        os.chmod(directory, modes.get(f"/{pathlib.Path(directory).relative_to(root)}", 0o755))
        os.utime(directory, (epoch, epoch))


def fill(template: pathlib.Path, words: dict[str, object]) -> str:
    """Replaces each `@NAME@`; one that nobody knows is an error."""
    text = template.read_text()
    for name, value in words.items():
        text = text.replace(f"@{name}@", str(value))
    unknown = [line for line in text.splitlines() if "@" in line and any(
        word.isupper() and len(word) > 2 for word in line.split("@")[1:-1])]
    if unknown:
        raise SystemExit(f"{template}: nobody knows the word in `{unknown[0]}`")
    return text


def debug_tree(programs: dict[str, Program], into: pathlib.Path, epoch: int) -> None:
    """The symbols where debuggers look for them: by build id."""
    into.mkdir(parents=True)
    for program in programs.values():
        place = into / "usr/lib/debug/.build-id" / program.build_id[:2] / f"{program.build_id[2:]}.debug"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(program.symbols.read_bytes())
    settle(into, {}, epoch)
