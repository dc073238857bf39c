"""The chart in a cluster: a chain, a licence, an agent, a gateway, and three pods of a customer that ask."""

import contextlib
import json
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "packages")]

import chain as chains  # noqa: E402
import clients  # noqa: E402
import images  # noqa: E402
from cable import Cable  # noqa: E402
from cluster import ADDRESS, API, MINUTE, Cluster, authority, issue, of_this_cluster  # noqa: E402
from host import Host, free_port  # noqa: E402
from machine import Failed, eventually  # noqa: E402

OURS, SHOP = "entitled", "shop"
# As most images: one uid that others use, too.
UID, PODS = 23456, 3
GATEWAY = "entitled-gateway.entitled.svc"
CHAINS = f"""
[[chain]]
id = "eip155:31337"
rpc = ["http://{ADDRESS}:8545"]
trust = "single"
poll = "200ms"
retry = "200ms"
"""
PRODUCT = """product = "acme-cad"
name = "Acme CAD"
trust = "single"
refresh = "2s"
grace = "14d"

[tiers.pro]
rank = 20
seats = {seats}

[[grants]]
tier = "pro"
token = "{token}"
"""


class Stage:
    """Everything, from `build` to `leave`."""

    def __init__(self, home: pathlib.Path, archive: pathlib.Path, programs: pathlib.Path):
        self.home, self.archive, self.programs = home, archive, programs
        # Directories of the node: this machine's own daemon, if it has one, is not in the way.
        self.sockets, self.state = pathlib.Path("/run/entitled-kubernetes-test"), home / "node-state"
        self.ending = contextlib.ExitStack()

    def build(self) -> None:
        with contextlib.ExitStack() as ending:
            ending.callback(self.remove_traces)
            port = free_port()
            self.chain = chains.Chain(Host(), port)
            ending.callback(self.chain.end)
            self.cluster = ending.enter_context(Cluster(self.home))
            self.cable = Cable((ADDRESS, 8545), ("127.0.0.1", port))
            ending.callback(self.cable.cut)
            self.load_images()
            self.cluster.start_node()
            self.make_secrets()
            self.install_agent()
            self.start_shop()
            self.buy()
            self.install_gateway()
            self.ending = ending.pop_all()

    def leave(self) -> None:
        self.ending.close()

    def remove_traces(self) -> None:
        shutil.rmtree(self.sockets, ignore_errors=True)
        for log in of_this_cluster([OURS, SHOP]):
            shutil.rmtree(log, ignore_errors=True)

    def load_images(self) -> None:
        for archive in (images.pause(self.home), images.client(self.home, self.programs / "entitlectl", UID), self.archive):
            self.cluster.load(archive)

    def make_secrets(self) -> None:
        authority(self.home, "gateway-ca")
        issue(self.home, "gateway-ca", "gateway", f"DNS:{GATEWAY}")
        labels = {"entitled-client": "true"}
        self.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OURS}},
                           {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SHOP, "labels": labels}})  # fmt: skip
        (self.home / "chains.toml").write_text(CHAINS)
        self.cluster.kubectl("create", "secret", "generic", "entitled-chains", f"--namespace={OURS}", f"--from-file={self.home}/chains.toml")
        self.cluster.kubectl("create", "secret", "tls", "entitled-gateway-tls", f"--namespace={OURS}",
                             f"--cert={self.home}/gateway.crt", f"--key={self.home}/gateway.key")  # fmt: skip
        self.cluster.kubectl("create", "configmap", "gateway-ca", f"--namespace={SHOP}", f"--from-file=ca.crt={self.home}/gateway-ca.crt")

    def values(self) -> dict:
        return {
            "image": {"tag": images.reference(self.archive).partition(":")[2]},
            "agent": {"socketDirectory": str(self.sockets), "stateDirectory": str(self.state)},
            "files": {"products.d/acme-cad.toml": PRODUCT.format(seats=PODS, token=self.chain.token())},
            "network": {"egressPorts": [8545]},
            "monitoring": {"podMonitor": True},
        }

    def install(self, values: dict) -> None:
        # What is the Prometheus operator's, nobody here knows.
        made = [it for it in clients.resources(clients.template(values)) if it["kind"] != "PodMonitor"]
        self.cluster.apply(*map(for_1_20, made))

    def rolled_out(self, workload: str, namespace: str = OURS) -> None:
        seconds = 3 * MINUTE
        try:
            self.cluster.kubectl("rollout", "status", workload, f"--namespace={namespace}", f"--timeout={seconds}s", seconds=seconds + 10)
        except Failed:
            print(self.cluster.kubectl("describe", "pods", f"--namespace={namespace}"), file=sys.stderr)
            for pod in self.pods(namespace):
                print(self.cluster.kubectl("logs", pod, "--all-containers", "--tail=20", f"--namespace={namespace}"), file=sys.stderr)
            raise

    def install_agent(self) -> None:
        self.install(self.values())
        self.rolled_out("daemonset/entitled-agent")

    def start_shop(self) -> None:
        self.cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "namespace": SHOP}}, shop(self.sockets))
        self.rolled_out("deployment/web", SHOP)

    def buy(self) -> None:
        """A licence for the user that the pods run as, and one for the customer that the gateway asks for."""
        self.wallet = json.loads(self.inside(self.shop_pods()[0], "entitlectl", "--json", "wallet", "create"))["address"]
        self.admin("customer", "create", "Shop")
        theirs = json.loads(self.admin("--json", "wallet", "create", "--customer", "customer:1"))["address"]
        self.chain.mint(self.wallet, 7)
        self.chain.mint(theirs, 8)

    def install_gateway(self) -> None:
        made = self.admin("--json", "store", "backup")
        # Where the agent keeps its state is a directory of this machine's.
        backup = self.state / pathlib.Path(json.loads(made)["path"]).name
        self.cluster.kubectl("create", "secret", "generic", "entitled-ledger", f"--namespace={OURS}", f"--from-file=ledger.redb={backup}")
        self.install(self.with_gateway())
        self.gateway_rolled_out()

    def with_gateway(self) -> dict:
        settings = {
            "client": [{"name": "web", "subject": f"system:serviceaccount:{SHOP}:web", "customer": "customer:1", "scopes": ["entitlements"]}],
            # There is no kube-proxy, and so no address of the service `kubernetes`.
            "token_review": {"url": f"https://{ADDRESS}:{API}"},
        }
        gateway = {"enabled": True, "ledgerSecret": "entitled-ledger", "tlsSecret": "entitled-gateway-tls", "tokenReview": True, "settings": settings}
        return self.values() | {"gateway": gateway}

    def gateway_rolled_out(self) -> None:
        self.rolled_out("deployment/entitled-gateway")
        replicas = ("get", "deployment/entitled-gateway", f"--namespace={OURS}", "--output=jsonpath={.status.readyReplicas}")
        eventually("the autoscaler has its least", lambda: self.cluster.kubectl(*replicas) == "2" or None, 2 * MINUTE)
        eventually("those before are gone", lambda: len(self.pods(OURS, "gateway")) == 2 or None, 2 * MINUTE)

    def pods(self, namespace: str, component: str = "") -> list[str]:
        selected = [f"--selector=app.kubernetes.io/component={component}"] if component else []
        return self.cluster.kubectl("get", "pods", f"--namespace={namespace}", "--output=jsonpath={.items[*].metadata.name}", *selected).split()

    def shop_pods(self) -> list[str]:
        return self.pods(SHOP)

    def inside(self, pod: str, *command: str) -> str:
        """Runs a command in a pod of the customer's."""
        return self.cluster.kubectl("exec", pod, f"--namespace={SHOP}", "--", *command)

    def admin(self, *command: str) -> str:
        """The command line in the agent's own pod, at the administrators' socket."""
        return self.cluster.kubectl("exec", "daemonset/entitled-agent", "--container=daemon", f"--namespace={OURS}", "--", "entitlectl", *command)

    def by_socket(self, pod: str) -> dict:
        return json.loads(self.inside(pod, "entitlectl", "--json", "check", "acme-cad"))

    def gateway_addresses(self) -> list[str]:
        made = self.cluster.get("pods", f"--namespace={OURS}", "--selector=app.kubernetes.io/component=gateway")
        # One that is being ended is asked by nobody.
        return [it["status"]["podIP"] for it in made["items"] if "deletionTimestamp" not in it["metadata"]]

    def by_gateway(self, pod: str, address: str, token: str | None = None) -> tuple[int, dict]:
        """Status and answer, asked by curl in a pod with the token of its service account."""
        token = token or self.inside(pod, "curl", "--silent", "file:///var/run/secrets/entitled/token")
        said = self.inside(pod, "curl", "--silent", "--max-time", "20", "--cacert", "/gateway/ca.crt", "--oauth2-bearer", token, "--write-out", "\n%{http_code}",
                           "--resolve", f"{GATEWAY}:8080:{address}", f"https://{GATEWAY}:8080/api/v1/products/acme-cad/entitlement")  # fmt: skip
        body, _, status = said.rpartition("\n")
        return int(status), json.loads(body)


def for_1_20(resource: dict) -> dict:
    """The overlay for a server of 1.20: what was called otherwise then, and what was not there yet."""
    match resource["kind"]:
        case "HorizontalPodAutoscaler":
            resource["apiVersion"] = "autoscaling/v2beta2"
        case "PodDisruptionBudget":
            resource["apiVersion"] = "policy/v1beta1"
            del resource["spec"]["unhealthyPodEvictionPolicy"]
        case "DaemonSet":
            resource["spec"]["updateStrategy"]["rollingUpdate"] = {"maxUnavailable": 1}
        case "Deployment":
            for container in resource["spec"]["template"]["spec"]["containers"]:
                del container["lifecycle"]
    return resource


def shop(sockets: pathlib.Path) -> dict:
    """Three pods as docs/kubernetes.md says that they mount what they ask by."""
    token = {"serviceAccountToken": {"path": "token", "audience": "entitled", "expirationSeconds": 3600}}
    context = {"runAsNonRoot": True, "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    mounts = {"sockets": "/run/entitled", "token": "/var/run/secrets/entitled", "ca": "/gateway"}
    pod = {
        "serviceAccountName": "web",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsUser": UID, "fsGroup": UID, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {"name": "web", "image": images.CLIENT, "imagePullPolicy": "Never", "securityContext": context,
             "volumeMounts": [{"name": name, "mountPath": path, "readOnly": True} for name, path in mounts.items()]},
        ],
        "volumes": [
            {"name": "sockets", "hostPath": {"path": str(sockets), "type": "Directory"}},
            {"name": "token", "projected": {"sources": [token]}},
            {"name": "ca", "configMap": {"name": "gateway-ca"}},
        ],
    }  # fmt: skip
    return deployment("web", pod, PODS)


def deployment(name: str, pod: dict, replicas: int) -> dict:
    labels = {"app": name}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": SHOP}, "spec": spec}
