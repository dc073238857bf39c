"""The .deb and its debug symbols, by dpkg-deb."""

import hashlib
import os
import pathlib
import shutil
import subprocess

import tree
from binaries import NEWEST_GLIBC, architecture
from release import Release

SCRIPTS = ("preinst", "postinst", "prerm", "postrm")


def build(maker: tree.Maker, work: pathlib.Path, out: pathlib.Path) -> list[pathlib.Path]:
    release, programs = maker.release, maker.programs
    listed = tree.entries("deb")
    main = work / "entitled"
    tree.lay_out(listed, main, maker)
    words = {
        "VERSION": release.version,
        "ARCHITECTURE": architecture()[0],
        "SCHEMA": release.schema,
        "MAINTAINER": tree.MAINTAINER,
        "LIBRARIES": "libc6 (>= {}.{}), libgcc-s1 (>= 4.2)".format(*NEWEST_GLIBC),
        "BUILD_IDS": " ".join(sorted(it.build_id for it in programs.values())),
    }
    control = {name: (0o755, tree.fill(tree.HERE / "deb" / name, words)) for name in SCRIPTS}
    conffiles = [one.path for one in listed if one.kind == "conf"]
    control["conffiles"] = (0o644, "".join(f"{it}\n" for it in conffiles))
    control["triggers"] = (0o644, tree.fill(tree.HERE / "deb/triggers", words))
    package = pack(main, "control", words, control, maker, out / name_of("entitled", release))
    made = [package, *library(maker, words, work, out)]

    if not maker.has_symbols():
        return made
    symbols = work / "entitled-dbgsym"
    tree.debug_tree(programs, symbols, release.epoch)
    document = symbols / "usr/share/doc/entitled-dbgsym"
    document.parent.mkdir(parents=True)
    document.symlink_to("entitled")
    tree.settle(symbols, {}, release.epoch)
    debug = pack(symbols, "control-dbgsym", words, {}, maker, out / name_of("entitled-dbgsym", release))
    return [*made, debug]


def library(maker: tree.Maker, words: dict[str, object], work: pathlib.Path, out: pathlib.Path) -> list[pathlib.Path]:
    """The C library, and what programs are compiled with."""
    if maker.library is None:
        return []
    runtime = {
        "shlibs": "libentitled 0 libentitled0\n",
        "symbols": (tree.HERE / "deb/libentitled0.symbols").read_text(),
        "triggers": "activate-noawait ldconfig\n",
    }
    made = []
    for package, more in (("libentitled0", runtime), ("libentitled-dev", {})):
        root = work / package
        tree.lay_out(tree.entries("deb", package), root, maker)
        files = {name: (0o644, text) for name, text in more.items()}
        made.append(pack(root, f"control-{package}", words, files, maker, out / name_of(package, maker.release)))
    return made


def name_of(package: str, release: Release) -> str:
    return f"{package}_{release.version}_{architecture()[0]}.deb"


def pack(root: pathlib.Path, control: str, words: dict[str, object], files: dict[str, tuple[int, str]],
         maker: tree.Maker, out: pathlib.Path) -> pathlib.Path:
    size = sum(max(1, -(-it.lstat().st_size // 1024)) for it in root.rglob("*"))
    sums = checksums(root)
    place = root / "DEBIAN"
    place.mkdir()
    text = tree.fill(tree.HERE / "deb" / control, words | {"SIZE": size})
    for name, (mode, content) in ({"control": (0o644, text), "md5sums": (0o644, sums)} | files).items():
        (place / name).write_text(content)
        (place / name).chmod(mode)
    # One thread: how many there are shows in the compressed file.
    press = ["-Znone"] if maker.quick else ["-Zxz", "-z6", "--threads-max=1"]
    run = ["dpkg-deb", "--root-owner-group", *press, "--build", str(root), str(out)]
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(maker.release.epoch)}
    subprocess.run(run, check=True, env=environment, stdout=subprocess.DEVNULL)
    shutil.rmtree(root)
    return out


def checksums(root: pathlib.Path) -> str:
    """What `dpkg --verify` compares with."""
    files = sorted(it for it in root.rglob("*") if it.is_file() and not it.is_symlink())
    lines = [f"{hashlib.md5(it.read_bytes()).hexdigest()}  {it.relative_to(root)}\n" for it in files]
    return "".join(lines)
