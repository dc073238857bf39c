"use strict";
// Receipts, judged by the C library (`libentitled.so.0`): it alone runs signatures, proofs and contracts again.

const fs = require("node:fs");
const { EntitledError, Verdict, requireHandlers } = require("./verdict.js");

/** The receipt does not prove what was asked, or the C library is not installed, which judges it. */
class ReceiptError extends EntitledError {}

const MACHINES = { x64: "x86_64", arm64: "aarch64" };
const PLACES = [`/usr/lib/${MACHINES[process.arch] ?? process.arch}-linux-gnu`, "/usr/lib64", "/usr/local/lib"];
const PROOFS = ["unproven", "proven", "proven by key", "proven now"];
const VOUCHED = ["nobody", "maker", "validators"];
const LARGEST_VERSION = 2 ** 32 - 1;
const TOO_OLD = "the C library is too old to say whose word a receipt's block is";

const loaded = new Map();

/** The addon that comes with the C library's package. */
function load(path = PLACES.map((it) => `${it}/entitled/entitled.node`).find(fs.existsSync)) {
  if (path === undefined) throw new ReceiptError("receipts are judged by the C library, which is not installed: libentitled0");
  if (!loaded.has(path)) {
    const module = { exports: {} };
    try {
      process.dlopen(module, path);
    } catch (it) {
      throw new ReceiptError(`receipts are judged by the C library, which cannot be loaded: ${it.message}`);
    }
    loaded.set(path, module.exports);
  }
  return loaded.get(path);
}

const ended = (text) => {
  if (typeof text !== "string" || text.includes("\0")) throw new ReceiptError("a product and a publisher's key are texts");
  return Buffer.from(`${text}\0`);
};

/** What the C library says of a receipt. */
function judge(receipt, product, publisher, options) {
  const { nonce = "", acceptLinked = false, minVersion = 0, acceptMaker = false, now = Date.now() / 1000, addon } = options;
  if (!Number.isInteger(minVersion) || minVersion < 0 || minVersion > LARGEST_VERSION) {
    throw new ReceiptError(`${minVersion} is no version of a product's file`);
  }
  const { verify } = load(addon);
  const said = verify(
    Buffer.from(receipt), ended(product), ended(publisher), Buffer.from(nonce), Math.floor(now), Boolean(acceptLinked),
    minVersion, Boolean(acceptMaker),
  );
  const proof = PROOFS[said.proof] ?? PROOFS[0];
  const vouched = VOUCHED[said.vouched] ?? VOUCHED[0];
  const isVouched = vouched === "validators" || (Boolean(acceptMaker) && vouched === "maker");
  if (said.state === 1 && !(isVouched && said.version >= minVersion)) throw new ReceiptError(TOO_OLD);
  return { ...said, product, proof, vouched, tier: said.tier || null };
}

/**
 * What a receipt proves, with no word of anybody's taken but by `acceptMaker`: gives what the handler `yes` gives, or
 * `notKnown`; no receipt proves a "no". Takes a tenth of a second, in which the program does nothing else.
 */
function verifyReceipt(receipt, product, publisher, handlers, options = {}) {
  requireHandlers(handlers);
  let said, error;
  try {
    said = judge(receipt, product, publisher, options);
    if (said.state !== 1) error = new ReceiptError(said.detail || "the receipt does not prove it");
  } catch (it) {
    error = it instanceof ReceiptError ? it : new ReceiptError(it.message);
    said = { product, code: "", detail: error.message };
  }
  const answer = error === undefined ? "yes" : "notKnown";
  return handlers[answer](new Verdict(answer, said, error));
}

module.exports = { ReceiptError, verifyReceipt };
