"""The clients: one that blocks, and one for asyncio. What they do stands once, in coroutines that wait through a `_Waiter`;
the blocking one's never suspend."""

from __future__ import annotations

import asyncio
import select
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, AsyncIterator, Coroutine, Iterator, Mapping, Optional, Tuple, TypeVar

from ._protocol import Connection
from ._verdict import EntitledError, Refused, Timeout, Verdict

if TYPE_CHECKING:
    from ._seat import Seat, SeatRequest

QUEUE_FULL_PAUSE = 0.005  # before a daemon whose queue of new connections is full is tried again, in seconds
T = TypeVar("T")
Params = Optional[Mapping[str, Any]]


def check_params(product: str, **others: Any) -> Mapping[str, Any]:
    if not isinstance(product, str):
        raise TypeError("a product is named by a str")
    return {"product": product, **{name: value for name, value in others.items() if value is not None}}


class _Waiter:
    """A limit on how long something may take altogether, however many waits it is made of. `None` is no limit."""

    def __init__(self, seconds: Optional[float]) -> None:
        self.seconds = seconds
        self._end = None if seconds is None else time.monotonic() + seconds

    def left(self) -> Optional[float]:
        left = None if self._end is None else self._end - time.monotonic()
        if left is not None and left <= 0:
            raise Timeout(f"the daemon did not answer within {self.seconds} s")
        return left

    async def pause(self) -> None:
        self.left()
        time.sleep(QUEUE_FULL_PAUSE)

    async def until(self, connection: Connection, is_writing: bool) -> None:
        left, poll = self.left(), select.poll()
        poll.register(connection.socket, select.POLLOUT if is_writing else select.POLLIN)
        poll.poll(None if left is None else left * 1000 + 1)


class _LoopWaiter(_Waiter):
    async def pause(self) -> None:
        self.left()
        await asyncio.sleep(QUEUE_FULL_PAUSE)

    async def until(self, connection: Connection, is_writing: bool) -> None:
        loop, left = asyncio.get_running_loop(), self.left()
        ready = loop.create_future()
        add, remove = (loop.add_writer, loop.remove_writer) if is_writing else (loop.add_reader, loop.remove_reader)
        add(connection.socket, lambda: ready.done() or ready.set_result(None))
        try:
            await asyncio.wait([ready], timeout=left)
        finally:
            remove(connection.socket)


async def _write(connection: Connection, data: bytes, waiter: _Waiter) -> None:
    try:
        while data := connection.send(data):
            await waiter.until(connection, True)
    except BrokenPipeError:
        raise
    except OSError as it:
        raise connection.lost(it) from it


async def _read(connection: Connection, waiter: _Waiter) -> None:
    waiter.left()
    while not connection.receive():
        await waiter.until(connection, False)


async def _ask(connection: Connection, method: str, params: Params, waiter: _Waiter, is_open: bool) -> Tuple[Any, Optional[Refused]]:
    """Asks over a connection. `BrokenPipeError` from one that was open says that nobody heard the question."""
    try:
        # A Unix socket tells no poller when its queue has room.
        while not (is_open or connection.try_connect()):
            await waiter.pause()
        broken: Optional[BrokenPipeError] = None
        try:
            await _write(connection, connection.ask(method, params), waiter)
        except BrokenPipeError as it:
            if is_open:
                raise
            broken = it  # a daemon that closed the connection before it took a request may have said why
        while (outcome := connection.answer()) is None:
            await _read(connection, waiter)
        if broken is not None:
            raise connection.lost(broken)
        return outcome
    except BaseException:
        connection.socket.close()
        raise


class _Asker:
    """One question at a time over one connection, which is mended when the daemon was restarted."""

    def __init__(self, path: Optional[str], timeout: float) -> None:
        self.path, self.timeout = path, timeout
        # Absent after anything went wrong on it: what would still arrive belongs to a question given up.
        self._kept: Optional[Connection] = None

    async def _call(self, method: str, params: Params, waiter: _Waiter) -> Any:
        kept, self._kept = self._kept, None
        if kept is not None and not kept.is_quiet():
            kept.socket.close()
            kept = None
        connection = kept or Connection(self.path)
        try:
            result, refusal = await _ask(connection, method, params, waiter, kept is not None)
        except BrokenPipeError:
            connection = Connection(self.path)
            result, refusal = await _ask(connection, method, params, waiter, False)
        self._kept = connection
        if refusal is not None:
            raise refusal
        return result

    def _close(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.socket.close()


class _Following:
    """A subscription on a connection of its own, made anew when the daemon goes away."""

    def __init__(self, product: str, path: Optional[str], timeout: float) -> None:
        self.params, self.path, self.timeout = check_params(product), path, timeout
        self.connection: Optional[Connection] = None
        self.pause = 0.0  # before the next connection, in seconds
        self._failure: Optional[type] = None

    async def next(self, waiter: type[_Waiter]) -> Optional[Verdict]:
        """The next verdict; `None` when there is nothing new to tell, and `pause` is to be waited for."""
        try:
            if self.connection is None:
                self.connection, limit = Connection(self.path), waiter(self.timeout)
                self._id, refusal = await _ask(self.connection, "entitlement_subscribe", self.params, limit, False)
                if refusal is not None:
                    raise refusal
            while (told := self.connection.notice(self._id)) is None:
                await _read(self.connection, waiter(None))
            verdict = Verdict.read(told["result"], self.params)
            self.pause, self._failure = 0.0, None
            return verdict
        except EntitledError as error:
            self.close()
            self.pause = min(max(2 * self.pause, 0.05), 5.0)
            last, self._failure = self._failure, type(error)
            return None if last is type(error) else Verdict.not_known(self.params["product"], error)

    def close(self) -> None:
        if self.connection is not None:
            self.connection.socket.close()
            self.connection = None


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine that never suspends."""
    try:
        work.send(None)
    except StopIteration as it:
        return it.value  # type: ignore[no-any-return]
    raise RuntimeError("a blocking client was suspended")


class Client(_Asker):
    """Asks the daemon, from any thread. `timeout` is the limit for each question altogether, in seconds."""

    def __init__(self, path: Optional[str] = None, timeout: float = 5.0) -> None:
        super().__init__(path, timeout)
        self._lock = threading.Lock()

    def check(self, product: str, *, feature: Optional[str] = None, publisher: Optional[str] = None,
              wait_ms: Optional[int] = None) -> Verdict:
        """What the caller is entitled to of `product`. It raises nothing when there is no answer: then the verdict's
        answer is NOT_KNOWN, and its `error` says why."""
        params = check_params(product, feature=feature, publisher=publisher, wait_ms=wait_ms)
        try:
            return Verdict.read(self.call("entitlement_check", params), params)
        except EntitledError as error:
            return Verdict.not_known(product, error)

    def call(self, method: str, params: Params = None) -> Any:
        """Asks any method, and gives its result. Raises an `EntitledError` when there is none."""
        waiter = _Waiter(self.timeout)
        if not self._lock.acquire(timeout=self.timeout):
            raise Timeout(f"other questions took longer than {self.timeout} s")
        try:
            return _run(self._call(method, params, waiter))
        finally:
            self._lock.release()

    def watch(self, product: str) -> Watch:
        """Follows the verdict about `product`: the present one, then one per change."""
        return Watch(product, self.path, self.timeout)

    def seat(self, product: str, *, tier: Optional[str] = None, feature: Optional[str] = None, wait: float = 0.0) -> Seat:
        """Takes a floating seat, and waits in the queue for `wait` seconds at most (an hour). Raises `SeatRefused` when there
        is none, and an `EntitledError` when the daemon could not be asked. `with` gives it back."""
        from ._seat import take

        return take(self.path, self.timeout, wait, product, tier=tier, feature=feature)

    def close(self) -> None:
        with self._lock:
            self._close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Watch:
    """An iterator of verdicts that does not end by itself. When the daemon goes away it gives one that is NOT_KNOWN, and
    then the present one of the next daemon. `close` ends it, from any thread."""

    def __init__(self, product: str, path: Optional[str], timeout: float) -> None:
        self._following, self._closed = _Following(product, path, timeout), threading.Event()

    def __iter__(self) -> Iterator[Verdict]:
        return self

    def __next__(self) -> Verdict:
        while not self._closed.wait(self._following.pause):
            verdict = _run(self._following.next(_Waiter))
            if verdict is not None and not self._closed.is_set():
                return verdict
        self._following.close()
        raise StopIteration

    def close(self) -> None:
        self._closed.set()
        if (connection := self._following.connection) is not None:
            try:
                connection.socket.shutdown(socket.SHUT_RDWR)  # wakes who waits for it
            except OSError:
                pass

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._following.close()


class AsyncClient(_Asker):
    """`Client` for asyncio, without a task or a thread of its own. A call that is cancelled costs the connection; the next
    call makes another."""

    def __init__(self, path: Optional[str] = None, timeout: float = 5.0) -> None:
        super().__init__(path, timeout)
        self._lock: Optional[asyncio.Lock] = None

    async def check(self, product: str, *, feature: Optional[str] = None, publisher: Optional[str] = None,
                    wait_ms: Optional[int] = None) -> Verdict:
        """As `Client.check`."""
        params = check_params(product, feature=feature, publisher=publisher, wait_ms=wait_ms)
        try:
            return Verdict.read(await self.call("entitlement_check", params), params)
        except EntitledError as error:
            return Verdict.not_known(product, error)

    async def call(self, method: str, params: Params = None) -> Any:
        """As `Client.call`."""
        waiter, self._lock = _LoopWaiter(self.timeout), self._lock or asyncio.Lock()
        try:
            await asyncio.wait_for(self._lock.acquire(), self.timeout)
        except asyncio.TimeoutError as it:
            raise Timeout(f"other questions took longer than {self.timeout} s") from it
        try:
            return await self._call(method, params, waiter)
        finally:
            self._lock.release()

    async def watch(self, product: str) -> AsyncIterator[Verdict]:
        """As `Client.watch`; leaving the loop ends it."""
        following = _Following(product, self.path, self.timeout)
        try:
            while True:
                await asyncio.sleep(following.pause)
                verdict = await following.next(_LoopWaiter)
                if verdict is not None:
                    yield verdict
        finally:
            following.close()

    def seat(self, product: str, *, tier: Optional[str] = None, feature: Optional[str] = None, wait: float = 0.0) -> SeatRequest:
        """As `Client.seat`, for `async with`, or for `await` and `await seat.release()`."""
        from ._seat import request

        return request(self.path, self.timeout, wait, product, tier=tier, feature=feature)

    def close(self) -> None:
        self._close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
