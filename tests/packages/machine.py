"""A Debian that boots with its own systemd, its own network of nothing but loopback, and a disk that is thrown away."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

PATIENCE = 60


class Failed(Exception):
    """A command in the machine ended with another status than 0."""


def eventually(what: str, probe, patience: float = PATIENCE):
    """Asks `probe` until it gives something other than None; its last complaint is the error."""
    until = time.monotonic() + patience
    while True:
        complaint = None
        try:
            found = probe()
        except (OSError, ValueError, Failed, AssertionError) as error:
            found, complaint = None, error
        if found is not None:
            return found
        if time.monotonic() > until:
            raise AssertionError(f"{what}: never; last: {complaint}")
        time.sleep(0.1)


def is_first_of_its_kind(pid: str) -> bool:
    """Whether a process has number 1 where it lives."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    numbers = next(it for it in status.splitlines() if it.startswith("NSpid:")).split()[1:]
    return len(numbers) > 1 and numbers[-1] == "1"


class Machine:
    """Boots on entering, is gone on leaving: process, mounts, directory."""

    def __init__(self, base: pathlib.Path, *bound: pathlib.Path):
        self.base = base
        self.bound = bound
        self.process = None
        self.leader = None

    def __enter__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="entitled-machine-"))
        self.root = self.home / "root"
        try:
            self.mount()
            self.boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def mount(self) -> None:
        for name in ("root", "changes", "work"):
            (self.home / name).mkdir()
        layers = f"lowerdir={self.base},upperdir={self.home}/changes,workdir={self.home}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, self.root], check=True)

    def boot(self) -> None:
        self.console = open(self.home / "console", "wb")
        bound = [f"--bind-ro={it}" for it in self.bound]
        # Not registered with anybody, and no unit of this machine's own service manager is touched.
        run = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--console=pipe",
               f"--machine={self.home.name.replace('_', 'x')}", "--kill-signal=SIGRTMIN+3", f"--directory={self.root}",
               *bound, "--boot"]  # fmt: skip
        self.process = subprocess.Popen(run, stdin=subprocess.DEVNULL, stdout=self.console, stderr=self.console)
        self.leader = eventually("the machine's first process", self.find_leader)
        eventually("the machine has booted", self.has_booted)

    def find_leader(self) -> int | None:
        self.check_alive()
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        # There is another child at first, which makes the namespaces and goes away.
        return next((int(it) for it in children if is_first_of_its_kind(it)), None)

    def check_alive(self) -> None:
        if self.process.poll() is not None:
            told = (self.home / "console").read_text(errors="replace")
            raise RuntimeError(f"systemd-nspawn ended:\n{told}")

    def has_booted(self) -> bool | None:
        self.check_alive()
        state = self.run("systemctl", "is-system-running", fine=(0, 1)).strip()
        return True if state in ("running", "degraded") else None

    def __exit__(self, *_):
        if self.process:
            self.end()
            self.console.close()
        subprocess.run(["umount", "--lazy", self.root], check=False, stderr=subprocess.DEVNULL)
        if not os.path.ismount(self.root):
            shutil.rmtree(self.home, ignore_errors=True)

    def end(self) -> None:
        """Without ceremony: nothing in it is of use any more. With the first process of it all others die, and
        systemd-nspawn with them."""
        leader = self.leader or (self.find_leader() if self.process.poll() is None else None)
        if leader and self.process.poll() is None:
            os.kill(leader, signal.SIGKILL)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    # --- what happens in it

    def entering(self, *command: str, user: str | None = None) -> list[str]:
        as_user = ["runuser", "-u", user, "--"] if user else []
        clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"]
        return ["nsenter", "-a", "-t", str(self.leader), *clean, *as_user, *command]

    def run(self, *command: str, user: str | None = None, fine: tuple[int, ...] = (0,), stdin: str = "") -> str:
        """Runs a command as root or `user`; gives what it wrote to both streams together."""
        run = self.entering(*command, user=user)
        done = subprocess.run(run, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=180)  # fmt: skip
        if done.returncode not in fine:
            raise Failed(f"`{' '.join(command)}` ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def fails(self, *command: str, user: str | None = None) -> str:
        """Runs a command that must end with another status than 0."""
        run = self.entering(*command, user=user)
        done = subprocess.run(run, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=180)  # fmt: skip
        if done.returncode == 0:
            raise AssertionError(f"`{' '.join(command)}` should have failed; it wrote:\n{done.stdout}")
        return done.stdout

    def start(self, *command: str, user: str | None = None, **streams) -> subprocess.Popen:
        return subprocess.Popen(self.entering(*command, user=user), **streams)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Through the machine, so that it also reaches what is mounted in it only."""
        self.run("sh", "-c", f'mkdir -p "$(dirname "{path}")" && cat >"{path}" && chmod {mode:o} "{path}"', stdin=text)

    def bring(self, *files: pathlib.Path) -> list[str]:
        """Copies files into the machine; gives their paths there."""
        # systemd mounts its own /tmp and /run.
        place = self.root / "srv"
        return [f"/srv/{pathlib.Path(shutil.copy(it, place)).name}" for it in files]

    def install(self, *packages: pathlib.Path) -> str:
        return self.run("dpkg", "--install", *self.bring(*packages))

    def property(self, unit: str, name: str) -> str:
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def is_active(self, unit: str) -> bool:
        return self.property(unit, "ActiveState") == "active"

    def journal(self, unit: str = "entitled.service", *options: str) -> str:
        return self.run("journalctl", "--no-pager", f"--unit={unit}", "--output=cat", *options)
