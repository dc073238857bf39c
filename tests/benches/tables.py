#!/usr/bin/env python3
"""Writes the table of docs/performance.md from what the benchmarks found out.

    tables.py ROWS DOCUMENT

ROWS has a line of JSON for each row that was measured (report.rs). Which rows there are, and what each is held to, stands
here. A row that was not measured says so.
"""

import json
import os
import platform
import subprocess
import sys

BEGIN = "<!-- measured: begin -->\n"
END = "<!-- measured: end -->\n"

# Row, what is measured, what stands beside it, and the most (or the least) that each judged figure may be.
ROWS = [
    ("raw", "warm check, one raw connection, p50 / p99", "echo of the same bytes", [("p50", "≤", 1.05), ("p99", "≤", 1.2)]),
    ("http", "warm check, HTTP/1.1 keep-alive, p50 / p99", "echo behind hyper", [("p50", "≤", 1.1)]),
    ("sixteen", "16 connections, checks a second", "Redis `GET` of as many bytes", [("rate", "≥", 1.05), ("processor", "≤", 1.0)]),
    ("pipelined", "16 connections × 32 pipelined, checks a second", "Redis `GET` likewise", [("rate", "≥", 1.1)]),
    ("connect", "connect, ask once, close, p50 / p99", "echo likewise, one thread", [("p50", "≤", 1.05)]),
    ("storm", "1,000 programs at once, until the last is answered, p50 / p99", "echo likewise", [("p50", "≤", 1.1)]),
    ("storm_default", "the same at the limits nobody has set", "", [("not served", "≤", 0)]),
    ("threads", "16 connections × 32 pipelined, processor time of a check with more socket threads", "one thread", [("processor", "≤", 1.05)]),
    ("gateway", "an entitlement through the gateway, HTTP/1.1 keep-alive, p50 / p99", "hyper by TCP, which asks nobody", [("p50", "≤", 1.5)]),
    ("gateway_sixteen", "16 connections, entitlements through the gateway a second", "likewise", [("rate", "≥", 0.67)]),
    ("page", "answer within the program, client library", "a relaxed atomic load", [("ns", "≤", 20)]),
    ("cold", "cold check, proven, p50", "one bare `eth_getProof`", [("p50", "≤", 2)]),
    ("tokens", "10,000 tokens of one contract, requests: cold / unchanged / 1 % changed", "", [("cold", "≤", 15), ("unchanged", "≤", 2), ("changed", "≤", 4)]),
    ("tokens_listed", "the same of an Enumerable contract", "", [("cold", "≤", 15), ("unchanged", "≤", 2), ("changed", "≤", 4)]),
    ("tokens_rate", "10,000 tokens, cold and proven, tokens a second", "`ownerOf`, unproven, one by one", [("rate", "≥", 3)]),
    ("unchanged_ledger", "unchanged look of 10,000 tokens, processor time of the ledger", "one look at one token", [("time", "≤", 2)]),
    ("durable", "durable records a second, 64 writers", "one redb commit for each record", [("rate", "≥", 40)]),
    ("million", "ready with many customers and ownerships", "empty ledger", [("start", "≤", 1.5)]),
    ("million_check", "warm check then, p50 / p99", "empty ledger", [("p50", "≤", 1.1)]),
    ("memory_idle", "resident memory, idle", "", [("MB", "≤", 16)]),
    ("memory_verdict", "resident memory of each valid verdict", "", [("bytes", "≤", 2048)]),
    ("memory_load", "growth of resident memory by 10 million checks", "", [("MB", "≤", 0.5)]),
    ("seat", "a floating seat, acquired and given back, p50 / p99", "a warm check", [("p50", "≤", 10)]),
    ("seat_free", "SIGKILL of who holds the seat, until who waits for it has it, p50 / p99", "a pidfd of a killed process", [("p99", "≤", 3), ("p99 ms", "≤", 5)]),
    ("seats_held", "seats held by as many processes (10,000, or what the limit of descriptors allows), resident memory and descriptors of each", "", [("descriptors", "≤", 1.01)]),
    ("seats_used", "SIGKILL of 1,000 of them at random, until a subscriber is told, p50 / p99 / the longest", "", [("longest ms", "≤", 50)]),
    ("fleet_seat", "a seat of a fleet, acquired, three members of etcd, p50 / p99", "one bare transaction of etcd", [("p50", "≤", 3), ("p99", "≤", 3)]),
    ("fleet_rate", "16 programs, seats of a fleet acquired and given back a second", "16 connections, keys made and deleted likewise", [("rate", "≥", 0.5)]),
    ("sale", "sale, from the block's arrival until a subscriber is told, p50 / p99", "", [("ms", "≤", 20)]),
    ("instructions", "instructions in user space for each warm check: raw / HTTP / pipelined / connect, ask, close", "the budget in `hot_path/budget.toml`", []),
    ("finality_update", "a beacon chain's finality update, from JSON to a head", "its signature's arithmetic", [("time", "≤", 1.2)]),
    ("committee_update", "a committee's update", "likewise", [("time", "≤", 1.3)]),
    ("year_of_updates", "a year of these", "likewise", [("time", "≤", 1.3)]),
    ("start", "start, from exec to the first answer", "`/bin/true`", []),
    ("stripped", "stripped daemon", "", [("MB", "≤", 15)]),
]


def judged(row, targets):
    """The judged figures and the targets, each in one cell, and whether all targets are met."""
    found = dict((name, value) for name, value in row["judged"])
    figures, wanted, met = [], [], True
    for name, sign, limit in targets:
        value = found[name]
        met &= value <= limit if sign == "≤" else value >= limit
        figures.append(f"{name} {value:.3g}" if value < 100 else f"{name} {value:.0f}")
        wanted.append(f"{name} {sign} {limit:g}")
    return ", ".join(figures), ", ".join(wanted), met


def table(rows):
    lines = [
        "| what | beside it | ours | the other's | server's processor time for each, ours / the other's | judged | target | |",
        "|---|---|--:|--:|--:|--:|--:|---|",
    ]
    for name, what, peer, targets in ROWS:
        row = rows.get(name)
        if row is None or "left_out" in row:
            why = "not measured" if row is None else f"left out: {row['left_out']}"
            wanted = ", ".join(f"{name} {sign} {limit:g}" for name, sign, limit in targets)
            cells = [what, peer, why, "", "", "", wanted, ""]
        else:
            figures, wanted, met = judged(row, targets)
            verdict = "" if not targets else "holds" if met else "**missed**"
            cells = [what, peer, row["ours"], row["peer"], row["processor"] or "", figures, wanted, verdict]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def machine():
    """Where it was measured: ratios travel, absolute figures do not."""
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as text:
        for line in text:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    processors = len(os.sched_getaffinity(0))
    return f"Measured on {processors} processors ({model}), Linux {platform.release()}, on top of commit {commit or 'unknown'}.\n"


def main():
    rows_path, document_path = sys.argv[1:]
    rows = {}
    with open(rows_path, encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            rows[row["id"]] = row
    unknown = set(rows) - {name for name, *_ in ROWS}
    if unknown:
        sys.exit(f"rows that no table has: {', '.join(sorted(unknown))}")
    with open(document_path, encoding="utf-8") as document:
        text = document.read()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    with open(document_path, "w", encoding="utf-8") as document:
        document.write(f"{before}{BEGIN}\n{table(rows)}\n{machine()}\n{END}{after}")


if __name__ == "__main__":
    main()
