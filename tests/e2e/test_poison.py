"""A request that crashes each worker that computes it: two workers, not a third, and nobody else's answer."""

import json
import os
import pathlib
import re
import signal

import pytest

from cluster import SANITIZED, together, wait_for
from streams import Load, ask

SCRIPT = "echo:tokens=200"
STREAM = {"stream": True, "stream_options": {"include_usage": True}, "temperature": 1}


def bodies(n):
    return [{"prompt": f"{i}: tell me of rays", "seed": i, "max_tokens": 200, **STREAM} for i in range(n)]


def dead(workers):
    return [w for w in workers if not w.running()]


@pytest.mark.parametrize("options, stream", [("poison=hemlock", False), ("poison=hemlock,poison_after=30", True)], ids=["prompt", "answer"])
def test_poison_gets_two_workers_and_no_third(cluster, options, stream):
    """Given twenty streams on four workers; when a request comes that crashes whoever computes its prompt, or the thirtieth token of
    its answer in one call with the others; then two workers crash, its client is told so with 422 and the request's id (in mid-stream:
    by an error event), and the twenty answers are the undisturbed ones."""
    asked = bodies(20)
    calm = cluster.head()
    cluster.echo_worker(calm, SCRIPT, "--slots", 20)
    calm.wait_ready(actors=1)
    expected = [a.what() for a in together(20, lambda i: ask(calm, asked[i]))]
    head = cluster.head("--beat-ms", 100, "--lost-after-ms", 3000)
    workers = [cluster.echo_worker(head, f"{SCRIPT},{options}", "--slots", 16, "--node", f"w{k}") for k in range(4)]
    head.wait_ready(actors=4)
    cluster.pace(100)
    load = Load(head, asked)
    head.wait_status(running=20)
    body = {"prompt": "drink this hemlock", "max_tokens": 200, "temperature": 0}
    if stream:
        poisoned = ask(head, {**body, **STREAM})
        assert poisoned.status == 200 and not poisoned.done and poisoned.after_error == 0 and poisoned.text[0]
        error = poisoned.error
    else:
        code, headers, text = head.request("POST", "/v1/completions", json.dumps(body), {"content-type": "application/json"})
        assert code == 422 and headers["x-request-id"].startswith("cmpl-")
        error = json.loads(text)["error"]
        assert error["code"] == "request_crashes_workers" and headers["x-request-id"] in error["message"]
    cluster.pace(0)
    assert load.what() == expected
    wait_for("two crashed workers", lambda: len(dead(workers)) == 2)
    assert [w.popen.returncode for w in dead(workers)] == [-signal.SIGABRT] * 2
    assert all(w.crashed() for w in dead(workers))
    status = head.status()
    assert status["calls_failed"] == 1 and status["workers"] == 2
    assert head.events("call_refused", code="ERR_POISON")
    assert "crashed 2 workers" in error["message"] and "(request cmpl-" in error["message"] and error["type"] == "invalid_request_error"
    assert head.ask("and now?", max_tokens=2)["final_response"]


def test_workers_killed_from_outside_condemn_nobody(cluster):
    """Given one stream alone on its worker; when that worker is killed with -9, or told to crash by a signal from outside, four times before
    a new token comes; then the request is not held to be poison: the fifth worker ends the answer, to the byte."""
    slow = "echo:tokens=40"
    body = bodies(1)[0]
    calm = cluster.head()
    cluster.echo_worker(calm, "echo:tokens=40")
    calm.wait_ready(actors=1)
    expected = ask(calm, body).what()
    head = cluster.head("--beat-ms", 100)
    cluster.pace(600000)  # no first token
    load = Load(head, [body])
    for k, number in enumerate((signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL)):
        worker = cluster.echo_worker(head, slow, "--node", f"w{k}")
        wait_for("it to have the job", lambda n=f"w{k}": head.computes(n))  # whether it computes the prompt yet is all the same
        worker.send(number)
        assert worker.wait() == -number
    cluster.pace(0)
    cluster.echo_worker(head, slow)
    assert load.what() == [expected]


@pytest.fixture
def small_groups():
    """Four control groups, as four containers would have: what makes a process go into the k-th, what limits them all to 60 MB then,
    which no worker has planned with, and how many the kernel has killed in them for their memory."""
    root = pathlib.Path("/sys/fs/cgroup")
    v1 = (root / "memory" / "memory.limit_in_bytes").exists()
    groups = [root / ("memory" if v1 else "") / f"manta-test-{os.getpid()}-{k}" for k in range(4)]
    limits = [g / ("memory.limit_in_bytes" if v1 else "memory.max") for g in groups]
    try:
        for group, limit in zip(groups, limits):
            group.mkdir()
            limit.write_text(limit.read_text())
    except OSError as e:
        pytest.skip(f"no control group can be made here: {e}")
    counts = [g / ("memory.oom_control" if v1 else "memory.events") for g in groups]
    yield (lambda k: (groups[k] / "cgroup.procs").write_text(str(os.getpid())), lambda: [limit.write_text(str(60 << 20)) for limit in limits],
           lambda: sum(int(re.search(r"^oom_kill (\d+)$", c.read_text(), re.MULTILINE)[1]) for c in counts))
    for group in groups:
        wait_for("the group to be empty", lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


@pytest.mark.parametrize("how", ["limit", "group"])
def test_a_request_that_eats_memory_gets_two_workers(cluster, request, how):
    """Given twelve streams on four workers that may have little memory, by their own --memory or by their container; when a request comes
    that takes all the memory of whoever computes it; then two workers die, its client is told so with 422, and the twelve answers are the
    undisturbed ones."""
    if SANITIZED:
        pytest.skip("a sanitizer needs more memory than any limit here")
    enter, limit, killed = request.getfixturevalue("small_groups") if how == "group" else (lambda k: None, lambda: None, None)
    memory = ("--memory", "200m") if how == "limit" else ("--memory", "0")
    asked = bodies(12)
    head = cluster.head("--beat-ms", 100)
    script = f"{SCRIPT},eat=hemlock,eat_bytes=2g"
    calm = cluster.head()
    cluster.echo_worker(calm, SCRIPT, "--slots", 12)
    calm.wait_ready(actors=1)
    expected = [a.what() for a in together(12, lambda i: ask(calm, asked[i]))]
    workers = [cluster.echo_worker(head, script, "--slots", 16, "--context", 512, *memory, "--node", f"w{k}", preexec_fn=lambda k=k: enter(k))
               for k in range(4)]
    head.wait_ready(actors=4)
    limit()
    cluster.pace(20)
    load = Load(head, asked)
    head.wait_status(running=12)
    code, error = head.post("/v1/completions", {"prompt": "drink this hemlock", "max_tokens": 20})
    assert code == 422 and error["error"]["code"] == "request_crashes_workers", error
    cluster.pace(0)
    assert load.what() == expected
    wait_for("two dead workers", lambda: len(dead(workers)) == 2)
    if how == "group":
        assert killed() == 2
        assert "took more memory than there was" in error["error"]["message"], error
        assert [w.popen.returncode for w in dead(workers)] == [-signal.SIGKILL] * 2
    assert head.status()["calls_failed"] == 1
    for w in workers:
        w.stop()


def test_memory_is_limited_by_default(cluster):
    """Given a worker with --memory; then the kernel holds it to that."""
    if SANITIZED:
        pytest.skip("not with a sanitizer")
    worker = cluster.echo_worker("127.0.0.1:1", "echo", "--memory", "300m")
    worker.wait_event("model_loading")
    assert re.search(rf"Max data size +{300 << 20} ", pathlib.Path(f"/proc/{worker.pid}/limits").read_text())
