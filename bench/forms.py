#!/usr/bin/env python3
"""What holding an answer to a form costs, and whether it is the same answer: manta and llama-server, built from the same source, by turns.

Cost: processor time of a server with one thread, which does not spin, for tokens of a schema's answer and of free text by turns, as many of each. Processor
time is what a busy machine distorts least. Text: greedy answers to prompts with a schema or a grammar, byte by byte. Both are asked at /completion, with a
chat's prompt: in a chat llama-server's grammar lets a Markdown fence come before the JSON, which it takes away afterwards.

usage: bench/forms.py [--turns 15] [--tokens 160] [--prompts 50]
Needs what the end-to-end tests need (scripts/venv tests/e2e/requirements.txt), and scripts/build release manta manta_engine_llama bench_servers."""

import argparse
import http.client
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / name) for name in ("e2e", "fixtures")]

from cluster import Cluster, smollm2, wait_for  # noqa: E402
from ground import end_on_sigterm  # noqa: E402
from ports import free_port  # noqa: E402

SCHEMA = {"type": "array", "minItems": 1000, "maxItems": 2000, "items": {
    "type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0, "maximum": 150}, "likes": {"enum": ["sea", "sun"]}},
    "required": ["name", "age", "likes"], "additionalProperties": False}}
FORMS = {"free": {"ignore_eos": True}, "schema": {"json_schema": SCHEMA}}
THINGS = ["sea", "moon", "bread", "train", "horse", "violin", "river", "winter", "king", "letter"]
ASKS = ["Describe the {} as JSON.", "Name three kinds of {}.", "What is a {}? Answer in a few words.", "Who likes the {}?", "List facts about the {}."]
ANSWERS = [
    {"json_schema": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 40}, "known": {"type": "boolean"}, "size": {"type": "integer"}},
                     "required": ["name", "known", "size"], "additionalProperties": False}},
    {"json_schema": {"type": "array", "items": {"type": "string", "maxLength": 20}, "minItems": 3, "maxItems": 3}},
    {"grammar": 'root ::= "It is " [a-z ]{4,60} "."'},
    {"json_schema": {"enum": ["nobody", "everybody", "some people", "children"]}},
    {"grammar": 'root ::= line{1,3}\nline ::= "- " [A-Za-z ,]{5,50} "\\n"'},
]

parser = argparse.ArgumentParser()
parser.add_argument("--turns", type=int, default=15)
parser.add_argument("--tokens", type=int, default=160)
parser.add_argument("--prompts", type=int, default=50)
options = parser.parse_args()


class Server:
    def __init__(self, name, pid, port):
        self.name, self.pid, self.port = name, pid, port

    def ask(self, path="/completion", **body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.request("POST", path, json.dumps(body))
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        assert answer.status == 200, (self.name, text)
        return json.loads(text)

    def processor_s(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def prompt(self, text):
        return self.ask("/apply-template", messages=[{"role": "user", "content": text}])["prompt"]

    def token_ms(self, form, turn):
        prompt = self.prompt("List people.")
        before = self.processor_s()
        answer = self.ask(prompt=prompt, n_predict=options.tokens, temperature=0.7, seed=turn, **FORMS[form])
        return 1000 * (self.processor_s() - before) / answer["tokens_predicted"]


def is_well(port):
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False


def costs(servers):
    took = {(server, form): [] for server in servers for form in FORMS}
    for turn in range(options.turns + 1):
        for server, form in took:
            ms = server.token_ms(form, turn)
            if turn > 0:  # the first warms up
                took[server, form].append(ms)
    for server in servers:
        free, schema = (statistics.median(took[server, form]) for form in FORMS)
        ratios = [b / a for a, b in zip(took[server, "free"], took[server, "schema"])]
        print(f"{server.name:13} {free:7.3f} ms of processor time a token of free text, {schema:7.3f} of a schema's: "
              f"{100 * (schema / free - 1):+.1f} % (turn by turn, the median: {100 * (statistics.median(ratios) - 1):+.1f} %)")


def texts(servers):
    same = 0
    for i in range(options.prompts):
        thing, kind = THINGS[i // len(ASKS) % len(THINGS)], i % len(ASKS)
        prompts = [s.prompt(ASKS[kind].format(thing)) for s in servers]
        assert prompts[0] == prompts[1]
        said = [s.ask(prompt=prompts[0], n_predict=80, temperature=0, **ANSWERS[kind])["content"] for s in servers]
        same += said[0] == said[1]
        if said[0] != said[1]:
            print(f"differs: {ASKS[kind].format(thing)}\n" + "\n".join(f"    {s.name}: {text!r}" for s, text in zip(servers, said)))
    print(f"{same} of {options.prompts} greedy answers of a given form are the same")


end_on_sigterm()
with tempfile.TemporaryDirectory(prefix="manta-forms-") as folder, Cluster(folder) as c:
    head = c.head()
    worker = c.worker(head, "--model", "smollm2", "--context", "1024", "--slots", "1", "--threads", "1")
    head.wait_ready(actors=1)
    port = free_port()
    program = os.environ.get("LLAMA_SERVER", str(ROOT / "build/release/bin/llama-server"))
    peer = subprocess.Popen([program, "-m", str(smollm2()), "--port", str(port), "-t", "1", "-np", "1", "-c", "1024", "--no-ui"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for("llama-server", lambda: is_well(port))
        servers = [Server("manta", worker.pid, head.port), Server("llama-server", peer.pid, port)]
        texts(servers)
        costs(servers)
    finally:
        peer.terminate()
        peer.wait()
