"""No turn of the head's loop computes for long, whatever it is sent: its own clock says so."""

import asyncio
import json
import re
import sys

import pytest

from cluster import SANITIZED
from swarm import EMBED, FIELDS, Client, Swarm, answer_with, ask, frame, post, until

LONG_US = 50000
WORKERS, WAITING = 300, 600
MIB = 1 << 20


def longest_us(head):
    return head.status()["head"]["loop_turn_cpu_max_us"]


def get(path, method="GET"):
    return f"{method} {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()


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
    await until("the last answers", lambda: all(b"no such path" in c.got for c in asked))
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


class Reader(Client):
    """A client that reads nothing before it is told to, then all."""

    def __init__(self, raw, reads):
        super().__init__(raw, reads)
        self.all = bytearray()

    def data_received(self, data):
        self.all += data
        super().data_received(data)

    def events(self):
        """The values of its events; behind the last one comes [DONE]."""
        body = re.sub(rb"\r\n[0-9a-f]+\r\n", b"", self.all.partition(b"\r\n\r\n")[2].partition(b"\r\n")[2])
        events = [part[6:] for event in body.split(b"\n\n") for part in event.split(b"\n") if part.startswith(b"data: ")]
        assert events[-1] == b"[DONE]", events[-1]
        return [json.loads(e) for e in events[:-1]]


def held_bytes(head):
    return next(p["bytes"] for p in head.status()["memory"]["parts"] if p["name"] == "answer_bytes_max")


def likely(n):
    """What comes with a token of which log-probabilities are asked."""
    return {"logprobs": [-0.5], "top_ids": list(range(n)), "top_logprobs": [-i / 7 for i in range(n)], "pieces": ["x"] + ["y"] * n}


async def slow_readers(head):
    """Clients that read nothing of 6 MB of control characters, or of 2 MB with log-probabilities, then all at once: before the answer's
    end, or behind it. Each has all of it, in events of which each can be resumed from."""
    swarm = Swarm(head.port)
    (worker,) = await swarm.join(1, "w", slots=8)
    chat = {"model": "w", "stream": True, "messages": [{"role": "user", "content": "x"}]}
    clients = []
    for what in ({}, {"logprobs": True, "top_logprobs": 20}):
        for early in (True, False):
            clients.append(await ask(head.port, post("/v1/chat/completions", json.dumps({**chat, **what}).encode()), reads=False, kind=Reader))
            await until("its run", lambda: len(worker.runs) == 1)
            run, size = worker.runs[0], 3000 if not what else 200
            worker.begin(*run)
            for i in range(2000):
                worker.tell(*run, i, f"{i:04}" + "\x01" * size, **(likely(20) if what else {}))
            await until("what is held", lambda w=what: held_bytes(head) > (5 if not w else 1) * MIB)
            if early:
                clients[-1].transport.resume_reading()
            worker.end(*run, tokens=2000)
            clients[-1].transport.resume_reading()
            await clients[-1].done
            events = clients[-1].events()
            choices = [e["choices"][0] for e in events]
            assert "".join(c["delta"].get("content") or "" for c in choices) == "".join(f"{i:04}" + "\x01" * size for i in range(2000))
            assert sum(len((c.get("logprobs") or {}).get("content") or []) for c in choices) == (2000 if what else 0)
            assert [c["finish_reason"] for c in choices if c["finish_reason"]] == ["stop"]
            assert max(len(e["choices"][0]["delta"].get("content") or "") for e in events) < 128 << 10
    swarm.leave()


LONG = 7 * MIB
PARTS = {"STR": b"\x01" * LONG, "I32S": [1] * (LONG // 4), "F32S": [0.1] * (LONG // 4), "STRS": [b""] * (LONG // 4)}


async def long_messages(head):
    """Messages of 7 MB, of each kind and with each of their fields as long as that, from workers with a run: what is no message ends the
    link, and a stream beside them is whole."""
    swarm = Swarm(head.port)
    (sure,) = await swarm.join(1, "sure", slots=8)
    client = await ask(head.port, post("/v1/chat/completions", json.dumps(
        {"model": "sure", "stream": True, "messages": [{"role": "user", "content": "x"}]}).encode()))
    await until("its run", lambda: len(sure.runs) == 1)
    sure.begin(*sure.runs[0])
    chat = {"model": "w", "stream": True, "messages": [{"role": "user", "content": "x"}], "logprobs": True, "top_logprobs": 20}
    cases = [("tokens", "all of it", {name: value * (LONG // 300) for name, value in likely(20).items()} | {"ids": [7] * (LONG // 300)})]
    for message in ("actor", "beat", "prefilled", "tokens", "done", "bye", "availability", "crashed", "held", "kv_saved", "kv_part", "kv_ack", "scale_state"):
        cases += [(message, name, {name: PARTS[kind] if entry != "L" else [{}] * (LONG // 24)})
                  for entry, kind, name in FIELDS[message] if entry == "L" or kind in PARTS]
    for message, name, long in cases:
        (worker,) = await swarm.join(1, "w")
        asker = await ask(head.port, post("/v1/chat/completions", json.dumps(chat).encode()))
        await until("its run", lambda w=worker: len(w.runs) == 1)
        job, attempt = worker.runs[0]
        if message != "prefilled":
            worker.begin(job, attempt)
        about = {"job": job, "attempt": attempt, "ids": [7], "finish": 1, "state": 2, "model": "w", "digest": f"{'w':0<64}", "slots": 1}
        worker.transport.write(frame(message, **{**about, **long}))
        worker.beat()
        await until(f"{message}.{name} is heard", lambda w=worker: w.transport.get_write_buffer_size() == 0)
        asker.close()
        worker.transport.close()
        await until("it has left", lambda: len(head.ready_actors()) == 1)
    sure.tell(*sure.runs[0], 0, "whole")
    sure.end(*sure.runs[0])
    assert b"whole" in await client.done and not sure.lost
    swarm.leave()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("load", [pages, bodies, vectors, all_leave, slow_readers, long_messages], ids=lambda f: f.__name__)
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
