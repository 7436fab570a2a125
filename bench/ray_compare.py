"""What bench/ray measures, in a Ray cluster of two nodes: tokens per second, first token, memory, a killed and a hung worker. Prints a Markdown table."""
import json
import os
import signal
import statistics
import sys
import threading
import time

import ray

from manta.client import Client, MantaError
from manta.ray import cluster

MODEL = os.path.expanduser("~/.cache/manta/models/SmolLM2-135M-Instruct.Q4_1.gguf")
TOKENS, CALLERS, HANG_S = 64, (1, 4, 16), 20
WORDS = "the river, a bridge, two clocks, an old map, the sea, a letter, winter, bread, a fox, the market, glass, rain, a train, salt, the moon, paper".split(", ")


def prompt(i):
    return f"Tell me a long story about {WORDS[i % 16]} and {WORDS[(i * 7 + 3) % 16]}, number {i}."


# ---- the naive way ----


@ray.remote(num_cpus=1, max_restarts=-1, scheduling_strategy="SPREAD")
class NaiveActor:
    """One model in process, one thread."""

    def __init__(self, actor_id):
        import xllamacpp

        self.actor_id = actor_id
        params = xllamacpp.CommonParams()
        params.model.path = MODEL
        params.n_ctx = 2048
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
        self.server = xllamacpp.Server(params)

    def process_prompt(self, text, tokens):
        result = self.server.handle_chat_completions({"messages": [{"role": "user", "content": text}], "max_tokens": tokens, "temperature": 0})
        if isinstance(result, (str, bytes)):
            result = json.loads(result)
        return {"actor_id": self.actor_id, "tokens": result["usage"]["completion_tokens"], "response": result["choices"][0]["message"]["content"]}

    def pid(self):
        return os.getpid()


@ray.remote(num_cpus=0)
class NaiveCoordinator:
    """As people write it first: a list of actors, one after the other."""

    def __init__(self):
        self.actors, self.turn = [], 0

    def register_actor(self, actor):
        self.actors.append(actor)

    def process_prompt(self, text, tokens):
        self.turn += 1
        return ray.get(self.actors[self.turn % len(self.actors)].process_prompt.remote(text, tokens))

    def pid(self):
        return os.getpid()


class Naive:
    name = "naive: Python coordinator and actors"

    def __init__(self):
        self.actors = [NaiveActor.remote(i) for i in range(2)]
        self.coordinator = NaiveCoordinator.remote()
        ray.get([self.coordinator.register_actor.remote(a) for a in self.actors])
        for a in self.actors:
            ray.get(a.process_prompt.remote("hello", 4))

    def ask(self, text, tokens=TOKENS):
        return ray.get(self.coordinator.process_prompt.remote(text, tokens), timeout=120)["tokens"]

    def first_token_s(self, text):
        """There are no pieces: the first token comes with the last."""
        began = time.monotonic()
        self.ask(text)
        return time.monotonic() - began

    def pids(self):
        return [ray.get(self.coordinator.pid.remote())], [ray.get(a.pid.remote()) for a in self.actors]

    def victim(self):
        return ray.get(self.actors[0].pid.remote())

    def end(self):
        for a in [self.coordinator, *self.actors]:
            ray.kill(a)


class Manta:
    name = "manta: head, workers, `prompt_coordinator`"

    def __init__(self):
        cluster.down()
        cluster.up(workers=2, models=[MODEL], memory="2g", worker_args=["--context", "2048"], wait_s=300)
        self.coordinator = ray.get_actor("prompt_coordinator", namespace="manta")
        self.where = ray.get(self.coordinator.where.remote())
        for i in range(4):
            self.ask(prompt(i), 8)

    def ask(self, text, tokens=TOKENS):
        answer = ray.get(self.coordinator.process_prompt.remote(text, max_tokens=tokens, temperature=0), timeout=120)
        return answer["responses"][0]["tokens"]

    def first_token_s(self, text):
        import urllib.request

        body = json.dumps({"messages": [{"role": "user", "content": text}], "max_tokens": TOKENS, "temperature": 0, "stream": True}).encode()
        began = time.monotonic()
        request = urllib.request.Request(f"http://{self.where['address']}/v1/chat/completions", body, {"Authorization": f"Bearer {self.where['api_key']}"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            for line in answer:
                if line.startswith(b"data: {") and json.loads(line[6:])["choices"][0]["delta"].get("content"):
                    first = time.monotonic() - began
                    answer.read()
                    return first
        raise MantaError("no token")

    def pids(self):
        found = cluster.status()
        workers = [w for w in found["workers"].values()]
        return [found["head"]["pid"]], [w["pid"] for w in workers]

    def victim(self):
        return cluster.look_at_workers("manta")[1]["pid"]

    def end(self):
        cluster.down()


# ---- measuring ----


def pss_mb(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
    return total / 1024


def callers(way, n, prompts, strike=None):
    """(tokens per second, [error or None of each prompt], longest answer in s)."""
    gate, lock, results, took = threading.Semaphore(n), threading.Lock(), {}, []

    def one(i):
        with gate:
            began = time.monotonic()
            try:
                got = way.ask(prompt(i))
            except Exception as e:
                got = e
            with lock:
                results[i] = got
                took.append(time.monotonic() - began)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(prompts)]
    began = time.monotonic()
    for t in threads:
        t.start()
    if strike is not None:
        time.sleep(1.0)  # in the middle of the first answers
        strike()
    for t in threads:
        t.join()
    seconds = time.monotonic() - began
    tokens = sum(r for r in results.values() if isinstance(r, int))
    return tokens / seconds, [r for r in results.values() if not isinstance(r, int)], max(took)


def measure(way):
    row = {}
    for n in CALLERS:
        row[f"tokens/s, {n} callers"] = f"{callers(way, n, max(6, 2 * n))[0]:.0f}"
    row["first token, alone, p50"] = f"{statistics.median(way.first_token_s(prompt(100 + i)) for i in range(5)) * 1000:.0f} ms"
    head, workers = way.pids()
    row["memory (PSS): head or coordinator"] = f"{pss_mb(head):.0f} MB"
    row["memory (PSS): each worker"] = f"{pss_mb(workers) / len(workers):.0f} MB"
    victim = way.victim()
    _, errors, longest = callers(way, 4, 12, lambda: os.kill(victim, signal.SIGKILL))
    row["a worker killed under 4 callers"] = f"{len(errors)} of 12 prompts lost; longest answer {longest:.1f} s"
    until = time.monotonic() + 60
    while time.monotonic() < until:  # both are whole again
        try:
            victim = way.victim()
            if victim and all(isinstance(way.ask("hello", 4), int) for _ in range(4)):
                break
        except Exception:
            time.sleep(0.5)

    def hang():
        os.kill(victim, signal.SIGSTOP)
        threading.Timer(HANG_S, lambda: os.kill(victim, signal.SIGCONT)).start()

    _, errors, longest = callers(way, 4, 12, hang)
    row[f"a worker hung for {HANG_S} s under 4 callers"] = f"{len(errors)} of 12 prompts lost; longest answer {longest:.1f} s"
    return row


def main():
    ray.init(address="auto", namespace="compare", log_to_driver=False, logging_level="error")
    rows = {}
    for kind in (Manta, Naive):
        way = kind()
        try:
            rows[kind.name] = measure(way)
        finally:
            way.end()
    print("| 2 workers of 1 thread, 64 tokens an answer | " + " | ".join(rows) + " |\n|---|" + "---|" * len(rows))
    for what in next(iter(rows.values())):
        print(f"| {what} | " + " | ".join(row[what] for row in rows.values()) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
