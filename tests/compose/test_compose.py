"""The laptop cluster in containers, step by step as docs/laptop.md walks through it. One story: each test continues from the last."""

import http.client
import json
import os
import signal

import pytest

from containers import BASE, Compose, wait_for

TAGS_HEAD = ("[HEAD NODE STARTING]", "[CLUSTER STATUS] cluster started", "[COORDINATOR MODE]", "[REALTIME PROMPT SYSTEM]",
             "'prompt_coordinator'", "[CLUSTER RUNNING]", "[ACTOR STATUS] Available inference actors: 3",
             "[CLUSTER STATUS] Resources: {'CPU': ")
TAGS_WORKER = ("[WORKER NODE STARTING] joining the cluster", "[CLUSTER CONNECTION] joined", "[MODEL DEPLOYMENT] creating model instances",
               "created actor for model: ", "[ACTOR REGISTRATION]", "all actors registered", "[WORKER NODE READY]")


@pytest.fixture(scope="module")
def compose():
    """A cluster of one head and three workers, started by Compose alone (tests/compose/run has built the images): nothing is prepared by hand."""
    c = Compose("mantatest")
    c.down()
    c("up", "-d")
    try:
        c.wait_ready(3)
        yield c
    except Exception:
        print(c("logs", "--tail", "60", check=False).stdout)
        raise
    finally:
        c.down()


def request(c, method, path, body=None, headers=None):
    conn = http.client.HTTPConnection("127.0.0.1", c.port, timeout=60)
    try:
        conn.request(method, path, json.dumps(body) if body else None, headers or {})
        answer = conn.getresponse()
        return answer.status, answer.read().decode()
    finally:
        conn.close()


def test_images(compose):
    """Given the images; then the head's has neither engine nor libllama nor libstdc++ of ours, and adds under 20 MB to its base."""
    head = compose.containers("head")[0]
    found = compose.inside(head, "ls /usr/lib/manta; find / -xdev -name '*llama*' 2>/dev/null; true").split()
    assert found == ["manta"], found
    added = {name: compose.image_mb(f"manta-{name}") - compose.image_mb(BASE) for name in ("head", "worker")}
    print(f"MEASURED image above its base, MB: head {added['head']:.1f}, worker {added['worker']:.1f}")
    assert added["head"] < 20, added


def test_what_head_and_workers_print(compose):
    """Given the cluster is up; then every tag that scripts look for is in the logs."""
    head = compose.log(compose.containers("head")[0])
    assert not [tag for tag in TAGS_HEAD if tag not in head], head
    for worker in compose.containers("worker"):
        log = compose.log(worker)
        assert not [tag for tag in TAGS_WORKER if tag not in log], log


@pytest.mark.parametrize("service, memory, cpus", [("head", 1 << 30, 1), ("worker", 3 << 30, 2)])
def test_limits_are_the_ones_asked_for(compose, service, memory, cpus):
    """Given the running containers; then daemon and kernel both tell the limits of the file, and the worker plans with them."""
    for c in compose.containers(service):
        assert (c["HostConfig"]["Memory"], c["HostConfig"]["NanoCpus"]) == (memory, cpus * 10**9)
        assert c["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
        assert list(c["NetworkSettings"]["Networks"]) == [f"{compose.project}_manta"]
        kernel = compose.inside(c, "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null; true")
        assert int(kernel) == memory
        assert "processors %d: control group applied" % cpus in compose.log(c)
    ports = compose.containers("head")[0]["HostConfig"]["PortBindings"]
    assert ports == {"8470/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(compose.port)}]}


def test_health_checks_become_healthy(compose):
    """Given head and workers; then each health check says so, and the one of a host that is no worker fails."""
    def all_healthy():
        return all(c["State"]["Health"]["Status"] == "healthy" for s in ("head", "worker") for c in compose.containers(s))
    wait_for("healthy containers", all_healthy, 60)
    assert compose.manta("health", "worker", check=False).returncode == 1


def test_verify(compose):
    """When the architecture test runs in the head's container; then each part passes."""
    out = compose.manta("verify").stdout
    for words in ("[TEST 1] cluster resources: found 4 nodes, CPU: 6.0", "[TEST 2] prompt coordinator: found", "mapped: 0",
                  "used 3/3 actors", "[TEST COMPLETE] architecture verified"):
        assert words in out, out


def test_prompt(compose):
    """When a person asks, looks at the status and leaves; then the real-time client shows each tag, with names and addresses."""
    out = compose.manta("prompt", stdin="What is machine learning?\nstatus\nactors\nquit\n").stdout
    for words in ("connected", "Available inference actors: 3", "[PROMPT] What is machine learning?", "[SENDING] sending to coordinator...",
                  "[RESPONSE] received in", "[CLUSTER INFO] total nodes 4, total actors 3", "[RESPONSES]", "[ANSWERED BY] node: worker-",
                  "[FINAL RESPONSE] ", "[RESOURCES] CPU: 6.0", "[NODES] total 4", "[ACTORS] total 3"):
        assert words in out, out


def test_from_this_machine_only_with_the_key(compose):
    """Given the published port; when a program asks without the key; then 401; with the key of the volume: an answer."""
    assert request(compose, "GET", "/v1/models")[0] == 401
    key = compose("exec", "-T", "head", "cat", "/keys/api_key").stdout.strip()
    assert len(key) == 32
    body = {"messages": [{"role": "user", "content": "Say hi"}], "max_tokens": 8}
    status, text = request(compose, "POST", "/v1/chat/completions", body, {"authorization": f"Bearer {key}", "content-type": "application/json"})
    assert status == 200, text
    assert json.loads(text)["usage"]["completion_tokens"] > 0


def test_confined(compose):
    """Given head and workers in their containers; when one looks from inside; then they are a user without any capability who cannot
    get one, and can write to their volumes and nothing else."""
    (head,) = compose.containers("head")
    for container in [head, *compose.containers("worker")]:
        def inside(command):
            return compose.run("docker", "exec", container["Id"], "sh", "-c", command).stdout
        status = dict(line.split(":\t", 1) for line in inside("cat /proc/1/status").splitlines() if ":\t" in line)
        assert int(status["CapBnd"], 16) == int(status["CapEff"], 16) == 0 and status["NoNewPrivs"] == "1"
        assert status["Uid"].split() == ["8470"] * 4
        assert "api_key" not in inside("env; ls -R /keys /join 2>/dev/null; true") or container is head
        assert inside("touch /usr/x /etc/x /join/x 2>&1 | wc -l; touch /var/lib/manta/x && rm /var/lib/manta/x && echo can").split() == ["3", "can"]


def killed_and_back(compose, worker, kill):
    """Kills a worker's process, waits for its return, and gives its log since then."""
    before = compose.log(worker)
    kill()
    wait_for("the container's restart", lambda: compose.run("docker", "inspect", "-f", "{{.RestartCount}}", worker["Id"]).stdout.strip()
             == str(worker["RestartCount"] + 1), 120)
    wait_for("the worker's return", lambda: "[WORKER NODE READY]" in compose.log(worker)[len(before):], 60)
    compose.wait_ready(3)
    return compose.log(worker)[len(before):]


def test_a_killed_worker_returns(compose):
    """Given three workers; when the process of one is killed with -9; then it is back by itself, and its log says that it was killed."""
    worker = compose.containers("worker")[1]
    log = killed_and_back(compose, worker, lambda: os.kill(worker["State"]["Pid"], signal.SIGKILL))
    assert "its last run (pid 1) was killed" in log, log


def test_the_kernel_kills_a_worker_at_its_memory_limit(compose):
    """Given a worker whose container fills up, slowly, until the kernel kills it; then it is back, and the log names memory and the limit."""
    worker = compose.containers("worker")[2]

    def fill():
        # The worker is made the first to be killed: else it would be the filler.
        compose.inside(worker, "echo 1000 >/proc/1/oom_score_adj && "
                               "{ { head -c 2600m /dev/zero; sleep 3; head -c 2G /dev/zero; } | tail; } >/dev/null 2>&1 &")
    log = killed_and_back(compose, worker, fill)
    assert "most likely by the kernel at its memory limit" in log and "of 3221 MB" in log, log


def test_a_worker_that_would_not_fit_refuses_early(compose):
    """Given a container of 150 MB; when a worker starts in it; then it refuses before loading, with the numbers, and ends by itself."""
    end = compose.run("docker", "run", "--rm", "--memory", "150m", "-v", f"{compose.project}_models:/models:ro", "manta-worker",
                      "worker", "--head", "127.0.0.1:1", "--context", "4096", check=False)
    assert end.returncode == 5, end.stdout
    assert "planning with that" in end.stdout and "needs" in end.stdout, end.stdout


def test_a_worker_can_download(compose):
    """Given a worker's container; when it is told a web address where nobody is; then it is the network that fails: libcurl is there, and
    the volume can be written."""
    worker = compose.containers("worker")[0]
    out = compose.inside(worker, "manta models pull http://127.0.0.1:1/some.gguf 2>&1; touch /models/.try && rm /models/.try && echo writable")
    assert "onnect" in out and "needs libcurl" not in out and "writable" in out, out


def test_two_workers_more(compose):
    """Given three workers; when add_workers.sh adds two; then there are five, the head was not restarted, and its log shows them."""
    head = compose.containers("head")[0]
    out = compose.run("./add_workers.sh", "2").stdout
    assert "[SCALING] 3 workers, adding 2" in out and "[SCALING] 5 workers" in out, out
    compose.wait_ready(5)
    after = compose.containers("head")[0]
    assert (after["Id"], after["State"]["StartedAt"]) == (head["Id"], head["State"]["StartedAt"])
    log = wait_for("the new count in the head's log", lambda: "Available inference actors: 5" in compose.log(after) and compose.log(after))
    assert "'CPU': 10.0" in log, log
    assert compose.run("./add_workers.sh", "many", check=False).returncode == 2


def test_scale_by_compose(compose):
    """Given five workers; when Compose scales to three; then two leave, and three still answer."""
    compose("up", "-d", "--scale", "worker=3")
    compose.wait_ready(3)
    assert "used 3/3 actors" in compose.manta("verify").stdout


def test_memory(compose):
    """Given the cluster has answered; then the head uses under 10 MB, and each worker less than the 2 GB asked for."""
    head, workers = compose.memory_mb("head"), compose.memory_mb("worker")
    print(f"MEASURED docker stats, MB: head {head[0]:.1f}, workers {', '.join(f'{w:.0f}' for w in workers)}")
    assert head[0] < 10 and max(workers) < 2000


def test_volumes_are_filled_once(compose):
    """Given filled volumes; when everything goes down and comes up again; then models and keys are the same ones."""
    key = compose("exec", "-T", "head", "cat", "/keys/api_key").stdout
    compose("down")
    compose("up", "-d")
    compose.wait_ready(3)
    assert compose("exec", "-T", "head", "cat", "/keys/api_key").stdout == key
    assert ".gguf is there" in compose.log(compose.containers("setup")[0])


def test_nothing_is_left(compose):
    """When the cluster is taken down with its volumes; then no container, network or volume of it is left."""
    compose.down()
    assert compose.left_over() == []
    out = compose.run("./add_workers.sh", "1", check=False)
    assert out.returncode == 1 and "no cluster runs here" in out.stdout
