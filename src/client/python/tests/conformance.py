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

    def close(self):
        self.client.close()


class Asynchronous(entitled.AsyncClient):
    async def watch(self, product, count):
        heard = []
        verdicts = super().watch(product)
        async for verdict in verdicts:
            heard.append(verdict)
            if len(heard) == count:
                await verdicts.aclose()
                return heard


async def say(client, word, *rest):
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


async def main(kind):
    client = None
    for line in sys.stdin:
        word, *rest = line.rstrip("\n").split("\t")
        if word == "open":
            client, answer = kind(rest[0], timeout=int(rest[1]) / 1000), "ok"
        elif word == "close":
            client.close()
            answer = "ok"
        else:
            answer = await say(client, word, *rest)
        print(answer, flush=True)


asyncio.run(main(Asynchronous if "--asyncio" in sys.argv else Blocking))
