"""What an exact actor says of how it computes, and what it refuses. That it is exact: tests/engine/test_llama_exact.c, tests/exact/run."""

import json
import re

from cluster import REAL, wait_for
from streams import ask

SCRIPT = "echo:tokens=40,decode_us=20000"
PROMPT = {"prompt": "hello", "max_tokens": 40}


def fingerprint(head):
    status, _, text = head.request("POST", "/v1/completions", json.dumps(PROMPT), {"content-type": "application/json"})
    assert status == 200, text
    return json.loads(text)["system_fingerprint"]


def test_equal_exact_actors_have_one_fingerprint(cluster):
    """Given an exact worker, when another one like it takes its place, then answers have the same fingerprint; one of another context has
    another, and one of the fast mode has none. Status and metrics show how an exact actor computes."""
    head = cluster.head()
    seen = []
    for flags in (("--exact",), ("--exact",), ("--exact", "--context", 512), ()):
        worker = cluster.echo_worker(head, SCRIPT, *flags)
        head.wait_ready(actors=1)
        seen.append(fingerprint(head))
        actor = head.ready_actors()[0]
        assert (actor["exact"], actor["setup"]) == ((True, "scripted") if flags else (False, ""))
        assert ('setup="scripted"} 1' in head.request("GET", "/metrics")[2]) == bool(flags)
        worker.kill()
        wait_for("the worker to be gone", lambda: not head.ready_actors())
    assert re.fullmatch(r"manta-exact-[0-9a-f]{16}", seen[0])
    assert seen[1] == seen[0] and seen[2] != seen[0] and seen[2].startswith("manta-exact-") and seen[3].startswith("build-")


def test_an_answer_of_unlike_actors_has_no_fingerprint(cluster):
    """Given a stream on an exact worker; when that is killed and one of the fast mode continues it; then its last events have no
    fingerprint of an exact actor any more."""
    head = cluster.head()
    cluster.pace(500)
    exact = cluster.echo_worker(head, SCRIPT, "--exact")
    head.wait_ready(actors=1)
    seen = []

    def on_event(answer):
        seen.append(answer.fingerprint)
        if len(seen) == 3:
            exact.kill()
            cluster.echo_worker(head, SCRIPT)
            cluster.pace(0)
    answer = ask(head, {**PROMPT, "stream": True}, on_event=on_event)
    assert answer.done and answer.error is None
    assert seen[0].startswith("manta-exact-") and [f for f in seen if f][-1].startswith("build-")


def test_kernels_that_are_not_exact_are_refused(cluster):
    """Given kernels that round otherwise in company, when a worker is to serve the real model exactly, then it ends with what differed and
    what would help; without --exact it serves."""
    head = cluster.head()
    worker = cluster.worker(head, *REAL, "--exact", env={"MANTA_DEBUG_KERNELS": "fast"})
    assert worker.wait(900) != 0
    assert worker.says(r"--exact.* token \d+ .*\(.+\).*--exact")
    cluster.worker(head, *REAL, env={"MANTA_DEBUG_KERNELS": "fast"})
    head.wait_ready(actors=1)
