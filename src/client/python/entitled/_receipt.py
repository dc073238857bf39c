"""Receipts, judged by the C library (`libentitled.so.0`): it alone runs signatures, proofs and contracts again."""

from __future__ import annotations

import ctypes
import time
from typing import Any, Optional, Union

from ._verdict import NOT_KNOWN, YES, EntitledError, Verdict


class ReceiptError(EntitledError):
    """The receipt does not prove what was asked, or the C library is not installed, which judges it."""


class _Question(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t), ("product", ctypes.c_char_p), ("publisher", ctypes.c_char_p), ("nonce", ctypes.c_char_p),
        ("nonce_length", ctypes.c_size_t), ("now", ctypes.c_int64), ("accept_linked", ctypes.c_int32), ("accept_maker", ctypes.c_int32),
        ("min_version", ctypes.c_uint32), ("reserved", ctypes.c_int32),
    ]


class _Verdict(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t), ("state", ctypes.c_int), ("error", ctypes.c_int),
        *((name, ctypes.c_int64) for name in (
            "expires_at", "grace_until", "verified_at", "seconds_until_change", "rank", "seats")),
        *((name, ctypes.c_int32) for name in ("provisional", "features_left_out", "proof", "vouched")),
        *((name, ctypes.c_char * size) for name, size in (
            ("code", 32), ("product", 72), ("tier", 72), ("freshness", 16), ("trust", 16), ("publisher", 64),
            ("wallet", 96), ("token", 176), ("detail", 512), ("features", 8192))),
        ("version", ctypes.c_uint32), ("reserved", ctypes.c_int32),
    ]


PROOFS = ("unproven", "proven", "proven by key", "proven now")
VOUCHED = ("nobody", "maker", "validators")
LARGEST_VERSION = 2**32 - 1
TOO_OLD = "the C library is too old to say whose word a receipt's block is"


def _library() -> Any:
    try:
        return ctypes.CDLL("libentitled.so.0")
    except OSError as it:
        raise ReceiptError("receipts are judged by the C library, which is not installed: libentitled.so.0") from it


def verify_receipt(receipt: Union[str, bytes], product: str, publisher: str, *, nonce: bytes = b"", accept_linked: bool = False,
                   min_version: int = 0, accept_maker: bool = False, now: Optional[float] = None) -> Verdict:
    """What a receipt proves, with no word of anybody's taken: YES or NOT_KNOWN. `raw["proof"]` says how well
    (`entitled_proof` of the C library), `raw["vouched"]` who says that its block is the chain's ("validators" or "maker"), and
    `raw["version"]` which version of the product's file is in it. `publisher` is the vendor's minisign public key; compile it
    in. `nonce` is what the receipt was asked for with. `min_version` is the least version of the file that does: whatever the
    key signed once can be shown for good. `accept_maker` also takes a block that no validators signed for, as files with trust
    "single" or "quorum" allow: that proves nothing against whoever made the receipt. Raises nothing of its own: where the C
    library is missing, the verdict's `error` says so."""
    if not 0 <= min_version <= LARGEST_VERSION:
        return Verdict.not_known(product, ReceiptError(f"{min_version} is no version of a product's file"))
    if "\0" in product or "\0" in publisher:
        return Verdict.not_known(product, ReceiptError("the name of a product or publisher has a zero byte"))
    # Also what is no text in UTF-8 is judged, and not by an exception.
    data = receipt.encode("utf-8", "surrogatepass") if isinstance(receipt, str) else receipt
    at = int(time.time() if now is None else now)
    question = _Question(ctypes.sizeof(_Question), product.encode(), publisher.encode(), nonce or None, len(nonce), at, accept_linked,
                         accept_maker, min_version)
    said = _Verdict(ctypes.sizeof(_Verdict))
    try:
        verify = _library().entitled_receipt_verify
        verify.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(_Question), ctypes.POINTER(_Verdict)]
        state = verify(data, len(data), ctypes.byref(question), ctypes.byref(said))
    except (ReceiptError, AttributeError) as it:
        return Verdict.not_known(product, ReceiptError(str(it)))
    text = {name: getattr(said, name).decode("utf-8", "replace") for name in ("code", "tier", "trust", "wallet", "token", "detail")}
    proof = PROOFS[said.proof] if 0 <= said.proof < len(PROOFS) else PROOFS[0]
    vouched = VOUCHED[said.vouched] if 0 <= said.vouched < len(VOUCHED) else VOUCHED[0]
    is_met = (vouched == "validators" or accept_maker and vouched == "maker") and said.version >= min_version
    if state == 1 and is_met:
        answer, error = YES, None
    else:
        why = TOO_OLD if state == 1 else text["detail"] or "the receipt does not prove it"
        answer, error = NOT_KNOWN, ReceiptError(why)
    raw = {**text, "proof": proof, "vouched": vouched, "version": said.version}
    return Verdict(product, answer, text["code"], text["detail"], text["tier"] or None, error=error, raw=raw)
