#!/usr/bin/env python3
"""Acme CAD: what it may do depends on what the customer holds."""

import pathlib
import sys

import entitled

# In a shipped program this line is a constant: a key that a customer can change protects nothing.
ACME = (pathlib.Path(__file__).parent / "build/acme.pub").read_text().split()[-1]


def main() -> int:
    verdict = entitled.check("acme-cad", publisher=ACME)
    if verdict.answer is entitled.YES:
        projects = verdict.feature("max_projects", 1)
        export = verdict.has("export") is entitled.YES
        print(f"Acme CAD {verdict.tier}: {projects} projects, export {'on' if export else 'off'}")
        return 0
    if verdict.answer is entitled.NO:
        print(f"Acme CAD viewer: no licence ({verdict.code})")
        return 0
    # Nobody knows: the daemon is not there, or the chain is away for longer than the grace. Never the customer's fault.
    print(f"Acme CAD viewer: the licence could not be checked ({verdict.error or verdict.detail})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
