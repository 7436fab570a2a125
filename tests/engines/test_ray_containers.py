"""The cluster on Ray in containers, step by step as docs/ray-laptop.md walks through it. One story: each test continues from the last.

tests/engines/ray_containers has built the images and names the folder of the clean copy (FOLDER).
"""
import http.client
import json
import os
import pathlib
import re
import shlex
import signal
import threading
import time

import pytest

from containers import Compose, free_port, wait_for

FOLDER = pathlib.Path(os.environ["FOLDER"])
HEAD, FIRST = "ray-cluster-head-laptop", "ray-cluster-worker-laptop"
UP_S = 600  # a loaded machine of two cores takes minutes for what takes 40 s on an idle one
TAGS_HEAD = ("[HEAD NODE STARTING] coordinator", "[CLUSTER STATUS] cluster started", "[COORDINATOR MODE] head is coordinator only",
             "[REALTIME PROMPT SYSTEM]", "registered as 'prompt_coordinator'", "[CLUSTER RUNNING] ready for worker nodes",
             "[ACTOR STATUS] Available inference actors: 1", "[CLUSTER STATUS] Resources: {'CPU': 2.0, 'memory': 2000000000.0}")
TAGS_WORKER = ("[WORKER NODE STARTING] joining the cluster", "[CLUSTER CONNECTION] joined", "[MODEL DEPLOYMENT] creating model instances",
               "created actor for model: smollm2", "[ACTOR REGISTRATION] found coordinator, registering 1 actors",
               "registered actor 1/1 with ID: 0", "all actors registered", "[WORKER NODE READY] active and waiting for tasks")


def measured(text):
    print(f"MEASURED {text}", flush=True)


class RayCompose(Compose):
    def __init__(self):
        super().__init__("mantaraytest", FOLDER, RAY_PUBLISH=str(free_port()), RAY_DASHBOARD_PUBLISH=str(free_port()))

    def python(self, *args, **options):
        """What a person types after `docker-compose exec ray-head python`."""
        return self("exec", "-T", "ray-head", "python", *args, timeout_s=UP_S, **options).stdout

    def status(self):
        return json.loads(self("exec", "-T", "ray-head", "python", "-m", "manta.ray", "status", "-o", "json").stdout)

    def all_workers(self):
        return self.containers("ray-worker-1") + self.containers("ray-worker")

    def where(self):
        """MANTA_HEAD and MANTA_API_KEY."""
        words = shlex.split(self.python("-m", "manta.ray", "env"))[1:]
        return dict(w.split("=", 1) for w in words)


class Head:
    """manta's head as this machine reaches it: the port that is published on loopback, and the key of the cluster."""

    def __init__(self, compose):
        self.port, self.key = compose.port, compose.where()["MANTA_API_KEY"]

    def request(self, method, path, body=None, key=None):
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=UP_S)
        headers = {"Authorization": f"Bearer {self.key if key is None else key}", "Content-Type": "application/json"}
        conn.request(method, path, json.dumps(body) if body else None, headers)
        return conn.getresponse()

    def status(self):
        return json.loads(self.request("GET", "/manta/status").read())

    def wait_actors(self, n):
        began = time.monotonic()
        wait_for(f"{n} ready actors", lambda: self.status()["actors"] == n, UP_S)
        return time.monotonic() - began


@pytest.fixture(scope="module")
def compose():
    c = RayCompose()
    taken = c.run("docker", "ps", "-aq", "--filter", f"name=^{HEAD}$", "--filter", f"name=^{FIRST}$").stdout.split()
    assert not taken, f"containers named {HEAD} or {FIRST} are here already: docker rm them first"
    c.down()
    began = time.monotonic()
    try:
        c("up", "-d", timeout_s=UP_S)
        wait_for("the first worker", lambda: "[WORKER NODE READY]" in c.run("docker", "logs", FIRST).stdout, UP_S)
        measured(f"docker-compose up to [WORKER NODE READY]: {time.monotonic() - began:.1f} s")
        yield c
    except BaseException:
        print(c("logs", "--tail", "80", check=False).stdout)
        raise
    finally:
        c.down()


@pytest.fixture(scope="module")
def head(compose):
    h = Head(compose)
    h.wait_actors(1)
    return h


def assert_all(words, text):
    assert not [w for w in words if w not in text], text


def test_what_head_and_worker_print(compose, head):
    """Given the cluster is up; then `docker logs` of each has every tag, and the configuration's numbers are those Ray was started with."""
    log = wait_for("the head's count", lambda: "Available inference actors: 1" in compose.run("docker", "logs", HEAD).stdout and
                   compose.run("docker", "logs", HEAD).stdout)
    assert_all(TAGS_HEAD + ("--num-cpus 1 --memory 500000000 --object-store-memory 100000000",), log)
    assert_all(TAGS_WORKER + ("--num-cpus 2 --memory 2000000000 --object-store-memory 800000000",), compose.run("docker", "logs", FIRST).stdout)


def test_limits_and_ports(compose):
    """Given the containers; then their limits are those asked for, they have no capability, and nothing is published but on loopback."""
    for name, service, memory, cpus in ((HEAD, "ray-head", 1 << 30, 1), (FIRST, "ray-worker-1", 3 << 30, 2)):
        (c,) = compose.containers(service)
        assert c["Name"] == f"/{name}"
        assert (c["HostConfig"]["Memory"], c["HostConfig"]["NanoCpus"]) == (memory, cpus * 10**9)
        assert c["HostConfig"]["CapDrop"] == ["ALL"]
        hosts = {p["HostIp"] for ports in (c["HostConfig"]["PortBindings"] or {}).values() for p in ports}
        assert hosts <= {"127.0.0.1"}
    assert "6379/tcp" in compose.containers("ray-head")[0]["HostConfig"]["PortBindings"]


def test_resources_of_ray(compose):
    """When one asks Ray; then it has the two nodes' resources, and the detached actors under their names."""
    out = compose("exec", "-T", "ray-head", "ray", "status").stdout
    assert "/3.0 CPU" in out, out
    names = compose.python("-c", "import ray; from ray.util import list_named_actors as l; ray.init(address='auto', log_to_driver=False);"
                           "print(sorted(a['name'] for a in l(all_namespaces=True) if a['namespace'] == 'manta'))")
    assert "['head', 'prompt_coordinator', 'worker-1']" in names, names


def test_nobody_without_the_token(compose):
    """Given a client without the token, and one with a wrong one; then Ray refuses both."""
    for words in (("-u", "RAY_AUTH_MODE", "-u", "RAY_AUTH_TOKEN_PATH"), ("-u", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_TOKEN=" + "0" * 64)):
        end = compose("exec", "-T", "ray-worker-1", "env", *words, "ray", "status", "--address", "ray-head:6379", check=False)
        assert end.returncode != 0 and "CPU" not in end.stdout, end.stdout


def test_architecture(compose):
    """When the architecture test is typed; then each of its steps passes."""
    out = compose.python("test_new_architecture.py")
    assert_all(("[TEST 1] cluster resources: found 2 nodes, CPU: 2.0, Memory: 2.0 GB", "[TEST 2] prompt coordinator: found 'prompt_coordinator'",
                "available inference actors: 1", "workers have registered their actors", "mapped: 0", "[TEST 3] inference: testing with 1 actors",
                "used 1/1 actors; response: ", "[TEST COMPLETE] architecture verified"), out)


def test_interactive_prompts(compose):
    """When a person asks, looks around and leaves; then the real-time client shows each tag, with names and addresses."""
    out = compose.python("real_interactive_prompts.py", stdin="What is machine learning?\nstatus\nactors\ntest\nquit\n")
    address = r"\(\d+\.\d+\.\d+\.\d+\)"
    assert_all(("connected", "found 'prompt_coordinator'", "Available inference actors: 1", "Commands: any prompt; status; actors; test;",
                "[PROMPT] What is machine learning?", "[SENDING] sending to coordinator...", "[CLUSTER INFO] total nodes 2, total actors 1, successful responses 1",
                "[RESPONSES]", "[FINAL RESPONSE] ", "[RESOURCES] CPU: 2.0", "[NODES] total 2", "[ACTORS] total 1"), out)
    for pattern in (r"\[RESPONSE\] received in \d+\.\d\d s", rf"actor 0 \(smollm2\); node: worker-1 {address}; processing time \d+\.\d\d s;.*response: \S",
                    rf"\[ANSWERED BY\] node: worker-1 {address}; model: smollm2; processing time"):
        assert re.search(pattern, out), f"'{pattern}' is not in:\n{out}"


def test_realtime_client(compose):
    """When the client that is Python alone asks through the actor; then its lines have the same tags."""
    out = compose.python("working_realtime_client.py", stdin="What is machine learning?\nstatus\nquit\n")
    assert_all(("Connecting... connected", "Looking for prompt coordinator... found", "Available inference actors: 1", "[PROMPT] What is machine learning?",
                "[SENDING] sending to coordinator...", "[RESPONSE] received in", "[CLUSTER INFO] total nodes 2, total actors 1, successful responses 1",
                "[ANSWERED BY] node: worker-1", "[FINAL RESPONSE] ", "[RESOURCES] CPU: 2.0", "[NODES] total 2", "[ACTORS] total 1"), out)


def test_from_this_machine_only_with_the_key(head):
    """Given the published port; when a program asks without the key; then 401; with it: an answer."""
    assert head.request("GET", "/v1/models", key="wrong").status == 401
    answer = head.request("POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": "Say hi"}], "max_tokens": 8})
    assert answer.status == 200 and json.loads(answer.read())["usage"]["completion_tokens"] > 0


def kernel_memory(compose, container):
    """(now, peak) of the container's control group without the file cache, MB; version 1 or 2. The peak has the cache in it."""
    text = compose.inside(container, "cd /sys/fs/cgroup; cat memory/memory.stat memory.stat 2>/dev/null; "
                                     "echo peak $(cat memory/memory.max_usage_in_bytes memory.peak 2>/dev/null | head -1)")
    numbers = dict(line.split()[:2] for line in text.splitlines() if len(line.split()) >= 2)
    now = int(numbers.get("total_rss", 0)) + int(numbers.get("total_shmem", 0)) or int(numbers["anon"]) + int(numbers["shmem"])
    return now / 1e6, int(numbers["peak"]) / 1e6


def test_memory_of_rays_head(compose, head):
    """Given the head's container has answered all of the above; then it is within its 1 GB, was never killed for memory, and manta's part of it is small."""
    (ours,) = compose.containers("ray-head")
    stats = compose.memory_mb("ray-head")[0]
    now, peak = kernel_memory(compose, ours)
    native = head.status()["head"]["rss_bytes"] / 1e6
    worker = compose.memory_mb("ray-worker-1")[0]
    measured(f"ray-head, MB: docker stats {stats:.0f}; processes and shared memory {now:.0f}; peak with file cache {peak:.0f}; "
             f"of it manta head {native:.1f}; limit 1074; ray-worker-1: docker stats {worker:.0f}")
    assert stats < 1000 and now < 1000 and native < 20
    assert not ours["State"]["OOMKilled"] and ours["RestartCount"] == 0
    events = compose.inside(ours, "cat /sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events 2>/dev/null; true")
    assert re.search(r"oom_kill 0\b", events), events


def test_two_workers_more(compose, head):
    """Given one worker; when add_workers.sh adds two; then there are three, the head was not restarted, and its log shows them."""
    before = compose.containers("ray-head")[0]
    began = time.monotonic()
    out = compose.run("./add_workers.sh", "2", timeout_s=UP_S).stdout
    assert "[SCALING] 1 workers, adding 2" in out and "[SCALING] 3 workers" in out, out
    head.wait_actors(3)
    measured(f"add_workers.sh 2, from its start to three actors: {time.monotonic() - began:.1f} s")
    after = compose.containers("ray-head")[0]
    assert (after["Id"], after["State"]["StartedAt"]) == (before["Id"], before["State"]["StartedAt"])
    wait_for("the new count in the head's log", lambda: "Available inference actors: 3" in compose.log(after))
    assert "Resources: {'CPU': 6.0, 'memory': 6000000000.0}" in compose.log(after)
    assert "used 3/3 actors" in compose.python("test_new_architecture.py")
    assert len(compose.all_workers()) == 3


def address_of(container):
    return next(iter(container["NetworkSettings"]["Networks"].values()))["IPAddress"]


class Stream(threading.Thread):
    """One streamed answer."""

    def __init__(self, head, number):
        super().__init__(daemon=True)
        self.head, self.number, self.text, self.end = head, number, "", ""
        self.times = []  # of its pieces
        self.begun = threading.Event()

    def run(self):
        body = {"messages": [{"role": "user", "content": f"Tell me story {self.number} of a long journey."}], "stream": True, "seed": self.number,
                "max_tokens": 400, "ignore_eos": True}
        try:
            answer = self.head.request("POST", "/v1/chat/completions", body)
            for line in answer:
                if not line.startswith(b"data: {"):
                    self.end = "done" if line.startswith(b"data: [DONE]") else self.end
                    continue
                event = json.loads(line[6:])
                if "error" in event:
                    self.end = str(event)
                    return
                self.times.append(time.monotonic())
                self.text += event["choices"][0]["delta"].get("content") or ""
                if self.text:
                    self.begun.set()
        except OSError as e:
            self.end = str(e)

    def gap(self, since):
        """(length, begin, end) of the longest time between two pieces, the second of which came after that moment; begin and end in seconds after it."""
        return max([(b - a, a - since, b - since) for a, b in zip(self.times, self.times[1:]) if b > since], default=(0.0, 0.0, 0.0))


class Noticed(threading.Thread):
    """Asks the head until it has one worker less, and how long that took."""

    def __init__(self, head):
        super().__init__(daemon=True)
        self.head, self.workers, self.began, self.after_s = head, head.status()["workers"], time.monotonic(), None

    def run(self):
        while self.head.status()["workers"] >= self.workers:
            pass
        self.after_s = time.monotonic() - self.began


def test_a_worker_container_dies_under_streams(compose, head):
    """Given six streams on three workers; when all processes of a worker's container are killed; then every stream comes to its end, and the
    container, its Ray node and its worker are back by themselves."""
    containers = {address_of(c): c for c in compose.all_workers()}  # asked for before: that takes a while, and streams end
    moved = head.status()["jobs_moved"]
    streams = [Stream(head, i) for i in range(6)]
    for s in streams:
        s.start()
    for s in streams[:3]:
        assert s.begun.wait(UP_S), f"stream {s.number} has not begun: {s.end}"
    actor = max(head.status()["actor_list"], key=lambda a: a["in_flight"])
    victim, busy = containers[actor["address"]], actor["in_flight"]
    service, began, noticed = victim["Config"]["Labels"]["com.docker.compose.service"], time.monotonic(), Noticed(head)
    os.kill(victim["State"]["Pid"], signal.SIGKILL)
    noticed.start()
    for s in streams:
        s.join(UP_S)
    assert [s.end for s in streams] == ["done"] * 6, [(s.number, s.end) for s in streams]
    moved = head.status()["jobs_moved"] - moved
    assert busy > 0 and moved > 0, (busy, moved)
    noticed.join(UP_S)
    for s in streams:
        measured("stream %d: longest gap from the kill on %.2f s, from %.2f s to %.2f s after it" % (s.number, *s.gap(began)))
    measured(f"a worker's container killed with {busy} of 6 streams in it, noticed after {noticed.after_s:.2f} s, {moved} moved: all came to their end, "
             f"longest gap from then on {max(s.gap(began)[0] for s in streams):.2f} s")
    wait_for("the container's restart", lambda: any(c["Id"] == victim["Id"] and c["RestartCount"] > victim["RestartCount"] for c in compose.containers(service)),
             UP_S)
    wait_for("its worker", lambda: compose.log(victim).count("[WORKER NODE READY]") >= 2, UP_S)
    head.wait_actors(3)
    measured(f"container, Ray node and worker back after {time.monotonic() - began:.1f} s")
    assert head.status()["scale"]["target"] == 3


def test_nothing_is_left(compose):
    """When the cluster is taken down with its volumes; then no container, network or volume of it is left."""
    compose.down()
    assert compose.left_over() == []
    out = compose.run("./add_workers.sh", "1", check=False)
    assert out.returncode == 1 and "no cluster runs here" in out.stdout
