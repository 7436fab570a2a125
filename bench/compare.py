"""Both servers up, one run of each in turn: what the machine does meanwhile hits both, and a ratio is of neighbours."""

import time
from statistics import median

import load
from servers import LlamaServer, Manta

IDLE_S = 0.5


class Pairs:
    """The runs of one case: values[server][repetition][number]."""

    def __init__(self, case):
        self.case = case
        self.values = {"manta": [], "llama-server": []}
        self.same_text = self.streams = 0
        self.prompt_tokens = {}
        self.idle_cpu = {}  # share of one processor while nobody asks

    def median(self, server, i):
        return median(run[i] for run in self.values[server])

    def ratios(self, i):
        pairs = zip(self.values["manta"], self.values["llama-server"])
        return [manta[i] / llama[i] for manta, llama in pairs]

    def note_texts(self, manta, llama):
        """Both do the same work when greedy answers agree; how far they do depends on the order of sums."""
        for a, b in zip(manta.streams, llama.streams):
            if a["completion_tokens"] and b["completion_tokens"]:  # else it was cut short
                self.streams += 1
                self.same_text += a["text"] == b["text"]


def idle_cpu(server):
    before = server.cpu_s()
    time.sleep(IDLE_S)
    return (server.cpu_s() - before) / IDLE_S


def compare(case, setup, reps, seed, progress):
    pairs = Pairs(case)
    with Manta(setup) as manta, LlamaServer(setup) as llama:
        servers = (manta, llama)
        for server in servers:  # the first run touches the weights and every buffer for the first time
            load.run(server, [(0, load.body(load.words(f"warm {seed} {i}", 20), 4)) for i in range(setup.slots)])
        for server in servers:
            pairs.idle_cpu[server.name] = idle_cpu(server)
        for rep in range(reps):
            seen = {}
            for server in servers if rep % 2 == 0 else servers[::-1]:
                progress(rep, server.name)
                seen[server.name], values = case.measure(server, f"{seed} {rep}")
                pairs.values[server.name].append(values)
                pairs.prompt_tokens[server.name] = max(s["prompt_tokens"] for s in seen[server.name].streams)
            pairs.note_texts(seen["manta"], seen["llama-server"])
    return pairs
