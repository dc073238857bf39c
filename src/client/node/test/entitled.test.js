"use strict";
// What is Node's own: handlers instead of answers, one client asked at once, loops that are left, and a program that ends.

const assert = require("node:assert");
const { execFile } = require("node:child_process");
const fs = require("node:fs");
const net = require("node:net");
const os = require("node:os");
const path = require("node:path");
const test = require("node:test");
const { check, Client, defaultPath, EntitledError, ReceiptError, Unreachable, verifyReceipt } = require("entitled");

const SAY = { yes: (it) => `yes ${it.code}`, no: (it) => `no ${it.code}`, notKnown: (it) => `not known ${it.error?.name}` };

/** A daemon that says of each question what `reply` gives. */
async function daemon(t, reply) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "entitled-"));
  const socket = path.join(directory, "entitled.sock");
  const peers = [];
  const server = net.createServer((peer) => {
    peers.push(peer);
    peer.on("error", () => {});
    peer.on("data", (lines) => {
      for (const line of String(lines).trim().split("\n")) reply(JSON.parse(line), (it) => peer.write(JSON.stringify(it) + "\n"), peer);
    });
  });
  await new Promise((resolve) => server.listen(socket, resolve));
  t.after(() => {
    server.close();
    for (const peer of peers) peer.destroy();
    fs.rmSync(directory, { recursive: true });
  });
  return socket;
}

const verdict = (product, valid) => ({ product, valid, code: valid ? "VALID" : "NOT_HELD" });
const yes = ({ id, params }, say) => say({ jsonrpc: "2.0", id, result: verdict(params.product, true) });

test("without a handler for each answer nothing is asked", async () => {
  const client = new Client({ path: "/nowhere" });
  await assert.rejects(client.check("acme-cad"), TypeError);
  await assert.rejects(client.check("acme-cad", { yes() {}, no() {} }), /notKnown is no function/);
  assert.throws(() => client.watch("acme-cad"), TypeError);
  await assert.rejects(client.check(7, SAY), TypeError);
});

test("a socket that anybody could exchange for another is nobody's", async (t) => {
  const socket = await daemon(t, yes);
  const directory = path.dirname(socket);
  const said = async (at) => {
    const client = new Client({ path: at });
    t.after(() => client.close());
    return client.check("acme-cad", SAY);
  };
  fs.chmodSync(directory, 0o777);
  assert.strictEqual(await said(socket), "not known Untrusted");
  fs.chmodSync(directory, 0o1777); // where each may exchange what is its own
  assert.strictEqual(await said(socket), "yes VALID");
  // By a link it is the socket that the link leads to, wherever the link lies.
  fs.chmodSync(directory, 0o755);
  const open = fs.mkdtempSync(path.join(os.tmpdir(), "entitled-"));
  t.after(() => fs.rmSync(open, { recursive: true }));
  fs.symlinkSync(socket, path.join(open, "entitled.sock"));
  fs.chmodSync(open, 0o777);
  assert.strictEqual(await said(path.join(open, "entitled.sock")), "yes VALID");
});

test("what a handler throws is the program's own", async (t) => {
  const client = new Client({ path: await daemon(t, yes) });
  const broken = { ...SAY, yes() { throw new RangeError("mine"); } };
  await assert.rejects(client.check("acme-cad", broken), RangeError);
  assert.strictEqual(await client.check("acme-cad", SAY), "yes VALID");
});

test("many questions at once are each answered with their own", async (t) => {
  const client = new Client({ path: await daemon(t, ({ id, params }, say) =>
    setImmediate(() => say({ jsonrpc: "2.0", id, result: verdict(params.product, params.product.endsWith("3")) }))) });
  const said = await Promise.all(Array.from({ length: 100 }, (_, at) => client.check(`p${at}`, SAY)));
  assert.deepStrictEqual(said, Array.from({ length: 100 }, (_, at) => (at % 10 === 3 ? "yes VALID" : "no NOT_HELD")));
});

test("a loop that is left hangs up, and one that waits can be ended", { timeout: 30000 }, async (t) => {
  let gone;
  const hangsUp = new Promise((resolve) => { gone = resolve; });
  const socket = await daemon(t, ({ id }, say, peer) => {
    peer.on("close", gone);
    say({ jsonrpc: "2.0", id, result: 7 });
    say({ jsonrpc: "2.0", method: "entitlement_changed", params: { subscription: 7, result: verdict("acme-cad", true) } });
  });
  const client = new Client({ path: socket });
  for await (const said of client.watch("acme-cad", SAY)) {
    assert.strictEqual(said, "yes VALID");
    break;
  }
  await hangsUp;
  const watch = client.watch("acme-cad", SAY);
  assert.deepStrictEqual(await watch.next(), { done: false, value: "yes VALID" });
  const waiting = watch.next();
  await watch.return();
  assert.deepStrictEqual(await waiting, { done: true, value: undefined });
});

test("no slow listener lets notices pile up", { timeout: 30000 }, async (t) => {
  const many = 50000;
  let peerOf;
  const socket = await daemon(t, ({ id }, say, peer) => {
    peerOf = peer;
    say({ jsonrpc: "2.0", id, result: 7 });
    for (let at = 0; at < many; at++) {
      const result = { ...verdict("acme-cad", true), tier: `p${at}` };
      say({ jsonrpc: "2.0", method: "entitlement_changed", params: { subscription: 7, result } });
    }
  });
  const name = { ...SAY, yes: (it) => it.tier };
  const watch = new Client({ path: socket }).watch("acme-cad", name);
  assert.strictEqual((await watch.next()).value, "p0");
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(peerOf.writableLength > 0, "all was taken in though nobody asked for it");
  for (let at = 1; at < many; at++) assert.strictEqual((await watch.next()).value, `p${at}`);
  await watch.return();
});

test("a program that has its answer ends, although its client is open", async (t) => {
  const socket = await daemon(t, yes);
  const code = `const { Client } = require("entitled");
    new Client({ path: ${JSON.stringify(socket)} }).check("acme-cad", { yes: () => "yes", no: String, notKnown: String }).then(console.log);`;
  const said = await new Promise((resolve, reject) => {
    execFile(process.execPath, ["-e", code], { cwd: path.dirname(__dirname), timeout: 30000 },
      (error, out) => (error ? reject(error) : resolve(out)));
  });
  assert.strictEqual(said, "yes\n");
});

test("the environment names the socket, as a path or with its scheme", async (t) => {
  const socket = await daemon(t, yes);
  for (const named of [socket, `unix://${socket}`]) {
    process.env.ENTITLED_SOCKET = named;
    assert.strictEqual(defaultPath(), named);
    assert.strictEqual(await check("acme-cad", SAY), "yes VALID");
  }
  process.env.ENTITLED_SOCKET = "/nowhere";
  assert.strictEqual(await check("acme-cad", SAY), "not known Unreachable");
  delete process.env.ENTITLED_SOCKET;
  const error = await new Client({ path: "/nowhere" }).call("system_version").catch((it) => it);
  assert.ok(error instanceof Unreachable && error instanceof EntitledError && error.cause, "a typed error with its cause");
});

test("what proves nothing is not known, with the C library or without", () => {
  const key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
  // Said by whoever starts this test.
  const addon = process.env.ENTITLED_TEST_ADDON;
  const says = { ...SAY, notKnown: ({ error }) => error };
  for (const receipt of ["", "no receipt", Buffer.from([0, 255]), "-----BEGIN ENTITLED RECEIPT-----"]) {
    const error = verifyReceipt(receipt, "acme-cad", key, says, { nonce: "7", addon: addon ?? "/nowhere/entitled.node" });
    assert.ok(error instanceof ReceiptError, String(error));
    assert.equal(error.message.includes("cannot be loaded"), addon === undefined, error.message);
  }
  for (const wrong of [["acme\0cad", key], ["acme-cad", 7], [undefined, key]]) {
    assert.ok(verifyReceipt("it", ...wrong, says, { addon }) instanceof ReceiptError);
  }
  assert.ok(verifyReceipt("it", "acme-cad", key, says, { addon, nonce: Buffer.alloc(65) }) instanceof ReceiptError);
  for (const minVersion of [-1, 1.5, NaN, 2 ** 32, "2"]) {
    assert.match(verifyReceipt("it", "acme-cad", key, says, { addon, minVersion }).message, /no version/);
  }
  assert.throws(() => verifyReceipt("it", "acme-cad", key, { yes: () => 1, no: () => 2 }), TypeError);
});
