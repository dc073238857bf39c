"use strict";
// Says what the library for Node makes of a receipt: receipts.cjs LIBRARY ADDON KEY PRODUCT NONCE VERSION MAKER, the receipt
// on standard input.

const fs = require("node:fs");
const [library, addon, key, product, nonce, version, maker] = process.argv.slice(2);
const { verifyReceipt } = require(library);

const says = {
  yes: ({ raw, code, tier }) => `yes: ${raw.proof} ${raw.vouched} ${raw.version} ${code} ${tier}`,
  no: () => "no",
  notKnown: (it) => `not known - ${it.error.message}`,
};
const options = { nonce: Buffer.from(nonce, "hex"), minVersion: Number(version), acceptMaker: maker === "yes", addon };
console.log(verifyReceipt(fs.readFileSync(0), product, key, says, options));
