"""`manta chaos`: streams under a storm of faults, each compared with its undisturbed twin; and the same with cables that are pulled."""

import itertools
import json
import re
import subprocess
import threading
import time

import pytest

from cluster import Beside, together, wait_for
from hosts import Host
from streams import ask

SHORT = ("chaos", "--streams", 16, "--faults", 6, "--seed", 5)  # docs/failover.md has it so: test_typed.py


def test_chaos_finds_nothing_wrong(run):
    """Given a cluster of the scripted engine under a short storm of kills, freezes and leavings; when its streams are compared
    with their undisturbed twins; then nothing is lost, doubled or changed, answers did continue elsewhere, lines without a terminal's
    signs said how far it was, and the status is 0."""
    end = run(*SHORT, "--exact", "-o", "json")
    assert end.returncode == 0, end.stdout + end.stderr
    sums = json.loads(end.stdout)
    assert sums["well"] and sums["streams"] >= 16 and sum(sums["faults"].values()) == 6 and sums["faults"]["kill"] > 0, sums
    wrong = ("lost", "malformed", "errors", "changed", "lost_bytes", "duplicated_bytes", "changed_bytes")
    assert [sums[name] for name in wrong] == [0] * len(wrong), sums
    assert re.match(r"undisturbed: 1 of 16 streams\n", end.stderr) and "\r" not in end.stderr, end.stderr
    assert sums["went_on_elsewhere"] > 0 and 0 < sums["kill_seen_median_ms"], sums
    assert 0 < sums["replay_median_ms"] <= sums["wait_longest_ms"] <= sums["longest_gap_ms"] + 1000, sums


def test_chaos_says_it_in_one_line(run):
    """Given a storm of no faults at all; when it is over; then each stream came once, and the last line has the sums."""
    end = run("chaos", "--streams", 8, "--faults", 0)
    assert end.returncode == 0, end.stdout + end.stderr
    assert re.fullmatch(r"streams 8, lost 0, duplicated bytes 0, changed bytes 0, longest gap \d+ ms, errors 0", end.stdout.splitlines()[-1]), end.stdout


@pytest.mark.parametrize("spoil, found", [("lose", "lost_bytes"), ("double", "duplicated_bytes"), ("change", "changed_bytes")])
def test_chaos_finds_what_is_wrong(run, spoil, found):
    """Given one answer that was spoiled on purpose: a piece left out, a piece twice, another byte; when it is compared; then the
    sums say so and nothing else, the stream is shown beside its twin, and the status is 1."""
    end = run("chaos", "--streams", 4, "--faults", 0, "--exact", "--debug-spoil", spoil, "-o", "json")
    sums = json.loads(end.stdout)
    assert end.returncode == 1 and not sums["well"], sums
    assert {name for name in ("lost_bytes", "duplicated_bytes", "changed_bytes") if sums[name] > 0} == {found}, sums
    assert "stream 0 (greedy)" in end.stderr and "undisturbed: " in end.stderr, end.stderr


@pytest.mark.parametrize("heads", [1, 2])
def test_chaos_kills_heads(run, heads):
    """Given streams at one head, or at two; when heads and workers are killed and started again; then each client that comes back with
    the id of its last event, to the same head or to the other one, gets the rest, byte for byte."""
    end = run("chaos", "--streams", 24, "--faults", 5, "--seed", 4, "--kinds", "head,kill", "--heads", heads, "--exact", "-o", "json")
    assert end.returncode == 0, end.stdout + end.stderr
    sums = json.loads(end.stdout)
    assert sums["well"] and sums["faults"]["head"] > 0 and sums["faults"]["kill"] > 0 and sums["asked_again"] > 0, sums
    assert 0 < sums["away_median_ms"] <= sums["away_longest_ms"], sums


def test_chaos_pulls_cables(run):
    """Given workers on hosts of their own, which the command makes and removes; when their cables are pulled and put back; then
    nothing is lost, doubled or changed, and whom the head gave up it gave up within three heartbeats."""
    end = run("chaos", "--streams", 12, "--faults", 3, "--seed", 1, "--kinds", "cut", "--exact", "-o", "json")
    if "cannot make network namespaces" in end.stderr:
        pytest.skip(f"no root here: {end.stderr}")
    assert end.returncode == 0, end.stdout + end.stderr
    sums = json.loads(end.stdout)
    assert sums["well"] and sums["faults"] == {"kill": 0, "freeze": 0, "leave": 0, "cut": 3, "head": 0}, sums
    assert 2000 < sums["cut_seen_longest_ms"] and sums["went_on_elsewhere"] > 0, sums
    links = subprocess.run(["ip", "link"], capture_output=True, text=True, check=True).stdout
    assert not re.search(rf"\bmc{sums['pid']}\b", links), links


def test_chaos_says_why_it_cannot_run(run):
    """Given kinds of faults that are none, too many workers, or a model that cannot be loaded; then it ends with the reason."""
    end = run("chaos", "--kinds", "kill,freze")
    assert end.returncode == 2 and "did you mean 'freeze'?" in end.stderr, end.stderr
    end = run("chaos", "--workers", 200)
    assert end.returncode == 1 and "1 to 64 workers" in end.stderr, end.stderr
    end = run("chaos", "--model", "echo:tokns=3")
    assert end.returncode == 1 and "did you mean 'tokens'" in end.stderr, end.stderr


def requests():
    kinds = [{"temperature": 0}, {"temperature": 1}, {"temperature": 1, "stop": [" reef reef reef"]}, {"temperature": 1, "n": 2}]
    return [{"prompt": f"{i}: tell me of cables", "seed": i, "max_tokens": 140, "stream": True, "stream_options": {"include_usage": True}, **kind}
            for i, kind in zip(range(16), itertools.cycle(kinds))]


def test_cables_are_pulled_without_a_word(cluster, capsys):
    """Given three workers, each on a host of its own, and clients that ask without a pause; when one host's cable after the other
    is pulled, so that neither FIN nor RST is heard, and put back later; then the head gives each up within three heartbeats,
    every answer is the undisturbed one, and all workers are there again at the end."""
    bodies = requests()
    with Host() as a, Host() as b, Host() as c:
        head = cluster.head("--host", "0.0.0.0", "--api-key", "k", "--join-token", "t")
        head.key = "k"
        hosts = {"w0": a, "w1": b, "w2": c}
        for node, host in hosts.items():
            cluster.echo_worker(f"{host.ours}:{head.port}", "echo:tokens=160,decode_us=10000", "--node", node, "--slots", 8, "--join-token", "t",
                                through=host.through)
        head.wait_ready(actors=3)
        expected = [a.what() for a in together(16, lambda i: ask(head, bodies[i]))]
        calm = threading.Event()
        answers, wrong, seen_ms = [], [], []

        def client(i):
            while not calm.is_set():
                answer = ask(head, bodies[i])
                answers.append(answer)
                wrong.extend([] if answer.what() == expected[i] else [(i, answer.what())])
        clients = [Beside(client, i) for i in range(16)]
        for node, host in hosts.items():
            wait_for(f"streams on {node}", lambda n=node: head.computes(n))
            began = time.monotonic()
            host.cut()
            head.wait_event("worker_left", node=node, silent=1)
            seen_ms.append((time.monotonic() - began) * 1000)
            host.mend()
        head.wait_ready(actors=3)
        calm.set()
        for c in clients:
            c.end()
        status = head.status()
    assert not wrong and len(answers) >= 16 and status["calls_failed"] == 0 and status["jobs_resumed"] > 0
    with capsys.disabled():
        print(f"\n    cables pulled: given up after {', '.join(f'{ms:.0f}' for ms in seen_ms)} ms; {len(answers)} answers, "
              f"{status['jobs_resumed']} continued elsewhere, longest gap {max(a.gap_s for a in answers) * 1000:.0f} ms")
