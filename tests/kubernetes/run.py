#!/usr/bin/env python3
"""Tests the chart in a real cluster: tests/kubernetes/run.py [--programs DIRECTORY]. Needs root, and what build.sh has made.

Kubernetes 1.20 is what Debian has the sources of: what is newer is taken out of the chart's resources for it (stage.py) and checked
by lint.py alone. Nothing enforces a NetworkPolicy here.
"""

import argparse
import hashlib
import json
import os
import pathlib
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path += [str(HERE), str(HERE.parent / "packages")]

import chain as chains  # noqa: E402
import images  # noqa: E402
import tools  # noqa: E402
from clients import Refused  # noqa: E402
from cluster import ADDRESS, ETCD, MINUTE, NODE  # noqa: E402
from machine import Failed, eventually  # noqa: E402
from stage import GATEWAY, OURS, PODS, SHOP, UID, Stage, deployment, shop  # noqa: E402

NEEDED = {"buildah": "buildah", "cc": "gcc", "curl": "curl", "ip": "iproute2", "ldd": "libc-bin", "openssl": "openssl", "strip": "binutils", "umount": "mount"}
# What is promised.
FREED_MS, RECOVERED_S = 50, 5

# Asks at the node's socket as the pods' user: a process that is killed elsewhere, and what is answered here, have one clock.
WAIT_FOR_SEAT = """
import json, socket, sys, time
asked = {"jsonrpc": "2.0", "id": 1, "method": "seat_acquire", "params": {"product": "acme-cad", "wait_ms": 60000}}
with socket.socket(socket.AF_UNIX) as here:
    here.connect(sys.argv[1])
    here.sendall(json.dumps(asked).encode() + b"\\n")
    print("asked", flush=True)
    answer = json.loads(here.makefile().readline())
    print(time.monotonic_ns(), json.dumps(answer), flush=True)
"""
ASK_AGAIN_AND_AGAIN = """
import json, socket, sys, time
asked = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "entitlement_check", "params": {"product": "acme-cad"}}).encode() + b"\\n"
last, lost = None, False
while True:
    try:
        with socket.socket(socket.AF_UNIX) as here:
            here.settimeout(2)
            here.connect(sys.argv[1])
            lines = here.makefile()
            while True:
                here.sendall(asked)
                if not (line := lines.readline()):
                    raise OSError("closed")
                valid, now = json.loads(line)["result"]["valid"], time.monotonic()
                # What is told is how long nobody answered, and what is answered then.
                if last is None or lost or not valid:
                    print(0 if last is None else now - last, valid, flush=True)
                last, lost = now, False
                time.sleep(0.01)
    except OSError:
        lost = True
        time.sleep(0.01)
"""

stage: Stage


def as_pods(script: str) -> subprocess.Popen:
    """A program on the node, at the same socket and as the same user as the pods."""
    run = ["python3", "-c", script, f"{stage.sockets}/entitled.sock"]
    return subprocess.Popen(run, text=True, user=UID, group=UID, extra_groups=[], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)


class Cluster(unittest.TestCase):
    maxDiff = None

    def test_everything_is_ready(self):
        made = eventually("everything is ready", all_ready, MINUTE)
        of = [it["metadata"]["labels"].get("app.kubernetes.io/component") for it in made]
        self.assertEqual((of.count("agent"), of.count("gateway"), of.count(None)), (1, 2, PODS))
        budget = stage.cluster.get("poddisruptionbudget/entitled-gateway", f"--namespace={OURS}")
        self.assertEqual(budget["status"]["disruptionsAllowed"], 1)

    def test_three_pods_learn_what_they_are_entitled_to(self):
        for pod in stage.shop_pods():
            self.assertEqual(stage.by_socket(pod)["code"], "VALID")
            for address in stage.gateway_addresses():
                status, verdict = stage.by_gateway(pod, address)
                self.assertEqual((status, verdict["code"]), (200, "VALID"), verdict)

    def test_the_gateway_asks_whose_token_it_is(self):
        pod, address = stage.shop_pods()[0], stage.gateway_addresses()[0]
        status, problem = stage.by_gateway(pod, address, "no.bodys.token")
        self.assertEqual(status, 401, problem)
        # One of the same service account, for another audience.
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": ["https://cluster.test"]}}
        path = f"/api/v1/namespaces/{SHOP}/serviceaccounts/web/token"
        made = stage.cluster.kubectl("create", f"--raw={path}", "--filename=-", stdin=json.dumps(asked))
        status, problem = stage.by_gateway(pod, address, json.loads(made)["status"]["token"])
        self.assertEqual(status, 401, problem)

    def test_a_pod_does_not_find_the_administrators_socket(self):
        names = {it.name for it in stage.sockets.iterdir()}
        self.assertIn("entitled.sock", names)
        self.assertEqual({it for it in names if it.startswith("admin")}, set())
        owner = stage.sockets.stat()
        self.assertEqual((owner.st_uid, owner.st_mode & 0o7777), (65532, 0o755))
        self.assertEqual((stage.state.stat().st_uid, stage.state.stat().st_mode & 0o7777), (65532, 0o700))

    def test_a_process_that_is_killed_in_its_pod_gives_its_seat_back_at_once(self):
        pod = shop(stage.sockets)["spec"]["template"]["spec"]
        pod["containers"][0]["command"] = ["entitlectl", "run", "acme-cad", "--seat", "--wait", "1m", "--", "/usr/bin/sleep", "infinity"]
        stage.cluster.apply(deployment("holders", pod, PODS))
        self.addCleanup(stage.cluster.kubectl, "delete", "deployment/holders", f"--namespace={SHOP}")
        stage.rolled_out("deployment/holders", SHOP)
        holders = eventually("all seats are taken", lambda: it if len(it := seats_in_use()) == PODS else None, MINUTE)
        waiting = as_pods(WAIT_FOR_SEAT)
        self.addCleanup(waiting.wait)
        self.addCleanup(waiting.kill)
        self.assertEqual(waiting.stdout.readline(), "asked\n")
        eventually("it waits in the queue", lambda: queue() > 0 or None, MINUTE)
        (killed, *_) = sleeping(holders_only=True)
        at = time.monotonic_ns()
        os.kill(killed, signal.SIGKILL)
        granted, answer = waiting.stdout.readline().split(" ", 1)
        self.assertTrue(json.loads(answer)["result"]["granted"], answer)
        took = (int(granted) - at) / 1e6
        print(f"a seat of a killed process was given on after {took:.1f} ms", file=sys.stderr)
        self.assertLess(took, FREED_MS)
        self.assertEqual(len(holders), PODS)

    def test_an_agent_is_replaced_and_its_clients_go_on(self):
        """As a newer controller does it by `maxSurge`: the new pod is there and ready before the old one is ended."""
        stage.rolled_out("daemonset/entitled-agent")
        (before,) = stage.pods(OURS, "agent")
        asking = self.ask()
        made = stage.cluster.get("daemonset/entitled-agent", f"--namespace={OURS}")["spec"]["template"]["spec"]
        successor = {"metadata": {"name": "successor", "namespace": OURS}, "spec": made | {"nodeName": NODE}}
        stage.cluster.apply({"apiVersion": "v1", "kind": "Pod"} | successor)
        deleting = (f"--namespace={OURS}", "--ignore-not-found", "--wait=false")
        self.addCleanup(stage.cluster.kubectl, "delete", "pod", "successor", f"--namespace={OURS}", "--ignore-not-found")
        waits = lambda name: "event\":\"waiting" in stage.cluster.kubectl("logs", name, "--container=daemon", f"--namespace={OURS}") or None  # noqa: E731
        eventually("the successor waits", lambda: waits("successor"), MINUTE)
        eventually("it is ready by what its predecessor answers", lambda: is_ready("successor") or None, MINUTE)

        stage.cluster.kubectl("delete", "pod", before, *deleting)
        self.assert_recovered(asking, "an agent was replaced")
        # The controller makes one of its own, which waits in turn, and takes over when the test's ends.
        (own,) = eventually("there is another", lambda: it if (it := stage.pods(OURS, "agent")) not in ([], [before]) and len(it) == 1 else None, MINUTE)
        eventually("it waits in turn", lambda: waits(own), MINUTE)
        stage.cluster.kubectl("delete", "pod", "successor", *deleting)
        self.assert_recovered(asking, "it was replaced again")
        for pod in stage.shop_pods():
            self.assertEqual(stage.by_socket(pod)["code"], "VALID")

    def test_an_agent_that_is_ended_without_a_successor_comes_back(self):
        stage.rolled_out("daemonset/entitled-agent")
        asking = self.ask()
        (before,) = stage.pods(OURS, "agent")
        stage.cluster.kubectl("delete", "pod", before, f"--namespace={OURS}", "--wait=false")
        pause, valid = asking.stdout.readline().split()
        # How long it takes until there is another pod is the kubelet's affair.
        print(f"after the end of an agent its clients asked in vain for {float(pause):.1f} s", file=sys.stderr)
        self.assertEqual(valid, "True")

    def ask(self) -> subprocess.Popen:
        asking = as_pods(ASK_AGAIN_AND_AGAIN)
        self.addCleanup(asking.stdout.close)
        self.addCleanup(asking.wait)
        self.addCleanup(asking.kill)
        self.assertEqual(asking.stdout.readline(), "0 True\n")
        return asking

    def assert_recovered(self, asking: subprocess.Popen, what: str) -> None:
        pause, valid = asking.stdout.readline().split()
        print(f"{what}: its clients asked in vain for {float(pause):.2f} s", file=sys.stderr)
        self.assertEqual(valid, "True")
        self.assertLess(float(pause), RECOVERED_S)

    def test_figures_of_every_daemon_can_be_read(self):
        agents = stage.cluster.get("pods", f"--namespace={OURS}", "--selector=app.kubernetes.io/component=agent")["items"]
        for address in [*(it["status"]["podIP"] for it in agents), *stage.gateway_addresses()]:
            for path, figure in (("metrics", "entitled_gateway_ready 1"), ("daemon/metrics", "entitled_build_info{")):
                said = subprocess.run(["curl", "--silent", "--fail", f"http://{address}:9470/{path}"], capture_output=True, text=True, timeout=MINUTE)
                self.assertIn(figure, said.stdout)

    def test_seats_are_counted_together_by_all_replicas(self):
        token = secrets.token_hex(32)
        values = stage.with_gateway()
        client = {"name": "seats", "token_sha256": hashlib.sha256(token.encode()).hexdigest(), "customer": "customer:1", "scopes": ["seats"]}
        values["gateway"]["settings"]["client"].append(client)
        with self.assertRaises(Refused):
            stage.install(values)
        self.addCleanup(stage.gateway_rolled_out)
        self.addCleanup(stage.install, stage.with_gateway())
        stage.install(values | {"fleet": {"endpoints": [f"http://{ADDRESS}:{ETCD}"]}})
        stage.gateway_rolled_out()
        one, other = eventually("the replicas before are gone", lambda: it if len(it := stage.gateway_addresses()) == 2 else None, MINUTE)
        held = [self.take_seat(it, token) for it in (one, other, one)]
        self.assertEqual([it.stdout.readline() for it in held], ["event: seat\n"] * PODS)
        for address in (one, other):
            refused = json.loads(self.take_seat(address, token).communicate(timeout=MINUTE)[0])
            self.assertEqual((refused["granted"], refused["code"]), (False, "SEATS_FULL"))
        held[0].kill()

        def freed() -> str | None:
            line = self.take_seat(other, token).stdout.readline()
            return line if line == "event: seat\n" else None

        eventually("what one replica's client gave back another gives out", freed, MINUTE)

    def take_seat(self, address: str, token: str) -> subprocess.Popen:
        run = ["curl", "--silent", "--no-buffer", "--cacert", f"{stage.home}/gateway-ca.crt", "--resolve", f"{GATEWAY}:8080:{address}",
               "--oauth2-bearer", token, "--header", "Accept: text/event-stream", "--json", '{"product": "acme-cad"}',
               f"https://{GATEWAY}:8080/api/v1/seats"]  # fmt: skip
        curl = subprocess.Popen(run, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.addCleanup(curl.stdout.close)
        self.addCleanup(curl.wait)
        self.addCleanup(curl.kill)
        return curl

    def test_while_the_chain_is_away_everybody_is_ready_and_answered_by_grace(self):
        eventually("everything is ready", all_ready, MINUTE)
        pod, addresses = stage.shop_pods()[0], stage.gateway_addresses()
        stage.cable.cut()
        try:
            eventually("the socket answers by grace", lambda: stage.by_socket(pod)["code"] == "GRACE" or None, MINUTE)
            for address in addresses:
                by_grace = lambda: stage.by_gateway(pod, address)[1].get("code") == "GRACE" or None  # noqa: E731, B023
                eventually("the gateway answers by grace", by_grace, MINUTE)
                for path in ("livez", "readyz"):
                    said = subprocess.run(["curl", "--silent", "--fail", f"http://{address}:9470/{path}"], capture_output=True, text=True, timeout=MINUTE)
                    self.assertEqual(said.returncode, 0, said.stdout)
            # What the agent's probes run.
            stage.admin("status")
            self.assertEqual(len(all_ready()), 1 + 2 + PODS)
        finally:
            stage.cable.plug()
        eventually("it is proven again", lambda: stage.by_socket(pod)["code"] == "VALID" or None, MINUTE)

    def test_service_accounts_have_no_rights(self):
        def can(account: str, *what: str) -> bool:
            try:
                return stage.cluster.kubectl("auth", "can-i", *what, f"--as=system:serviceaccount:{account}", "--quiet") == ""
            except Failed:
                return False

        agent, gateway = f"{OURS}:entitled-agent", f"{OURS}:entitled-gateway"
        self.assertEqual((can(gateway, "create", "tokenreviews"), can(agent, "create", "tokenreviews")), (True, False))
        for account in (agent, gateway):
            for verb, kind in (("*", "*"), ("get", "secrets"), ("list", "pods"), ("get", "nodes"), ("create", "pods"), ("get", "configmaps"), ("create", "subjectaccessreviews")):
                self.assertFalse(can(account, verb, kind, f"--namespace={OURS}"), (account, verb, kind))

    def test_agent_and_gateway_have_what_their_containers_were_given_and_no_more(self):
        for component, containers in (("agent", {"daemon": 65532}), ("gateway", {"daemon": 65532, "gateway": 65531})):
            for pod in stage.pods(OURS, component):
                for name, uid in containers.items():
                    status = process_of(pod, name)
                    self.assertEqual(status["Uid"].split(), [str(uid)] * 4)
                    self.assertEqual({status[it] for it in ("CapEff", "CapPrm", "CapBnd", "CapAmb")}, {"0" * 16})
                    self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))


def is_ready(pod: str) -> bool:
    made = stage.cluster.get("pod", pod, f"--namespace={OURS}")
    return any((it["type"], it["status"]) == ("Ready", "True") for it in made["status"].get("conditions", []))


def all_ready() -> list[dict]:
    """All pods, once all of their containers are ready."""
    made = stage.cluster.get("pods", "--all-namespaces")["items"]
    unready = [
        (it["metadata"]["name"], it["status"]) for it in made if not all(one["ready"] for one in it["status"].get("containerStatuses", [{"ready": False}]))
    ]  # fmt: skip
    assert not unready, unready
    return made


def seats_in_use() -> list[dict]:
    listed = json.loads(stage.admin("--json", "seats", "list", "--all"))
    return listed["items"]


def queue() -> int:
    listed = json.loads(stage.admin("--json", "seats", "list", "--all"))
    # Who waits does so for each pool that may be his.
    return max((it["waiting"] for it in listed["pools"]), default=0)


def process_of(pod: str, container: str) -> dict[str, str]:
    """What the kernel says of a container's process."""
    made = stage.cluster.get("pod", pod, f"--namespace={OURS}")
    (running,) = (it["containerID"].rpartition("/")[2] for it in made["status"]["containerStatuses"] if it["name"] == container)
    (pid,) = (it.split()[1] for it in stage.cluster.ctr("tasks", "list").splitlines() if it.startswith(running))
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, value in (it.split(":", 1) for it in lines)}


def sleeping(holders_only: bool) -> list[int]:
    """Processes of this machine that the pods' user runs in `sleep`; of those, the ones that hold a seat."""
    holding = {it["metadata"]["uid"] for it in stage.cluster.get("pods", f"--namespace={SHOP}", "--selector=app=holders")["items"]}
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            command, owner, group = (process / "cmdline").read_bytes(), process.stat().st_uid, (process / "cgroup").read_text()
        except OSError:
            continue
        is_holder = any(uid in group for uid in holding)
        if owner == UID and b"sleep\0infinity" in command and is_holder >= holders_only:
            found.append(int(process.name))
    return found


def build_image(home: pathlib.Path, programs: pathlib.Path) -> pathlib.Path:
    run = [sys.executable, ROOT / "packaging/image.py", "--profile=dev", f"--out={home}", f"--programs={programs}"]
    archive, *_ = subprocess.run(run, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return pathlib.Path(archive)


def main() -> None:
    global stage
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=pathlib.Path, default=ROOT / "target/debug", help="a directory of programs compiled before")
    parser.add_argument("--only", action="append", help="run tests with this word in their names")
    asked = parser.parse_args()
    tools.provide(NEEDED, "the chart was NOT tested")
    assert chains.missing() == [], "run `make prepare`"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    loader = unittest.TestLoader()
    loader.testNamePatterns = [f"*{it}*" for it in asked.only] if asked.only else None
    with tempfile.TemporaryDirectory(prefix="entitled-kubernetes-") as temporary:
        home = pathlib.Path(temporary)
        stage = Stage(home, build_image(home, asked.programs.resolve()), asked.programs.resolve())
        try:
            stage.build()
            suite = loader.loadTestsFromModule(sys.modules[__name__])
            succeeded = unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful()
        finally:
            stage.leave()
    sys.exit(0 if succeeded else 1)


if __name__ == "__main__":
    main()
