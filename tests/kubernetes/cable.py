"""The way from the pods to a chain's endpoint on this machine's loopback, which can be cut."""

import selectors
import socket
import threading


class Cable:
    """Forwards connections from one address to another, for as long as it is plugged in."""

    def __init__(self, here: tuple[str, int], there: tuple[str, int]):
        self.here, self.there = here, there
        self.plug()

    def plug(self) -> None:
        self.listener = socket.create_server(self.here)
        self.open: list[socket.socket] = [self.listener]
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def cut(self) -> None:
        """Nothing goes through any more, and nobody new is let in."""
        for it in list(self.open):
            try:
                it.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            it.close()

    def accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(self.there)
            self.open += [near, far]
            threading.Thread(target=carry, args=(near, far), daemon=True).start()


def carry(near: socket.socket, far: socket.socket) -> None:
    try:
        with near, far, selectors.DefaultSelector() as ready:
            ready.register(near, selectors.EVENT_READ, far)
            ready.register(far, selectors.EVENT_READ, near)
            while True:
                for key, _ in ready.select():
                    if not (some := key.fileobj.recv(65536)):
                        return
                    key.data.sendall(some)
    except (OSError, ValueError):
        # It was cut.
        return
