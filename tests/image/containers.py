"""Services of a compose file in real containers: by runc, from the image's own archive, without a registry."""

import json
import os
import pathlib
import subprocess
import tarfile

UID = 65532
# What the kernel offers a container whatever it is; all else is the image's and the service's.
MOUNTS = [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=64k"]},
    {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=4m"]},
    {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
]  # fmt: skip
PATIENCE = 60


class Image:
    """An OCI archive, unpacked."""

    def __init__(self, archive: pathlib.Path, into: pathlib.Path):
        self.root = into / "root"
        with tarfile.open(archive) as opened:
            index = json.load(opened.extractfile("index.json"))
            (self.manifest_digest,) = (it["digest"] for it in index["manifests"])
            manifest = json.load(opened.extractfile(blob(self.manifest_digest)))
            self.configuration = json.load(opened.extractfile(blob(manifest["config"]["digest"])))["config"]
            for layer in manifest["layers"]:
                with tarfile.open(fileobj=opened.extractfile(blob(layer["digest"]))) as content:
                    content.extractall(self.root, numeric_owner=True, filter="fully_trusted")
        # Before anything is mounted there.
        self.files = {f"/{it.relative_to(self.root)}": it.lstat() for it in self.root.rglob("*")}


def blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


class Project:
    """What a compose file describes; volumes are directories of this machine below `home`."""

    def __init__(self, described: dict, beside: pathlib.Path, image: Image, home: pathlib.Path):
        self.services, self.secrets = described["services"], described.get("secrets", {})
        self.beside, self.image, self.home = beside, image, home
        self.started: list[str] = []
        for name in described.get("volumes", {}):
            self.volume(name).mkdir(parents=True)
            # As the engine does it: a new volume belongs to who owns the place it is mounted at in the image.
            os.chown(self.volume(name), UID, UID)

    def volume(self, name: str) -> pathlib.Path:
        return self.home / "volumes" / name

    def container(self, service: str) -> str:
        return f"entitled-test-{os.getpid()}-{service}"

    def mounts(self, service: dict) -> list[dict]:
        made = list(MOUNTS)
        for said in service.get("volumes", []):
            source, target, *rest = said.split(":")
            place = self.beside / source if source.startswith(".") else self.volume(source)
            made.append(bind(place, target, "ro" if rest == ["ro"] else "rw"))
        for secret in service.get("secrets", []):
            made.append(bind(self.beside / self.secrets[secret["source"]]["file"], secret["target"], "ro"))
        return made

    def specification(self, service: dict, command: list[str] | None = None) -> dict:
        assert service["cap_drop"] == ["ALL"] and "no-new-privileges:true" in service["security_opt"], service
        entry = service.get("entrypoint") or self.image.configuration["Entrypoint"]
        said = {"PATH": "/usr/sbin:/usr/bin", **service.get("environment", {})}
        uid, gid = map(int, service["user"].split(":"))
        nothing = {it: [] for it in ("bounding", "effective", "permitted", "inheritable", "ambient")}
        namespaces = ["pid", "ipc", "uts", "mount"] + (["network"] if service.get("network_mode") == "none" else [])
        return {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": uid, "gid": gid},
                "args": command or [*entry, *service.get("command", [])],
                "env": [f"{name}={value}" for name, value in said.items()],
                "cwd": "/", "capabilities": nothing, "noNewPrivileges": True,
            },
            "root": {"path": str(self.image.root), "readonly": service["read_only"]},
            "hostname": "container",
            "mounts": self.mounts(service),
            "linux": {
                "namespaces": [{"type": it} for it in namespaces],
                "resources": {"devices": [{"allow": False, "access": "rwm"}]},
                "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
                "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
            },
        }  # fmt: skip

    def runc(self, *command: str, **more) -> subprocess.CompletedProcess:
        run = ["runc", f"--root={self.home}/runc", *command]
        return subprocess.run(run, text=True, stdin=subprocess.DEVNULL, timeout=PATIENCE, **more)

    def run(self, service: str, command: list[str] | None = None) -> subprocess.Popen:
        """Starts a service's container and gives what it writes to both streams."""
        name = self.container(service) + ("" if command is None else f"-{len(self.started)}")
        bundle = self.home / "bundles" / name
        bundle.mkdir(parents=True)
        (bundle / "config.json").write_text(json.dumps(self.specification(self.services[service], command)))
        self.started.append(name)
        run = ["runc", f"--root={self.home}/runc", "run", f"--bundle={bundle}", name]
        return subprocess.Popen(run, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def ask(self, service: str, *command: str) -> tuple[int, str]:
        """Runs one command in a new container of a service."""
        entry = self.services[service]["entrypoint"]
        process = self.run(service, [*entry, *command])
        said, _ = process.communicate(timeout=PATIENCE)
        return process.returncode, said

    def administer(self, service: str, *command: str) -> dict:
        """What an administrator is answered, within the container of the daemon."""
        ask = ["/usr/bin/entitlectl", "--socket", "/run/entitled/admin.sock", "--json", *command]
        done = self.runc("exec", self.container(service), *ask, capture_output=True)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return json.loads(done.stdout)

    def health(self, service: str) -> int:
        """What the service's health check ends with, run within its container."""
        kind, *command = self.services[service]["healthcheck"]["test"]
        assert kind == "CMD"
        return self.runc("exec", self.container(service), *command, capture_output=True).returncode

    def kill(self, service: str, signal: str) -> None:
        self.runc("kill", self.container(service), signal, check=True)

    def remove(self, name: str) -> None:
        self.runc("delete", "--force", name, capture_output=True)

    def end(self) -> None:
        for name in self.started:
            self.remove(name)


def bind(source: pathlib.Path, target: str, how: str) -> dict:
    return {"destination": target, "type": "bind", "source": str(source.resolve()), "options": ["rbind", how, "nosuid", "nodev"]}
