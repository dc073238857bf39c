"use strict";
// Says what the library for Node makes of a receipt: receipts.cjs LIBRARY ADDON KEY PRODUCT NONCE, the receipt on standard input.

const fs = require("node:fs");
const [library, addon, key, product, nonce] = process.argv.slice(2);
const { verifyReceipt } = require(library);

const says = {
  yes: (it) => `yes: ${it.raw.proof} ${it.code} ${it.tier}`,
  no: () => "no",
  notKnown: (it) => `not known - ${it.error.message}`,
};
console.log(verifyReceipt(fs.readFileSync(0), product, key, says, { nonce: Buffer.from(nonce, "hex"), addon }));
