"""This machine, in the words in which the tests speak of one that was booted for them."""

import pathlib
import socket
import subprocess

from machine import Failed


class Host:
    def bring(self, *files: pathlib.Path) -> list[str]:
        return [str(it) for it in files]

    def start(self, *command: str, **streams) -> subprocess.Popen:
        return subprocess.Popen(command, **streams)

    def run(self, *command: str, stdin: str = "") -> str:
        """What a command wrote; one that ends with another status than 0 has `Failed`, as in a machine."""
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise Failed(f"`{' '.join(command)}` ended with {done.returncode}:\n{done.stderr}")
        return done.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
