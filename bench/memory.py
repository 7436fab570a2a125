"""Part d: memory. Each server is measured with the other one stopped: a model file that two processes map would count
half for each. PSS counts a shared page by its share, so the PSS of several workers may be added up."""

import threading
import time
from dataclasses import dataclass, replace

import load
from cases import ANSWER_TOKENS, PROMPT_WORDS
from servers import LlamaServer, Manta

HEAD_MB_MAX = 16
OPEN_STREAMS = 100
WORKERS = 3


@dataclass(frozen=True)
class Fact:
    title: str
    mb: float
    note: str = ""
    target: tuple = None  # ("<=", MB)


def plan(streams, tokens, seed):
    return [(0, load.body(load.words(f"{seed}/{i}", PROMPT_WORDS), tokens)) for i in range(streams)]


def one_and_three(setup):
    """PSS with every slot used once, so that what is allocated is also there."""
    with LlamaServer(setup) as server:
        load.run(server, plan(setup.slots, ANSWER_TOKENS, "memory"))
        llama_mb = server.processes[0].memory_mb("Pss")
    with Manta(setup) as manta:
        load.run(manta, plan(setup.slots, ANSWER_TOKENS, "memory"))
        one_mb, head_mb = manta.workers[0].memory_mb("Pss"), manta.head.memory_mb("Rss")
        manta.add_workers(WORKERS - 1)
        load.run(manta, plan(setup.slots * WORKERS, ANSWER_TOKENS, "more"))
        three_mb = sum(w.memory_mb("Pss") for w in manta.workers)
    size = f"{setup.slots} slots x {setup.context}"
    return [Fact("llama-server, PSS", llama_mb, size),
            Fact("one worker, PSS", one_mb, f"{size}; {one_mb / llama_mb:.2f} x llama-server"),
            Fact("its head, RSS", head_mb),
            Fact(f"{WORKERS} workers of one model, sum of PSS", three_mb, f"{three_mb / one_mb:.2f} x one worker")]


def all_open(streams):
    """How long all streams were open at the same time."""
    return min(s["token_ms"][-1] for s in streams) - max(s["token_ms"][0] for s in streams)


def head_under_streams(setup):
    """The head's RSS, idle and with 100 streams that have all begun and none has ended."""
    slots = -(-OPEN_STREAMS // WORKERS) + 2
    setup = replace(setup, slots=slots, context=512, threads=1)
    with Manta(setup) as manta:
        manta.add_workers(WORKERS - 1)
        idle_mb = manta.head.memory_mb("Rss")
        most_mb, ended = idle_mb, threading.Event()

        def watch():
            nonlocal most_mb
            while not ended.wait(0.1):
                most_mb = max(most_mb, manta.head.memory_mb("Rss"))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            seen = load.run(manta, plan(OPEN_STREAMS, 400, "open"), stop_after=16)
        finally:
            ended.set()
            watcher.join()
        time.sleep(1)
        after_mb = manta.head.memory_mb("Rss")
    open_s = all_open(seen.streams) / 1e3
    return [Fact(f"head, RSS, {WORKERS} workers, idle", idle_mb),
            Fact(f"head, RSS, {OPEN_STREAMS} open streams", most_mb, f"all open together for {open_s:.1f} s",
                 ("<=", HEAD_MB_MAX)),
            Fact("head, RSS, after them", after_mb)]


def measure(setup):
    return one_and_three(setup) + head_under_streams(setup)
