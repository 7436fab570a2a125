"""The head under everything at once: its memory stays within the budget it names, and who keeps to the limits sees nothing.

`make test-memory` runs it with 10,000 streams and 1,000 workers (MANTA_STREAMS, MANTA_WORKERS)."""

import asyncio
import contextlib
import json
import os
import pathlib
import re
import sys
import threading

import pytest

from cluster import SANITIZED, wait_for
from swarm import EMBED, Swarm, answer_with, ask, post, until

STREAMS = int(os.environ.get("MANTA_STREAMS", "1000"))
WORKERS = int(os.environ.get("MANTA_WORKERS", "100"))
MIB = 1 << 20
FULL = ("http_held_bytes_max", "queue_bytes_max", "answer_bytes_max", "pending_bytes_max", "link_bytes_max")  # at the end
SLOTS = 8  # of each silent worker: a fifth of the streams waits in the queue


def pss_bytes(pid):
    return int(re.search(r"^Pss:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1]) * 1024


class Watch:
    """The most memory a process had, looked at 20 times a second."""

    def __init__(self, pid):
        self.pid, self.most, self.ended = pid, 0, threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()

    def _look(self):
        with contextlib.suppress(ProcessLookupError):  # the test failed before it could end this
            while not self.ended.wait(0.05):
                self.most = max(self.most, pss_bytes(self.pid))

    def end(self):
        self.ended.set()
        self.thread.join()
        return self.most


def chat(model, content, **fields):
    return post("/v1/chat/completions", json.dumps({"model": model, "messages": [{"role": "user", "content": content}], **fields}).encode())


async def statuses(clients):
    await asyncio.gather(*(c.done for c in clients))
    found = [c.status for c in clients]
    for c in clients:
        c.close()
    return found


# ---- the floods: each pushes more into its part than the part may hold, tells how much, and after the rest has done the same,
# how many were refused or cut ----

async def vectors(head, swarm):
    """Requests with 256 texts whose vectors come, 32 KiB each, all but the last."""
    def answer(w, *run):
        w.begin(*run)
        if w.runs_n % 256 != 0:
            w.end(*run, 0, embedding=VECTOR)
    (worker,) = await swarm.join(1, "vector", slots=64, kind=EMBED, on_run=answer)
    body = json.dumps({"model": "vector", "input": ["a text"] * 256}).encode()
    clients = []
    for n in range(1, 13):
        clients.append(await ask(head.port, post("/v1/embeddings", body)))
        await until("its runs", lambda n=n: worker.runs_n >= 256 * n)
    await until("a refusal", lambda: any(c.done.done() for c in clients))
    yield 96 * MIB
    refused = sum(c.status == 429 for c in clients)
    for c in clients:
        c.close()
    yield refused


VECTOR = [0.5] * 8192


async def readers_who_do_not(head, swarm):
    """Streams that nobody reads, 3 MiB each."""
    loud = await swarm.join(4, "loud", slots=64)
    clients = [await ask(head.port, chat("loud", str(i), stream=True), reads=False) for i in range(64)]
    await until("their runs", lambda: sum(len(w.runs) for w in loud) == 64)
    for w in loud:
        for run in w.runs:
            w.begin(*run)
    for first in range(48):
        for w in loud:
            for run in list(w.runs):
                w.tell(*run, first, "l" * 65536)
        await asyncio.sleep(0.02)
    await until("cancelled ones", lambda: sum(len(w.runs) for w in loud) < 64)
    yield 192 * MIB
    refused = 64 - sum(len(w.runs) for w in loud)
    for c in clients:
        c.close()
    await until("the end of them", lambda: sum(len(w.runs) for w in loud) == 0)
    yield refused


async def whole_answers_unread(head, swarm):
    """Answers of 4 MiB that are ready, and that nobody reads."""
    def answer(w, *run):
        w.begin(*run)
        for first in range(64):
            w.tell(*run, first, "w" * 65536)
        w.end(*run, 64)
    (worker,) = await swarm.join(1, "whole", slots=2, on_run=answer)
    clients = [await ask(head.port, chat("whole", str(i)), reads=False) for i in range(40)]
    await until("all of them answered", lambda: worker.runs_n == 40 and not worker.runs)
    yield 160 * MIB
    for c in clients:
        c.transport.resume_reading()
    yield sum(status != 200 or c.bytes < 4 * MIB for status, c in zip(await statuses(clients), clients, strict=True))


async def half_frames(head, swarm):
    """Workers whose frame of 8 MiB is never whole."""
    liars = await swarm.join(24, "liar", slots=1)
    for w in liars:
        w.transport.write((8 * MIB - 4).to_bytes(4, "little") + b"\x05\x00" + bytes(7 * MIB))
    await until("closed links", lambda: sum(w.lost for w in liars) >= 12)
    yield 168 * MIB
    for w in liars:
        w.transport.abort()
    yield sum(w.lost for w in liars)


def held_bytes(head):
    return next(p["bytes"] for p in head.status()["memory"]["parts"] if p["name"] == "http_held_bytes_max")


async def long_prompts(head, swarm):
    """Requests that nobody takes, each with another prompt of 512 KiB: until the queue is full."""
    clients = []
    for i in range(192):
        clients.append(await ask(head.port, chat("silent", f"{i} " * (512 * 1024 // (len(str(i)) + 1)))))
        if i % 16 == 15:  # what waits to be read has a limit of its own
            await until("them to be read", lambda: held_bytes(head) < MIB)
    await until("refusals", lambda: sum(c.done.done() for c in clients) >= 50)
    yield 96 * MIB
    refused = sum(c.status == 429 for c in clients)
    for c in clients:
        c.close()
    yield refused


async def half_requests(head, swarm):
    """Bodies of 1 MiB of which the last byte does not come: the oldest give way."""
    clients = [await ask(head.port, post("/v1/chat/completions", b"x" * (MIB - 1), MIB)) for _ in range(120)]
    await until("refusals", lambda: any(c.done.done() for c in clients))
    refused = sum(c.done.done() and c.status in (503, 0) for c in clients)  # 0: what it still sent was in the answer's way
    yield 120 * MIB
    for c in clients:
        c.close()
    yield refused


FLOODS = [vectors, readers_who_do_not, whole_answers_unread, half_frames, long_prompts, half_requests]


async def short_prompts(head, swarm):
    """Prompts of 4 KiB, each another one, that are answered: the table of prefixes is full several times and forgets."""
    def answer(w, *run):
        w.begin(*run)
        w.tell(*run, 0, "yes")
        w.end(*run)
    await swarm.join(4, "quick", slots=32, on_run=answer)
    for i in range(0, 3000, 100):
        clients = [await ask(head.port, chat("quick", f"{i + k} " * 800)) for k in range(100)]
        assert await statuses(clients) == [200] * 100


# ---- the story ----

async def open_idle(head, silent):
    """The streams; four fifths run and have said one word, the rest waits for a slot."""
    clients = []
    for i in range(STREAMS):
        clients.append(await ask(head.port, chat("silent", f"What is {i}?", stream=True)))
    running = min(STREAMS, WORKERS * SLOTS)
    await until("their runs", lambda: sum(len(w.runs) for w in silent) == running)
    for w in silent:
        for run in w.runs:
            w.begin(*run)
            w.tell(*run, 0, "so")
    await until("first words", lambda: sum(b'"so"' in c.got for c in clients) == running)
    return clients


def end_at_once(w, job, attempt):
    w.begin(job, attempt)
    w.tell(job, attempt, 0, "so")
    w.tell(job, attempt, 1, " it is")
    w.end(job, attempt, 2)


async def end_idle(silent, clients):
    """Every stream has its second word and its end; the queue moves on into the slots that become free."""
    for w in silent:
        w.on_run = end_at_once
        for run in list(w.runs):
            w.tell(*run, 1, " it is")
            w.end(*run, 2)
    await asyncio.wait_for(asyncio.gather(*(c.done for c in clients)), 100)
    broken = [c.got for c in clients if not (c.got.index(b'"so"') < c.got.index(b'" it is"') < c.got.index(b"[DONE]"))]
    assert not broken, broken[:2]


async def story(head):
    seen = {"at first": pss_bytes(head.pid)}
    swarm = Swarm(head.port)
    silent = await swarm.join(WORKERS, "silent", slots=SLOTS)
    seen["with the workers"] = pss_bytes(head.pid)
    clients = await open_idle(head, silent)
    seen["with the idle streams"] = pss_bytes(head.pid)
    watch = Watch(head.pid)
    await short_prompts(head, swarm)
    seen["after many prompts"] = pss_bytes(head.pid)
    running = [(flood.__name__, flood(head, swarm)) for flood in FLOODS]
    pushed = {}
    for name, flood in running:
        pushed[name] = await anext(flood)
        seen[f"with {name}"] = pss_bytes(head.pid)
    counted = sum(p["bytes"] for p in head.status()["memory"]["parts"] if p["name"] in FULL)
    for name, flood in reversed(running):
        assert await anext(flood) > 0, f"nobody was refused of {name}"
    assert not any(w.lost for w in silent)
    await end_idle(silent, clients)
    seen["most of all"] = watch.end()
    swarm.leave()
    for c in clients:
        c.close()
    return seen, pushed, counted


@pytest.mark.timeout(900)
def test_memory_stays_within_its_budget(cluster, run):
    """Given a head with 100 workers and 1,000 idle streams; when clients and workers push into every part of its memory more
    than the part may hold, so that all are full at once, and together more than the budget; then somebody is refused or cut
    in each, the memory stays within the sum that `manta status --limits` prints, all idle streams continue to their end, and
    what was taken is given back."""
    head = cluster.head("--queue-jobs", 4 * STREAMS, "--token-stall-ms", 86400000, "--queue-deadline-ms", 86400000, "--lost-after-ms", 60000)
    budget = head.status()["memory"]
    limits = run("status", "--limits", "--head", head.address).stdout
    assert sum(p["bytes_max"] for p in budget["parts"]) == budget["bytes_max"]
    assert all(re.search(rf"^  {p['name']} .*; {re.escape(p['then'])}$", limits, re.M) for p in budget["parts"]), limits
    assert re.search(rf"memory_bytes_max +{budget['bytes_max']} bytes ", limits, re.M)
    seen, pushed, counted = asyncio.run(story(head))
    for what, bytes_ in seen.items():
        print(f"{what}: {bytes_ / MIB:.1f} MiB", file=sys.stderr)
    print(f"budget: {budget['bytes_max'] / MIB:.1f} MiB; pushed: {sum(pushed.values()) / MIB:.0f} MiB", file=sys.stderr)
    assert sum(pushed.values()) > budget["bytes_max"]
    full = sum(p["bytes_max"] for p in budget["parts"] if p["name"] in FULL)
    wait_for("closed connections", lambda: head.status()["head"]["connections"] <= 1)
    left = {p["name"]: p["bytes"] for p in head.status()["memory"]["parts"]}
    assert left["queue_bytes_max"] == left["answer_bytes_max"] == left["link_bytes_max"] == left["resume_bytes_max"] == 0, left
    assert counted >= 0.8 * full
    if not SANITIZED:  # a buffer that has just doubled counts whole, and is touched by half
        assert 0.5 * full <= seen["most of all"] <= budget["bytes_max"]
        wait_for("what was freed to be given back", lambda: pss_bytes(head.pid) <= seen["with the idle streams"] + 8 * MIB)
        print(f"after all: {pss_bytes(head.pid) / MIB:.1f} MiB", file=sys.stderr)


async def many_bodies(head):
    swarm = Swarm(head.port)
    await swarm.join(1, "w", slots=4, on_run=answer_with())
    clients = [await ask(head.port, chat("w", "a" * (4 * MIB - 200))) for _ in range(100)]
    await until("each to be answered", lambda: all(c.done.done() for c in clients))
    swarm.leave()
    return clients


def test_many_large_bodies_at_once(cluster):
    """Given a head with four slots; when a hundred clients send 4 MiB each at the same time; then those that find room are answered, and each
    of the others is told with 503 why, and to come again; the memory stays within the budget."""
    head = cluster.head("--lost-after-ms", 60000)
    watch = Watch(head.pid)
    clients = asyncio.run(many_bodies(head))
    most = watch.end()
    answered, refused = ([c.got for c in clients if c.status == status] for status in (200, 503))
    assert len(answered) + len(refused) == len(clients) and answered and refused, {c.status: c.got[:300] for c in clients}
    for got in refused:
        assert b"retry-after: 1\r\n" in got.lower() and b"too many request bytes in memory" in got and b"try again in a moment" in got, got
    assert SANITIZED or most <= head.status()["memory"]["bytes_max"]
    assert head.status()["calls_failed"] == 0
