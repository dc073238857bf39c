"""Says what the library for Python makes of a receipt: receipts.py KEY PRODUCT NONCE VERSION MAKER, the receipt on standard
input."""

import sys

import entitled

key, product, nonce, version, maker = sys.argv[1:]
more = {"nonce": bytes.fromhex(nonce), "min_version": int(version), "accept_maker": maker == "yes"}
verdict = entitled.verify_receipt(sys.stdin.read(), product, key, **more)
if verdict.answer is entitled.YES:
    print("yes:", *(verdict.raw[it] for it in ("proof", "vouched", "version")), verdict.code, verdict.tier)
else:
    print(verdict.answer.value, "-", verdict.error)
