"""The load: prompts, request bodies, and one run of bench_streams against a server.

Prompts are made of words that are one token each, so a prompt of n words has about n tokens, and different seeds share
no beginning: nothing of one run is in a cache when the next begins.
"""

import json
import random
import subprocess

WORDS = ("time river house light paper green stone music water story metal night table world glass voice road city "
         "hand eye year day book tree bird fish wind rain snow fire door wall king ship gold song map cup hat bread").split()

TIMEOUT_S = 300


class LoadError(Exception):
    pass


def words(seed, n):
    pick = random.Random(seed)
    return " ".join(pick.choice(WORDS) for _ in range(n))


def body(prompt, tokens):
    """The same bytes for both servers: greedy, and exactly so many tokens."""
    return {"prompt": prompt, "max_tokens": tokens, "temperature": 0, "ignore_eos": True, "stream": True,
            "stream_options": {"include_usage": True}}


class Load:
    """What bench_streams saw. Times are in milliseconds since the run began."""

    def __init__(self, seen, cpu_s):
        self.cpu_ms = cpu_s * 1e3  # of the server, during the run
        self.client_cpu_ms = seen["cpu_ms"]
        self.streams = seen["streams"]
        for s in self.streams:
            s["token_ms"] = [us / 1e3 for us in s["tokens_us"]]
            s["ttft_ms"] = s["token_ms"][0] - s["start_us"] / 1e3
            s["gaps_ms"] = [b - a for a, b in zip(s["token_ms"], s["token_ms"][1:])]

    def tokens(self):
        return sum(s["completion_tokens"] for s in self.streams)

    def span_ms(self):
        return max(s["token_ms"][-1] for s in self.streams) - min(s["start_us"] for s in self.streams) / 1e3


def run(server, plan, stop_after=0):
    """plan: (after, body) for each stream, see bench/streams.c. Raises LoadError when a stream had no token."""
    lines = "".join(f"{after} {json.dumps(b)}\n" for after, b in plan)
    cpu_before = server.cpu_s()
    argv = [str(server.setup.programs.streams), f"127.0.0.1:{server.port}", "--stop-after", str(stop_after)]
    try:
        done = subprocess.run(argv, input=lines, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as e:
        raise LoadError(f"{server.name} did not answer within {TIMEOUT_S} s") from e
    if done.returncode != 0:
        raise LoadError(f"bench_streams: {done.stderr.strip()}")
    seen = json.loads(done.stdout)
    for s in seen["streams"]:
        if s["error"] or not s["tokens_us"]:
            raise LoadError(f"{server.name}: a stream ended with {s['error'] or 'no token'} (HTTP {s['status']})")
    return Load(seen, server.cpu_s() - cpu_before)
