"""A cluster of one node on this machine: etcd, control plane, kubelet, containerd and runc, as build.sh made them.

Everything is in one directory and on one address that only this machine has; what cannot be (network namespaces, control groups, logs
of pods) is taken away again. There is no kube-proxy: pods are reached by their own addresses.
"""

import json
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "packages")]

import clients  # noqa: E402
from machine import Failed, eventually  # noqa: E402

PROGRAMS = HERE.parent / ".kubernetes"
# Of the loopback interface: pods and the host reach it, and nobody else.
LINK, ADDRESS, PODS = "lo", "10.88.255.1", "10.88.0.0/24"
API, KUBELET, ETCD, ETCD_PEERS = 26443, 26250, 23790, 23800
NODE = "node-1"
MINUTE = 60

CONTAINERD = """version = 2
root = "{home}/containerd/root"
state = "{home}/containerd/state"
[grpc]
address = "{home}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "k8s.local/pause:1"
# Machines without CAP_SYS_RESOURCE are machines, too.
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "{programs}/usr/sbin/runc"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{programs}/usr/lib/cni"
conf_dir = "{home}/cni"
"""
KUBELET_CONFIGURATION = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
    "authorization": {"mode": "AlwaysAllow"},
    "cgroupDriver": "cgroupfs",
    "enforceNodeAllocatable": [],
    "failSwapOn": False,
    "resolvConf": "",
    "address": ADDRESS,
    "port": KUBELET,
    "healthzPort": 0,
    "imageGCHighThresholdPercent": 100,
    "evictionHard": {"memory.available": "1Mi", "nodefs.available": "0%", "imagefs.available": "0%"},
}
FORWARDING = pathlib.Path("/proc/sys/net/ipv4/ip_forward")


class Cluster:
    """Starts on entering, is gone on leaving."""

    def __init__(self, home: pathlib.Path):
        self.home = home
        self.processes: dict[str, subprocess.Popen] = {}
        self.forwarding = FORWARDING.read_text()
        beside = [PROGRAMS / it for it in ("bin", "usr/bin", "usr/sbin")]
        self.environment = os.environ | {"PATH": ":".join(map(str, [*beside, *os.get_exec_path()]))}

    def __enter__(self) -> "Cluster":
        try:
            self.start()
        except BaseException:
            self.tell_logs()
            self.stop()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def tell_logs(self) -> None:
        for log in sorted(self.home.glob("*.log")):
            print(f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-15:], sep="\n", file=sys.stderr)

    def start(self) -> None:
        run("ip", "address", "replace", f"{ADDRESS}/32", "dev", LINK)
        self.make_keys()
        self.write_configuration()
        etcd = f"http://127.0.0.1:{ETCD}"
        peers = f"http://127.0.0.1:{ETCD_PEERS}"
        self.spawn("etcd", f"--data-dir={self.home}/etcd", f"--listen-client-urls={etcd},http://{ADDRESS}:{ETCD}", f"--advertise-client-urls={etcd}",
                   f"--listen-peer-urls={peers}", f"--initial-advertise-peer-urls={peers}", f"--initial-cluster=default={peers}")  # fmt: skip
        self.spawn("kube-apiserver", f"--etcd-servers={etcd}", "--service-cluster-ip-range=10.89.0.0/24", "--authorization-mode=RBAC",
                   f"--token-auth-file={self.home}/tokens.csv", "--service-account-issuer=https://cluster.test",
                   f"--service-account-key-file={self.home}/account.pub", f"--service-account-signing-key-file={self.home}/account.key",
                   f"--tls-cert-file={self.home}/api.crt", f"--tls-private-key-file={self.home}/api.key", f"--cert-dir={self.home}/api",
                   f"--bind-address={ADDRESS}", f"--advertise-address={ADDRESS}", f"--secure-port={API}",
                   "--kubelet-preferred-address-types=InternalIP")  # fmt: skip
        self.spawn("containerd", f"--config={self.home}/containerd.toml")
        eventually("the API server is ready", lambda: self.kubectl("get", "--raw=/readyz").strip() == "ok" or None, MINUTE)
        kubeconfig = f"--kubeconfig={self.home}/kubeconfig"
        self.spawn("kube-controller-manager", kubeconfig, "--leader-elect=false", f"--service-account-private-key-file={self.home}/account.key",
                   f"--root-ca-file={self.home}/ca.crt", "--port=0", "--secure-port=26257", "--bind-address=127.0.0.1",
                   f"--cert-dir={self.home}/controllers")  # fmt: skip
        self.spawn("kube-scheduler", kubeconfig, "--leader-elect=false", "--port=0", "--secure-port=26259", "--bind-address=127.0.0.1",
                   f"--cert-dir={self.home}/scheduler")  # fmt: skip
        eventually("containerd answers", lambda: self.ctr("version"), MINUTE)

    def start_node(self) -> None:
        """After the images are there, the sandbox's among them."""
        self.spawn("kubelet", f"--config={self.home}/kubelet.json", f"--kubeconfig={self.home}/kubeconfig", "--container-runtime=remote",
                   f"--container-runtime-endpoint=unix://{self.home}/containerd.sock", f"--root-dir={self.home}/kubelet",
                   f"--cert-dir={self.home}/kubelet-keys", f"--hostname-override={NODE}", f"--node-ip={ADDRESS}",
                   f"--volume-plugin-dir={self.home}/plugins")  # fmt: skip
        ready = ("get", "node", NODE, "--output=jsonpath={.status.conditions[?(@.type=='Ready')].status}")
        eventually("the node is ready", lambda: self.kubectl(*ready) == "True" or None, 2 * MINUTE)

    def make_keys(self) -> None:
        authority(self.home, "ca")
        issue(self.home, "ca", "api", f"IP:{ADDRESS},DNS:kubernetes.default.svc")
        run("openssl", "genrsa", "-out", self.home / "account.key", "2048")
        run("openssl", "rsa", "-in", self.home / "account.key", "-pubout", "-out", self.home / "account.pub")
        token = secrets.token_hex(16)
        private(self.home / "tokens.csv", f"{token},admin,1,system:masters\n")
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": f"https://{ADDRESS}:{API}", "certificate-authority": f"{self.home}/ca.crt"}}],
            "users": [{"name": "it", "user": {"token": token}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        }  # fmt: skip
        private(self.home / "kubeconfig", json.dumps(config))

    def write_configuration(self) -> None:
        (self.home / "containerd.toml").write_text(CONTAINERD.format(home=self.home, programs=PROGRAMS))
        (self.home / "kubelet.json").write_text(json.dumps(KUBELET_CONFIGURATION))
        addresses = {"type": "host-local", "subnet": PODS, "dataDir": f"{self.home}/addresses", "routes": [{"dst": "0.0.0.0/0"}]}
        network = {"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "ptp", "ipMasq": False, "ipam": addresses}]}
        (self.home / "cni").mkdir()
        (self.home / "cni/10-pods.conflist").write_text(json.dumps(network))

    def spawn(self, program: str, *arguments: str) -> None:
        with open(self.home / f"{program}.log", "w") as log:
            self.processes[program] = subprocess.Popen(
                [shutil.which(program, path=self.environment["PATH"]), *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=self.environment, cwd=self.home,
            )  # fmt: skip

    def kubectl(self, *arguments: object, stdin: str | None = None, seconds: float = MINUTE) -> str:
        run_it = [clients.program("kubectl"), f"--kubeconfig={self.home}/kubeconfig", *map(str, arguments)]
        given = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
        done = subprocess.run(run_it, capture_output=True, text=True, timeout=seconds, **given)
        if done.returncode != 0:
            raise Failed(f"kubectl {' '.join(map(str, arguments[:6]))}: {done.stderr}{done.stdout}")
        return done.stdout

    def get(self, *arguments: object) -> dict:
        return json.loads(self.kubectl("get", *arguments, "--output=json"))

    def apply(self, *resources: dict) -> None:
        self.kubectl("apply", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": resources}))

    def ctr(self, *arguments: object) -> str:
        return run("ctr", f"--address={self.home}/containerd.sock", "--namespace=k8s.io", *arguments, env=self.environment)

    def load(self, archive: pathlib.Path) -> None:
        self.ctr("images", "import", archive)

    def stop(self) -> None:
        """Lets the node end its pods, and takes away what would stay."""
        if "kubelet" in self.processes:
            try:
                self.end_pods()
            except (AssertionError, Failed, subprocess.TimeoutExpired) as error:
                print(f"pods were not ended: {error}", file=sys.stderr)
        for name in ("kubelet", "kube-scheduler", "kube-controller-manager", "kube-apiserver", "containerd", "etcd"):
            if name in self.processes:
                end(self.processes[name])
        below = [it.split()[1] for it in pathlib.Path("/proc/self/mounts").read_text().splitlines() if it.split()[1].startswith(f"{self.home}/")]
        for mount in sorted(below, reverse=True):
            subprocess.run(["umount", mount], capture_output=True)
        for group in pathlib.Path("/sys/fs/cgroup").glob("**/kubepods"):
            for directory in [*sorted((it for it in group.rglob("*") if it.is_dir()), reverse=True), group]:
                try:
                    directory.rmdir()
                except OSError:
                    continue
        subprocess.run(["ip", "address", "delete", f"{ADDRESS}/32", "dev", LINK], capture_output=True)
        FORWARDING.write_text(self.forwarding)

    def end_pods(self) -> None:
        self.kubectl("delete", "daemonsets,deployments,replicasets,pods", "--all", "--all-namespaces", "--grace-period=1", "--wait=false")

        def none_left() -> bool | None:
            for name in self.kubectl("get", "pods", "--all-namespaces", "--output=jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name}\n{end}").splitlines():
                namespace, pod = name.split()
                self.kubectl("delete", "pod", pod, f"--namespace={namespace}", "--grace-period=1", "--wait=false", "--ignore-not-found")
            left = self.kubectl("get", "pods", "--all-namespaces", "--output=name").split() + self.ctr("tasks", "list", "--quiet").split()
            return None if left else True

        eventually("no pod is left", none_left, 2 * MINUTE)


def run(*command: object, **more) -> str:
    done = subprocess.run([str(it) for it in command], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=2 * MINUTE, **more)
    if done.returncode != 0:
        raise Failed(f"{command[0]} {command[1]}: {done.stderr}{done.stdout}")
    return done.stdout


def end(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def private(path: pathlib.Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def authority(home: pathlib.Path, name: str) -> None:
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
        "-keyout", home / f"{name}.key", "-out", home / f"{name}.crt")  # fmt: skip


def issue(home: pathlib.Path, by: str, name: str, alternative: str) -> None:
    key, asked, made, extensions = (home / f"{name}.{end}" for end in ("key", "csr", "crt", "ext"))
    run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", asked)
    extensions.write_text(f"subjectAltName={alternative}\nbasicConstraints=CA:FALSE\n")
    run("openssl", "x509", "-req", "-in", asked, "-CA", home / f"{by}.crt", "-CAkey", home / f"{by}.key", "-CAcreateserial", "-days", "2",
        "-extfile", extensions, "-out", made)  # fmt: skip


def of_this_cluster(namespaces: list[str]) -> list[pathlib.Path]:
    """Logs of pods, which no kubelet of this version writes elsewhere."""
    logs = pathlib.Path("/var/log/pods")
    return [it for it in logs.glob("*") if it.name.split("_")[0] in namespaces] if logs.exists() else []


