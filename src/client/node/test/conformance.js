"use strict";
// Plays a client's part in the cases of tests/clients/conformance.json: a line for each thing to do, one line back.

const readline = require("node:readline");
const { Client, SeatRefused, Unreachable, Untrusted, Timeout, ProtocolError, Refused } = require("entitled");

const FAILURES = new Map([
  [Unreachable, "unreachable"], [Untrusted, "untrusted"], [Timeout, "timeout"], [ProtocolError, "protocol"],
]);
const failure = (error) =>
  error instanceof Refused ? `refused ${error.reason ?? error.code}` : FAILURES.get(error.constructor);

const SAY = {
  yes: (verdict) => `yes ${verdict.code}`,
  no: (verdict) => `no ${verdict.code}`,
  notKnown: (verdict) => `not-known ${verdict.error ? failure(verdict.error) : verdict.code}`,
};
const STATE = {
  yes: ({ endsAt }) => (endsAt ? `yes ${endsAt}` : "yes"),
  no: ({ reason }) => `no ${reason}`,
  notKnown: ({ error, reason }) => `not-known ${error ? failure(error) : reason}`,
};
let client;
let seat;

const WORDS = {
  open(path, timeout) {
    client = new Client({ path, timeout: Number(timeout) });
    return "ok";
  },
  close() {
    client.close();
    return "ok";
  },
  async seat(product, ...more) {
    const { wait_ms: waitMs, ...options } = Object.fromEntries(more.map((it) => it.split("=")));
    try {
      seat = await client.seat(product, { ...options, waitMs: waitMs && Number(waitMs) });
      return `yes ${seat.id}`;
    } catch (error) {
      if (!(error instanceof SeatRefused)) return `not-known ${failure(error)}`;
      return `${error.answer === "no" ? "no" : "not-known"} ${error.code}`;
    }
  },
  held: (waitMs) => seat.check(STATE, { waitMs: Number(waitMs) }),
  release: () => seat.release().then(() => "ok", failure),
  check(product, ...more) {
    const { wait_ms: waitMs, ...options } = Object.fromEntries(more.map((it) => it.split("=")));
    if (waitMs !== undefined) options.waitMs = Number(waitMs);
    return client.check(product, SAY, options);
  },
  has(product, feature) {
    const yes = (verdict) => (verdict.has(feature) ? "yes" : "no");
    return client.check(product, { yes, no: (it) => (it.has(feature) ? "yes" : "no"), notKnown: () => "not-known" });
  },
  value(product, feature) {
    const value = (verdict) => String(verdict.feature(feature, "none"));
    return client.check(product, { yes: value, no: value, notKnown: value });
  },
  call: (method) => client.call(method).then(() => "ok", failure),
  async watch(product, count) {
    const told = [];
    for await (const said of client.watch(product, SAY)) {
      if (told.push(said) === Number(count)) break;
    }
    return told.join();
  },
};

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [word, ...rest] = line.split("\t");
    console.log(await WORDS[word](...rest));
  }
})();
