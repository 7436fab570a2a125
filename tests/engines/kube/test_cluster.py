"""The chart and the launcher with a real Kubernetes control plane (control_plane.py says what is real, and what is played)."""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

import pytest

from control_plane import ADDRESS, EVICT_S, NODE_GRACE_S, Api, ControlPlane, Nodes, Refused, wait_for
from streams_load import Load, start_load

ROOT = pathlib.Path(__file__).parents[3]
CHART = ROOT / "deploy" / "helm" / "manta"
NAMESPACE = "ai"
ECHO = "echo:tokens=100,decode_us=30000"


@pytest.fixture(scope="module")
def plane():
    with tempfile.TemporaryDirectory(prefix="manta-kube-") as folder:
        p = ControlPlane(folder)
        try:
            print("", f"real: Kubernetes {p.api('GET', '/version')['gitVersion']}: API server, scheduler, controllers, kubectl; etcd; Helm; manta's processes.",
                  "played: kubelets, so no container, image, Service address, DNS or NetworkPolicy is tried.",
                  f"set for the test: a node is lost after {NODE_GRACE_S} s of silence (Kubernetes: 50), its pods are deleted {EVICT_S} s later (300).",
                  f"control plane up in {p.up_s:.1f} s", sep="\n", flush=True)
            yield p
        finally:
            p.stop()


class World:
    """The chart, installed; its pods, running here."""

    def __init__(self, plane):
        self.plane, self.folder = plane, plane.folder
        plane.kubectl("create", "namespace", NAMESPACE)
        plane.kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
        self.nodes = Nodes(plane, ["n1", "n2", "n3"], {NAMESPACE, "up"})
        began = time.monotonic()
        plane.helm("install", "manta", CHART, "--namespace", NAMESPACE, "--set", "worker.replicas=1,worker.engine=echo,worker.slots=40",
                   "--set", "worker.drainGraceSeconds=20,worker.resources.requests.memory=128Mi,worker.resources.requests.cpu=100m",
                   "--set-string", "worker.model=" + ECHO.replace(",", "\\,"))
        wait_for("a worker that is ready", lambda: self.ready() == 1)
        print(f"helm install to a ready worker in {time.monotonic() - began:.1f} s", flush=True)
        self.key = (self.head().volumes["keys"] / "api-key").read_text().strip()
        self.reference = self.folder / "reference"
        assert self.load("--reference", self.reference).wait(180) == 0

    def load(self, *args):
        return start_load("127.0.0.1:8470", self.key, *args)

    def ready(self):
        if self.nodes.fault:
            raise self.nodes.fault
        return self.sts()["status"].get("readyReplicas", 0)

    def sts(self):
        return self.plane.api("GET", f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/manta-worker")

    def pods(self, component="worker"):
        return self.plane.api("GET", f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app.kubernetes.io%2Fcomponent%3D{component}")["items"]

    def head(self):
        """The pod; the API server is not asked, which may be away."""
        return wait_for("a head", lambda: self.nodes.component("head"))

    def manta(self, *args, check=True):
        pod = self.head()
        env = pod.environment(pod.spec["containers"][0])[0]
        end = subprocess.run([os.environ["MANTA"], *args], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=180)
        assert not check or end.returncode == 0, end.stdout + end.stderr
        return end.stdout if end.returncode == 0 else ""

    def status(self):
        text = self.manta("status", "-o", "json", check=False)
        return json.loads(text) if text else {"actors": 0, "running": 0, "scale": {"note": ""}}

    def scale(self, n):
        """Waits for as many workers, at Kubernetes and at the head; returns the seconds."""
        began = time.monotonic()
        self.manta("scale", str(n))
        wait_for(f"{n} workers", lambda: len(self.pods()) == n and self.ready() == n and self.status()["actors"] == n, 240)
        return time.monotonic() - began

    def told(self, words, timeout_s=120):
        """The launcher's note, once it has the words."""
        note = wait_for(f"a note with '{words}'", lambda: (n := self.status()["scale"]["note"]) and words in n and n, timeout_s)
        print(f"    manta status: {note}")
        return note


@pytest.fixture(scope="module")
def world(plane):
    w = World(plane)
    try:
        yield w
    finally:
        w.nodes.stop()


def test_the_chart_is_admitted_and_works(world):
    """Given a namespace where pods must be restricted; then the chart's pods were let in, `helm test` is content, and worker 1 is pod 1."""
    assert "worker-1" in world.manta("status")
    print(world.plane.helm("test", "manta", "--namespace", NAMESPACE, "--timeout", "120s").stdout)
    assert [p["metadata"]["name"] for p in world.pods()] == ["manta-worker-1"]


def test_scaling_under_load(world):
    """Given 100 streams; when the number goes 1 -> 3 -> 1; then the StatefulSet follows, and the pods that go are drained."""
    load = Load(world)
    up_s = world.scale(3)
    down_s = world.scale(1)
    print(f"1 -> 3 in {up_s:.1f} s, 3 -> 1 in {down_s:.1f} s: {load.end()}")


def test_a_killed_worker(world):
    """Given two workers with streams; when one is killed; then its streams continue at the other, and its node starts it again."""
    world.scale(2)
    load = Load(world)
    pod = world.nodes.pod("manta-worker-2")
    began = time.monotonic()
    pod.processes["worker"].kill()
    wait_for("its restart", lambda: pod.restarts["worker"] == 1)
    wait_for("its actor", lambda: world.status()["actors"] == 2)
    back_s = time.monotonic() - began
    print(f"killed worker: back in {back_s:.1f} s: {load.end()}")


def test_a_deleted_pod(world):
    """Given two workers with streams; when a pod is deleted; then it drains, the controller makes it anew under its name, and the number stays."""
    uid = world.nodes.pod("manta-worker-2").uid
    load = Load(world)
    began = time.monotonic()
    world.plane.kubectl("-n", NAMESPACE, "delete", "pod", "manta-worker-2", "--wait=false")
    wait_for("another pod of that name", lambda: (p := world.nodes.pod("manta-worker-2")) and p.uid != uid)
    wait_for("two workers", lambda: world.ready() == 2 and world.status()["actors"] == 2)
    back_s = time.monotonic() - began
    assert world.sts()["spec"]["replicas"] == 2
    print(f"deleted pod: back in {back_s:.1f} s: {load.end()}")


def test_a_lost_node(world):
    """Given three workers with streams; when the node of one falls silent; then its streams continue elsewhere, `manta status` tells which node it is, and what to
    do; when an administrator has deleted the node, as that says, its worker comes back on another one."""
    world.scale(3)
    heads_node = world.pods("head")[0]["spec"]["nodeName"]
    lost = next(p for p in world.pods() if p["spec"]["nodeName"] != heads_node)
    node, name = lost["spec"]["nodeName"], lost["metadata"]["name"]
    load = Load(world)
    world.nodes.lose(node)
    told = world.told(f"node {node} is not heard any more")
    assert f"`kubectl describe node {node}`" in told
    world.told(f"its pod ends on node {node}")
    assert world.sts()["spec"]["replicas"] == 3
    began = time.monotonic()
    world.plane.kubectl("delete", "node", node)
    wait_for("three workers", lambda: world.ready() == 3 and world.status()["actors"] == 3, 300)
    back_s = time.monotonic() - began
    assert next(p for p in world.pods() if p["metadata"]["name"] == name)["spec"]["nodeName"] != node
    print(f"lost node: its worker is back {back_s:.1f} s after the node was deleted: {load.end()}")
    world.nodes.lost.discard(node)
    world.nodes.join_cluster(node)


def test_an_api_server_that_is_late_or_dies(world):
    """Given streams, and an API server that keeps silent while another number is wanted, then one that is killed; then the status says so, no stream is
    touched, and when it answers again the number is what was wanted."""
    world.scale(1)
    load = Load(world)
    world.plane.signal("apiserver", signal.SIGSTOP)
    try:
        world.manta("scale", "3")
        note = wait_for("the note", lambda: world.status()["scale"]["note"], 90)
        print(f"    manta status: {note}")
    finally:
        world.plane.signal("apiserver", signal.SIGCONT)
    began = time.monotonic()
    wait_for("three workers", lambda: world.ready() == 3 and world.status()["actors"] == 3, 240)
    print(f"an API server that was silent: three workers {time.monotonic() - began:.1f} s after it answered")
    world.plane.kill("apiserver")
    world.manta("scale", "1")
    note = wait_for("the note", lambda: world.status()["scale"]["note"], 90)
    print(f"    manta status: {note}")
    world.plane.start("apiserver")
    wait_for("the API server", world.plane.is_ready, 180)
    began = time.monotonic()
    wait_for("one worker", lambda: len(world.pods()) == 1 and world.ready() == 1, 240)
    print(f"an API server that was killed: one worker {time.monotonic() - began:.1f} s after it was back: {load.end()}")
    wait_for("no note", lambda: world.status()["scale"]["note"] == "")


def test_what_the_launcher_may_not_do(world):
    """Given the launcher's own token; then it may set this number and look at pods, and is refused everything else."""
    mine = Api(world.plane.folder / "ca.crt", world.plane.token(NAMESPACE, "manta-launcher"))
    scale = mine("GET", f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/manta-worker/scale")
    mine("PUT", f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/manta-worker/scale", scale)
    assert mine("GET", f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]
    for method, path in (("GET", f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/manta-worker"), ("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets"),
                         ("GET", f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/other/scale"), ("GET", "/api/v1/namespaces/default/pods"),
                         ("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods/manta-worker-1"), ("GET", "/api/v1/nodes"),
                         ("GET", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/manta-head/scale")):
        with pytest.raises(Refused) as refused:
            mine(method, path)
        assert refused.value.code == 403, path
        print(f"    {method} {path}: {refused.value}")


def test_a_permission_that_is_taken_away(world):
    """Given a launcher whose RoleBinding goes; when another number is wanted; then the status has the API server's words; when it is given back, the number
    follows."""
    binding = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/rolebindings/manta-launcher"
    was = world.plane.api("GET", binding)
    world.plane.api("DELETE", binding)
    world.manta("scale", "2")
    world.told('is forbidden: User "system:serviceaccount:ai:manta-launcher" cannot')
    was["metadata"] = {name: was["metadata"][name] for name in ("name", "namespace", "labels", "annotations")}
    world.plane.api("POST", binding.rsplit("/", 1)[0], was)
    wait_for("two workers", lambda: world.ready() == 2)
    world.scale(1)


def test_a_quota_is_told(world):
    """Given a quota for no more pods; when more are wanted; then `manta status` says so in the API server's words; when it goes, they come."""
    pods = len(world.pods()) + len(world.pods("head"))
    world.plane.kubectl("-n", NAMESPACE, "create", "quota", "small", f"--hard=pods={pods}")
    world.manta("scale", "4")
    world.told("exceeded quota: small")
    world.plane.kubectl("-n", NAMESPACE, "delete", "quota", "small")
    began = time.monotonic()
    wait_for("four workers", lambda: world.ready() == 4, 240)
    print(f"a quota that was lifted: four workers after {time.monotonic() - began:.1f} s")
    world.scale(1)


def test_the_launcher_is_killed_and_comes_back(world):
    """Given a launcher that is killed while the number changes; then the next one does what the head wants."""
    pod = world.head()
    restarts = pod.restarts["launcher"]
    pod.processes["launcher"].kill()
    wait_for("a launcher", lambda: pod.restarts["launcher"] > restarts)
    wait_for("the launcher at the head", lambda: world.manta("scale", "3", check=False))
    wait_for("three workers", lambda: world.ready() == 3)
    world.scale(1)


def test_a_token_that_is_refused(world):
    """Given a token that has ended; then the status says so; when a new one is in its file, as kubelets do, the number follows."""
    path = world.head().volumes["launcher-account"] / "token"
    path.write_text("not.a.token")
    world.manta("scale", "2")
    world.told("Unauthorized: the token was refused")
    path.write_text(world.plane.token(NAMESPACE, "manta-launcher"))
    wait_for("two workers", lambda: world.ready() == 2)


def test_an_upgrade_keeps_keys_and_number(world):
    """Given two workers where the values say one; when the chart is upgraded; then the number and the keys stay."""
    before = world.plane.api("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets/manta-keys")["data"]
    world.plane.helm("upgrade", "manta", CHART, "--namespace", NAMESPACE, "--reuse-values", "--set", "worker.podAnnotations.round=two")
    assert world.sts()["spec"]["replicas"] == 2
    assert world.plane.api("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets/manta-keys")["data"] == before
    wait_for("the new pods", lambda: all(p["metadata"].get("annotations", {}).get("round") == "two" for p in world.pods()) and world.ready() == 2, 240)


def test_the_heads_pod_is_replaced(world):
    """Given two workers; when the pod with head and launcher goes, and another one comes while a worker's pod is being deleted, too; then there are still two,
    and the other one is the same process: the number is Kubernetes' to remember."""
    kept = world.nodes.pod("manta-worker-1").uid
    old = world.pods("head")[0]["metadata"]
    began = time.monotonic()
    world.nodes.pod("manta-worker-2").processes["worker"].send_signal(signal.SIGSTOP)  # so that its pod takes its whole grace to go
    world.plane.kubectl("-n", NAMESPACE, "delete", "pod", old["name"], "manta-worker-2", "--wait=false")
    wait_for("another head", lambda: any(p["metadata"]["uid"] != old["uid"] and p["status"].get("phase") == "Running" for p in world.pods("head")))
    wait_for("the old one to go", lambda: len(world.pods("head")) == 1)
    wait_for("the new launcher's word", lambda: "kubernetes has 2 workers" in world.head().log("launcher"))
    wait_for("the workers at the new head", lambda: world.status()["actors"] == 2)
    print(f"head's pod replaced: its workers are back after {time.monotonic() - began:.1f} s")
    assert world.sts()["spec"]["replicas"] == 2 and world.nodes.pod("manta-worker-1").uid == kept


def test_a_number_set_by_hand(world):
    """Given two workers; when somebody scales the StatefulSet to three; then the launcher puts it right: the head's number counts."""
    world.plane.kubectl("-n", NAMESPACE, "scale", "statefulset/manta-worker", "--replicas=3")
    began = time.monotonic()
    wait_for("the head's number", lambda: world.sts()["spec"]["replicas"] == 2)
    print(f"kubectl scale: put right after {time.monotonic() - began:.1f} s")
    world.scale(2)


def test_a_node_is_drained(world):
    """Given streams at two workers; when a worker's node is drained, which evicts its pods as the budget allows; then no stream is harmed and the worker comes
    back on another node."""
    heads_node = world.pods("head")[0]["spec"]["nodeName"]
    pod = next(p for p in world.pods() if p["spec"]["nodeName"] != heads_node)
    load = Load(world)
    began = time.monotonic()
    world.plane.kubectl("drain", pod["spec"]["nodeName"], "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s")
    wait_for("two workers", lambda: world.ready() == 2 and world.status()["actors"] == 2)
    print(f"kubectl drain: two workers again after {time.monotonic() - began:.1f} s: {load.end()}")
    assert all(p["spec"]["nodeName"] != pod["spec"]["nodeName"] for p in world.pods())
    world.plane.kubectl("uncordon", pod["spec"]["nodeName"])


def versions(plane, path):
    """Of each object in a file: a number that grows whenever what is wanted of it changes."""
    objects = json.loads(plane.kubectl("get", "-f", path, "-o", "json").stdout)["items"]
    return {(o["kind"], o["metadata"]["name"]): o["metadata"].get("generation") or o["metadata"]["resourceVersion"] for o in objects}


def test_plain_manifests_apply(plane):
    """Given the plain manifests; then the API server takes all of them, twice, with nothing changed the second time."""
    plane.kubectl("create", "namespace", "manta", check=False)
    plane.kubectl("-n", "manta", "create", "secret", "generic", "manta-keys", "--from-literal=api-key=a", "--from-literal=join-token=b")
    for name in "manta.yaml", "two-heads.yaml":
        path = ROOT / "deploy" / "kubernetes" / name
        plane.kubectl("apply", "--dry-run=server", "-f", path)
        plane.kubectl("apply", "-f", path)
        first = versions(plane, path)
        plane.kubectl("apply", "-f", path)  # its own words for a budget are always "configured"
        assert versions(plane, path) == first and len(first) >= 10
        plane.kubectl("delete", "-f", path, "--wait=false")


class Person:
    """Someone with a kubeconfig, kubectl and manta, on a machine that is no pod."""

    def __init__(self, plane, folder):
        self.plane, self.folder, self.logs, self.started = plane, folder, {}, []
        (folder / "bin").mkdir()
        kubectl = folder / "bin" / "kubectl"
        kubectl.write_text(f'#!/bin/sh\nexec {os.environ["KUBE_CONTROL"]} kubectl "$@"\n')
        kubectl.chmod(0o755)
        self.env = {"PATH": f"{folder}/bin:{os.environ['PATH']}", "HOME": str(folder), "KUBECONFIG": str(plane.admin), "MANTA_API_KEY": "key",
                    "MANTA_JOIN_TOKEN": "token"}

    def config(self, name, token, server=f"https://{ADDRESS}:6443"):
        """Another kubeconfig."""
        path = self.folder / name
        value = json.loads(pathlib.Path(self.plane.admin).read_text())
        value["users"][0]["user"]["token"] = token
        value["clusters"][0]["cluster"]["server"] = server
        path.write_text(json.dumps(value))
        return path

    def start(self, *args, **env):
        log = self.folder / f"log-{len(self.started)}"
        with open(log, "w") as out:
            process = subprocess.Popen([os.environ["MANTA"], *args], env=self.env | {k: str(v) for k, v in env.items()}, cwd=self.folder, stdout=out,
                                       stderr=subprocess.STDOUT)
        self.started.append(process)
        process.log = log.read_text
        return process

    def fails(self, words, *args, **env):
        """Its last line, which has the words."""
        process = self.start(*args, **env)
        assert process.wait(120) != 0 and words in process.log(), process.log()
        print(f"    manta {args[0]}: {process.log().splitlines()[-1]}")
        return process.log()

    def stop(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()


@pytest.fixture
def person(plane, tmp_path):
    p = Person(plane, tmp_path)
    yield p
    p.stop()


def test_a_launcher_by_kubectl(world, person):
    """Given the chart without its launcher, and a service account that may do what that one may; when `manta launcher` runs by kubectl as that account; then it
    begins with Kubernetes' number and follows the head's; when it ends, the workers stay."""
    plane = world.plane
    plane.helm("upgrade", "manta", CHART, "--namespace", NAMESPACE, "--reuse-values", "--set", "launcher.enabled=false,worker.replicas=2")
    wait_for("a head alone", lambda: len(world.pods("head")) == 1 and list(world.head().processes) == ["head"] and world.status()["actors"] == 2, 240)
    for what in (("serviceaccount", "operator"), ("role", "scaler", "--verb=get,update", "--resource=statefulsets.apps/scale", "--resource-name=manta-worker"),
                 ("role", "looker", "--verb=list", "--resource=pods,events"), ("rolebinding", "scaler", "--role=scaler", "--serviceaccount=ai:operator")):
        plane.kubectl("-n", NAMESPACE, "create", *what)
    join = (world.head().volumes["keys"] / "join-token").read_text().strip()
    wants = ("launcher", "--on", "kubernetes", "--head", "127.0.0.1:8470", "--set", f"namespace={NAMESPACE}")
    env = {"KUBECONFIG": person.config("operator", plane.token(NAMESPACE, "operator")), "MANTA_JOIN_TOKEN": join}
    person.fails('pods is forbidden: User "system:serviceaccount:ai:operator" cannot list resource "pods"', *wants, **env)
    plane.kubectl("-n", NAMESPACE, "create", "rolebinding", "looker", "--role=looker", "--serviceaccount=ai:operator")
    launcher = person.start(*wants, **env)
    wait_for("the number", lambda: "kubernetes has 2 workers" in launcher.log() or launcher.poll() is not None)
    up_s, down_s = world.scale(3), world.scale(1)
    print(f"a launcher by kubectl: 2 -> 3 in {up_s:.1f} s, 3 -> 1 in {down_s:.1f} s")
    launcher.terminate()
    assert launcher.wait(60) == 0, launcher.log()
    assert world.sts()["spec"]["replicas"] == 1

    wants = (*wants, "--cluster", "other")
    person.fails('statefulsets.apps "other-worker" is forbidden', *wants, **env)
    person.fails('statefulsets.apps "other-worker" not found: is it installed in this namespace, and does --cluster name it?', *wants,
                 MANTA_JOIN_TOKEN=join)


def test_an_api_server_that_is_none(world, person):
    """Given an address where nobody is, and one where something else answers; then the launcher waits for the first, and ends for the second."""
    token = person.folder / "token"
    token.write_text("x")
    wants = ("launcher", "--on", "kubernetes", "--head", "127.0.0.1:8470", "--cluster", "lab", "--set", f"namespace={NAMESPACE}", "--set",
             f"token-file={token}")
    launcher = person.start(*wants, "--set", f"server=https://{ADDRESS}:1", "--set", f"ca-file={world.plane.folder}/ca.crt")
    wait_for("its word", lambda: launcher.log().count("trying again") >= 2 or launcher.poll() is not None)
    assert launcher.poll() is None, launcher.log()
    print(f"    manta launcher: {launcher.log().splitlines()[-1]}")
    launcher.terminate()
    assert launcher.wait(60) == 0, launcher.log()
    person.fails("cannot list the pods of the workers", *wants, "--set", "server=http://127.0.0.1:8470")
    person.fails("certificate", *wants, "--set", f"server=https://{ADDRESS}:6443", "--set", "ca-file=/etc/ssl/certs/ca-certificates.crt")
    person.fails("Unauthorized: the token was refused", *wants, "--set", f"server=https://{ADDRESS}:6443", "--set", f"ca-file={world.plane.folder}/ca.crt")


def left_in(plane, namespace):
    kinds = "pods,services,deployments,statefulsets,secrets,networkpolicies,poddisruptionbudgets"
    return plane.kubectl("-n", namespace, "get", kinds, "-o", "name", "-l", "app.kubernetes.io/instance=manta").stdout.split()


def await_ready(process):
    wait_for("readiness", lambda: "up | ready" in process.log() or process.poll() is not None, 180)
    assert process.poll() is None, process.log()


def test_up_and_down(world, person):
    """Given a kubeconfig; when `manta up --on kubernetes` runs; then a cluster comes, answers, is scaled and is gone after it. Killed, it leaves the cluster,
    which `manta down` takes away, and nothing that others made under its name."""
    plane = world.plane
    plane.helm("uninstall", "manta", "--namespace", NAMESPACE)
    wait_for("an empty namespace", lambda: not world.pods() and not world.pods("head"))
    assert plane.finds(f"/api/v1/namespaces/{NAMESPACE}/secrets/manta-keys"), "the keys stay"
    plane.kubectl("create", "namespace", "up")
    on = ("--on", "kubernetes", "--set", "namespace=up")
    wants = ("up", *on, "--no-prompt", "--workers", "2", "--engine", "echo", "--model", ECHO, "--memory", "200m", "--set", f"reach={ADDRESS}:8470")
    began = time.monotonic()
    process = person.start(*wants)
    await_ready(process)
    print(f"up --on kubernetes to ready in {time.monotonic() - began:.1f} s")
    assert len(left_in(plane, "up")) >= 8
    for n in 3, 1:
        began = time.monotonic()
        scale = person.start("scale", str(n), "--head", f"{ADDRESS}:8470")
        assert scale.wait(60) == 0, scale.log()
        wait_for(f"{n} workers", lambda n=n: plane.api("GET", "/apis/apps/v1/namespaces/up/statefulsets/manta-worker")["status"].get("readyReplicas") == n)
        print(f"scaled by up's own launcher to {n} in {time.monotonic() - began:.1f} s")
    began = time.monotonic()
    process.terminate()
    assert process.wait(120) == 0, process.log()
    print(f"up's end took everything away in {time.monotonic() - began:.1f} s")
    assert left_in(plane, "up") == []

    plane.kubectl("-n", "up", "create", "secret", "generic", "theirs", "--from-literal=a=b")
    plane.kubectl("-n", "up", "label", "secret", "theirs", "app.kubernetes.io/instance=manta", "app.kubernetes.io/managed-by=Helm")
    process = person.start(*wants)
    await_ready(process)
    process.kill()
    process.wait()
    assert len(left_in(plane, "up")) >= 8
    down = person.start("down", *on)
    assert down.wait(120) == 0, down.log()
    print(down.log())
    assert "manta-worker" in down.log()
    assert left_in(plane, "up") == ["secret/theirs"]
    again = person.start("down", *on)
    assert again.wait(120) == 0 and "nothing of the cluster 'manta' is there on kubernetes" in again.log(), again.log()


def test_up_tells_what_is_wrong(plane, person):
    """Given whatever can be wrong before a pod runs; then one line says so in Kubernetes' own words, and nothing is left."""
    wants = ("up", "--on", "kubernetes", "--no-prompt", "--engine", "echo", "--set")
    person.fails('namespaces "nowhere" not found', *wants, "namespace=nowhere")
    person.fails("MANTA_API_KEY", *wants, "namespace=default", MANTA_API_KEY="")
    person.fails("was refused", *wants, "namespace=default", KUBECONFIG=person.config("wrong-address", "admin-token", f"https://{ADDRESS}:1"))
    person.fails("Unauthorized", *wants, "namespace=default", KUBECONFIG=person.config("wrong-token", "nobody's"))
    person.fails("is forbidden", *wants, "namespace=default", KUBECONFIG=person.config("no-rights", plane.token("default", "default")))
    person.fails("nowhere", *wants, "context=nowhere")
    person.fails("there is no kubectl in the path", *wants, "namespace=default", PATH="/nowhere")
    assert left_in(plane, "default") == []
