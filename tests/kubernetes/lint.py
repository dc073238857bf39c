#!/usr/bin/env python3
"""Checks the chart without a cluster: tests/kubernetes/lint.py. With BLESS=1 it writes the plain manifest anew."""

import copy
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import kubernetes_validate  # noqa: E402
import yaml  # noqa: E402
from clients import CHART, MANIFEST, MANIFEST_VALUES, NAMESPACE, ROOT, Refused, helm, plain_manifest, resources, template  # noqa: E402
from policies import OUTSIDE, Pod, permits  # noqa: E402

MOST_VALUES = 25
VERSIONS = [f"1.{minor}" for minor in range(30, 38)]
# Of others, whose schemas no Kubernetes has.
FOREIGN = {"PodMonitor"}
# What checkov finds, why it stays, and where.
WAIVED = {
    "CKV_K8S_11": ("a limit of the processor would make answers wait; the daemon has none", {"DaemonSet", "Deployment"}),
    "CKV_K8S_15": ("with IfNotPresent a node whose registry is away starts what it has; a digest says what that is", {"DaemonSet", "Deployment"}),
    "CKV_K8S_25": ("the first step of the agent gives directories of the node to the daemon's user (CAP_CHOWN)", {"DaemonSet"}),
    "CKV_K8S_43": ("the digest of an image is known once it is published; `image.tag` takes it", {"DaemonSet", "Deployment"}),
}  # fmt: skip

CLIENT = {"name": "shop", "subject": "system:serviceaccount:shop:web", "customer": "customer:1", "scopes": ["entitlements"]}
GATEWAY = {"enabled": True, "ledgerSecret": "entitled-ledger", "tokenReview": True, "settings": {"client": [CLIENT]}}
# Everything that can be switched on.
EVERYTHING = {
    "image": {"tag": "0.1.0@sha256:" + 64 * "0", "pullSecrets": ["registry"]},
    "files": {"products.d/acme-cad.toml": 'product = "acme-cad"\n', "seats.d/acme-cad.toml": 'product = "acme-cad"\n'},
    "fleet": {"endpoints": ["https://etcd-0.etcd:2379", "https://etcd-1.etcd:2379"], "secret": "entitled-etcd"},
    "agent": {"priorityClassName": "system-node-critical", "tolerations": [{"operator": "Exists"}]},
    "gateway": GATEWAY | {"tlsSecret": "entitled-gateway-tls"},
    "monitoring": {"podMonitor": True, "dashboard": True},
}
VARIANTS = {"agent alone": {}, "gateway alone": {"agent": {"enabled": False}, "gateway": GATEWAY}, "everything": EVERYTHING}


def changed(values: dict, path: str, value) -> dict:
    """A copy with one value changed; `path` as on helm's command line."""
    copied = copy.deepcopy(values)
    *above, last = path.split(".")
    at = copied
    for name in above:
        at = at.setdefault(name, {})
    at[last] = value
    return copied


def leaves(values: dict, before: str = "") -> list[str]:
    """The paths of values. What a user fills in with keys of their own is one value."""
    of_their_own = {"files", "gateway.settings", "network.clientNamespaces", "network.monitoringNamespaces"}
    found = []
    for key, value in values.items():
        path = f"{before}{key}"
        found += leaves(value, f"{path}.") if isinstance(value, dict) and path not in of_their_own else [path]
    return found


def refusal(values: dict) -> str:
    try:
        template(values)
    except Refused as refused:
        return str(refused)
    return "it was not refused"


def named(made: list[dict], kind: str, end: str = "") -> dict:
    (found,) = (it for it in made if it["kind"] == kind and it["metadata"]["name"].endswith(end))
    return found


def pods(made: list[dict]) -> dict[str, dict]:
    return {it["metadata"]["name"]: it["spec"]["template"]["spec"] for it in made if "template" in it.get("spec", {})}


class Chart(unittest.TestCase):
    def test_helm_has_nothing_to_say(self):
        for name, values in VARIANTS.items():
            with self.subTest(name), tempfile.NamedTemporaryFile("w", suffix=".json") as file:
                json.dump(values, file)
                file.flush()
                helm("lint", "--strict", f"--values={file.name}", CHART)

    def test_the_plain_manifest_is_what_the_chart_makes(self):
        made = plain_manifest()
        if os.environ.get("BLESS"):
            MANIFEST.write_text(made)
        self.assertEqual(MANIFEST.read_text(), made, "BLESS=1 make lint-kubernetes")

    def test_there_are_few_values_and_each_is_described(self):
        values = leaves(yaml.safe_load((CHART / "values.yaml").read_text()))
        self.assertLessEqual(len(values), MOST_VALUES)
        schema = json.loads((CHART / "values.schema.json").read_text())
        document = (ROOT / "docs/kubernetes.md").read_text()
        for path in values:
            at = schema
            for name in path.split("."):
                at = at["properties"][name]
            self.assertIn(f"`{path}`", document)
        told = re.findall(r"^\| `([a-zA-Z.]+)` \|", document.split("## Values", 1)[1].split("\n## ", 1)[0], re.M)
        self.assertEqual(sorted(told), sorted(values))

    def test_what_the_document_shows_can_be_applied(self):
        blocks = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs/kubernetes.md").read_text(), re.M | re.S)
        of = {"spec": 0, "gateway": 0}
        for shown in map(yaml.safe_load, blocks):
            (kind,) = shown
            of[kind] += 1
            if kind == "gateway":
                template(shown)
                continue
            # Of a pod, what it says and no more: each of its containers has an image besides.
            for container in shown["spec"]["containers"]:
                container["image"] = "web"
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}} | shown
            for version in VERSIONS:
                self.assertEqual(kubernetes_validate.validate(pod, version, strict=True), version)
        self.assertEqual(of, {"spec": 2, "gateway": 1})

    def test_the_versions_are_the_programs(self):
        said = yaml.safe_load((CHART / "Chart.yaml").read_text())
        version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
        self.assertEqual((said["version"], said["appVersion"]), (version, version))

    def test_what_cannot_work_is_refused_with_the_reason(self):
        seats = GATEWAY | {"settings": {"client": [CLIENT | {"scopes": ["seats"]}]}}
        alone = seats | {"minReplicas": 1, "maxReplicas": 1}
        for values, reason in [
            ({"gateway": seats}, "several replicas would each give all of them"),
            ({"gateway": GATEWAY | {"ledgerSecret": ""}}, "gateway.ledgerSecret must name"),
            ({"gateway": GATEWAY | {"settings": {}}}, "at least one client"),
            ({"gateway": GATEWAY | {"tokenReview": False}}, "which vouch for it"),
            ({"gateway": GATEWAY | {"minReplicas": 7}}, "less than gateway.minReplicas"),
            ({"fleet": {"secret": "x"}}, "fleet.endpoints is empty"),
            ({"agent": {"enabled": False}}, "there is nothing to install"),
            ({"chainsSecret": ""}, "chainsSecret"),
            ({"agent": {"socketDirectory": "/run"}}, "socketDirectory"),
            ({"agent": {"stateDirectory": "/var/../etc"}}, "stateDirectory"),
            ({"files": {"../passwd": ""}}, "files"),
            ({"files": {"products.d/x.toml/../y.toml": ""}}, "files"),
            ({"gateway": {"replicas": 3}}, "replicas"),
            ({"image": {"tag": "0.1.0@sha256:short"}}, "tag"),
        ]:
            with self.subTest(reason):
                self.assertIn(reason, refusal(values))
        template({"gateway": alone})
        template({"gateway": seats, "fleet": {"endpoints": ["http://etcd:2379"]}})

    def test_every_version_knows_every_field(self):
        for name, values in VARIANTS.items():
            made = [it for it in resources(template(values)) if it["kind"] not in FOREIGN]
            for version in VERSIONS:
                for resource in made:
                    with self.subTest(name, version=version, kind=resource["kind"]):
                        # Another than this very version, or a kind without a schema, is an error as well.
                        self.assertEqual(kubernetes_validate.validate(resource, version, strict=True), version)

    def test_checkov_finds_what_is_waived_and_nothing_else(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(template(VARIANTS["everything"] | {"image": {}}))
            file.flush()
            run = [sys.executable, "-m", "checkov.main", "--framework=kubernetes", "--skip-download", "--output=json", f"--file={file.name}"]
            said = subprocess.run(run, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300).stdout
        found: dict[str, set[str]] = {}
        for it in json.loads(said)["results"]["failed_checks"]:
            found.setdefault(it["check_id"], set()).add(it["resource"].split(".")[0])
        self.assertEqual(found, {check: kinds for check, (_, kinds) in WAIVED.items()})

    def test_what_changes_has_another_name_and_rolls_the_pods(self):
        before = resources(template(EVERYTHING))
        for path, end in [("gateway.settings", "gateway"), ("files", "agent")]:
            value = {"gateway.settings": {"client": [CLIENT], "limits": {"streams": 4}}, "files": {"products.d/other.toml": ""}}[path]
            after = resources(template(changed(EVERYTHING, path, value)))
            maps = [{it["metadata"]["name"] for it in made if it["kind"] == "ConfigMap"} for made in (before, after)]
            self.assertEqual(len(maps[0] - maps[1]), 1, path)
            (name,) = (it for it in pods(after) if it.endswith(end))
            self.assertNotEqual(pods(before)[name], pods(after)[name])
        again = resources(template(changed(EVERYTHING, "network.egressPorts", [8545])))
        self.assertEqual(pods(before), pods(again), "what is no pod's affair rolls none")

    def test_what_the_gateway_reads_is_what_was_set(self):
        settings = {"client": [CLIENT | {"products": ["acme-cad"]}], "hosts": ["licences.example.com"], "limits": {"streams": 4}}
        made = resources(template(changed(EVERYTHING, "gateway.settings", settings)))
        (text,) = (it["data"]["gateway.toml"] for it in made if it["kind"] == "ConfigMap" and "-gateway-" in it["metadata"]["name"])
        read = tomllib.loads(text)
        self.assertEqual((read["client"], read["limits"], read["token_review"]), (settings["client"], settings["limits"], {}))
        self.assertEqual(read["hosts"][-2:], ["entitled-gateway.entitled.svc.cluster.local", "licences.example.com"])
        self.assertEqual(read["tls"]["key"], "/etc/entitled/tls/tls.key")


class Confinement(unittest.TestCase):
    """The restricted Pod Security Standard, but for what the agent has to have."""

    def setUp(self):
        self.made = resources(template(EVERYTHING))

    def test_containers_may_do_nothing(self):
        may_more = []
        for pod in pods(self.made).values():
            self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
            self.assertFalse({"hostPID", "hostIPC", "hostNetwork", "hostUsers"} & set(pod))
            self.assertIs(pod["automountServiceAccountToken"], False)
            for it in pod["initContainers"] + pod["containers"]:
                context = it["securityContext"]
                self.assertIs(context["readOnlyRootFilesystem"], True)
                self.assertIs(context["allowPrivilegeEscalation"], False)
                self.assertLessEqual({"memory", "ephemeral-storage"}, set(it["resources"]["limits"]), it["name"])
                self.assertEqual(set(it["resources"]["requests"]), {"cpu", "memory", "ephemeral-storage"})
                if not context["runAsNonRoot"] or context["capabilities"] != {"drop": ["ALL"]} or context["runAsUser"] == 0:
                    may_more.append((it["name"], context["capabilities"]["add"]))
        self.assertEqual(may_more, [("directories", ["CHOWN"])])

    def test_directories_of_the_node_are_the_agents_two(self):
        paths = {
            name: [it["hostPath"]["path"] for it in pod["volumes"] if "hostPath" in it] for name, pod in pods(self.made).items()
        }  # fmt: skip
        self.assertEqual(paths, {"entitled-agent": ["/run/entitled", "/var/lib/entitled"], "entitled-gateway": []})

    def test_pods_of_others_do_not_see_the_administrators_socket(self):
        for pod in pods(self.made).values():
            (daemon,) = (it for it in pod["containers"] if it["name"] == "daemon")
            (path,) = (it["value"] for it in daemon["env"] if it["name"] == "ENTITLED__SOCKET__ADMIN_PATH")
            (volume,) = (it["name"] for it in daemon["volumeMounts"] if path.startswith(it["mountPath"] + "/"))
            self.assertIn("emptyDir", next(it for it in pod["volumes"] if it["name"] == volume))
            for other in pod["containers"]:
                mounts = {it["name"] for it in other["volumeMounts"]}
                self.assertEqual(volume in mounts, other is daemon)
                # Nor does what listens to the network see state, endpoints or the key of etcd.
                if other is not daemon:
                    self.assertFalse(mounts & {"state", "chains", "fleet", "admin"})

    def test_the_one_right_is_to_ask_whose_token_it_is(self):
        rights = [it for it in self.made if it["kind"] in ("Role", "ClusterRole")]
        self.assertEqual([it["rules"] for it in rights], [[{"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]}]])
        (binding,) = (it for it in self.made if it["kind"].endswith("Binding"))
        self.assertEqual([it["name"] for it in binding["subjects"]], ["entitled-gateway"])
        without = resources(template(changed(changed(EVERYTHING, "gateway.tokenReview", False), "gateway.settings.oidc", {"issuer": "i", "jwks": "https://i"})))
        self.assertFalse([it for it in without if "Role" in it["kind"]])

    def test_no_secret_is_in_what_is_made(self):
        self.assertFalse([it for it in self.made if it["kind"] == "Secret"])


class Network(unittest.TestCase):
    """Who may reach what, by the policies' selectors."""

    def setUp(self):
        made = resources(template(EVERYTHING))
        self.policies = [it for it in made if it["kind"] == "NetworkPolicy"]
        self.agent, self.gateway = (self.pod(named(made, kind)) for kind in ("DaemonSet", "Deployment"))
        self.shop = Pod("shop", {}, {"entitled-client": "true"})
        self.stranger = Pod("other", {"app.kubernetes.io/name": "entitled"}, {"kubernetes.io/metadata.name": "other"})
        self.prometheus = Pod("monitoring", {}, {"kubernetes.io/metadata.name": "monitoring"})

    @staticmethod
    def pod(workload: dict) -> Pod:
        return Pod(NAMESPACE, workload["spec"]["template"]["metadata"]["labels"], {"kubernetes.io/metadata.name": NAMESPACE})

    def reaches(self, pod: Pod, peer: Pod | None, port: int) -> bool:
        return permits(self.policies, pod, "Ingress", peer, port)

    def goes(self, pod: Pod, port: int, protocol: str = "TCP") -> bool:
        return permits(self.policies, pod, "Egress", OUTSIDE, port, protocol)

    def test_the_gateway_is_asked_by_namespaces_that_are_labelled(self):
        self.assertTrue(self.reaches(self.gateway, self.shop, 8080))
        for other in (self.stranger, self.prometheus, self.agent, OUTSIDE):
            self.assertFalse(self.reaches(self.gateway, other, 8080))

    def test_figures_are_read_by_monitoring_alone(self):
        for pod in (self.agent, self.gateway):
            self.assertTrue(self.reaches(pod, self.prometheus, 9470))
            for other in (self.shop, self.stranger, self.gateway, OUTSIDE):
                self.assertFalse(self.reaches(pod, other, 9470))

    def test_nothing_else_is_reached(self):
        for port in (1, 53, 443, 2379, 8081, 9469):
            for peer in (self.shop, self.stranger, self.prometheus, OUTSIDE):
                self.assertFalse(self.reaches(self.agent, peer, port))
                self.assertFalse(self.reaches(self.gateway, peer, port))
        self.assertFalse(self.reaches(self.agent, self.shop, 8080))

    def test_they_go_to_names_chains_and_etcd(self):
        for pod in (self.agent, self.gateway):
            for port, protocol in ((53, "UDP"), (53, "TCP"), (443, "TCP"), (2379, "TCP")):
                self.assertTrue(self.goes(pod, port, protocol))
            for port in (22, 25, 80, 8080, 10250):
                self.assertFalse(self.goes(pod, port))
        # The API server is the gateway's affair, which asks it whose token it is.
        self.assertEqual((self.goes(self.gateway, 6443), self.goes(self.agent, 6443)), (True, False))

    def test_without_a_fleet_and_token_review_that_is_closed_too(self):
        made = resources(template({"gateway": GATEWAY | {"tokenReview": False, "settings": {"client": [CLIENT | {"subject": ""}]}}}))
        self.policies = [it for it in made if it["kind"] == "NetworkPolicy"]
        self.assertEqual([self.goes(self.gateway, it) for it in (443, 2379, 6443)], [True, False, False])

    def test_pods_of_others_are_none_of_its_business(self):
        self.assertTrue(permits(self.policies, self.stranger, "Ingress", self.shop, 80))


if __name__ == "__main__":
    unittest.main(verbosity=2)
