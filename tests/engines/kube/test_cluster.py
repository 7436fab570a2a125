"""The chart and the launcher with a real Kubernetes control plane (control_plane.py says what is real, and what is played)."""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request

import pytest

from control_plane import ADDRESS, ControlPlane, Node, Refused, wait_for

ROOT = pathlib.Path(__file__).parents[3]
CHART = ROOT / "deploy" / "helm" / "manta"
NAMESPACE = "ai"
ECHO = "echo:tokens=200,token_us=20000"


@pytest.fixture(scope="module")
def plane():
    with tempfile.TemporaryDirectory(prefix="manta-kube-") as folder:
        p = ControlPlane(folder)
        try:
            print(f"\ncontrol plane up in {p.up_s:.1f} s", flush=True)
            yield p
        finally:
            p.stop()


class World:
    """The chart, installed; its pods, running here."""

    def __init__(self, plane):
        self.plane = plane
        plane.kubectl("create", "namespace", NAMESPACE)
        plane.kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
        began = time.monotonic()
        self.node = Node(plane, ["n1", "n2", "n3"])
        plane.helm("install", "manta", CHART, "--namespace", NAMESPACE, "--set", "worker.replicas=1,worker.engine=echo,worker.drainGraceSeconds=20",
                   "--set-string", "worker.model=" + ECHO.replace(",", "\\,"), "--set", "worker.resources.requests.memory=128Mi,worker.resources.requests.cpu=100m")
        self.key = None
        wait_for("a worker that is ready", lambda: self.ready() == 1)
        print(f"chart to a ready worker in {time.monotonic() - began:.1f} s", flush=True)

    def ready(self):
        if self.node.fault:
            raise self.node.fault
        return self.sts()["status"].get("readyReplicas", 0)

    def sts(self):
        return self.plane.api("GET", f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/manta-worker")

    def pods(self, component="worker"):
        return self.plane.api("GET", f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app.kubernetes.io%2Fcomponent%3D{component}")["items"]

    def head(self):
        return self.node.pod(self.pods("head")[0]["metadata"]["name"])

    def manta(self, *args, check=True):
        pod = self.head()
        env = pod.environment(pod.spec["containers"][0])[0]
        end = subprocess.run([os.environ["MANTA"], *args], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=180)
        assert not check or end.returncode == 0, end.stdout + end.stderr
        return end.stdout if end.returncode == 0 else ""

    def actors(self):
        text = self.manta("status", "-o", "json", check=False)
        return json.loads(text)["actors"] if text else None

    def stream(self):
        """Tokens of one streamed answer, and its longest pause."""
        if self.key is None:
            pod = self.head()
            self.key = (pod.volumes["keys"] / "api-key").read_text().strip()
        body = json.dumps({"messages": [{"role": "user", "content": "hi"}], "stream": True, "max_tokens": 200,
                           "stream_options": {"include_usage": True}}).encode()
        request = urllib.request.Request("http://127.0.0.1:8470/v1/chat/completions", data=body, headers={"Authorization": f"Bearer {self.key}"})
        tokens, gap, last = 0, 0.0, None
        with urllib.request.urlopen(request, timeout=120) as answer:
            for line in answer:
                if line.startswith(b"data: {"):
                    chunk = json.loads(line[6:])
                    assert "error" not in chunk, chunk
                    if chunk["choices"] and chunk["choices"][0]["delta"].get("content"):
                        gap, last = max(gap, time.monotonic() - (last or time.monotonic())), time.monotonic()
                    tokens = (chunk.get("usage") or {}).get("completion_tokens", tokens)
        return tokens, gap

    def streams(self, n):
        """Begins n streams; call the result for what came of them."""
        results = [None] * n

        def one(i):
            try:
                results[i] = self.stream()
            except Exception as e:
                results[i] = e
        threads = [threading.Thread(target=one, args=(i,), daemon=True) for i in range(n)]
        for t in threads:
            t.start()

        def join():
            for t in threads:
                t.join(180)
            return results
        return join


@pytest.fixture(scope="module")
def world(plane):
    w = World(plane)
    try:
        yield w
    finally:
        w.node.stop()


def test_the_chart_is_admitted_and_works(world):
    """Given a namespace where pods must be restricted; then the chart's pods were let in, `manta verify` is content, and worker 1 is pod 1."""
    assert "worker-1" in world.manta("status")
    print(world.manta("verify"))
    assert [p["metadata"]["name"] for p in world.pods()] == ["manta-worker-1"]


def test_scaling_under_load(world):
    """Given 100 streams; when the number goes 1 -> 3 -> 1; then the StatefulSet follows, no stream loses a token, and the pods that go are drained."""
    join = world.streams(100)
    began = time.monotonic()
    world.manta("scale", "3")
    wait_for("three pods that are ready", lambda: world.ready() == 3)
    up_s = time.monotonic() - began
    began = time.monotonic()
    world.manta("scale", "1")
    wait_for("one pod", lambda: len(world.pods()) == 1 and world.ready() == 1)
    down_s = time.monotonic() - began
    results = join()
    assert [r for r in results if not isinstance(r, tuple) or r[0] != 200] == []
    print(f"1 -> 3 ready in {up_s:.1f} s, 3 -> 1 gone in {down_s:.1f} s, 100 streams whole, longest gap {max(g for _, g in results):.2f} s")


def test_a_killed_worker(world):
    """Given two workers with streams; when one is killed; then its streams go on at the other, the node starts it again, and status tells of it."""
    world.manta("scale", "2")
    wait_for("two workers", lambda: world.ready() == 2)
    join = world.streams(6)
    pod = wait_for("worker 2", lambda: world.node.pod("manta-worker-2"))
    time.sleep(1)  # streams are in their middle
    began = time.monotonic()
    pod.processes["worker"].kill()
    wait_for("its restart", lambda: pod.restarts["worker"] == 1)
    wait_for("two actors", lambda: world.actors() == 2)
    results = join()
    assert [r for r in results if not isinstance(r, tuple) or r[0] != 200] == []
    print(f"killed worker: back and ready in {time.monotonic() - began:.1f} s, longest gap {max(g for _, g in results):.2f} s")


def test_a_deleted_pod(world):
    """Given two workers; when a pod is deleted; then the controller makes it anew under its name, and the number stays."""
    uid = world.node.pod("manta-worker-2").uid
    began = time.monotonic()
    world.plane.kubectl("-n", NAMESPACE, "delete", "pod", "manta-worker-2", "--wait=false")
    wait_for("another pod of that name", lambda: (p := world.node.pod("manta-worker-2")) and p.uid != uid)
    wait_for("two workers", lambda: world.ready() == 2)
    assert world.sts()["spec"]["replicas"] == 2
    print(f"deleted pod: back and ready in {time.monotonic() - began:.1f} s")


def test_what_the_launcher_may_not_do(world):
    """Given the launcher's own token; then it may set this number and look at pods, and is refused everything else."""
    from control_plane import Api
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


def test_a_quota_is_told(world):
    """Given a quota for one pod more; when more are wanted; then `manta status` and the log say so in the API server's words; when it goes, they come."""
    pods = len(world.pods()) + len(world.pods("head"))
    world.plane.kubectl("-n", NAMESPACE, "create", "quota", "small", f"--hard=pods={pods}")
    world.manta("scale", "4")
    wait_for("the reason in the status", lambda: "exceeded quota: small" in world.manta("status", "-o", "json"))
    print([line for line in world.head().log("launcher").splitlines() if "quota" in line][-1])
    world.plane.kubectl("-n", NAMESPACE, "delete", "quota", "small")
    wait_for("four workers", lambda: world.ready() == 4, 240)
    world.manta("scale", "1")
    wait_for("one worker", lambda: len(world.pods()) == 1)


def test_the_launcher_is_killed_and_comes_back(world):
    """Given a launcher that is killed while the number changes; then the next one goes on with what the head wants."""
    world.head().processes["launcher"].send_signal(signal.SIGKILL)
    wait_for("a launcher", lambda: world.head().restarts["launcher"] >= 1)
    wait_for("the launcher at the head", lambda: world.manta("scale", "3", check=False))
    wait_for("three workers", lambda: world.ready() == 3)
    world.manta("scale", "1")
    wait_for("one worker", lambda: len(world.pods()) == 1)


def test_a_renewed_token(world):
    """Given a token that has ended, and a new one in its file, as kubelets do; then the launcher goes on."""
    pod = world.head()
    (pod.volumes["launcher-account"] / "token").write_text(world.plane.token(NAMESPACE, "manta-launcher"))
    world.manta("scale", "2")
    wait_for("two workers", lambda: world.ready() == 2)


def test_an_upgrade_keeps_keys_and_number(world):
    """Given two workers where the values say one; when the chart is upgraded; then the number and the keys stay."""
    before = world.plane.api("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets/manta-keys")["data"]
    world.plane.helm("upgrade", "manta", CHART, "--namespace", NAMESPACE, "--reuse-values", "--set", "worker.podAnnotations.round=two")
    assert world.sts()["spec"]["replicas"] == 2
    assert world.plane.api("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets/manta-keys")["data"] == before
    wait_for("the new pods", lambda: all(p["metadata"]["annotations"].get("round") == "two" for p in world.pods()) and world.ready() == 2, 240)


def test_the_heads_pod_is_replaced(world):
    """Given two workers; when the pod with head and launcher goes, and another one comes; then there are still two, with the same processes: the
    number is Kubernetes' to remember."""
    before = {p["metadata"]["uid"] for p in world.pods()}
    old = world.pods("head")[0]["metadata"]["uid"]
    began = time.monotonic()
    world.plane.kubectl("-n", NAMESPACE, "delete", "pod", world.pods("head")[0]["metadata"]["name"], "--wait=false")
    wait_for("another head", lambda: any(p["metadata"]["uid"] != old and p["status"].get("phase") == "Running" for p in world.pods("head")))
    wait_for("the old one to go", lambda: len(world.pods("head")) == 1 and world.head())
    wait_for("the workers at the new head", lambda: world.actors() == 2)
    print(f"head's pod replaced: its workers are back after {time.monotonic() - began:.1f} s")
    wait_for("the new launcher's word", lambda: "kubernetes has 2 workers" in world.head().log("launcher"))
    assert world.sts()["spec"]["replicas"] == 2 and {p["metadata"]["uid"] for p in world.pods()} == before


def test_plain_manifests_apply(plane):
    """Given the plain manifests; then the API server takes all of them, twice, with nothing changed the second time."""
    plane.kubectl("create", "namespace", "manta", check=False)
    for name in "manta.yaml", "two-heads.yaml":
        path = ROOT / "deploy" / "kubernetes" / name
        plane.kubectl("apply", "--dry-run=server", "-f", path)
    plane.kubectl("apply", "-f", ROOT / "deploy" / "kubernetes" / "manta.yaml")
    again = plane.kubectl("apply", "-f", ROOT / "deploy" / "kubernetes" / "manta.yaml").stdout
    assert "configured" not in again and "unchanged" in again
    plane.kubectl("delete", "-f", ROOT / "deploy" / "kubernetes" / "manta.yaml", "--wait=false")


@pytest.fixture
def up(plane, tmp_path):
    """`manta up --on kubernetes` and its like, as a person with a kubeconfig types them."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "kubectl").write_text(f'#!/bin/sh\nexec {os.environ["KUBE_CONTROL"]} kubectl "$@"\n')
    (tools / "kubectl").chmod(0o755)
    env = {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(tmp_path), "KUBECONFIG": str(plane.admin), "MANTA_API_KEY": "key", "MANTA_JOIN_TOKEN": "token"}
    log = tmp_path / "up.log"
    started = []

    def start(*args):
        with open(log, "w") as out:
            started.append(subprocess.Popen([os.environ["MANTA"], *args, "--on", "kubernetes", "--set", "namespace=up"], env=env, cwd=tmp_path, stdout=out,
                                            stderr=subprocess.STDOUT))
        return started[-1]
    yield start, log.read_text
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


def left_in(plane, namespace):
    kinds = "pods,services,deployments,statefulsets,secrets,networkpolicies,poddisruptionbudgets"
    return plane.kubectl("-n", namespace, "get", kinds, "-o", "name", "-l", "app.kubernetes.io/instance=manta").stdout.split()


def test_up_and_down(world, up):
    """Given a kubeconfig; when `manta up --on kubernetes` runs; then a cluster comes, answers and is gone after it. Killed, it leaves the cluster, which
    `manta down` takes away, and nothing that others made under its name."""
    start, log = up
    plane = world.plane
    plane.helm("uninstall", "manta", "--namespace", NAMESPACE)
    wait_for("an empty namespace", lambda: not world.pods() and not world.pods("head"))
    plane.kubectl("create", "namespace", "up")
    wants = ("up", "--no-prompt", "--workers", "2", "--engine", "echo", "--model", ECHO, "--memory", "200m", "--set", f"reach={ADDRESS}:8470")
    began = time.monotonic()
    process = start(*wants)
    wait_for("readiness", lambda: "up | ready" in log() or process.poll() is not None)
    assert process.poll() is None, log()
    print(f"up --on kubernetes to ready in {time.monotonic() - began:.1f} s")
    assert len(left_in(plane, "up")) >= 8
    process.terminate()
    assert process.wait(120) == 0, log()
    assert left_in(plane, "up") == []

    plane.kubectl("-n", "up", "create", "secret", "generic", "theirs", "--from-literal=a=b")
    plane.kubectl("-n", "up", "label", "secret", "theirs", "app.kubernetes.io/instance=manta", "app.kubernetes.io/managed-by=Helm")
    process = start(*wants)
    wait_for("readiness", lambda: "up | ready" in log() or process.poll() is not None)
    process.kill()
    process.wait()
    assert len(left_in(plane, "up")) >= 8
    down = start("down")
    assert down.wait(120) == 0, log()
    assert "statefulset.apps/manta-worker" in log().replace('"manta-worker"', "/manta-worker")
    assert left_in(plane, "up") == ["secret/theirs"]
    assert start("down").wait(120) == 0


def test_up_tells_what_is_wrong(plane, up):
    """Given a namespace that is not there, or no keys; then one line says so, and nothing is left."""
    start, log = up
    process = start("up", "--no-prompt", "--set", "namespace=nowhere")
    assert process.wait(120) != 0
    assert 'namespaces "nowhere" not found' in log(), log()
