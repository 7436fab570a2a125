"""The Helm chart without a cluster: what it makes of many values is valid, confined, and no more than is needed."""

import json
import os
import pathlib
import re
import subprocess

import kubernetes_validate
import pytest
import yaml

from cluster import Cluster

ROOT = pathlib.Path(__file__).parents[3]
CHART = ROOT / "deploy" / "helm" / "manta"
HELM = os.environ["HELM"]
KUBERNETES = "1.34"

# Kinds that others bring: kubernetes-validate has no schema of theirs.
FOREIGN = {"ServiceMonitor", "PrometheusRule", "ScaledObject", "HTTPRoute", "InferencePool"}

SETS = {
    "default": [],
    "two heads": ["head.replicas=2"],
    "no launcher": ["launcher.enabled=false"],
    "claims per worker": ["models.type=perWorkerClaim", "models.storageClass=fast", "models.retainOnScaleDown=false"],
    "shared claim": ["models.type=sharedClaim"],
    "existing claim": ["models.type=sharedClaim", "models.existingClaim=mine"],
    "host path": ["models.type=hostPath"],
    "own keys": ["auth.existingSecret=mine", "auth.apiKeyKey=a.key", "auth.joinTokenKey=b"],
    "seeded, offline": ["models.seedImage=manta-setup", "models.offline=true", "networkPolicy.downloads=false"],
    "several models": ["worker.models={smollm2,hf:owner/repo/file.gguf}", "models.hfTokenSecret=hf", "worker.exact=true"],
    "monitored": ["metrics.serviceMonitor.enabled=true", "metrics.prometheusRule.enabled=true", "metrics.dashboard.enabled=true"],
    "keda": ["keda.enabled=true", "launcher.enabled=false", "keda.minReplicas=0"],
    "gateway": ["gateway.httpRoute.enabled=true", "gateway.httpRoute.parentRefs[0].name=g", "gateway.httpRoute.hostnames={llm.example}"],
    "inference pool": ["gateway.httpRoute.enabled=true", "gateway.httpRoute.parentRefs[0].name=g", "gateway.inferencePool.enabled=true",
                       "gateway.inferencePool.endpointPicker.name=picker"],
    "placed": ["worker.nodeSelector.pool=cpu", "worker.tolerations[0].operator=Exists", "head.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey=zone", "worker.priorityClassName=low",
               "head.podAnnotations.a=b", "worker.podLabels.team=x", "image.registry=registry.example/team/", "image.pullSecrets={pull}"],
    "nothing extra": ["launcher.enabled=false", "pdb.enabled=false", "networkPolicy.enabled=false", "worker.topologySpread=false", "head.preStopSeconds=0"],
    "a long name": ["fullnameOverride=a-name-of-forty-characters-that-is-taken"],
}


def helm(*args, check=True):
    end = subprocess.run([HELM, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    assert not check or end.returncode == 0, end.stderr
    return end


def flags(values):
    return [word for value in values for word in ("--set", value)]


def render(values, name="manta", namespace="ai"):
    text = helm("template", name, str(CHART), "--namespace", namespace, "--kube-version", "1.34.0", *flags(values)).stdout
    return [doc for doc in yaml.safe_load_all(text) if doc]


def pods(docs):
    """(what it is, its pod's spec) of everything that makes pods."""
    for doc in docs:
        if doc["kind"] == "Pod":
            yield doc["metadata"]["name"], doc["spec"]
        elif "template" in doc.get("spec", {}):
            yield doc["metadata"]["name"], doc["spec"]["template"]["spec"]


def find(docs, kind, name):
    found = [d for d in docs if d["kind"] == kind and d["metadata"]["name"] == name]
    assert len(found) == 1, (kind, name, [(d["kind"], d["metadata"]["name"]) for d in docs])
    return found[0]


@pytest.fixture(params=SETS, scope="module")
def made(request):
    """What the chart makes of one set of values."""
    return request.param, render(SETS[request.param])


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_lint(values):
    helm("lint", "--strict", str(CHART), *flags(values))


def test_every_manifest_is_valid(made):
    """Given a set of values; then each object passes the schema of its kind, with no field that the schema does not have."""
    _, docs = made
    checked = 0
    for doc in docs:
        if doc["kind"] not in FOREIGN:
            kubernetes_validate.validate(doc, KUBERNETES, strict=True)
            checked += 1
        assert doc["metadata"]["labels"]["app.kubernetes.io/part-of"] == "manta", doc
        assert len(doc["metadata"]["name"]) <= 52, doc["metadata"]["name"]
    assert checked >= 5
    names = [(d["kind"], d["metadata"]["name"]) for d in docs]
    assert len(names) == len(set(names))


def test_the_schema_finds_what_is_wrong():
    """Given a manifest with a field that does not exist, and one with a wrong type; then the validator refuses them: it can fail."""
    deployment = find(render([]), "Deployment", "manta-head")
    deployment["spec"]["template"]["spec"]["containers"][0]["imagePolicy"] = "Never"
    with pytest.raises(Exception, match="imagePolicy"):
        kubernetes_validate.validate(deployment, KUBERNETES, strict=True)
    workers = find(render([]), "StatefulSet", "manta-worker")
    workers["spec"]["replicas"] = "three"
    with pytest.raises(Exception, match="three"):
        kubernetes_validate.validate(workers, KUBERNETES, strict=True)


def test_pods_are_restricted(made):
    """Given a set of values; then each pod keeps what the Pod Security Standard "restricted" asks for, and a root file system that cannot
    be written to; volumes of the host only where they were asked for."""
    kind, docs = made
    seen = 0
    for name, spec in pods(docs):
        seen += 1
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True and security["runAsUser"] == 8470, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not any(spec.get(k) for k in ("hostNetwork", "hostPID", "hostIPC")), name
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name
        for container in spec["containers"] + spec.get("initContainers", []):
            own = container["securityContext"]
            assert own == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}, name
            assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]["cpu"], name
            assert not any("hostPort" in port for port in container.get("ports", [])), name
        allowed = {"secret", "emptyDir", "projected", "persistentVolumeClaim", "configMap", "downwardAPI"} | ({"hostPath"} if kind == "host path" else set())
        for volume in spec["volumes"]:
            assert set(volume) - {"name"} <= allowed, (name, volume)
    assert seen >= 3


def test_who_gets_which_secret(made):
    """Given a set of values; then only the head has both keys, workers and launcher have the join token, clients' pods the API key; and the
    service account's token is in the launcher alone."""
    _, docs = made
    for name, spec in pods(docs):
        volumes = {v["name"]: v for v in spec["volumes"]}
        for container in spec["containers"] + spec.get("initContainers", []):
            mounted = [volumes[m["name"]] for m in container.get("volumeMounts", []) if m["name"] in volumes]
            keys = {item["path"] for v in mounted if "secret" in v for item in v["secret"]["items"]}
            wanted = {"head": {"api-key", "join-token"}, "worker": {"join-token"}, "launcher": {"join-token"}, "verify": {"api-key"}, "seed": set()}
            assert keys == wanted[container["name"]], (name, container["name"])
            assert any("projected" in v for v in mounted) == (container["name"] == "launcher"), (name, container["name"])
            text = json.dumps(container.get("env", [])) + json.dumps(container.get("args", []))
            assert "MANTA_API_KEY\"" not in text and "MANTA_JOIN_TOKEN\"" not in text and "--api-key" not in text and "--join-token" not in text


def test_the_launcher_may_do_little():
    """Then the Role of the launcher has the number of one StatefulSet, pods and events to look at, and nothing else; without a launcher there is
    no Role at all, and no account."""
    docs = render([])
    assert find(docs, "Role", "manta-launcher")["rules"] == [
        {"apiGroups": ["apps"], "resources": ["statefulsets/scale"], "resourceNames": ["manta-worker"], "verbs": ["get", "update"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]}]
    assert not {d["kind"] for d in docs} & {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}
    assert not {d["kind"] for d in render(["launcher.enabled=false"])} & {"Role", "RoleBinding", "ServiceAccount"}


def test_keys_are_made_once_and_kept():
    """Then the keys of two installations differ, are long, and stay when the release goes; an existing Secret is used instead of one."""
    one, two = (find(render([]), "Secret", "manta-keys") for _ in range(2))
    assert one["data"] != two["data"] and set(one["data"]) == {"api-key", "join-token"}
    assert all(len(value) >= 40 for value in one["data"].values())
    assert one["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    docs = render(SETS["own keys"])
    assert not [d for d in docs if d["kind"] == "Secret"]
    assert {v["secret"]["secretName"] for _, spec in pods(docs) for v in spec["volumes"] if "secret" in v} == {"mine"}


def test_names_of_workers_and_heads():
    """Then workers count from 1 and are called as `manta scale` and `manta status` call them; with two heads, workers join each by its name."""
    for values, heads in ([], "manta-heads.ai:8470"), (["head.replicas=2"], "manta-head-0.manta-heads.ai:8470,manta-head-1.manta-heads.ai:8470"):
        docs = render(values)
        workers = find(docs, "StatefulSet", "manta-worker")
        assert workers["spec"]["ordinals"] == {"start": 1}
        env = {e["name"]: e for e in workers["spec"]["template"]["spec"]["containers"][0]["env"]}
        assert env["MANTA_NODE"]["value"] == "worker-$(POD_INDEX)" and env["MANTA_HEAD"]["value"] == heads
        assert find(docs, "Service", "manta-heads")["spec"]["publishNotReadyAddresses"] is True


def test_time_to_drain():
    """Then Kubernetes waits longer than the program's own grace, and a proxy learns of a head's end before it refuses."""
    docs = render(["worker.drainGraceSeconds=100", "head.drainGraceSeconds=50", "head.preStopSeconds=7"])
    worker = find(docs, "StatefulSet", "manta-worker")["spec"]["template"]["spec"]
    head = find(docs, "Deployment", "manta-head")["spec"]["template"]["spec"]
    assert worker["terminationGracePeriodSeconds"] == 110 and "--drain-grace=100" in worker["containers"][0]["args"]
    assert head["terminationGracePeriodSeconds"] == 67 and "--drain-grace=50" in head["containers"][0]["args"]
    assert head["containers"][0]["lifecycle"]["preStop"] == {"sleep": {"seconds": 7}}


@pytest.mark.parametrize("values, words", [
    (["worker.replicas=-1"], "replicas"), (["worker.replicas=257"], "replicas"), (["worker.replicas=many"], "replicas"),
    (["worker.engine=vllm"], "engine"), (["worker.memory=2 GB"], "memory"), (["models.type=nfs"], "type"), (["models.hostPath=models"], "hostPath"),
    (["head.replicas=0"], "replicas"), (["head.service.type=Headless"], "type"), (["head.port=80"], "port"), (["workers=3"], "workers"),
    (["fullnameOverride=Big"], "fullnameOverride"), (["image.registry=registry.example"], "registry"), (["keda.serverAddress=prometheus:9090"], "serverAddress"),
    (["metrics.prometheusRule.queueSeconds=0"], "queueSeconds"), (["worker.resources.limit.memory=1Gi"], "limit"), (["gateway.inferencePool.failureMode=Maybe"], "failureMode"),
    (["keda.enabled=true"], "keda.enabled and launcher.enabled would both set the number of workers"),
    (["gateway.httpRoute.enabled=true"], "which Gateway"), (["gateway.inferencePool.enabled=true"], "the Service of the endpoint picker"),
])
def test_wrong_values_are_refused(values, words):
    """Given a value that is misspelled or out of its bounds; then nothing is made, and the message names it."""
    end = helm("template", "manta", str(CHART), "--kube-version", "1.34.0", *flags(values), check=False)
    assert end.returncode != 0 and words in end.stderr, end.stderr


def test_an_old_kubernetes_is_refused():
    end = helm("template", "manta", str(CHART), "--kube-version", "1.30.0", check=False)
    assert end.returncode != 0 and "kubeVersion" in end.stderr


def test_plain_manifests_are_up_to_date():
    """Then deploy/kubernetes holds what the chart makes today."""
    end = subprocess.run([ROOT / "deploy" / "render", "--check"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert end.returncode == 0, end.stdout


def test_plain_manifests_are_valid():
    for path in sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml")):
        for doc in yaml.safe_load_all(path.read_text()):
            kubernetes_validate.validate(doc, KUBERNETES, strict=True)
            assert doc["kind"] != "Secret", "keys do not stand in a file"


def metrics_in(text):
    """Names of metrics in a query; histograms by their base name."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\b(?:manta_|vllm:)[a-z_:]+", text)}


def test_alerts_and_panels_ask_for_metrics_that_exist(tmp_path):
    """Given a head with a worker that answered; then each metric that an alert, a panel or KEDA asks for is among its metrics."""
    docs = render(SETS["monitored"]) + render(SETS["keda"])
    asked = set()
    for doc in docs:
        if doc["kind"] == "PrometheusRule":
            asked |= {name for rule in doc["spec"]["groups"][0]["rules"] for name in metrics_in(rule["expr"])}
        elif doc["kind"] == "ScaledObject":
            asked |= metrics_in(doc["spec"]["triggers"][0]["metadata"]["query"])
        elif doc["kind"] == "ConfigMap":
            board = json.loads(doc["data"]["manta.json"])
            asked |= {name for panel in board["panels"] for target in panel["targets"] for name in metrics_in(target["expr"])}
    assert len(asked) > 15
    with Cluster(tmp_path) as cluster:
        head = cluster.head()
        cluster.echo_worker(head)
        head.wait_ready(actors=1)
        head.ask("hello")
        text = head.request("GET", "/metrics")[2]
    there = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"^([a-z_:]+)[{ ]", text, re.M)}
    assert asked <= there, asked - there
