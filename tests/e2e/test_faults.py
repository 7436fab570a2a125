"""Workers that are killed, hang or freeze before the first token: others answer. (In mid-stream: test_failover.py.)"""

import contextlib
import os
import re
import signal

import pytest

from cluster import REAL, together, wait_for


def answered(answers):
    return [a for a in answers if a and a["final_response"]]


def survive(cluster, head, victim, ask):
    """30 requests come while no engine gets to a first token; when every slot of the cluster is taken, `victim` is killed with -9, and
    the others compute. The answers."""
    cluster.pace(600000)
    slots = sum(a["slots"] for a in head.ready_actors())

    def one(i):
        if i < 30:
            return ask(i)
        head.wait_status(running=slots, queued=30 - slots)
        victim.kill()
        return cluster.pace(0)
    return together(31, one)[:30]


def test_30_requests_survive_a_killed_worker(cluster):
    """Given three workers and 30 requests that wait for their first token; when one worker is killed with -9; then all 30
    are answered by the other two, and those that it had were moved."""
    head = cluster.head("--lost-after-ms", 60000)
    victim, *_ = [cluster.echo_worker(head, "echo:tokens=5", "--node", n) for n in ("victim", "a", "b")]
    head.wait_ready(actors=3)
    answers = survive(cluster, head, victim, lambda i: head.ask(f"{i} " + "word " * 50))
    assert len(answered(answers)) == 30
    assert {a["answered_by"]["node"] for a in answers} == {"a", "b"}
    status = head.status()
    assert (status["jobs_rerouted"], status["calls_failed"], status["workers"]) == (4, 0, 2)


@pytest.mark.model
def test_30_real_requests_survive_a_killed_worker(cluster):
    """Given three workers with the real model and 30 requests that wait for their first token; when one worker is killed
    with -9; then all 30 are answered, with the text of an undisturbed cluster."""
    head = cluster.head("--lost-after-ms", 60000)
    victim, *_ = [cluster.worker(head, *REAL, "--exact") for _ in range(3)]
    head.wait_ready(actors=3)
    prompts = [f"Count from {i} to {i + 9}." for i in range(5)]
    expected = [head.ask(p, max_tokens=4, temperature=0)["final_response"] for p in prompts]
    answers = survive(cluster, head, victim, lambda i: head.ask(prompts[i % 5], max_tokens=4, temperature=0))
    assert [a and a["final_response"] for a in answers] == expected * 6
    assert head.status()["workers"] == 2


def test_hung_worker_is_lost(cluster):
    """Given two workers and jobs that wait for their first token; when one worker is stopped with SIGSTOP (it hangs, its
    connection stays open); then it is noticed within the time for lost workers, and its jobs are answered by the other.
    When it continues, it joins again."""
    head = cluster.head("--beat-ms", 100, "--lost-after-ms", 2000)
    hung, _ = [cluster.echo_worker(head, "echo:tokens=5", "--slots", 2, "--node", n) for n in ("hung", "well")]
    head.wait_ready(actors=2)
    cluster.pace(600000)

    def ask(i):
        if i == 8:
            wait_for("all slots busy", lambda: all(a["in_flight"] == 2 for a in head.ready_actors()))
            hung.send(signal.SIGSTOP)
            return cluster.pace(0)
        return head.ask(f"{i} " + "word " * 20)
    answers = together(9, ask)[:8]
    assert len(answered(answers)) == 8
    head.wait_status(workers=1)
    assert head.events("worker_left", node="hung", silent=1)
    hung.send(signal.SIGCONT)
    head.wait_ready(actors=2)


def test_frozen_before_the_first_token(cluster):
    """Given two actors of which one freezes at its first token; when prompts come; then all are answered: those on the
    frozen one are moved when it is noticed."""
    head = cluster.head("--beat-ms", 100, "--token-stall-ms", 800)
    cluster.echo_worker(head, "echo:tokens=10,freeze_at=1", "--node", "frozen")
    cluster.echo_worker(head, "echo:tokens=10", "--node", "well")
    head.wait_ready(actors=2)
    answers = together(8, lambda i: head.ask(f"hello {i}"))
    assert len(answered(answers)) == 8
    assert {a["answered_by"]["node"] for a in answers} == {"well"}


def test_frozen_worker_can_be_stopped(cluster):
    """Given a worker whose engine does not come back from a call; when it is asked to end; then it ends, after a few
    seconds, and says why it took so long."""
    head = cluster.head("--beat-ms", 100, "--token-stall-ms", 500)
    worker = cluster.echo_worker(head, "echo:freeze_at=1")
    head.wait_ready(actors=1)
    with contextlib.closing(head.begin("/v1/completions", {"prompt": "hello"})):
        wait_for("the engine to hang", lambda: head.status()["worker_nodes"][0]["state"] == "hung")
        assert worker.stop() == 0
    assert worker.events("engine_hangs")


def test_crash_report(cluster):
    """Given a worker that crashes; when its log is read; then it has the version, the signal and a stack."""
    head = cluster.head()
    worker = cluster.echo_worker(head, "echo:crash_at=5,decode_us=20000")
    head.wait_ready(actors=1)
    with contextlib.closing(head.begin("/v1/completions", {"prompt": "hello"})):  # it waits for somebody to continue
        assert worker.wait() == -signal.SIGABRT
    assert worker.says(r"version 0\.") and worker.says("signal 06") and worker.says("stack:\n")


def test_worker_that_stops_reading_is_let_go(cluster):
    """Given a stopped worker; when far more is sent to it than a connection holds; then the head gives it up and its
    memory stays small."""
    head = cluster.head("--beat-ms", 100, "--lost-after-ms", 2000)
    worker = cluster.echo_worker(head, "echo:tokens=5", "--slots", 64)
    head.wait_ready(actors=1)
    rss = head.rss_bytes()
    os.kill(worker.pid, signal.SIGSTOP)
    together(20, lambda i: head.post("/manta/process_prompt", {"prompt": "x" * 1_000_000, "timeout_s": 1}))
    head.wait_status(workers=0)
    head.wait_idle()
    assert head.answers() and not head.has_grown(rss, 100 << 20)
