"""A floating seat: taken, followed, and given back. What it does stands once, in coroutines, as in `_client`."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from typing import Any, Dict, Generator, Mapping, NoReturn, Optional

from ._client import _ask, _Asker, _LoopWaiter, _run, _Waiter, check_params
from ._protocol import Connection
from ._verdict import NO, NOT_KNOWN, OTHER_PRODUCT, YES, Answer, EntitledError, ProtocolError, Timeout, is_whole

OTHER_SHAPE = "what was said of a seat has another shape than expected"
CHANGES_MAX = 64  # that are taken up at a time: whoever asks how it stands is answered, however many are told
PAUSE = 1.0  # before a daemon that was away is asked again by who waits, in seconds


class SeatRefused(Exception):
    """There is no seat for the caller, or it is not known whether there is one: `answer` says which, NO or NOT_KNOWN."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        super().__init__(f"{said['code']}: {said.get('detail', '')}")
        #: `SEATS_FULL`, `NOT_ENTITLED`, `UNDETERMINED`, `EXCLUDED` or `DRAINING`.
        self.code: str = said["code"]
        self.answer: Answer = NOT_KNOWN if self.code == "UNDETERMINED" else NO
        #: How many requests wait; and all that the daemon said: `holders`, `used`, `capacity` and others.
        self.queue: int = said.get("queue") or 0
        self.raw = said


@dataclass(frozen=True)
class SeatState:
    """Whether the seat is still held. YES; NO, once it has ended; NOT_KNOWN, while the daemon is away."""

    answer: Answer
    #: Why it ended: `capacity`, `revoked`, …, or the code with which it was not given again after the daemon was away.
    reason: Optional[str] = None
    #: The pool has lost capacity, and the seat ends then: RFC 3339 in UTC.
    ends_at: Optional[str] = None
    error: Optional[EntitledError] = None

    def __bool__(self) -> NoReturn:
        raise TypeError("a seat's state may be 'not known': compare its answer with YES, NO or NOT_KNOWN")


def _text(said: Mapping[str, Any], name: str, *, optional: bool = False) -> Any:
    value = said.get(name)
    if isinstance(value, str) or (optional and value is None):
        return value
    raise ProtocolError(OTHER_SHAPE)


def _require_said(said: Any) -> None:
    is_said = isinstance(said, dict) and isinstance(said.get("granted"), bool) and isinstance(said.get("detail", ""), str)
    if not (is_said and (said.get("queue") is None or is_whole(said["queue"], 0, 2**64))):
        raise ProtocolError(OTHER_SHAPE)
    _text(said, "code")
    for name in ("product", "seat", "tier", "ends_at"):
        _text(said, name, optional=True)


class _Holding:
    """A seat and the connection on which its end is told."""

    def __init__(self, params: Mapping[str, Any], path: Optional[str], timeout: float, waiter: type[_Waiter]) -> None:
        self._params, self._path, self._timeout, self._waiter = params, path, timeout, waiter
        self._pid = os.getpid()
        self._connection: Optional[Connection] = None
        self._state = SeatState(NOT_KNOWN)
        self._id, self._tier, self._raw = "", "", {}  # type: str, str, Mapping[str, Any]

    @property
    def id(self) -> str:
        return self._id

    @property
    def tier(self) -> str:
        return self._tier

    @property
    def raw(self) -> Mapping[str, Any]:
        """All that the daemon said: `fence`, `used`, `capacity`, `over`, `ends_by`, `verdict` and others."""
        return self._raw

    async def _take(self, wait: float = 0.0) -> None:
        """Whoever holds a seat is given the same."""
        limit, params = self._waiter(self._timeout + wait), dict(self._params)
        if wait > 0:
            params["wait_ms"] = int(wait * 1000)
        connection, self._pid = Connection(self._path), os.getpid()
        try:
            said, refusal = await _ask(connection, "seat_acquire", params, limit, False)
            if refusal is not None:
                raise refusal
            _require_said(said)
            if said.get("product") not in (None, params["product"]):
                raise ProtocolError(OTHER_PRODUCT)
            if not said["granted"]:
                raise SeatRefused(said)
            seat, tier, ends_at = _text(said, "seat"), _text(said, "tier"), said.get("ends_at")
            try:
                about = {"product": self._params["product"], "seat": seat}
                self._subscription, refusal = await _ask(connection, "seat_subscribe", about, limit, True)
                if refusal is not None:
                    raise refusal
            except (EntitledError, BrokenPipeError) as it:
                await self._give_back(seat, connection)
                raise it if isinstance(it, EntitledError) else connection.lost(it)
        except BaseException:
            connection.socket.close()
            raise
        self._connection, self._id, self._tier, self._raw = connection, seat, tier, said
        self._state = SeatState(YES, ends_at=ends_at)

    async def _check(self, wait: float) -> SeatState:
        if self._state.answer is NO:
            return self._state
        connection, self._connection = self._connection, None
        try:
            if connection is not None:
                try:
                    # That of before a fork is the parent's; the child asks for a seat of its own.
                    if self._pid == os.getpid() and await self._hear(connection, self._waiter(wait)):
                        self._connection = connection
                        return self._state
                except EntitledError:
                    pass
                finally:
                    if self._connection is None:
                        connection.socket.close()
                if self._state.answer is NO:
                    return self._state
            await self._take()
        except SeatRefused as it:
            self._state = SeatState(it.answer, reason=it.code)
        except EntitledError as error:
            self._state = SeatState(NOT_KNOWN, error=error)
        return self._state

    async def _hear(self, connection: Connection, limit: _Waiter) -> bool:
        """Takes up what is told, and waits for it unless something was; false when the seat has ended."""
        changes = reads = 0
        while changes < CHANGES_MAX:
            if (told := connection.notice(self._subscription)) is not None:
                changes += 1
                change = told["result"]
                seat = change.get("seat") if isinstance(change, dict) else None
                if not isinstance(seat, dict):
                    raise ProtocolError(OTHER_SHAPE)
                reason, ends_at = _text(change, "reason", optional=True), _text(seat, "ends_at", optional=True)
                if _text(change, "event") == "ended":
                    self._state = SeatState(NO, reason=reason or "")
                    return False
                self._state = SeatState(YES, ends_at=ends_at)
                continue
            try:
                if connection.receive():
                    reads += 1
                    if reads > CHANGES_MAX:
                        limit.left()
                elif changes > 0:
                    return True
                else:
                    await limit.until(connection, False)
            except Timeout:
                return True
        return True

    async def _give_back(self, seat: str, connection: Optional[Connection]) -> None:
        """What nobody would hold: it was granted, and its end cannot be told."""
        asker = _Asker(self._path, self._timeout)
        asker._kept = connection
        try:
            await asker._call("seat_release", {"seat": seat}, self._waiter(self._timeout))
        except EntitledError:
            pass  # it ends with the process
        finally:
            asker._close()

    async def _release(self) -> None:
        connection, self._connection = self._connection, None
        is_held = self._state.answer is not NO and self._id and self._pid == os.getpid()
        if self._pid == os.getpid():
            self._state = SeatState(NO, reason="released")
        asker = _Asker(self._path, self._timeout)
        asker._kept = connection
        try:
            if is_held:
                await asker._call("seat_release", {"seat": self._id}, self._waiter(self._timeout))
        finally:
            asker._close()

    def _pause(self, wait: float) -> float:
        return min(wait, PAUSE) if self._connection is None and self._state.answer is NOT_KNOWN else 0.0


class Seat(_Holding):
    """A seat that is held until it is given back, or the process ends. One thread at a time."""

    def check(self, wait: float = 0.0) -> SeatState:
        """Whether it is still held. With `wait`, in seconds, it gives the state at its next change, or after that time.
        A daemon that was restarted is asked for the seat again: so ask from time to time."""
        time.sleep(self._pause(wait))
        return _run(self._check(wait))

    def release(self) -> None:
        """Gives it back; once it has ended, does nothing. Raises an `EntitledError` when the daemon could not be told."""
        _run(self._release())

    def __enter__(self) -> Seat:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.release()
        except EntitledError:
            pass  # it ends with the process


class AsyncSeat(_Holding):
    """`Seat` for asyncio."""

    async def check(self, wait: float = 0.0) -> SeatState:
        """As `Seat.check`."""
        await asyncio.sleep(self._pause(wait))
        return await self._check(wait)

    async def release(self) -> None:
        """As `Seat.release`."""
        await self._release()


class SeatRequest:
    """A seat that is asked for by `async with`, or by `await`."""

    def __init__(self, seat: AsyncSeat, wait: float) -> None:
        self._seat, self._wait = seat, wait

    async def _taken(self) -> AsyncSeat:
        await self._seat._take(self._wait)
        return self._seat

    def __await__(self) -> Generator[Any, None, AsyncSeat]:
        return self._taken().__await__()

    async def __aenter__(self) -> AsyncSeat:
        return await self._taken()

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._seat.release()
        except EntitledError:
            pass  # it ends with the process


def take(path: Optional[str], timeout: float, wait: float, product: str, **others: Any) -> Seat:
    seat = Seat(check_params(product, **others), path, timeout, _Waiter)
    _run(seat._take(wait))
    return seat


def request(path: Optional[str], timeout: float, wait: float, product: str, **others: Any) -> SeatRequest:
    return SeatRequest(AsyncSeat(check_params(product, **others), path, timeout, _LoopWaiter), wait)
