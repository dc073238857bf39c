"""Who may reach what by NetworkPolicies: their selectors evaluated, since not every cluster enforces them and none here does.

Of the specification, what the chart uses: policies select pods by labels, peers by the labels of their namespace or are anybody,
and ports are numbers. Anything else is an error and not a guess.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pod:
    namespace: str
    labels: dict[str, str]
    # Of its namespace.
    namespace_labels: dict[str, str]


# Whoever is in the cluster's network and is no pod: endpoints, etcd, the API server.
OUTSIDE = None


def selects(selector: dict, labels: dict[str, str]) -> bool:
    assert set(selector) <= {"matchLabels"}, selector
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def allowed(rule: dict, side: str, peer: Pod | None, port: int, protocol: str) -> bool:
    assert set(rule) <= {side, "ports"}, rule
    # Without ports a rule is about all of them, without peers about everybody.
    ports = rule.get("ports") or [{"protocol": protocol, "port": port}]
    if {"protocol": protocol, "port": port} not in ports:
        return False
    peers = rule.get(side)
    if not peers:
        return True
    for it in peers:
        assert set(it) == {"namespaceSelector"}, it
    return peer is not OUTSIDE and any(selects(it["namespaceSelector"], peer.namespace_labels) for it in peers)


def permits(policies: list[dict], pod: Pod, direction: str, peer: Pod | None, port: int, protocol: str = "TCP") -> bool:
    """Whether the policies let `peer` reach this port of `pod` (Ingress), or `pod` reach it at `peer` (Egress)."""
    about = [
        it["spec"]
        for it in policies
        if it["metadata"]["namespace"] == pod.namespace and direction in it["spec"]["policyTypes"] and selects(it["spec"]["podSelector"], pod.labels)
    ]  # fmt: skip
    # Whom no policy is about is reached by everybody.
    if not about:
        return True
    side = {"Ingress": "from", "Egress": "to"}[direction]
    rules = (rule for spec in about for rule in spec.get(direction.lower(), []))
    return any(allowed(rule, side, peer, port, protocol) for rule in rules)
