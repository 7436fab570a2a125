"""manta on Ray on Kubernetes: the examples of deploy/ray for KubeRay, with its own operator, on a real node (node.py)."""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time
import urllib.request

import pytest

from control_plane import ADDRESS, ControlPlane, wait_for
from node import RealNodes
from test_nodes import Person

ROOT = pathlib.Path(__file__).parents[3]
HERE = pathlib.Path(__file__).parent
ECHO = "echo:tokens=20,decode_us=2000"


class Operator:
    """KubeRay's operator as a process beside the control plane, with the cluster's names."""

    def __init__(self, plane):
        definitions = subprocess.run(["go", "list", "-m", "-f", "{{.Dir}}", "github.com/ray-project/kuberay/ray-operator"], cwd=HERE / "kuberay",
                                     stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        plane.kubectl("apply", "--server-side", "-f", f"{definitions}/config/crd/bases")
        plane.kubectl("wait", "--for=condition=established", "crd", "--all", "--timeout=60s")
        names = plane.folder / "operator.resolv"
        names.write_text(f"nameserver {ADDRESS}\n")
        self.log = plane.folder / "operator.log"
        command = (f"mount --bind {names} /etc/resolv.conf && exec {os.environ['KUBE_RAY']} --enable-leader-election=false --metrics-addr=127.0.0.1:8080"
                   " --health-probe-bind-address=127.0.0.1:8082")
        self.process = subprocess.Popen(["unshare", "--mount", "sh", "-c", command], env={**os.environ, "KUBECONFIG": str(plane.admin)},
                                        stdout=open(self.log, "a"), stderr=subprocess.STDOUT)
        wait_for("KubeRay's operator", self.is_ready)

    def is_ready(self):
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        with contextlib.suppress(OSError), urllib.request.urlopen("http://127.0.0.1:8082/readyz", timeout=5) as answer:
            return answer.status == 200

    def stop(self):
        self.process.terminate()
        self.process.wait()


@pytest.fixture(scope="module")
def world():
    with tempfile.TemporaryDirectory(prefix="manta-kube-", ignore_cleanup_errors=True) as folder:
        plane = ControlPlane(folder)
        nodes = operator = None
        try:
            nodes = RealNodes(plane, 1)
            operator = Operator(plane)
            person = Person(plane, plane.folder / "person")
            person.plane = plane
            plane.kubectl("create", "namespace", "ray")
            yield person
        finally:
            if operator is not None:
                operator.stop()
            if nodes is not None:
                nodes.stop()
            plane.stop()


def example(world, name, *changes):
    """An example of deploy/ray, strictly checked, with requests that fit one small machine; the limits, by which Ray counts, are as they were."""
    text = (ROOT / "deploy" / "ray" / name).read_text()
    text = re.sub(r"requests: \{ .* \}", 'requests: { cpu: "250m", memory: 64Mi }', text)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (world.folder / name).write_text(text)
    world.types(f"kubectl -n ray create --validate=strict -f {world.folder / name}")


def pods(world, **labels):
    wanted = ",".join(f"ray.io/{k.replace('_', '-')}={v}" for k, v in labels.items())
    return json.loads(world.plane.kubectl("-n", "ray", "get", "pods", "-l", wanted, "-o", "json").stdout)["items"]


def ready(pod):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


def in_head(world, command, **options):
    """As the comment at the head of raycluster.yaml does it."""
    head = "$(kubectl -n ray get pod -l ray.io/cluster=manta,ray.io/node-type=head -o name)"
    return world.types(f"kubectl -n ray exec {head} -c ray-head -- {command}", **options)


def test_a_ray_cluster(world):
    """Given KubeRay; when raycluster.yaml is applied and the command of its comment is typed; then manta runs on the Ray nodes, and answers."""
    began = time.monotonic()
    example(world, "raycluster.yaml")
    wait_for("the cluster's pods", lambda: len(p := pods(world, cluster="manta")) == 4 and all(map(ready, p)), 420)
    print(f"RayCluster ready in {time.monotonic() - began:.1f} s")
    began = time.monotonic()
    in_head(world, f"python -m manta.ray up --workers 3 --cpus 2 --memory 3g --label tier=worker --engine echo --model {ECHO}")
    print(f"python -m manta.ray up --workers 3 in {time.monotonic() - began:.1f} s")
    told = in_head(world, "python -m manta.ray status")
    assert told.count("[RAY] worker-") == 3 and "[ACTORS] total 3 ready" in told
    addresses = {p["status"]["podIP"] for p in pods(world, cluster="manta", node_type="worker")}
    assert {a for a in addresses if a in told} == addresses, "one worker on each Ray node"
    assert "[FINAL RESPONSE]" in in_head(world, "python -m manta.ray prompt Say hi")


def test_a_worker_without_room_is_demand(world):
    """Given three Ray nodes, each full; when a fourth worker is wanted; then KubeRay's autoscaler makes a pod for it."""
    began = time.monotonic()
    in_head(world, "python -m manta.ray scale 4 --wait 300")
    print(f"a worker that needed a new pod: {time.monotonic() - began:.1f} s")
    assert len(pods(world, cluster="manta", node_type="worker")) == 4
    in_head(world, "python -m manta.ray down")
    world.types(f"kubectl -n ray delete -f {world.folder / 'raycluster.yaml'} --timeout=180s")
    wait_for("the pods to go", lambda: not pods(world, cluster="manta"), 180)


def test_a_ray_service(world):
    """Given KubeRay; when rayservice.yaml is applied; then OpenAI's API is at the service's port, with streams."""
    began = time.monotonic()
    example(world, "rayservice.yaml", ("model: smollm2", f"engine: echo, model: '{ECHO}'".replace(", ", "\n          ", 1)))

    def running():
        service = json.loads(world.plane.kubectl("-n", "ray", "get", "rayservice", "manta", "-o", "json").stdout)
        return service.get("status", {}).get("serviceStatus") == "Running"

    wait_for("the service", running, 560)
    print(f"RayService running after {time.monotonic() - began:.1f} s")
    told = world.types("""kubectl -n ray port-forward svc/manta-serve-svc 8000:8000 >/dev/null &
until curl -sf 127.0.0.1:8000/v1/models; do sleep 0.5; done
curl -sf http://127.0.0.1:8000/v1/chat/completions -d '{"messages":[{"role":"user","content":"Say hi"}],"stream":true}'""")
    assert "data: [DONE]" in told and told.count("data: ") > 5
    world.types(f"kubectl -n ray delete -f {world.folder / 'rayservice.yaml'} --timeout=180s")
