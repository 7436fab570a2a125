"""What is measured: each case is a load and the numbers read off it, with the target of each number.

A target bounds the ratio manta / llama-server; a number without one is there to explain the others.
"""

from dataclasses import dataclass
from pathlib import Path
from statistics import median

import load

PROMPT_WORDS = 45
ANSWER_TOKENS = 64
LONG_WORDS = 1165
LONG_STREAMS = 7
LONG_UNDER_WAY = 10  # tokens each stream has when the long prompt arrives
LONG_TOKENS = 4      # of the long prompt's answer: then its effect on the others has been seen
PREFIX_WORDS = 800
PREFIX_STREAMS = 8


@dataclass(frozen=True)
class Programs:
    manta: Path
    llama_server: Path
    streams: Path


@dataclass(frozen=True)
class Setup:
    """How a server is started: the same for both."""

    programs: Programs
    model: Path
    exact: bool     # q8_0 KV cache and flash attention in both; else both as they come
    slots: int
    context: int    # tokens per slot
    threads: int
    logs: Path


@dataclass(frozen=True)
class Number:
    name: str
    unit: str
    target: tuple = None  # ("<=" or ">=", ratio)


@dataclass(frozen=True)
class Case:
    part: str       # a, b, c: what --only chooses by
    title: str
    slots: int
    context: int
    numbers: tuple
    measure: object  # (server, seed) -> (Load, values in the order of numbers)
    reps: int = 5   # where --reps does not say; fewer where a run is long and the difference large


def percentile(values, p):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(p * (len(ordered) - 1) + 0.5))]


def burst(streams):
    """Different prompts, all at once."""

    def measure(server, seed):
        plan = [(0, load.body(load.words(f"{seed}/{i}", PROMPT_WORDS), ANSWER_TOKENS)) for i in range(streams)]
        seen = load.run(server, plan)
        if seen.tokens() != streams * ANSWER_TOKENS:
            raise load.LoadError(f"{server.name} made {seen.tokens()} tokens, not {streams * ANSWER_TOKENS}")
        gaps = [gap for s in seen.streams for gap in s["gaps_ms"]]
        return seen, (seen.tokens() / seen.span_ms() * 1e3, median(s["ttft_ms"] for s in seen.streams),
                      percentile(gaps, 0.5), percentile(gaps, 0.95), seen.cpu_ms / seen.tokens())

    ttft_target = {1: ("<=", 1.0), 16: ("<=", 0.7)}.get(streams)
    numbers = (Number("tokens/s", "", (">=", 0.97)), Number("first token p50", "ms", ttft_target),
               Number("gap p50", "ms"), Number("gap p95", "ms"), Number("server CPU per token", "ms"))
    return Case("a", f"{streams} stream{'s' if streams > 1 else ''}", streams, 512, numbers, measure)


def long_prompt(server, seed):
    """Streams are under way, then a long prompt arrives."""
    short = [(0, load.body(load.words(f"{seed}/{i}", PROMPT_WORDS), 1000)) for i in range(LONG_STREAMS)]
    late = (LONG_UNDER_WAY, load.body(load.words(f"{seed}/long", LONG_WORDS), 1000))
    seen = load.run(server, [*short, late], stop_after=LONG_TOKENS)
    *others, late = seen.streams
    arrived_ms = late["start_us"] / 1e3
    gaps = [b - a for s in others for a, b in zip(s["token_ms"], s["token_ms"][1:]) if b > arrived_ms]
    return seen, (max(gaps), percentile(gaps, 0.5), late["ttft_ms"])


def new_prefix(server, seed):
    """Requests that arrive together and begin with the same new text."""
    prefix = load.words(f"{seed}/prefix", PREFIX_WORDS)
    plan = [(0, load.body(f"{prefix} {load.words(f'{seed}/{i}', 16)}", 8)) for i in range(PREFIX_STREAMS)]
    seen = load.run(server, plan, stop_after=1)
    first = [s["ttft_ms"] for s in seen.streams]
    return seen, (max(first), median(first))


def all_cases(quick):
    long_numbers = (Number("longest gap of the 7", "ms", ("<=", 0.1)), Number("their gap p50", "ms"),
                    Number("first token of the long one", "ms", ("<=", 1.5)))
    prefix_numbers = (Number("last first token", "ms", ("<=", 0.25)), Number("first token p50", "ms"))
    bursts = [burst(n) for n in ((1, 8) if quick else (1, 4, 8, 16))]
    return [*bursts,
            Case("b", f"{LONG_STREAMS} streams, then {LONG_WORDS} tokens", 8, 2048, long_numbers, long_prompt, 3),
            Case("c", f"{PREFIX_STREAMS} with one new {PREFIX_WORDS}-token prefix", 8, 1024, prefix_numbers, new_prefix, 3)]
