"use strict";
// Plays a client's part in the cases of tests/clients/conformance.json: a line for each thing to do, one line back.

const readline = require("node:readline");
const { Client, Unreachable, Untrusted, Timeout, ProtocolError, Refused } = require("entitled");

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
let client;

const WORDS = {
  open(path, timeout) {
    client = new Client({ path, timeout: Number(timeout) });
    return "ok";
  },
  close() {
    client.close();
    return "ok";
  },
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
