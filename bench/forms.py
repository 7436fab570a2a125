#!/usr/bin/env python3
"""What holding an answer to a JSON grammar costs: processor time of a worker with one thread, which does not spin, for tokens of a schema's answer and of
free text by turns, as many of each. Processor time is what a busy machine distorts least.

usage: MANTA=build/release/manta bench/forms.py [--turns 15] [--tokens 160]
Needs what the end-to-end tests need (scripts/venv tests/e2e/requirements.txt)."""

import argparse
import os
import pathlib
import statistics
import sys
import tempfile

sys.path[:0] = [str(pathlib.Path(__file__).parent.parent / "tests" / name) for name in ("e2e", "fixtures")]

from cluster import Cluster  # noqa: E402

SCHEMA = {"type": "array", "minItems": 1000, "maxItems": 2000, "items": {
    "type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0, "maximum": 150}, "likes": {"enum": ["sea", "sun"]}},
    "required": ["name", "age", "likes"], "additionalProperties": False}}
FORMS = {"free": {"ignore_eos": True}, "schema": {"json_schema": SCHEMA}}

parser = argparse.ArgumentParser()
parser.add_argument("--turns", type=int, default=15)
parser.add_argument("--tokens", type=int, default=160)
options = parser.parse_args()


def processor_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def token_ms(head, worker, form, turn):
    body = {"messages": [{"role": "user", "content": "List people."}], "max_tokens": options.tokens, "temperature": 0.7, "seed": turn, **FORMS[form]}
    before = processor_s(worker.pid)
    status, answer = head.post("/v1/chat/completions", body)
    assert status == 200, answer
    return 1000 * (processor_s(worker.pid) - before) / answer["usage"]["completion_tokens"]


with tempfile.TemporaryDirectory(prefix="manta-forms-") as folder, Cluster(folder) as c:
    head = c.head()
    worker = c.worker(head, "--model", "smollm2", "--context", "1024", "--slots", "1", "--threads", "1")
    head.wait_ready(actors=1)
    took = {form: [] for form in FORMS}
    for turn in range(options.turns + 1):
        for form in FORMS:
            ms = token_ms(head, worker, form, turn)
            if turn > 0:  # the first warms up
                took[form].append(ms)
    free = statistics.median(took["free"])
    for form, all_of_it in took.items():
        print(f"{form:7} {statistics.median(all_of_it):6.3f} ms of processor time a token, {100 * (statistics.median(all_of_it) / free - 1):+.1f} %")
