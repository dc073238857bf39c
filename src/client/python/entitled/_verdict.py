"""The daemon's answer as a program reads it, and why there may be none."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, NoReturn, Optional, Tuple


OTHER_PRODUCT = "the answer is about another product"
OTHER_FEATURE = "the answer is not about the feature asked for"
OTHER_PUBLISHER = "the answer rests on another publisher's word"


class EntitledError(Exception):
    """No answer, and why. None of these says that the caller is not entitled."""


class Unreachable(EntitledError):
    """Nobody answers at the socket, or the connection broke off."""


class Untrusted(EntitledError):
    """Somebody answers who is neither root, nor the caller, nor the owner of the socket's directory."""


class Timeout(EntitledError):
    """The daemon did not answer in time."""


class ProtocolError(EntitledError):
    """What was said is not JSON-RPC 2.0, or not an answer to what was asked."""


class Refused(EntitledError):
    """The daemon understood and declined: it is full, or busy, or does not allow it."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        said = data if isinstance(data, dict) else {}
        #: Such as `LIMIT_EXCEEDED`; what was wrong; and what to do about it, where the daemon said so.
        self.name, self.detail, self.help = (
            it if isinstance(it, str) else None for it in (said.get("code"), said.get("detail"), said.get("help"))
        )


def is_whole(it: Any, least: int, beyond: int) -> bool:
    return type(it) is int and least <= it < beyond


def _is_anchor(it: Any) -> bool:
    is_named = isinstance(it, dict) and _is_text(it.get("chain")) and _is_text(it.get("hash"))
    return is_named and is_whole(it.get("number"), 0, 2**64) and all(_may_be_text(it.get(more)) for more in ("time", "finality"))


def _is_text(it: Any) -> bool:
    return isinstance(it, str)


def _may_be_text(it: Any) -> bool:
    return it is None or isinstance(it, str)


def _may_be_count(it: Any) -> bool:
    return it is None or is_whole(it, 0, 2**32)


#: What each member of a verdict has to be, and what it is where it is absent.
MEMBERS: Mapping[str, Tuple[Callable[[Any], bool], Any]] = {
    "product": (_is_text, None), "code": (_is_text, None), "valid": (lambda it: isinstance(it, bool), None),
    "detail": (_is_text, ""), "features": (lambda it: isinstance(it, dict), {}),
    "provisional": (lambda it: isinstance(it, bool), False),
    "rank": (_may_be_count, None), "seats": (_may_be_count, None),
    "seconds_until_change": (lambda it: it is None or is_whole(it, -(2**63), 2**63), None),
    "anchor": (lambda it: it is None or _is_anchor(it), None),
    **{name: (_may_be_text, None) for name in (
        "tier", "publisher", "customer", "wallet", "token", "freshness", "trust",
        "verified_at", "stale_after", "grace_until", "expires_at")},
}


class Answer(enum.Enum):
    """There are three, so it is compared and never tested: `if answer:` raises."""

    YES = "yes"
    NO = "no"
    NOT_KNOWN = "not known"

    def __bool__(self) -> NoReturn:
        raise TypeError("an answer may be 'not known': compare it with YES, NO or NOT_KNOWN")


YES, NO, NOT_KNOWN = Answer.YES, Answer.NO, Answer.NOT_KNOWN


@dataclass(frozen=True)
class Verdict:
    """What the caller is entitled to of one product, and why. `answer` decides; the rest explains."""

    product: str
    answer: Answer
    #: Why: `VALID`, `NOT_HELD`, `UNDETERMINED`, …; empty when the daemon gave no verdict, and then `error` says why.
    code: str = ""
    #: For people.
    detail: str = ""
    tier: Optional[str] = None
    #: Read it through `feature`, which looks at `answer` too.
    features: Mapping[str, Any] = field(default_factory=dict)
    error: Optional[EntitledError] = None
    #: All that the daemon said: `expires_at`, `trust`, `anchor` and others. Times are RFC 3339 in UTC.
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict may be 'not known': compare its answer with YES, NO or NOT_KNOWN")

    def has(self, feature: str) -> Answer:
        """Whether the caller is entitled to a feature: its tier names it, and not as false, zero or empty."""
        if self.answer is not YES:
            return self.answer
        value = self.features.get(feature)
        is_on = bool(value) if isinstance(value, (bool, int, float, str)) else value is not None
        return YES if is_on else NO

    def feature(self, name: str, default: Any = None) -> Any:
        """The value of a feature; `default` when the caller is not known to be entitled, or the tier does not name it."""
        return self.features.get(name, default) if self.answer is YES else default

    @classmethod
    def read(cls, result: Any, asked: Mapping[str, Any]) -> Verdict:
        """Reads what the daemon said to the parameters `asked`. What is no verdict, or one about another product, raises
        `ProtocolError`, and so does a yes that is not about the feature and the publisher they name."""
        if not isinstance(result, dict) or not all(is_kind(result.get(name, absent)) for name, (is_kind, absent) in MEMBERS.items()):
            raise ProtocolError("a verdict has another shape than expected")
        product, valid, code = result["product"], result["valid"], result["code"]
        detail, tier, features = result.get("detail", ""), result.get("tier"), result.get("features", {})
        if product != asked["product"]:
            raise ProtocolError(OTHER_PRODUCT)
        answer = NOT_KNOWN if code == "UNDETERMINED" else YES if valid else NO
        # Zero and the empty text count as included here, as they do for the daemon; and 0 == False.
        value = features.get(asked.get("feature"))
        if answer is YES and "feature" in asked and (value is None or value is False):
            raise ProtocolError(OTHER_FEATURE)
        if answer is YES and "publisher" in asked and result.get("publisher") != asked["publisher"]:
            raise ProtocolError(OTHER_PUBLISHER)
        return cls(product, answer, code, detail, tier, features, raw=result)

    @classmethod
    def not_known(cls, product: str, error: EntitledError) -> Verdict:
        return cls(product, NOT_KNOWN, detail=str(error), error=error)
