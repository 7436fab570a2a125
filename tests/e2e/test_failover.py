"""Failover in mid-stream: whatever happens to a worker, its answers continue another one and the client sees a pause.

Each answer is compared with the one of an undisturbed cluster: no byte lost, doubled, changed or malformed."""

import datetime
import itertools
import random
import re
import signal

import pytest

from cluster import REAL, together, wait_for
from streams import Cable, Load, ask, compare

SCRIPT = "echo:tokens=160"  # with characters cut between tokens
STREAM = {"stream": True, "stream_options": {"include_usage": True}}
FAST = ("--beat-ms", 100, "--lost-after-ms", 1500, "--token-stall-ms", 3000)


def requests(n):
    """Requests of every kind: greedy and drawn, streamed and whole, stop strings, three choices, log-probabilities."""
    kinds = [
        {**STREAM, "temperature": 0},
        {**STREAM, "temperature": 1},
        {**STREAM, "temperature": 1, "stop": ["light, the", " reef reef reef", "水 glide"]},
        {**STREAM, "temperature": 1, "n": 3},
        {**STREAM, "temperature": 1, "logprobs": 1},
        {**STREAM, "temperature": 1, "logprobs": 2, "stop": [" a a a", " sea the sea", ". light", "aft reef"]},
        {"temperature": 1},
        {"temperature": 1, "n": 3},
        {"temperature": 0, "logprobs": 1},
        {"temperature": 1, "logprobs": 1, "stop": [" wings wings", ", is a", "水 glide"]},
    ]
    return [{"prompt": f"{i}: tell me of rays", "seed": i, "max_tokens": 140, **kind}
            for i, kind in zip(range(n), itertools.cycle(kinds))]


def undisturbed(cluster, bodies, *flags, script=SCRIPT):
    """What a cluster answers in which nothing happens."""
    head = cluster.head()
    cluster.echo_worker(head, script, *flags)
    head.wait_ready(actors=1)
    return [ask(head, body).what() for body in bodies]


def longest_gap_ms(answers):
    return max(a.gap_s for a in answers if a.times) * 1000


def report(capsys, line):
    with capsys.disabled():
        print(f"\n    {line}")


def detected_ms(head, since):
    """From the moment `since` until the head saw the worker's end, as its log says."""
    clock = re.findall(r"^(\d\d:\d\d:\d\d\.\d{3}).* event=worker_left ", head.log, re.MULTILINE)[-1]
    then = datetime.datetime.combine(since.date(), datetime.time.fromisoformat(clock))
    return (then - since).total_seconds() * 1000 % 86400000


def given_up(head, n):
    wait_for(f"the head to give up {n} workers", lambda: len(head.events("worker_left")) >= n)


def kill(head, victim, cable, start):
    victim.kill()
    start()


def leave(head, victim, cable, start):
    assert victim.stop(signal.SIGINT) == 0  # without waiting for what runs; test_drain.py has SIGTERM
    start()


def freeze(head, victim, cable, start):
    before = len(head.events("worker_left"))
    victim.send(signal.SIGSTOP)
    given_up(head, before + 1)
    victim.send(signal.SIGCONT)


def reset(head, victim, cable, start):
    cable.reset()


def cut(head, victim, cable, start):
    before = len(head.events("worker_left"))
    cable.cut.set()
    given_up(head, before + 1)
    cable.cut.clear()


@pytest.mark.parametrize("fault", [kill, leave, freeze, reset, cut])
def test_answers_survive(cluster, capsys, fault):
    """Given 24 answers of all kinds on three workers; when at random places one worker after the other is killed, asked to
    leave, frozen, has its connection reset, or is cut off; then every answer is the undisturbed one, to the byte."""
    bodies = requests(24)
    expected = undisturbed(cluster, bodies)
    head = cluster.head(*FAST)
    cables = [Cable(head.port) for _ in range(3)]
    workers = [None] * 3

    def start(k):
        workers[k] = cluster.echo_worker(cables[k].address, SCRIPT, "--slots", 8, "--node", f"w{k}")
    for k in range(3):
        start(k)
    head.wait_ready(actors=3)
    rng = random.Random(6)
    cluster.pace(300)
    load = Load(head, bodies)
    for k in (0, 1, 2):
        load.wait_more(rng.randrange(20, 80))
        fault(head, workers[k], cables[k], lambda k=k: start(k))
    wait_for("answers to resume elsewhere", lambda: head.status()["jobs_resumed"] > 0)
    cluster.pace(0)
    answers = load.end()
    compare(answers, expected)
    status = head.status()
    assert status["calls_failed"] == 0 and status["jobs_resumed"] > 0
    report(capsys, f"{fault.__name__}: {status['jobs_resumed']} answers continued elsewhere, longest gap {longest_gap_ms(answers):.0f} ms")
    for cable in cables:
        cable.close()


def test_frozen_engine_is_left(cluster, capsys):
    """Given an answer on an actor whose engine freezes at its fourth token while the worker itself lives and sends its beats;
    when another worker has the same model; then that one continues, and the frozen one is shown as hung and gets no prompts."""
    body = {"prompt": "hello", "max_tokens": 20, "temperature": 0, **STREAM}
    expected = undisturbed(cluster, [body], script="echo:tokens=20")
    head = cluster.head("--beat-ms", 100, "--token-stall-ms", 800)
    cluster.echo_worker(head, "echo:tokens=20,freeze_at=4", "--node", "frozen")
    head.wait_ready(actors=1)
    load = Load(head, [body]).wait(1)
    cluster.echo_worker(head, "echo:tokens=20", "--node", "well")
    answers = load.end()
    compare(answers, expected)
    report(capsys, f"frozen engine: gap {longest_gap_ms(answers):.0f} ms, stall after 800 ms")
    wait_for("one hung and one well", lambda: {w["node"]: w["state"] for w in head.status()["worker_nodes"]} == {"frozen": "hung", "well": "ok"})
    for i in range(4):
        assert head.ask(f"who? {i}")["answered_by"]["node"] == "well"


def test_answer_waits_for_its_worker_to_come_back(cluster):
    """Given one worker and answers of two kinds on it; when it is killed and started again; then both continue, the streamed and
    the whole one; meanwhile a worker with the same model name but another file does not touch them."""
    bodies = [{"prompt": "a", "max_tokens": 100, "temperature": 1, "seed": 4, **STREAM},
              {"prompt": "b", "max_tokens": 100, "temperature": 1, "seed": 5}]
    expected = undisturbed(cluster, bodies)
    head = cluster.head()
    worker = cluster.echo_worker(head, SCRIPT)
    head.wait_ready(actors=1)
    cluster.pace(300)
    load = Load(head, bodies)
    head.wait_status(running=2)
    load.wait(3)
    worker.kill()
    cluster.echo_worker(head, "echo:tokens=160,seed=77", "--node", "other")
    wait_for("the other model's worker", lambda: [a["node"] for a in head.ready_actors()] == ["other"])
    assert head.status()["queued"] == 2 and head.status()["running"] == 0
    cluster.pace(0)
    cluster.echo_worker(head, SCRIPT)
    compare(load.end(), expected)


def test_fan_out_survives(cluster):
    """Given a prompt that three actors answer, each for itself; when one of them is killed in the middle; then there are three
    whole answers, one of them from a survivor."""
    head = cluster.head()
    victim, *_ = [cluster.echo_worker(head, SCRIPT, "--node", n) for n in ("victim", "a", "b")]
    head.wait_ready(actors=3)

    cluster.pace(300)

    def one(i):
        if i == 0:
            return head.ask("all of you", actors="all", temperature=0, max_tokens=100)
        head.wait_status(running=3)
        head.tokens(6)
        victim.kill()
        wait_for("its answer to be moved", lambda: head.status()["jobs_rerouted"] == 1)
        return cluster.pace(0)
    responses = together(2, one)[0]["responses"]
    assert len(responses) == 3 and len({r["response"] for r in responses}) == 1 and all(r["tokens"] == 100 for r in responses)
    assert {r["node"] for r in responses} == {"a", "b"}


def test_a_stream_whose_workers_are_all_killed_ends_with_an_error(cluster):
    """Given an answer in mid-stream; when its worker is killed, and every worker after it before it brings a token (one that crashes by
    itself is another story: test_poison.py); then after so many attempts the client is told in the stream, in the form SDKs raise, and nothing comes after that, no [DONE] either."""
    head = cluster.head()
    good = cluster.echo_worker(head, SCRIPT, "--node", "good")
    head.wait_ready(actors=1)
    cluster.pace(300)
    load = Load(head, [{"prompt": "go", "max_tokens": 150, **STREAM}]).wait(1)
    good.kill()
    for k in range(20):
        doomed = cluster.echo_worker(head, SCRIPT + ",freeze_at=1", "--node", f"doomed{k}")
        wait_for("it to have the job, or the end of the stream", lambda n=f"doomed{k}": head.computes(n) or not load.running())
        doomed.kill()
        if not load.running():
            break
    answer, = load.end()
    assert answer.status == 200 and "attempts_max" in answer.error["message"] and answer.error["type"] == "unavailable_error"
    assert not answer.done and answer.after_error == 0 and answer.finish == {}


@pytest.mark.model
def test_exact_answers_survive_a_killed_worker(cluster, capsys):
    """Given three workers with the real model and --exact, and answers in mid-stream, greedy, drawn, with stop strings and with
    three choices; when the worker with the most of them is killed with -9; then every answer is the undisturbed one."""
    kinds = [{"temperature": 0}, {"temperature": 0.9}, {"temperature": 0.9, "stop": [". ", "\n"]}, {"temperature": 0.9, "n": 3}]
    bodies = [{"messages": [{"role": "user", "content": f"Tell me a story about the number {i}."}], "seed": 40 + i, "max_tokens": 60,
               **STREAM, **kind} for i, kind in enumerate(kinds)]
    head = cluster.head("--lost-after-ms", 60000)
    workers = {f"w{k}": cluster.worker(head, *REAL, "--exact", "--node", f"w{k}") for k in range(3)}
    head.wait_ready(actors=3)

    expected = [ask(head, body, "/v1/chat/completions").what() for body in bodies]
    assert [set(e["finish"].values()) <= {"stop", "length"} for e in expected] == [True] * 4
    cluster.pace(300)
    load = Load(head, bodies, "/v1/chat/completions").wait(8, streams=3)
    busiest = max(head.ready_actors(), key=lambda a: a["in_flight"])["node"]
    killed = datetime.datetime.now()
    workers[busiest].kill()
    wait_for("answers to resume elsewhere", lambda: head.status()["jobs_resumed"] > 0)
    cluster.pace(0)
    answers = load.end()
    compare(answers, expected)
    resumed = head.status()["jobs_resumed"]
    assert resumed > 0
    waits = [int(e["wait_ms"]) for e in head.events("job_resumed")]
    assert not head.events("worker_left", silent=1)  # by the end of its connection, not by its silence
    detected = detected_ms(head, killed)
    report(capsys, f"real model, kill -9: seen after {detected:.0f} ms; {resumed} answers continued elsewhere, without a token for "
           f"{waits} ms at the head; longest gap at a client {longest_gap_ms(answers):.0f} ms")
