"""One connection that never blocks, and lines of JSON-RPC 2.0 on it; where the socket is, and who listens there."""

from __future__ import annotations

import json
import math
import os
import socket
import stat
import struct
from collections import deque
from typing import Any, Deque, Dict, List, Mapping, Optional, Tuple, Union

from ._verdict import ProtocolError, Refused, Unreachable, Untrusted, is_whole

LINE_MAX = 1024 * 1024  # the longest answer accepted, in bytes
DEPTH_MAX = 127  # of objects and lists in each other
BLANKS = b" \t\r"  # those of JSON, without the line end
NOTICES_MAX = 64  # that may arrive before the answer to the subscription they belong to


def _is_plain() -> bool:
    """Whether the kernel started this program with no rights that its caller has not (AT_SECURE). What it does not say it
    does not say so of: a program that may not look has, or has given up, such rights."""
    try:
        with open("/proc/self/auxv", "rb") as auxv:
            return (23, 0) in struct.iter_unpack("@LL", auxv.read())
    except (OSError, struct.error):
        return False


_STARTED_PLAIN = _is_plain()  # before anybody gives up or takes on rights, after which it may not be asked


def default_path() -> str:
    """`$ENTITLED_SOCKET` (a path, or `unix://` and a path); else the machine's socket if it is there; else the user's, in a
    directory of the user's alone. Where the process has, or had, rights that its caller has not, the machine's alone."""
    system, shared = "/run/entitled/entitled.sock", f"/tmp/entitled-{os.geteuid()}"
    is_one_user = (os.getuid(), os.getgid()) == (os.geteuid(), os.getegid())
    if not (_STARTED_PLAIN and is_one_user):
        return system
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if named := os.environ.get("ENTITLED_SOCKET"):
        return named
    if os.path.exists(system):
        return system
    own = os.path.join(runtime, "entitled/entitled.sock")
    if os.path.isabs(runtime) and _is_private(runtime) and os.path.exists(own):
        return own
    shared_socket = os.path.join(shared, "entitled.sock")
    return shared_socket if _is_private(shared) and os.path.exists(shared_socket) else system


def _is_private(directory: str) -> bool:
    """Whether nobody else can have put anything there."""
    try:
        it = os.lstat(directory)
    except OSError:
        return False
    return stat.S_ISDIR(it.st_mode) and it.st_uid == os.geteuid() and it.st_mode & 0o077 == 0


class Connection:
    """It belongs to the process that opened it: a child that was forked does not share it."""

    def __init__(self, path: Optional[str]) -> None:
        path = path or default_path()
        self.path = path[len("unix://"):] if path.startswith("unix://") else path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self._pid = os.getpid()
        self._received = bytearray()
        self._searched = self._last_id = 0
        self._notices: Deque[Mapping[str, Any]] = deque()

    def try_connect(self) -> bool:
        """Whether it is open, to somebody who may be believed; `False` when the daemon's queue of connections is full."""
        try:
            self.socket.connect(self.path)
            answer = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII"))
        except BlockingIOError:
            return False
        except (OSError, ValueError) as it:
            raise self.lost(it) from it
        uid, trusted = struct.unpack("iII", answer)[1], {0, os.geteuid()}
        try:
            trusted.add(os.stat(os.path.dirname(self.path) or ".").st_uid)
        except OSError:
            pass
        if uid not in trusted:
            raise Untrusted(f"{self.path} is served by uid {uid}, who is neither root, nor you, nor its directory's owner")
        return True

    def is_quiet(self) -> bool:
        """Whether it is still there and ours, and nothing unasked for has arrived on it."""
        if self._received or self._pid != os.getpid():
            return False
        try:
            self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError as it:
            return isinstance(it, BlockingIOError)
        return False

    def send(self, data: bytes) -> bytes:
        """Sends what fits, and gives the rest. Never a SIGPIPE, whatever the host made of it."""
        try:
            return data[self.socket.send(data, socket.MSG_NOSIGNAL):]
        except BlockingIOError:
            return data

    def receive(self) -> bool:
        """Takes what arrived; `False` when there is nothing yet."""
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return False
        except OSError as it:
            raise self.lost(it) from it
        if not data:
            raise self.lost("it closed the connection")
        self._received += data
        return True

    def lost(self, cause: object) -> Unreachable:
        return Unreachable(f"the daemon cannot be reached at {self.path}: {cause}")

    def ask(self, method: str, params: Optional[Mapping[str, Any]]) -> bytes:
        self._last_id += 1
        request: Dict[str, Any] = {"jsonrpc": "2.0", "id": self._last_id, "method": method}
        if params is not None:
            request["params"] = params
        return json.dumps(request, allow_nan=False).encode() + b"\n"

    def answer(self) -> Optional[Tuple[Any, Optional[Refused]]]:
        """The result of the question asked last, or its refusal; `None` when more has to arrive first."""
        while (message := self._message()) is not None:
            own, error = message.get("id"), message.get("error")
            if not isinstance(message.get("method"), (str, type(None))):
                raise ProtocolError("a method has no name")
            if error is None and "result" not in message:
                self._keep_notice(message)
            elif error is not None and "result" in message:
                raise ProtocolError("an answer and a refusal at once")
            elif type(own) is int and own == self._last_id:
                return message.get("result"), None if error is None else _refusal(error)
            elif own is None and error is not None:  # a request that could not be read or admitted
                raise _refusal(error)
            else:
                raise ProtocolError("an answer to another question came")
        return None

    def notice(self, subscription: Any) -> Optional[Mapping[str, Any]]:
        """The next notice of a subscription; `None` when more has to arrive first."""
        while True:
            while self._notices:
                told = self._notices.popleft()
                own = told["subscription"]
                if type(own) is type(subscription) and own == subscription:
                    return told
            if (message := self._message()) is None:
                return None
            if message.get("error") is not None:
                raise _refusal(message["error"])
            self._keep_notice(message)

    def _keep_notice(self, message: Mapping[str, Any]) -> None:
        method, told = message.get("method"), message.get("params")
        if not isinstance(method, str) or "result" in message:
            raise ProtocolError("what the daemon said is neither an answer nor a notice")
        if method in ("entitlement_changed", "seat_changed"):
            is_notice = isinstance(told, dict) and "subscription" in told and "result" in told
            if not is_notice or len(self._notices) == NOTICES_MAX:
                raise ProtocolError("a notice has another shape than expected, or there are too many")
            self._notices.append(told)

    def _message(self) -> Optional[Mapping[str, Any]]:
        while (end := self._received.find(b"\n", self._searched)) >= 0:
            line = bytes(self._received[:end])
            del self._received[: end + 1]
            self._searched = 0
            _require_short(len(line))
            if line.strip(BLANKS):
                return _read(line)
        self._searched = len(self._received)
        _require_short(self._searched)
        return None


def _require_short(length: int) -> None:
    if length > LINE_MAX:
        raise ProtocolError("an answer is longer than 1 MiB")


def _read(line: bytes) -> Mapping[str, Any]:
    """Reads JSON that no two readers understand otherwise (RFC 7493): nothing is said twice, no number is beyond all floats,
    no text has half of a surrogate pair."""
    try:
        message = json.loads(line.decode("utf-8"), parse_constant=_number, parse_float=_number, parse_int=_whole,
                             object_pairs_hook=_members)
        _require_plain(message)
    except (ValueError, RecursionError) as it:
        raise ProtocolError("what the daemon said is not JSON") from it
    if not isinstance(message, dict):
        raise ProtocolError("what the daemon said is not JSON-RPC")
    return message


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is beyond all numbers")
    return number


def _whole(text: str) -> Union[int, float]:
    number = _number(text)
    return number if text == "-0" else int(text)


def _members(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member is said twice")
    return members


def _require_plain(message: Any) -> None:
    values = [message]
    for depth in range(DEPTH_MAX + 1):
        inner: List[Any] = []
        for it in values:
            if isinstance(it, str):
                it.encode()  # half of a surrogate pair has no UTF-8
            elif isinstance(it, (dict, list)):
                if depth == DEPTH_MAX:
                    raise ValueError("it is nested too deep")
                inner += [*it, *it.values()] if isinstance(it, dict) else it
        values = inner


def _refusal(error: Any) -> Refused:
    code, message = (error.get("code"), error.get("message")) if isinstance(error, dict) else (None, None)
    if not is_whole(code, -(2**63), 2**63) or not isinstance(message, str):
        raise ProtocolError("a refusal has another shape than expected")
    return Refused(code, message, error.get("data"))
