"""Images of the test's own, as Docker archives: what holds a pod's namespaces, and a customer's program with its tools."""

import hashlib
import io
import json
import pathlib
import re
import shutil
import subprocess
import tarfile

PAUSE, CLIENT = "k8s.local/pause:1", "k8s.local/client:1"
PAUSE_SOURCE = """
#include <signal.h>
#include <unistd.h>
static void end(int signal) { _exit(0); }
int main(void) { signal(SIGTERM, end); signal(SIGINT, end); for (;;) pause(); }
"""


def pause(home: pathlib.Path) -> pathlib.Path:
    program = home / "pause"
    subprocess.run(["cc", "-static", "-xc", "-", "-o", program], input=PAUSE_SOURCE, text=True, check=True)
    return archive(home / "pause.tar", PAUSE, {"/pause": program}, ["/pause"], 65534)


def client(home: pathlib.Path, entitlectl: pathlib.Path, uid: int) -> pathlib.Path:
    """curl, sleep and `entitlectl`, run as a user of a customer's: as nearly every image, with one that others have as well."""
    programs = {"/usr/bin/entitlectl": entitlectl} | {f"/usr/bin/{it}": pathlib.Path(shutil.which(it)) for it in ("curl", "sleep")}
    files = dict(programs)
    for program in programs.values():
        said = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
        files |= {it: pathlib.Path(it) for it in re.findall(r"(/\S+\.so\S*)", said)}
    return archive(home / "client.tar", CLIENT, files, ["/usr/bin/sleep", "infinity"], uid)


def archive(to: pathlib.Path, name: str, files: dict[str, pathlib.Path], entrypoint: list[str], uid: int) -> pathlib.Path:
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as content:
        for path, source in sorted(files.items()):
            put(content, path.lstrip("/"), source.resolve().read_bytes(), 0o755)
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    configuration = {
        "architecture": "amd64", "os": "linux", "config": {"Entrypoint": entrypoint, "User": f"{uid}:{uid}", "Env": ["PATH=/usr/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }  # fmt: skip
    configured = json.dumps(configuration).encode()
    config = f"{hashlib.sha256(configured).hexdigest()}.json"
    manifest = [{"Config": config, "RepoTags": [name], "Layers": ["layer.tar"]}]
    with tarfile.open(to, "w") as made:
        put(made, config, configured)
        put(made, "layer.tar", layer.getvalue())
        put(made, "manifest.json", json.dumps(manifest).encode())
    return to


def put(content: tarfile.TarFile, name: str, text: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(text), mode
    content.addfile(entry, io.BytesIO(text))


def reference(docker_archive: pathlib.Path) -> str:
    """What the image in a Docker archive is called: `entitled:0.1.0`."""
    with tarfile.open(docker_archive) as opened:
        ((name,),) = (it["RepoTags"] for it in json.load(opened.extractfile("manifest.json")))
    return name.rpartition("/")[2]
