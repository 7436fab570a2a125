"""docs/kubernetes.md typed at a real cluster of three nodes, and what containers and kubelets do to manta (node.py says what is real)."""

import base64
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time

import pytest

from control_plane import ControlPlane, wait_for
from node import RealNodes, memory_group
from streams_load import Load, start_load

ROOT = pathlib.Path(__file__).parents[3]
ECHO = "echo:tokens=100,decode_us=30000"
# What the page cannot say: no node here reaches a hub, so the default model comes with an image, and nothing is downloaded.
HERE = ",models.seedImage=registry.example/team/manta-setup:0.1.0,models.offline=true"


def documented(heading):
    """The blocks of commands below a heading of docs/kubernetes.md."""
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    section = page.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in re.findall(r"(?:^    .+\n)+", section, flags=re.MULTILINE)]


class Person:
    """A shell at the repository's root with kubectl, helm, manta and a kubeconfig."""

    def __init__(self, plane, folder):
        self.folder = folder
        folder.mkdir()
        (folder / "bin").mkdir()
        for name, command in (("kubectl", f"{os.environ['KUBE_CONTROL']} kubectl"), ("helm", os.environ["HELM"]), ("manta", os.environ["MANTA"])):
            path = folder / "bin" / name
            path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
            path.chmod(0o755)
        self.env = {"PATH": f"{folder}/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(folder), "KUBECONFIG": str(plane.admin)}

    def types(self, commands, stdin="", check=True, timeout_s=420):
        """A block of commands as one shell runs it; what it starts in the background ends with it."""
        script = f"trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\nset -euo pipefail\n{commands}"
        end = subprocess.run(["bash", "-c", script], cwd=ROOT, env=self.env, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             check=False, timeout=timeout_s)
        print(f"$ {commands.strip()}\n{end.stdout}", flush=True)
        assert not check or end.returncode == 0, f"status {end.returncode}"
        return end.stdout

    def manta(self, *args, **options):
        """As the page does it: within the head's container."""
        return self.types("kubectl -n ai exec deploy/manta-head -c head -- manta " + " ".join(args), **options)


class World:
    def __init__(self, folder):
        self.plane = ControlPlane(folder)
        self.nodes = None
        try:
            self.nodes = RealNodes(self.plane, 3)
        except BaseException:
            self.stop()
            raise
        self.folder = self.plane.folder
        self.person = Person(self.plane, self.folder / "person")
        print(f"\nthree nodes ready in {self.nodes.up_s:.1f} s, after a control plane in {self.plane.up_s:.1f} s", flush=True)

    def stop(self):
        if self.nodes is not None:
            self.nodes.stop()
        self.plane.stop()

    def pods(self, component="worker"):
        return self.plane.api("GET", f"/api/v1/namespaces/ai/pods?labelSelector=app.kubernetes.io%2Fcomponent%3D{component}")["items"]

    def ready(self):
        return sum(any(c["type"] == "Ready" and c["status"] == "True" for c in p["status"].get("conditions", [])) for p in self.pods())

    def key(self):
        """The Secret's first key, without its name."""
        text = self.plane.kubectl("-n", "ai", "get", "secret", "manta-keys", "-o", "jsonpath={.data.api-key}").stdout
        return base64.b64decode(text).decode().split(": ")[-1]

    def env(self, key=None):
        """What a manta command of this side needs: the head's own address, and the key."""
        heads = [p["status"].get("podIP") for p in self.pods("head") if "deletionTimestamp" not in p["metadata"]]
        return {**self.person.env, "MANTA_HEAD": f"{next(iter(heads), None) or 'nowhere'}:8470", "MANTA_API_KEY": key or self.key()}

    def manta(self, *args, key=None):
        return subprocess.run([os.environ["MANTA"], *args], env=self.env(key), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                              timeout=60)

    def status(self):
        text = self.manta("status", "-o", "json").stdout
        return json.loads(text) if text else {"actors": 0, "running": 0, "scale": {"note": ""}}

    @property
    def reference(self):
        return self.folder / "reference"

    def load(self, *args):
        return start_load(self.env()["MANTA_HEAD"], self.key(), *args)

    def told(self, words, timeout_s=180):
        note = wait_for(f"a note with '{words}'", lambda: (n := self.status()["scale"]["note"]) and words in n and n, timeout_s)
        print(f"    manta status: {note}")
        return note

    def await_workers(self, n, timeout_s=300):
        wait_for(f"{n} workers", lambda: len(self.pods()) == n and self.ready() == n and self.status()["actors"] == n, timeout_s)

    def node_of(self, pod):
        return next(n for n in self.nodes.nodes if n.name == pod["spec"]["nodeName"])

    def elsewhere(self):
        """A worker's pod that is not on the head's node."""
        heads = self.pods("head")[0]["spec"]["nodeName"]
        return next(p for p in self.pods() if p["spec"]["nodeName"] != heads)

    def echo(self, **values):
        """The chart anew, with the scripted engine: streams that can be compared."""
        settings = {"image.registry": "registry.example/team/", "worker.replicas": 2, "worker.engine": "echo", "worker.slots": 40, "worker.drainGraceSeconds": 20,
                    "worker.resources.requests.cpu": "100m", "worker.resources.requests.memory": "64Mi", **values}
        sets = ",".join(f"{k}={v}" for k, v in settings.items())
        self.plane.helm("upgrade", "--install", "manta", ROOT / "deploy/helm/manta", "--namespace", "ai", "--create-namespace", "--set", sets,
                        "--set-string", "worker.model=" + ECHO.replace(",", "\\,"))


@pytest.fixture(scope="module")
def world():
    with tempfile.TemporaryDirectory(prefix="manta-kube-", ignore_cleanup_errors=True) as folder:
        w = World(folder)
        try:
            yield w
        finally:
            w.stop()


def test_install_as_documented(world):
    """Given three nodes; when the page's commands are typed; then three workers with the real model are ready, and answer."""
    install, reach, *_ = documented("Install")
    began = time.monotonic()
    told = world.person.types(install.replace("image.registry=registry.example/team/", "image.registry=registry.example/team/" + HERE))
    print(f"helm install to `helm test` in {time.monotonic() - began:.1f} s")
    assert "partitioned roll out complete" in told or "rolling update complete" in told or "3 pods" in told, told
    assert "Phase:          Succeeded" in told
    answered = world.person.types(reach.replace(" &\n", " >/dev/null &\nuntil curl -sf 127.0.0.1:8470/livez; do sleep 0.2; done\n"), stdin="Say hi\n")
    assert '"finish_reason"' in answered and "[FINAL RESPONSE]" in answered
    head = world.pods("head")[0]
    print(f"the pod of head and launcher: {world.node_of(head).memory_of_pod(head['metadata']['uid']) / 2**20:.1f} MiB")


def test_the_number_of_workers_as_documented(world):
    """Given three workers; when the page's commands are typed; then there are five, and then as many as the load wants."""
    block, = documented("How many workers")
    by_hand, auto = block.splitlines()
    world.person.types(by_hand)
    world.await_workers(5)
    world.person.types(auto)
    assert "by the load, 1 to 8" in world.person.manta("status")
    world.person.manta("scale", "3")
    world.await_workers(3)


def test_operations_as_documented(world):
    """Given three workers; when a worker is drained, a node is drained, the chart is upgraded and keys are changed as the page says; then it is as it says."""
    uid = next(p for p in world.pods() if p["metadata"]["name"] == "manta-worker-2")["metadata"]["uid"]
    world.person.manta("drain", "worker-2")
    wait_for("a worker 2 that is fresh", lambda: any(p["metadata"]["name"] == "manta-worker-2" and (p["metadata"]["uid"] != uid or p["status"]["containerStatuses"][0]["restartCount"] > 0)
                                                    for p in world.pods()))
    world.await_workers(3)
    node = world.elsewhere()["spec"]["nodeName"]
    world.person.types(f"kubectl drain {node} --ignore-daemonsets --delete-emptydir-data --timeout=180s && kubectl uncordon {node}")
    world.await_workers(3)
    world.person.types("helm upgrade manta deploy/helm/manta -n ai --reuse-values --set worker.podAnnotations.round=two\n"
                       "kubectl -n ai rollout status statefulset/manta-worker --timeout=300s")
    world.await_workers(3)
    old = world.key()
    world.person.types("""kubectl -n ai patch secret manta-keys -p '{"stringData": {"api-key": "ops[admin]: another-key-of-24-letters"}}'
kubectl -n ai rollout restart deploy/manta-head
kubectl -n ai rollout status deploy/manta-head --timeout=180s""")
    world.await_workers(3)
    refused = world.manta("status", key=old)
    assert refused.returncode != 0 and "key" in refused.stderr


def test_removal_as_documented(world):
    """Given a release; when it is removed as the page says; then nothing is left but the Secret, until that is deleted, too."""
    world.person.types("helm -n ai uninstall manta --wait")
    wait_for("an empty namespace", lambda: not world.pods() and not world.pods("head"))
    left = world.person.types("kubectl -n ai get all,secrets,networkpolicies,pdb,serviceaccounts,roles,rolebindings -o name")
    assert set(left.split()) == {"secret/manta-keys", "serviceaccount/default"}
    world.person.types("kubectl -n ai delete secret manta-keys")


def test_a_process_that_is_killed_in_its_container(world):
    """Given two workers under 100 streams; when one's process is killed on its node; then no stream is lost, and kubelet starts it again."""
    world.echo()
    world.await_workers(2)
    assert world.load("--reference", world.reference).wait(240) == 0
    load = Load(world)
    pod = world.elsewhere()
    began = time.monotonic()
    for pid in world.node_of(pod).processes("manta"):
        os.kill(pid, signal.SIGKILL)
    name = pod["metadata"]["name"]
    wait_for("its restart", lambda: next(p for p in world.pods() if p["metadata"]["name"] == name)["status"]["containerStatuses"][0]["restartCount"] == 1)
    world.await_workers(2)
    print(f"killed in its container: back in {time.monotonic() - began:.1f} s: {load.end()}")


def test_a_container_that_the_kernel_ends(world):
    """Given a worker whose container has no memory left; then the kernel ends it, kubelet starts it anew, and the new one's log says how the last one ended."""
    pod = world.elsewhere()
    pid, = world.node_of(pod).processes("manta")
    group = memory_group(pid)
    name, before = pod["metadata"]["name"], pod["status"]["containerStatuses"][0]["restartCount"]
    # Memory that counts for the container, and for none of its processes: the kernel ends the one that has most of the rest.
    fill = pathlib.Path("/dev/shm") / f"manta-kube-{os.getpid()}"
    (group / "memory.limit_in_bytes").write_text(str(int((group / "memory.usage_in_bytes").read_text()) + (8 << 20)))
    try:
        subprocess.run(["sh", "-c", f"echo $$ >cgroup.procs && exec head -c 64M /dev/zero >{fill}"], cwd=group, stderr=subprocess.DEVNULL, check=False)
    finally:
        fill.unlink(missing_ok=True)
    wait_for("its end", lambda: not pathlib.Path(f"/proc/{pid}").exists())
    wait_for("its restart", lambda: next(p for p in world.pods() if p["metadata"]["name"] == name)["status"]["containerStatuses"][0]["restartCount"] > before)
    world.await_workers(2)
    assert "its last run (pid" in world.person.types(f"kubectl -n ai logs {name} -c worker")


def test_a_node_that_loses_its_power(world):
    """Given two workers under 100 streams; when the node of one loses its power; then the streams continue at the other, and `manta status` names the node; when
    an administrator has deleted the node, the worker comes back on another one."""
    load = Load(world)
    pod = world.elsewhere()
    node = world.node_of(pod)
    node.power_off()
    world.told(f"node {node.name} is not heard any more")
    world.told(f"its pod ends on node {node.name}")
    began = time.monotonic()
    world.person.types(f"kubectl delete node {node.name}")
    world.await_workers(2)
    print(f"power cut: its worker is back {time.monotonic() - began:.1f} s after the node was deleted: {load.end()}")


def test_what_goes_wrong_is_told(world):
    """Given an image that is nowhere, and then arguments that are wrong; then `manta status` tells what kubelet says."""
    world.plane.kubectl("-n", "ai", "set", "image", "statefulset/manta-worker", "worker=registry.example/team/manta-nothing:0.1.0")
    world.told("ImagePull")
    world.plane.kubectl("-n", "ai", "set", "image", "statefulset/manta-worker", "worker=registry.example/team/manta-worker:0.1.0")
    world.plane.kubectl("-n", "ai", "delete", "pod", "-l", "app.kubernetes.io/component=worker", "--wait=false")
    world.await_workers(2)
    world.echo(**{"worker.args[0]": "--slots=many"})
    world.told("its last run ended with status 2: error: --slots")
    world.person.types("helm -n ai uninstall manta; kubectl -n ai delete secret manta-keys")


def test_up_as_documented(world):
    """Given a kubeconfig, and a release of that name whose pods are still ending; when `manta up --on kubernetes` is typed as on the page; then a cluster answers through kubectl's own port-forward, is scaled, and is
    gone after Ctrl-C; killed, it leaves its cluster to `manta down`."""
    export, up = documented("Install")[3].strip().splitlines()
    plain = f"{export}\nexec {up} --engine echo --model {ECHO} --memory 200m --no-prompt"
    log = world.folder / "up.log"

    def start():
        with open(log, "w") as out:
            process = subprocess.Popen(["bash", "-c", plain], cwd=ROOT, env=world.person.env, stdout=out, stderr=subprocess.STDOUT)
        wait_for("readiness", lambda: "up | ready" in log.read_text() or process.poll() is not None, 300)
        assert process.poll() is None, log.read_text()
        return process

    began = time.monotonic()
    process = start()
    print(f"manta up --on kubernetes: ready in {time.monotonic() - began:.1f} s")
    process.send_signal(signal.SIGINT)
    assert process.wait(180) == 0, log.read_text()
    mine = "kubectl -n ai get all,secrets,networkpolicies,pdb -l app.kubernetes.io/managed-by=manta -o name"
    assert world.person.types(mine).strip() == ""
    process = start()
    process.kill()
    process.wait()
    assert "statefulset.apps/manta-worker" in world.person.types(mine)
    told = world.person.types("manta down --on kubernetes --set namespace=ai")
    assert "manta-worker" in told and world.person.types(mine).strip() == ""
    print(log.read_text()[-1500:])


def test_plain_manifests_as_documented(world):
    """Given no Helm; when the page's commands are typed; then the workers join and the head answers."""
    world.person.types(documented("Install")[2])
    world.plane.kubectl("-n", "manta", "patch", "statefulset", "manta-worker", "--type=json", "-p", json.dumps([
        {"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": ["worker", "--engine=echo", "--model=" + ECHO]},
        {"op": "replace", "path": "/spec/template/spec/containers/0/resources/requests", "value": {"cpu": "100m", "memory": "64Mi"}}]))
    world.plane.kubectl("-n", "manta", "delete", "pod", "-l", "app.kubernetes.io/component=worker", "--wait=false")
    world.person.types("kubectl -n manta rollout status deployment/manta-head --timeout=300s; kubectl -n manta rollout status statefulset/manta-worker --timeout=300s")
    told = world.person.types("kubectl -n manta exec deploy/manta-head -c head -- manta status")
    assert "[ACTORS] total 3 ready" in told
    world.person.types("kubectl delete namespace manta --timeout=180s")
