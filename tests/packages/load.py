"""Many clients that never stop asking, run inside the machine: load.py CLIENTS USERS FILE.

Half of them connect, ask once and close; half keep their connection. Those connect again when it was closed between
two questions, or when a question could not be sent, which says that nobody has read it; entitled::client does the
same. As soon as the first answers have come, FILE.ready is made; on SIGTERM the
sum is written to FILE as JSON: how many answers, and everything that went wrong.
"""

import json
import os
import signal
import socket
import sys
import time

PATH = "/run/entitled/entitled.sock"
QUESTION = b'{"jsonrpc":"2.0","id":1,"method":"entitlement_check","params":{"product":"acme-cad","wait_ms":0}}\n'
# Longer than any restart may take. Nobody is left hanging for ever.
PATIENCE = 30
FIRST_USER = 20_000
PAUSE = 0.005


class Client:
    def __init__(self, keeps: bool):
        self.keeps = keeps
        self.stream = None
        self.answers = 0
        self.slowest = 0.0
        self.faults = []

    def ask(self) -> None:
        begun, step = time.monotonic(), "send"
        try:
            self.send()
            step = "receive"
            reply = self.receive()
            if "result" not in reply:
                self.faults.append(f"answer: {json.dumps(reply)[:200]}")
            self.answers += 1
        except (OSError, ValueError) as error:
            where = "connect" if self.stream is None else step
            self.faults.append(f"{where}: {error}")
            self.close()
        if not self.keeps:
            self.close()
        self.slowest = max(self.slowest, time.monotonic() - begun)

    def send(self) -> None:
        kept = self.stream is not None
        self.connect()
        try:
            self.stream.sendall(QUESTION)
        except BrokenPipeError:
            if not kept:
                raise
            self.close()
            self.connect()
            self.stream.sendall(QUESTION)

    def connect(self) -> None:
        if self.stream and self.was_closed():
            self.close()
        if self.stream is None:
            stream = socket.socket(socket.AF_UNIX)
            stream.settimeout(PATIENCE)
            stream.connect(PATH)
            self.stream = stream

    def was_closed(self) -> bool:
        """The other end went away between two questions, which is its right."""
        self.stream.setblocking(False)
        try:
            return self.stream.recv(1) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            self.stream.settimeout(PATIENCE)

    def receive(self) -> dict:
        text = b""
        while not text.endswith(b"\n"):
            piece = self.stream.recv(65536)
            if not piece:
                raise OSError(f"closed after {len(text)} bytes of an answer")
            text += piece
        return json.loads(text)

    def close(self) -> None:
        if self.stream:
            self.stream.close()
        self.stream = None


def live(number: int, users: int, ready: int, told: int) -> None:
    """One client's whole life, in a process of its own."""
    os.setgid(FIRST_USER + number % users)
    os.setuid(FIRST_USER + number % users)
    ending = []
    signal.signal(signal.SIGTERM, lambda *_: ending.append(True))
    client = Client(keeps=number % 2 == 0)
    client.ask()
    os.write(ready, b".")
    while not ending:
        client.ask()
        time.sleep(PAUSE)
    # Below the 4,096 bytes up to which a pipe keeps what several write apart.
    faults = [fault[:200] for fault in client.faults[:10]]
    told_text = json.dumps({"answers": client.answers, "slowest": client.slowest, "faults": faults})
    os.write(told, told_text.encode() + b"\n")
    os._exit(0)


def main() -> None:
    clients, users, file = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    is_ready, ready = os.pipe()
    hears, told = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    children = []
    for number in range(clients):
        child = os.fork()
        if child == 0:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
            live(number, users, ready, told)
        children.append(child)
    seen = 0
    while seen < clients:
        seen += len(os.read(is_ready, clients))
    open(f"{file}.ready", "w").close()
    signal.sigwait([signal.SIGTERM])
    for child in children:
        os.kill(child, signal.SIGTERM)
    os.close(told)
    with os.fdopen(hears) as lines:
        sums = [json.loads(line) for line in lines]
    with open(file, "w") as out:
        faults = [fault for one in sums for fault in one["faults"]]
        total = {"clients": len(sums), "answers": sum(one["answers"] for one in sums)}
        json.dump(total | {"slowest": max(one["slowest"] for one in sums), "faults": faults}, out)


if __name__ == "__main__":
    main()
