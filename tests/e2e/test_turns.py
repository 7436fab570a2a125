"""No turn of the head's loop computes for long, whatever it is sent: its own clock says so."""

import asyncio
import json
import re
import sys

import pytest

from cluster import SANITIZED
from swarm import EMBED, Swarm, ask, post

LONG_US = 50000
WORKERS, WAITING = 300, 600
MIB = 1 << 20


def longest_us(head):
    return head.status()["head"]["loop_turn_cpu_max_us"]


def get(path, method="GET"):
    return f"{method} {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()


async def until(what, condition, timeout_s=60):
    for _ in range(timeout_s * 20):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"waited {timeout_s} s in vain for {what}")


def answer_with(**done):
    def on_run(w, *run):
        w.begin(*run)
        w.end(*run, 0, **done)
    return on_run


async def pages(head):
    """Pages of a large cluster, hundreds pipelined on each of some connections."""
    swarm = Swarm(head.port)
    await swarm.join(WORKERS, "w", slots=1)
    waiting = [await ask(head.port, post("/v1/chat/completions", json.dumps(
        {"model": "w", "stream": True, "messages": [{"role": "user", "content": str(i)}]}).encode())) for i in range(WAITING)]
    asked = []
    for path in ("/health", "/readyz", "/v1/models", "/metrics", "/manta/status", "/manta/actors", "/manta/requests"):
        for method in ("GET", "HEAD"):
            asked.append(await ask(head.port, get(path, method) * 40 + get("/manta/none")))
    await until("the last answers", lambda: all(b"no such path" in c.got for c in asked), 120)
    assert not any(w.lost for w in swarm.workers)
    for c in waiting + asked:
        c.close()
    swarm.leave()


TEXTS = {"letters": "a", "escapes": "\n", "pairs": "\U0001f600", "quotes": '\\"'}


async def bodies(head):
    """Bodies of 4 MiB, of kinds that take a parser long; each is answered."""
    swarm = Swarm(head.port)
    await swarm.join(1, "w", slots=8, on_run=answer_with())
    raw = [json.dumps({"model": "w", "messages": [{"role": "user", "content": text * (4 * MIB // len(json.dumps(text)) - 100)}]}).encode()
           for text in TEXTS.values()]
    raw.append(b'{"model":"w","messages":[' + b",".join(b'{"role":"user","content":"%d"}' % i for i in range(4000)) + b"]}")
    raw.append(b'{"prompt":1.' + b"0" * (4 * MIB - 100) + b"}")
    clients = [await ask(head.port, post("/v1/chat/completions", body)) for body in raw * 2]
    assert [c.status for c in clients if await c.done] == [200, 200, 200, 200, 200, 400] * 2
    swarm.leave()


async def vectors(head):
    """Embeddings as JSON numbers, half a million of them in an answer of 5 MB; one client leaves while its answer is written."""
    swarm = Swarm(head.port)
    await swarm.join(1, "v", slots=64, kind=EMBED, on_run=answer_with(embedding=[i / 7777 for i in range(8000)]))
    body = json.dumps({"model": "v", "input": ["x"] * 64}).encode()
    clients = [await ask(head.port, post("/v1/embeddings", body)) for _ in range(2)]
    await until("the runs", lambda: swarm.workers[0].runs_n == 2 * 64)
    clients[1].close()
    await until("the whole answer", lambda: clients[0].bytes > 4 * MIB and clients[0].got.endswith(b"}"))
    swarm.leave()


async def all_leave(head):
    """A thousand connections and a hundred workers end at once."""
    swarm = Swarm(head.port)
    await swarm.join(WORKERS, "w", slots=1)
    clients = [await ask(head.port, post("/v1/chat/completions", json.dumps(
        {"model": "w", "stream": True, "messages": [{"role": "user", "content": str(i)}]}).encode())) for i in range(1000)]
    await until("all runs", lambda: sum(len(w.runs) for w in swarm.workers) == WORKERS)
    swarm.leave()
    for c in clients:
        c.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("load", [pages, bodies, vectors, all_leave], ids=lambda f: f.__name__)
def test_no_turn_is_long(cluster, load):
    """Given a head; when it is sent what takes long to read, to make or to take leave of; then all of it is answered as it should be, and
    no turn of its loop took 50 ms of processor time."""
    head = cluster.head("--queue-jobs", 4096, "--lost-after-ms", 60000)
    asyncio.run(load(head))
    head.wait_status(queued=0, running=0)
    longest = longest_us(head)
    print(f"{load.__name__}: {longest} us", file=sys.stderr)
    metrics = head.request("GET", "/metrics")[2]
    assert re.search(r"^manta_loop_turn_cpu_seconds_count [1-9]", metrics, re.M)
    if not SANITIZED:
        assert longest <= LONG_US
        assert re.search(r"^manta_loop_turns_long_total 0$", metrics, re.M), metrics
