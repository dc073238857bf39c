"""Asks `entitled`, the daemon that keeps the licences of a Linux machine, what a program is entitled to.

    verdict = entitled.check("acme-cad")
    if verdict.answer is entitled.YES: ...          # entitled
    elif verdict.answer is entitled.NO: ...         # not entitled
    elif verdict.answer is entitled.NOT_KNOWN: ...  # your program's own decision: verdict.error or verdict.detail says why
"""

from __future__ import annotations

from typing import Optional

from ._client import AsyncClient, Client, Watch
from ._protocol import default_path
from ._receipt import ReceiptError, verify_receipt
from ._seat import AsyncSeat, Seat, SeatRefused, SeatState
from ._verdict import NO, NOT_KNOWN, YES, Answer, EntitledError, ProtocolError, Refused, Timeout, Unreachable, Untrusted, Verdict

__all__ = [
    "NO", "NOT_KNOWN", "YES", "Answer", "AsyncClient", "AsyncSeat", "Client", "EntitledError", "ProtocolError", "ReceiptError",
    "Refused", "Seat", "SeatRefused", "SeatState", "Timeout", "Unreachable", "Untrusted", "Verdict", "Watch", "check",
    "default_path", "seat", "verify_receipt",
]


def check(product: str, *, feature: Optional[str] = None, publisher: Optional[str] = None, timeout: float = 5.0) -> Verdict:
    """What the caller is entitled to of `product`, asked once. Raises nothing of its own: see `Client.check`."""
    with Client(timeout=timeout) as client:
        return client.check(product, feature=feature, publisher=publisher)


def seat(product: str, *, tier: Optional[str] = None, feature: Optional[str] = None, wait: float = 0.0,
         timeout: float = 5.0) -> Seat:
    """Takes a floating seat of `product`: see `Client.seat`."""
    return Client(timeout=timeout).seat(product, tier=tier, feature=feature, wait=wait)
