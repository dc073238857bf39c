"""The .rpm and its debug symbols, by rpmbuild from the same tree as the .deb."""

import os
import pathlib
import shutil
import subprocess

import tree
from binaries import architecture


def build(maker: tree.Maker, work: pathlib.Path, out: pathlib.Path) -> list[pathlib.Path]:
    release = maker.release
    listed = tree.entries("rpm")
    main, symbols = work / "main", work / "symbols"
    libraries = {it: tree.entries("rpm", it) if maker.library else [] for it in ("libentitled0", "libentitled-dev")}
    tree.lay_out([*listed, *libraries["libentitled0"], *libraries["libentitled-dev"]], main, maker)
    tree.debug_tree(maker.programs if maker.has_symbols() else {}, symbols, release.epoch)
    words = {
        "UPSTREAM": release.upstream,
        "REVISION": release.revision,
        "SCHEMA": release.schema,
        "CHANGED": release.moment("%a %b %d %Y"),
        "MAINTAINER": tree.MAINTAINER,
        "FILES": "\n".join(file_line(one) for one in listed),
        "WITH_LIBRARY": int(maker.library is not None),
        "LIBRARY_FILES": "\n".join(file_line(one) for one in libraries["libentitled0"]),
        "DEVEL_FILES": "\n".join(file_line(one) for one in libraries["libentitled-dev"]),
        "MAIN": main,
        "SYMBOLS": symbols,
        "WITH_SYMBOLS": int(maker.has_symbols()),
        "PAYLOAD": "w1.zstdio" if maker.quick else "w19.zstdio",
    }
    spec = work / "entitled.spec"
    spec.write_text(tree.fill(tree.HERE / "rpm/entitled.spec", words))
    top = work / "top"
    run = ["rpmbuild", "-bb", "--quiet", "--target", architecture()[1], "--define", f"_topdir {top}", str(spec)]
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(release.epoch), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    subprocess.run(run, check=True, env=environment)
    made = []
    for package in sorted(top.glob("RPMS/*/*.rpm")):
        made.append(out / package.name)
        shutil.copyfile(package, made[-1])
    return made


def file_line(one: tree.Entry) -> str:
    if one.link():
        return one.path
    marks = {"conf": "%config(noreplace) ", "doc": "%doc ", "licence": "%license "}
    mark = marks.get(one.kind, "") if one.source else "%dir "
    return f"%attr({one.mode:04o}, root, root) {mark}{one.path}"
