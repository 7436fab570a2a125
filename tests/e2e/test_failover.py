"""Failover in mid-stream: whatever happens to a worker, its answers go on with another one and the client sees a pause.

Each answer is compared with the one of an undisturbed cluster: no byte lost, doubled, changed or malformed."""

import datetime
import itertools
import random
import re
import signal
import threading
import time

import pytest

from cluster import REAL, together, wait_for
from streams import Cable, ask, compare

SCRIPT = "echo:tokens=160,decode_us=8000,prefill_us=200"  # about 1.5 seconds each, with characters cut between tokens
STREAM = {"stream": True, "stream_options": {"include_usage": True}}
FAST = ("--beat-ms", 100, "--lost-after-ms", 600, "--token-stall-ms", 1000)


def requests(n):
    """Requests of every kind: greedy and drawn, streamed and whole, stop strings, three choices, log-probabilities."""
    kinds = [
        {**STREAM, "temperature": 0},
        {**STREAM, "temperature": 1},
        {**STREAM, "temperature": 1, "stop": ["light, the", " reef reef reef", "水 glide"]},
        {**STREAM, "temperature": 1, "n": 3},
        {**STREAM, "temperature": 1, "logprobs": 1},
        {"temperature": 1},
        {"temperature": 1, "n": 3},
        {"temperature": 0, "logprobs": 1},
    ]
    return [{"prompt": f"{i}: tell me of rays", "seed": i, "max_tokens": 140, **kind}
            for i, kind in zip(range(n), itertools.cycle(kinds))]


def undisturbed(cluster, bodies, *flags, script=SCRIPT.split(",", maxsplit=1)[0]):
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
    clock = re.findall(r"^(\d\d:\d\d:\d\d\.\d{3}).*worker left", head.log, re.MULTILINE)[-1]
    then = datetime.datetime.combine(since.date(), datetime.time.fromisoformat(clock))
    return (then - since).total_seconds() * 1000 % 86400000


def kill(cluster, victim, cable, start):
    victim.kill()
    start()


def leave(cluster, victim, cable, start):
    assert victim.stop(signal.SIGINT) == 0  # without waiting for what runs; test_drain.py has SIGTERM
    start()


def freeze(cluster, victim, cable, start):
    victim.send(signal.SIGSTOP)
    time.sleep(1.2)
    victim.send(signal.SIGCONT)


def reset(cluster, victim, cable, start):
    cable.reset()


def cut(cluster, victim, cable, start):
    cable.cut.set()
    time.sleep(1.2)
    cable.cut.clear()


@pytest.mark.parametrize("fault", [kill, leave, freeze, reset, cut])
def test_answers_survive(cluster, capsys, fault):
    """Given 24 answers of all kinds on three workers; when at random moments one worker after the other is killed, asked to
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

    def weather():
        for k in (0, 1, 2):
            time.sleep(0.3 + rng.random() * 0.4)
            fault(cluster, workers[k], cables[k], lambda k=k: start(k))

    storm = threading.Thread(target=weather)
    storm.start()
    answers = together(24, lambda i: ask(head, bodies[i]))
    storm.join()
    compare(answers, expected)
    status = head.status()
    assert status["calls_failed"] == 0 and status["jobs_resumed"] > 0
    report(capsys, f"{fault.__name__}: {status['jobs_resumed']} answers went on elsewhere, longest gap {longest_gap_ms(answers):.0f} ms")
    for cable in cables:
        cable.close()


def test_frozen_engine_is_left(cluster, capsys):
    """Given an answer on an actor whose engine freezes at its fourth token while the worker itself lives and sends its beats;
    when another worker has the same model; then that one goes on, and the frozen one is shown as hung and gets no prompts."""
    body = {"prompt": "hello", "max_tokens": 20, "temperature": 0, **STREAM}
    expected = undisturbed(cluster, [body], script="echo:tokens=20")
    head = cluster.head("--beat-ms", 100, "--token-stall-ms", 800)
    cluster.echo_worker(head, "echo:tokens=20,freeze_at=4", "--node", "frozen")
    head.wait_ready(actors=1)
    first = threading.Event()
    answers = []
    client = threading.Thread(target=lambda: answers.append(ask(head, body, on_event=lambda a: first.set())))
    client.start()
    assert first.wait(10)
    cluster.echo_worker(head, "echo:tokens=20", "--node", "well")
    client.join(30)
    compare(answers, expected)
    report(capsys, f"frozen engine: gap {longest_gap_ms(answers):.0f} ms, stall after 800 ms")
    states = {w["node"]: w["state"] for w in head.status()["worker_nodes"]}
    assert states == {"frozen": "hung", "well": "ok"}
    for i in range(4):
        assert head.ask(f"who? {i}")["answered_by"]["node"] == "well"


def test_answer_waits_for_its_worker_to_come_back(cluster):
    """Given one worker and answers of two kinds on it; when it is killed and started again; then both go on, the streamed and
    the whole one; meanwhile a worker with the same model name but another file does not touch them."""
    bodies = [{"prompt": "a", "max_tokens": 100, "temperature": 1, "seed": 4, **STREAM},
              {"prompt": "b", "max_tokens": 100, "temperature": 1, "seed": 5}]
    expected = undisturbed(cluster, bodies)
    head = cluster.head()
    worker = cluster.echo_worker(head, SCRIPT)
    head.wait_ready(actors=1)

    def one(i):
        if i < 2:
            return ask(head, bodies[i])
        wait_for("both to run", lambda: head.status()["running"] == 2)
        time.sleep(0.3)
        worker.kill()
        cluster.echo_worker(head, "echo:tokens=160,seed=77")
        head.wait_ready(actors=1)
        time.sleep(0.3)
        return cluster.echo_worker(head, SCRIPT) and None
    compare(together(3, one)[:2], expected)


def test_fan_out_survives(cluster):
    """Given a prompt that three actors answer, each for itself; when one of them is killed in the middle; then there are three
    whole answers, one of them from a survivor."""
    head = cluster.head()
    victim, *_ = [cluster.echo_worker(head, SCRIPT, "--node", n) for n in ("victim", "a", "b")]
    head.wait_ready(actors=3)

    def one(i):
        if i == 0:
            return head.ask("all of you", actors="all", temperature=0, max_tokens=100)
        wait_for("all to run", lambda: head.status()["running"] == 3)
        time.sleep(0.4)
        return victim.kill() and None
    responses = together(2, one)[0]["responses"]
    assert len(responses) == 3 and len({r["response"] for r in responses}) == 1 and all(r["tokens"] == 100 for r in responses)
    assert {r["node"] for r in responses} == {"a", "b"}


def test_a_stream_whose_workers_are_all_killed_ends_with_an_error(cluster):
    """Given an answer in mid-stream; when its worker is killed, and every worker after it before it brings a token (one that crashes by
    itself is another story: test_poison.py); then after so many attempts the client is told in the stream, in the form SDKs raise, and nothing comes after that, no [DONE] either."""
    head = cluster.head()
    good = cluster.echo_worker(head, SCRIPT, "--node", "good")
    head.wait_ready(actors=1)
    first = threading.Event()
    answers = []
    body = {"prompt": "go", "max_tokens": 150, **STREAM}
    client = threading.Thread(target=lambda: answers.append(ask(head, body, on_event=lambda a: first.set())))
    client.start()
    assert first.wait(10)
    good.kill()
    for k in range(8):
        doomed = cluster.echo_worker(head, SCRIPT + ",freeze_at=1", "--node", f"doomed{k}")
        head.wait_status(running=1)
        doomed.kill()
    client.join(30)
    answer, = answers
    assert answer.status == 200 and "attempts_max" in answer.error["message"] and answer.error["type"] == "unavailable_error"
    assert not answer.done and answer.after_error == 0 and answer.finish == {}


@pytest.mark.model
def test_exact_answers_survive_a_killed_worker(cluster, capsys):
    """Given three workers with the real model and --exact, and answers in mid-stream, greedy, drawn, with stop strings and with
    three choices; when the worker with the most of them is killed with -9; then every answer is the undisturbed one."""
    kinds = [{"temperature": 0}, {"temperature": 0.9}, {"temperature": 0.9, "stop": [". ", "\n"]}, {"temperature": 0.9, "n": 3}]
    bodies = [{"messages": [{"role": "user", "content": f"Tell me a story about the number {i}."}], "seed": 40 + i, "max_tokens": 60,
               **STREAM, **kind} for i, kind in enumerate(kinds)]
    head = cluster.head()
    workers = {f"w{k}": cluster.worker(head, *REAL, "--exact", "--node", f"w{k}") for k in range(3)}
    head.wait_ready(actors=3)

    def chat(i, **more):
        return ask(head, bodies[i], "/v1/chat/completions", **more)
    expected = [chat(i).what() for i in range(4)]
    assert [set(e["finish"].values()) <= {"stop", "length"} for e in expected] == [True] * 4
    spoken = threading.Semaphore(0)
    killed = []

    def one(i):
        if i < 4:
            return chat(i, on_event=lambda a: len(a.times) == 8 and spoken.release())
        for _ in range(3):
            spoken.acquire(timeout=60)
        busiest = max(head.ready_actors(), key=lambda a: a["in_flight"])["node"]
        killed.append(datetime.datetime.now())
        return workers[busiest].kill() and None
    answers = together(5, one)[:4]
    compare(answers, expected)
    resumed = head.status()["jobs_resumed"]
    assert resumed > 0
    waits = [int(ms) for ms in re.findall(r"goes on at token \d+ after (\d+) ms", head.log)]
    detected = detected_ms(head, killed[0])
    assert detected < 1000  # 100 ms is promised; a test machine may be busy
    report(capsys, f"real model, kill -9: seen after {detected:.0f} ms; {resumed} answers went on elsewhere, without a token for "
           f"{waits} ms at the head; longest gap at a client {longest_gap_ms(answers):.0f} ms")
