"""The two programs and the C library, compiled so that the result depends on the sources alone, and split from their debug
symbols."""

import dataclasses
import os
import pathlib
import platform
import re
import subprocess

from release import ROOT, Release

NAMES = ("entitled", "entitlectl")

# The oldest C library that the packages run on: RHEL 9, Ubuntu 22.04, Debian 12 and everything later.
NEWEST_GLIBC = (2, 34)

# All that a program may be linked with; the packages depend on these by name.
LIBRARIES = re.compile(r"^(lib(c|m|gcc_s)\.so\.\d+|ld-linux-.*)$")

# What vendors ship with programs of their own stays small, and does nothing behind their backs: it cannot even call these.
LARGEST_LIBRARY = 2_500_000
NOT_IN_LIBRARY = {"pthread_create", "fork", "execve", "system", "exit", "_exit", "atexit", "signal", "sigaction", "raise",
                  "kill", "sigprocmask", "pthread_sigmask", "setenv", "putenv", "bind", "listen", "getaddrinfo"}  # fmt: skip

# Where debuggers look for the sources, instead of where they happened to lie.
SOURCES = "/usr/src/entitled"
CRATES = "/usr/src/entitled-crates"


@dataclasses.dataclass(frozen=True)
class Program:
    stripped: pathlib.Path
    symbols: pathlib.Path | None
    build_id: str


def compile_all(release: Release, profile: str) -> pathlib.Path:
    """Runs cargo; gives the directory with the programs. `dev` takes the ordinary debug build as it is."""
    if profile == "dev":
        subprocess.run(["cargo", "build", "--locked", "--bins"], cwd=ROOT, check=True)
        return target_directory() / "debug"
    triple = host_triple()
    target = target_directory() / "packaging"
    run = ["cargo", "build", "--locked", "--bins", "--release", "--target", triple, "--target-dir", str(target)]
    subprocess.run(run, cwd=ROOT, check=True, env=environment(release, target, triple))
    return target / triple / "release"


def compile_library(release: Release, into: pathlib.Path) -> pathlib.Path:
    """Makes libentitled.so.0, libentitled.a and entitled.node, in one form only: the one that is shipped. Gives their directory."""
    triple = host_triple()
    target = target_directory() / "packaging"
    run = ["cargo", "rustc", "--locked", "--package", "entitled-c", "--profile", "library", "--crate-type", "staticlib",
           "--target", triple, "--target-dir", str(target)]  # fmt: skip
    subprocess.run(run, cwd=ROOT, check=True, env=environment(release, target, triple))
    into.mkdir(parents=True)
    link = [ROOT / "src/client/c/link.sh", target / triple / "library/libentitled_c.a", into]
    subprocess.run(link, check=True)
    shared, archive = into / "libentitled.so.0", into / "libentitled.a"
    subprocess.run(["strip", "--strip-unneeded", "--remove-section=.comment", shared], check=True)
    subprocess.run(["strip", "--strip-debug", "--remove-section=.comment", "--enable-deterministic-archives", archive], check=True)
    addon = into / "entitled.node"
    subprocess.run(["strip", "--strip-unneeded", "--remove-section=.comment", addon], check=True)
    check_libraries(shared)
    table = subprocess.run(["objdump", "-T", shared], check=True, capture_output=True, text=True).stdout
    if wrong := NOT_IN_LIBRARY & set(re.findall(r"\*UND\*.*\s(\w+)$", table, re.MULTILINE)):
        raise SystemExit(f"{shared.name} may call {', '.join(sorted(wrong))}, which it promises not to")
    if shared.stat().st_size > LARGEST_LIBRARY:
        raise SystemExit(f"{shared.name} has {shared.stat().st_size} bytes; it promises no more than {LARGEST_LIBRARY}")
    return into


def target_directory() -> pathlib.Path:
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target")


def host_triple() -> str:
    told = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    return re.search(r"^host: (.+)$", told, re.MULTILINE).group(1)


def environment(release: Release, target: pathlib.Path, triple: str) -> dict[str, str]:
    cargo_home = os.environ.get("CARGO_HOME", str(pathlib.Path.home() / ".cargo"))
    # The later of two rules that both fit wins.
    moved = {cargo_home: CRATES, str(ROOT): SOURCES, str(target): f"{SOURCES}/target"}
    flags = [f"--remap-path-prefix={old}={new}" for old, new in moved.items()]
    flags += ["-C", "link-arg=-Wl,--build-id=sha1"]
    if triple.startswith("x86_64"):
        # The default, said aloud: without it the build script of blst looks at the processor it happens to
        # run on and leaves out the code for older ones.
        flags += ["-C", "target-cpu=x86-64"]
    maps = " ".join(f"-ffile-prefix-map={old}={new}" for old, new in moved.items())
    ours = {
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags),
        "CARGO_PROFILE_RELEASE_DEBUG": "line-tables-only",
        "CARGO_INCREMENTAL": "0",
        "CFLAGS": f"-g1 -fstack-protector-strong {maps}",
        "ENTITLED_GIT": release.commit[:12],
        "ENTITLED_BUILT": release.moment("%Y-%m-%dT%H:%M:%SZ"),
        "SOURCE_DATE_EPOCH": str(release.epoch),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RUSTFLAGS", "CARGO_BUILD"))}
    return kept | ours


def split(directory: pathlib.Path, into: pathlib.Path, with_symbols: bool) -> dict[str, Program]:
    """Writes each program without its symbols, and, if wanted, the symbols alone, below `into`."""
    into.mkdir(parents=True, exist_ok=True)
    return {name: split_one(directory / name, into / name, with_symbols) for name in NAMES}


def split_one(program: pathlib.Path, stripped: pathlib.Path, with_symbols: bool) -> Program:
    symbols = stripped.with_name(f"{stripped.name}.debug") if with_symbols else None
    if symbols:
        subprocess.run(["objcopy", "--only-keep-debug", "--compress-debug-sections", program, symbols], check=True)
    strip = ["strip", "--strip-unneeded", "--remove-section=.comment", "-o", stripped, program]
    subprocess.run(strip, check=True)
    check_libraries(stripped)
    return Program(stripped, symbols, build_id(stripped))


def build_id(program: pathlib.Path) -> str:
    notes = subprocess.run(["readelf", "-n", program], check=True, capture_output=True, text=True).stdout
    found = re.search(r"Build ID: ([0-9a-f]{16,})", notes)
    if found is None:
        raise SystemExit(f"{program} has no build id: debug symbols could not be found for it")
    return found.group(1)


def check_libraries(program: pathlib.Path) -> None:
    headers = subprocess.run(["readelf", "-d", program], check=True, capture_output=True, text=True).stdout
    linked = re.findall(r"\(NEEDED\).*\[(.+)\]", headers)
    if others := [it for it in linked if not LIBRARIES.match(it)]:
        raise SystemExit(f"{program.name} is linked with {', '.join(others)}, on which the packages do not depend")
    table = subprocess.run(["objdump", "-T", program], check=True, capture_output=True, text=True).stdout
    needed = {tuple(map(int, it)) for it in re.findall(r"GLIBC_(\d+)\.(\d+)", table)}
    if needed and max(needed) > NEWEST_GLIBC:
        wanted, allowed = (".".join(map(str, it)) for it in (max(needed), NEWEST_GLIBC))
        raise SystemExit(f"{program.name} needs glibc {wanted}; the packages promise to run on {allowed}")


def library_directory(form: str) -> str:
    """Where this form of package has the libraries of this machine's processor."""
    machine = platform.machine()
    return {"deb": f"/usr/lib/{machine}-linux-gnu", "rpm": "/usr/lib64"}[form]


def architecture() -> tuple[str, str]:
    """What Debian and RPM call this machine's processor."""
    machine = platform.machine()
    return {"x86_64": ("amd64", "x86_64"), "aarch64": ("arm64", "aarch64")}[machine]
