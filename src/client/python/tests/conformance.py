"""Plays a client's part in the cases of tests/clients/conformance.json: a line for each thing to do, one line back."""

import asyncio
import sys

import entitled

FAILURES = {
    entitled.Unreachable: "unreachable",
    entitled.Untrusted: "untrusted",
    entitled.Timeout: "timeout",
    entitled.ProtocolError: "protocol",
}
ANSWERS = {entitled.YES: "yes", entitled.NO: "no", entitled.NOT_KNOWN: "not-known"}


def failure(error):
    if isinstance(error, entitled.Refused):
        return f"refused {error.name or error.code}"
    return FAILURES[type(error)]


def said(verdict):
    return f"{ANSWERS[verdict.answer]} {verdict.code if verdict.error is None else failure(verdict.error)}"


class Blocking:
    """The blocking client, with the face of the other."""

    def __init__(self, path, timeout):
        self.client = entitled.Client(path, timeout=timeout)

    async def check(self, *arguments, **options):
        return self.client.check(*arguments, **options)

    async def call(self, method):
        return self.client.call(method)

    async def watch(self, product, count):
        with self.client.watch(product) as watch:
            return [next(watch) for _ in range(count)]

    async def seat(self, product, **options):
        seat = self.client.seat(product, **options)
        return Plain(seat)

    def close(self):
        self.client.close()


class Plain:
    """A blocking seat, with the face of the other."""

    def __init__(self, seat):
        self.seat, self.id = seat, seat.id

    async def check(self, wait):
        return self.seat.check(wait)

    async def release(self):
        self.seat.release()


class Asynchronous(entitled.AsyncClient):
    async def watch(self, product, count):
        heard = []
        verdicts = super().watch(product)
        async for verdict in verdicts:
            heard.append(verdict)
            if len(heard) == count:
                await verdicts.aclose()
                return heard


async def take(client, product, *more):
    options = dict(it.split("=", 1) for it in more)
    if "wait_ms" in options:
        options["wait"] = int(options.pop("wait_ms")) / 1000
    try:
        held.append(await client.seat(product, **options))
        return f"yes {held[-1].id}"
    except entitled.SeatRefused as refused:
        return f"{ANSWERS[refused.answer]} {refused.code}"
    except entitled.EntitledError as error:
        return f"not-known {failure(error)}"


async def state(wait_ms):
    state = await held[-1].check(int(wait_ms) / 1000)
    more = state.reason or state.ends_at or (state.error and failure(state.error))
    return ANSWERS[state.answer] + (f" {more}" if more else "")


async def release():
    try:
        await held[-1].release()
        return "ok"
    except entitled.EntitledError as error:
        return failure(error)


async def say(client, word, *rest):
    if word in ("seat", "held", "release"):
        return await (take(client, *rest) if word == "seat" else state(*rest) if word == "held" else release())
    if word == "check":
        options = dict(it.split("=", 1) for it in rest[1:])
        if "wait_ms" in options:
            options["wait_ms"] = int(options["wait_ms"])
        return said(await client.check(rest[0], **options))
    if word == "has":
        return ANSWERS[(await client.check(rest[0])).has(rest[1])]
    if word == "value":
        return str((await client.check(rest[0])).feature(rest[1], "none"))
    if word == "call":
        try:
            await client.call(rest[0])
            return "ok"
        except entitled.EntitledError as error:
            return failure(error)
    assert word == "watch", word
    return ",".join(said(it) for it in await client.watch(rest[0], int(rest[1])))


held = []


async def main(kind):
    client = None
    for line in sys.stdin:
        word, *rest = line.rstrip("\n").split("\t")
        if word == "open":
            client, answer = kind(rest[0], timeout=int(rest[1]) / 1000), "ok"
        elif word == "close":
            held.clear()
            client.close()
            answer = "ok"
        else:
            answer = await say(client, word, *rest)
        print(answer, flush=True)


asyncio.run(main(Asynchronous if "--asyncio" in sys.argv else Blocking))
