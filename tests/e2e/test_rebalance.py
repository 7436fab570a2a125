"""An answer leaves a slow or crowded worker for an idle one, and the client sees a pause."""

import re
import time

import pytest

from cluster import QUICK, SLOWED, pace_file, wait_for
from streams import ask
from test_move import PROMPT, STREAM, Stream, totals, undisturbed

# A token takes the slow worker a second: most of 200 are still to come when the other worker joins. Computing the prompt again takes
# so long that moving what is computed is quicker on any machine.
SCRIPT = "echo:tokens=200,decode_us=10000,prefill_us=2000,kv=4k"


@pytest.mark.parametrize("switch", ["on", "off"])
def test_an_answer_leaves_a_slow_worker(cluster, switch):
    """Given an answer on a slow worker; when a fast one joins and is seen to be fast; then the answer continues there with what is
    computed of it, ends in a fraction of the time, and the client has the undisturbed one. With --rebalance=off it stays."""
    body = {**STREAM, "prompt": PROMPT, "temperature": 1}
    expected = undisturbed(cluster, SCRIPT, body)
    head = cluster.head("--beat-ms", 100, f"--rebalance={switch}")
    cluster.echo_worker(head, SCRIPT, "--node", "slow", "--debug-pace", pace_file(cluster.folder, "slow"))
    head.wait_ready(actors=1)
    cluster.pace(1000, "slow")
    stream = Stream(head, body)
    stream.wait(3)
    cluster.echo_worker(head, SCRIPT, "--node", "fast")
    head.wait_ready(actors=2)
    ask(head, {"prompt": "how fast are you?", "max_tokens": 10})  # the router takes the idle one
    if switch == "on":
        wait_for("the answer to leave the slow worker", lambda: totals(head)["jobs_rebalanced"] == 1)
    else:
        stream.wait_more(3)
        cluster.pace(0, "slow")
    answer = stream.end()
    assert answer.what() == expected.what()
    moves = head.events("job_rebalanced", **{"job": 1, "actor": 0, "slow": 1, "jobs": 1, "from": "slow", "to": "fast"})
    if switch == "off":
        assert not moves and totals(head)["jobs_rebalanced"] == 0
        return
    assert len(moves) == 1 and totals(head)["jobs_rebalanced"] == 1
    assert SLOWED or totals(head)["jobs_moved"] == 1
    assert "\nmanta_jobs_rebalanced_total 1\n" in head.request("GET", "/metrics")[2]


def test_one_of_several_answers_goes_to_an_idle_worker(cluster):
    """Given three answers on a worker that computes one after the other; when an idle worker joins; then they are shared out, and
    each client has the undisturbed answer."""
    per_stream_us = 20000 * QUICK  # also where engines are quicker: the answers must not end before the other worker has joined
    script = f"echo:tokens=450,decode_us=1000,stream_us={per_stream_us},prefill_us=100,kv=4k"
    bodies = [{**STREAM, "prompt": f"{i} {PROMPT}", "temperature": 1, "max_tokens": 450} for i in range(3)]
    expected = [undisturbed(cluster, script, body).what() for body in bodies]
    head = cluster.head("--beat-ms", 100)
    cluster.echo_worker(head, script, "--node", "a")
    head.wait_ready(actors=1)
    streams = []
    for body in bodies:
        streams.append(Stream(head, body))
        streams[-1].wait(10)  # the first one alone: only so is it known how quick that is
    cluster.echo_worker(head, script, "--node", "b")
    head.wait_ready(actors=2)
    wait_for("an answer to go elsewhere", lambda: totals(head)["jobs_rebalanced"] >= 1)
    assert [s.end().what() for s in streams] == expected
    assert totals(head)["calls_failed"] == 0
    left = [(e["job"], e["jobs"]) for e in head.events("job_rebalanced", actor=0, slow=0)]
    assert left[0][1] == "3" and len({job for job, _ in left}) == len(left) == totals(head)["jobs_rebalanced"]  # none leaves twice


@pytest.mark.model
def test_a_real_answer_leaves_a_slow_worker(cluster, capsys):
    """Given a drawn answer of the real model, exact, on a worker throttled to a thirtieth; when a worker at full speed joins; then it continues there
    with the bytes of the undisturbed one."""
    body = {**STREAM, "prompt": "Tell me about rivers and the towns on them. " * 3, "temperature": 1, "max_tokens": 100, "ignore_eos": True}
    flags = ("--exact", "--threads", 1, "--slots", 1, "--context", 2048)
    head = cluster.head("--beat-ms", 200, "--token-stall-ms", 3600000)  # a thirtieth of a busy machine is slow, and does not hang
    first = cluster.worker(head, "--node", "first", *flags)
    head.wait_ready(actors=1)
    expected = ask(head, body)
    first.stop()
    cluster.worker(head, "--node", "slow", "--throttle", 30, *flags)
    head.wait_ready(actors=1)
    stream = Stream(head, body)
    stream.wait(3)
    cluster.worker(head, "--node", "fast", *flags)
    head.wait_ready(actors=2)
    while stream.running() and totals(head)["jobs_rebalanced"] == 0:  # on a busy machine, ten tokens may not tell
        ask(head, {"prompt": "How fast are you?", "max_tokens": 10})
        time.sleep(0.5)  # idle for two beats of the slow one: an answer goes only to somebody who is
    answer = stream.end()
    assert answer.what() == expected.what()
    assert totals(head)["jobs_rebalanced"] == 1
    with capsys.disabled():
        print("\n    " + "\n    ".join(re.findall(r"\[REBALANCE\].*|.*event=kv_migrated.*", head.log)), f"longest gap {answer.gap_s * 1000:.0f} ms")
