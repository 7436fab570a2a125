"""Real Kubernetes nodes on one machine: each a network, mount and process namespace of its own, with containerd, runc, kubelet and kube-proxy in it.

They hang on the bridge `pods` of the network namespace that the test runs in, beside the control plane (control_plane.py) and a CoreDNS. Pods have networks
of their own by the CNI's plugin `ptp`, routed from node to node; nothing is reached from without, and images are brought as archives. There is no network
plugin that knows NetworkPolicy.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import urllib.request

from control_plane import ADDRESS, NODES, run, wait_for

GROUPS = pathlib.Path("/sys/fs/cgroup")
NODE = os.environ.get("KUBE_NODE", "")


def controllers():
    """The folders of control groups of version 1, one per controller, and the one beside them; the one folder of version 2 where there is no other."""
    return [GROUPS] if (GROUPS / "cgroup.controllers").exists() else [f for f in GROUPS.iterdir() if (f / "cgroup.procs").exists()]


def memory_group(pid):
    """The folder of a process's control group for memory (version 1)."""
    path = next(line for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines() if ":memory:" in line).split(":", 2)[2]
    return GROUPS / "memory" / path.lstrip("/")


def write(path, value):
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


class Dns:
    """CoreDNS, which knows the cluster's Services."""

    def __init__(self, plane):
        corefile = write(plane.folder / "Corefile", f""".:53 {{
    bind {ADDRESS}
    errors
    ready 127.0.0.1:8181
    kubernetes cluster.local {{
        kubeconfig {plane.admin}
    }}
}}
""")
        self.log = plane.folder / "coredns.log"
        self.process = subprocess.Popen([os.environ["KUBE_DNS"], "-conf", corefile], stdout=open(self.log, "a"), stderr=subprocess.STDOUT)
        wait_for("CoreDNS", self.is_ready, 60)

    def is_ready(self):
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(OSError), urllib.request.urlopen("http://127.0.0.1:8181/ready", timeout=5) as answer:
            return answer.status == 200

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Node:
    """One node. Its end is as sudden as a power cut."""

    def __init__(self, plane, number):
        self.plane, self.name, self.number = plane, NODES[number - 1], number
        self.address, self.pods = f"10.0.0.{10 + number}", f"10.244.{number}.0/24"
        self.folder = plane.folder / self.name
        self.group = f"manta-kube-{os.getpid()}-{self.name}"
        self.folder.mkdir()
        self.parts = {}
        self.make_namespaces()
        for controller in controllers():
            (controller / self.group).mkdir()
            share = controller / self.group / "cpu.shares"  # version 1: otherwise all of a node weighs as one process of a busy machine does
            if share.exists():
                share.write_text(str(16 * 1024))
        self.write_settings()
        self.power_on()

    def make_namespaces(self):
        unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc", "--propagation", "private"]
        # Folders of a node's own where its programs have fixed places; and what kubelet mounts, containerd has to see.
        script = """cd "$0" && mkdir -p lib/kubelet log run && mount --bind lib /var/lib && mount --bind log /var/log && mount --bind run /run &&
            mount --make-rshared / && touch made && exec sleep infinity"""
        self.holder = subprocess.Popen([*unshare, "bash", "-c", script, self.folder], stderr=subprocess.DEVNULL)
        wait_for("its namespaces", (self.folder / "made").exists)
        self.init = int(pathlib.Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").read_text().split()[0])
        run("ip", "link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", self.init)
        run("ip", "link", "set", self.name, "master", "pods", "up")
        run("ip", "route", "add", self.pods, "via", self.address)
        self.run("sh", "-euc", f"""
            ip link set lo up
            ip address add {self.address}/24 dev eth0
            ip link set eth0 up
            ip route add default via {ADDRESS}
            echo 1 >/proc/sys/net/ipv4/ip_forward""")

    def enter(self, *args):
        return ["nsenter", "-t", self.init, "-n", "-m", "-p", *args]

    def run(self, *args, **options):
        return run(*self.enter(*args), **options)

    def route_to(self, other):
        self.run("ip", "route", "replace", other.pods, "via", other.address)

    def write_settings(self):
        f = self.folder
        self.socket = f / "containerd.sock"
        write(f / "containerd.toml", f"""
version = 2
root = "{f}/containerd"
state = "{f}/containerd.run"
[grpc]
  address = "{self.socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{f}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "manta.test/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{f}/cni"
""")
        (f / "cni").mkdir()
        write(f / "cni/10-pods.conflist", {"cniVersion": "1.0.0", "name": "pods", "plugins": [
            {"type": "ptp", "ipam": {"type": "host-local", "ranges": [[{"subnet": self.pods}]], "routes": [{"dst": "0.0.0.0/0"}], "dataDir": str(f / "ipam")}},
            {"type": "portmap", "capabilities": {"portMappings": True}}]})
        config = self.plane.kubeconfig(self.name)
        write(f / "resolv.conf", f"nameserver {ADDRESS}\n")
        never = {"memory.available": "1Mi", "nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%", "imagefs.inodesFree": "0%"}
        write(f / "kubelet.json", {
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "address": self.address,
            "authentication": {"x509": {"clientCAFile": str(self.plane.folder / "ca.crt")}, "anonymous": {"enabled": False}, "webhook": {"enabled": True}},
            "authorization": {"mode": "Webhook"}, "cgroupDriver": "cgroupfs", "cgroupRoot": "/" + self.group, "failCgroupV1": False, "failSwapOn": False,
            "containerRuntimeEndpoint": f"unix://{self.socket}", "clusterDNS": [ADDRESS], "clusterDomain": "cluster.local", "resolvConf": str(f / "resolv.conf"),
            "podLogsDir": str(f / "logs"), "evictionHard": never, "enforceNodeAllocatable": [], "serializeImagePulls": False, "healthzPort": 0,
            "nodeStatusUpdateFrequency": "2s", "imageGCHighThresholdPercent": 100})
        write(f / "proxy.json", {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": "iptables", "hostnameOverride": self.name,
            "bindAddress": self.address, "clusterCIDR": "10.244.0.0/16", "clientConnection": {"kubeconfig": str(self.plane.admin)},
            "healthzBindAddress": "", "metricsBindAddress": "127.0.0.1:10249",
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}})
        self.commands = {
            "containerd": ["containerd", "--config", f / "containerd.toml"],
            "kubelet": [NODE, "kubelet", f"--config={f}/kubelet.json", f"--kubeconfig={config}", f"--root-dir={f}/kubelet", f"--cert-dir={f}/pki",
                        f"--hostname-override={self.name}", f"--node-ip={self.address}"],
            "proxy": [NODE, "proxy", f"--config={f}/proxy.json"],
        }

    def power_on(self):
        self.start("containerd")
        wait_for("containerd", lambda: self.ctr("version", check=False).returncode == 0, 60)
        for image in sorted(pathlib.Path(os.environ["KUBE_IMAGES"]).glob("*.tar")):
            self.ctr("images", "import", image)
        self.start("kubelet")
        self.start("proxy")

    def start(self, part):
        log = open(self.folder / f"{part}.log", "a")
        self.parts[part] = subprocess.Popen([str(a) for a in self.enter(*self.commands[part])], stdout=log, stderr=subprocess.STDOUT)

    def ctr(self, *args, **options):
        return self.run("ctr", "--address", self.socket, "--namespace", "k8s.io", *args, **options)

    def is_ready(self):
        for part, process in self.parts.items():
            assert process.poll() is None, f"{self.name}: {part} ended: {(self.folder / f'{part}.log').read_text()[-3000:]}"
        node = self.plane.finds(f"/api/v1/nodes/{self.name}")
        return node and any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))

    def processes(self, name):
        """Pids, as this side sees them, of the node's processes of that name."""
        found = []
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (folder / "comm").read_text().strip() == name and f"/{self.group}/" in (folder / "cgroup").read_text():
                    found.append(int(folder.name))
        return found

    def memory_of_pod(self, uid):
        """Bytes, of all its containers; 0 where there are only control groups of version 2."""
        found = list((GROUPS / "memory" / self.group).glob(f"**/pod{uid}/memory.usage_in_bytes"))
        return int(found[0].read_text()) if found else 0

    def power_off(self):
        os.kill(self.init, signal.SIGKILL)  # and with it all of its process namespace
        self.holder.wait()
        for process in self.parts.values():
            process.wait()

    def stop(self):
        if self.holder.poll() is None:
            self.power_off()
        subprocess.run(["ip", "link", "delete", self.name], stderr=subprocess.DEVNULL, check=False)
        for controller in controllers():
            for folder in sorted((controller / self.group).glob("**/"), reverse=True):
                for _ in range(50):  # the kernel lets a group go a moment after its last process
                    with contextlib.suppress(OSError):
                        folder.rmdir()
                    if not folder.exists():
                        break
                    time.sleep(0.1)
        shutil.rmtree(self.folder, ignore_errors=True)


class RealNodes:
    """So many nodes, ready, and a CoreDNS."""

    def __init__(self, plane, count):
        began = time.monotonic()
        self.nodes, self.dns = [], Dns(plane)
        try:
            for number in range(1, count + 1):
                self.nodes.append(Node(plane, number))
            for a in self.nodes:
                for b in self.nodes:
                    if a is not b:
                        a.route_to(b)
            for node in self.nodes:
                wait_for(f"node {node.name}", node.is_ready)
        except BaseException:
            self.stop()
            raise
        self.up_s = time.monotonic() - began

    def stop(self):
        for node in self.nodes:
            node.stop()
        self.dns.stop()
