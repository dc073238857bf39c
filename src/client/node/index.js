"use strict";

const { Client } = require("./lib/client.js");
const { defaultPath } = require("./lib/connection.js");
const { ReceiptError, verifyReceipt } = require("./lib/receipts.js");
const { Seat, SeatRefused } = require("./lib/seat.js");
const verdict = require("./lib/verdict.js");

/** Asks once what the caller is entitled to of `product`, and gives what the handler for the answer gives. */
async function check(product, handlers, { timeout, path, ...options } = {}) {
  const client = new Client({ timeout, path });
  try {
    return await client.check(product, handlers, options);
  } finally {
    client.close();
  }
}

/** Takes a floating seat of `product`. */
function seat(product, { timeout, path, ...options } = {}) {
  return new Client({ timeout, path }).seat(product, options);
}

// Named one by one, so that `import { check } from "entitled"` finds them.
module.exports = {
  check,
  seat,
  Seat,
  SeatRefused,
  Client,
  defaultPath,
  verifyReceipt,
  EntitledError: verdict.EntitledError,
  Unreachable: verdict.Unreachable,
  Untrusted: verdict.Untrusted,
  Timeout: verdict.Timeout,
  ProtocolError: verdict.ProtocolError,
  Refused: verdict.Refused,
  ReceiptError,
};
