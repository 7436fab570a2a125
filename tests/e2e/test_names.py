"""Names from outside, of any length and script: of hosts, models, tenants. Whole, told apart, and valid wherever they are shown."""

import json
import os
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

import swarm
import wire
from cluster import own_token, wait_for

LONG = ["ä" * 63 + "1", "ä" * 63 + "2", "a" + "日" * 42, "a" + "日" * 41 + "本", "🐎" * 32, "🐎" * 31 + "🐴", "שלום-עולם", "x\\y\"z{a=\"b\"},", "\\n", "'$(x)'`", "100% é",
        "C" * 128, "C" * 127 + "D"]
PAGES = "/manta/status", "/manta/actors", "/v1/models", "/manta/requests"


def samples(head):
    """What Prometheus reads: (metric, labels) -> value; each series is there once."""
    text = head.request("GET", "/metrics")[2]
    found = [((s.name, tuple(sorted(s.labels.items()))), s.value) for family in text_string_to_metric_families(text) for s in family.samples]
    assert len(found) == len(dict(found)), "a series is there twice"
    return dict(found)


def labels(read, metric, name):
    return {dict(series)[name] for (found, series) in read if found == metric}


def test_a_real_reader_of_metrics(cluster):
    """Given workers, models and tenants whose names are long, begin alike, are of many scripts, or have signs that mean something to
    Prometheus; when its own parser reads the metrics; then each has its series, under its whole name, and all pages are valid."""
    head = cluster.head("--lost-after-ms", 600000)  # the others say nothing after they came
    cluster.echo_worker(head, "echo:tokens=4", "--node", "honest")
    head.wait_ready(actors=1)
    links = [wire.Link(head.port) for _ in LONG]
    try:
        for i, (link, name) in enumerate(zip(links, LONG)):
            link.send(swarm.frame("hello", proto=swarm.VERSION, version="1", role=1, token=own_token(), node=name, address="a", epoch=7 + i, pid=1, cpus=1.0, memory_bytes=1,
                                  engine="e"))
            link.send(swarm.frame("actor", key=0, state=2, kind=1, model=name[::-1], digest="%064x" % i, slots=1, context=100))
        head.wait_ready(actors=len(LONG) + 1)
        tenants = ["é" * 32, "é" * 31 + "ë", "a" * 62 + "é", "a" * 62 + "ë", "quote\"back\\slash", "日本"]
        for tenant in tenants:
            body = {"prompt": "x", "max_tokens": 2, "model": "echo"}
            status, answer = head.post("/v1/completions", body, headers={"X-Tenant-Id": tenant.encode().decode("latin1")})
            assert status == 200, answer
        wait_for("all names in the log", lambda: all(head.events("worker_joined", node=name) for name in LONG))
        read = samples(head)
        assert set(LONG) <= labels(read, "manta_worker_memory_bytes", "node")
        assert {name[::-1] for name in LONG} <= labels(read, "manta_actor_slots", "model")
        assert set(tenants) <= labels(read, "manta_tenant_answer_tokens_total", "tenant")
        for page in PAGES:
            json.loads(head.request("GET", page)[2])
        status = head.status()
        assert set(LONG) <= {w["node"] for w in status["worker_nodes"]}
        assert set(tenants) <= {t["name"] for t in status["tenants"]}
    finally:
        for link in links:
            link.socket.close()


@pytest.mark.parametrize("name", [b"\xff\xfe", "ä".encode("latin1") * 3, b"a" * 300, ("é" * 200).encode(), ("日" * 100).encode(), b"tab\there", "r\u202eev".encode()],
                         ids=ascii)
def test_a_worker_of_any_name(cluster, name):
    """Given two workers whose names are longer than a head takes, or are no printable UTF-8, and differ only at their ends; when they
    join; then both are there under names that differ, all output is valid, and each finds itself by its name."""
    head = cluster.head()
    pair = [name + b"1", name + b"2"]
    for node in pair:
        cluster.add(type(head), ["worker", "--engine", "echo", "--model", "echo", "--head", head.address], env={"MANTA_NODE": os.fsdecode(node)})
    head.wait_ready(actors=2)
    nodes = [w["node"] for w in head.status()["worker_nodes"]]
    assert len(set(nodes)) == 2 and all(len(n.encode()) <= 128 and n.isprintable() for n in nodes), nodes
    assert labels(samples(head), "manta_worker_memory_bytes", "node") == set(nodes)
    for node, worker in zip(pair, cluster.processes[1:]):
        wait_for("its line", lambda w=worker: w.events("worker_ready"))
        assert worker.events("node_renamed") and worker.says("--node")
        found = cluster.add(type(head), ["health", "worker", "--head", head.address], env={"MANTA_NODE": os.fsdecode(node)})
        assert found.wait() == 0, found.log
    head.log_path.read_bytes().decode()


@pytest.mark.parametrize("tenant", ["é" * 33, "x" * 65, "\u00ff", "a\x01b"], ids=ascii)
def test_a_tenant_of_no_name(echo, tenant):
    """Given what is no name of a tenant: too long, or no UTF-8, or with control characters; when a request brings it; then it is refused in words."""
    raw = tenant.encode("latin1" if len(tenant) == 1 else "utf-8").decode("latin1")
    status, answer = echo.post("/v1/completions", {"prompt": "x"}, headers={"X-Tenant-Id": raw})
    assert status == 400 and ("x-tenant-id" in answer["error"]["message"].lower() or "Invalid" in answer["error"]["message"]), answer


@pytest.mark.parametrize("model", ["é" * 300, "日" * 200, "\u202e" * 50, "a\\\"b" * 40], ids=lambda m: ascii(m[:3]))
def test_a_model_that_is_not_there(echo, model):
    """Given a request for a model of a long name in any script; then the error is valid, has whole characters, and says what there is."""
    for path, body in ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}), ("/manta/process_prompt", {"prompt": "x"}):
        status, answer = echo.post(path, {**body, "model": model})
        assert status in (400, 404), answer
        assert "\ufffd" not in answer["error"]["message"]
        assert status == 400 or "echo" in answer["error"]["message"]
