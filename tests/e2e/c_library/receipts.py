"""Says what the library for Python makes of a receipt: receipts.py KEY PRODUCT NONCE, the receipt on standard input."""

import sys

import entitled

key, product, nonce = sys.argv[1:]
verdict = entitled.verify_receipt(sys.stdin.read(), product, key, nonce=bytes.fromhex(nonce))
if verdict.answer is entitled.YES:
    print("yes:", verdict.raw["proof"], verdict.code, verdict.tier)
else:
    print(verdict.answer.value, "-", verdict.error)
