"""What clients ask, and what of it holds: each file of checks against a cluster with the real model, one for vectors, one that fills gaps, one that ranks, and scripted ones; then a table.

A check that falls short and is not in `known`, with its reason, fails the measurement; so does one that is there and holds, and more than SHORT_MAX."""

import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1] / name) for name in ("e2e", "fixtures")]

from cluster import REAL, Cluster  # noqa: E402

SHORT_MAX = 25
CALL = '<tool_call>{"name":"weather","arguments":{"city":"Paris"}}</tool_call>'
CLOCK = '<tool_call>{"name":"clock","arguments":{"zone":"CET"}}</tool_call>'
SCRIPTS = {"echo": f"script=Let me look. {CALL}<next>It rains in Paris.", "both": f"script=Let me look. {CALL}{CLOCK}", "plain": "tokens=30",
           "thinking": "script=<think>Paris, so France.</think>It rains."}
KNOWN = json.loads((HERE / "known.json").read_text())


def world(c):
    """The addresses of two heads: one that wants no key, one that does."""
    head, keyed = c.head(), c.head("--api-key", "sesame")
    keyed.key = "sesame"
    for _ in range(2):
        c.worker(head, *REAL)
    for name in ("all-minilm-l6-v2", "smollm2-fim", "bert-rank-tiny"):
        c.worker(head, "--model", str(pathlib.Path(os.environ["MANTA_TEST_FIXTURES"]) / f"{name}.gguf"), "--threads", 1, "--slots", 2)
    for name, script in SCRIPTS.items():
        c.echo_worker(head, f"echo:name={name},context=8192,{script}")
    c.echo_worker(keyed, "echo:name=plain,tokens=30")
    head.wait_ready(actors=5 + len(SCRIPTS))
    keyed.wait_ready(actors=1)
    return {"MANTA_URL": head.url, "MANTA_KEYED_URL": keyed.url}


def run(command, env):
    """The checks of one file, told as they come."""
    found = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "PYTHONWARNINGS": "ignore", **env},
                          cwd=env.get("IN", HERE)) as p:
        rest = ""
        for line in p.stdout:
            if line.startswith('{"client"'):
                found.append(json.loads(line))
                print(f"{'short' if found[-1]['reason'] else 'holds'}  {found[-1]['client']}: {found[-1]['name']}", file=sys.stderr, flush=True)
            else:
                rest = (rest + line)[-3000:]
    if not found or p.returncode != 0:
        sys.exit(f"{command}: status {p.returncode}, {len(found)} checks\n{rest}")
    return found


def main():
    modules, other_openai = os.environ["MANTA_NODE_MODULES"], os.environ["MANTA_OTHER_OPENAI"]
    python = [(name, {}) for name in ("openai_python.py", "anthropic_python.py", "ollama_python.py", "frameworks.py", "raw.py")]
    python.insert(1, ("openai_python.py", {"PYTHONPATH": other_openai}))
    wanted, checks = sys.argv[1:], []
    with tempfile.TemporaryDirectory() as folder, Cluster(folder) as c:
        at = world(c)
        for name, more in python:
            if not wanted or name.split("_")[0].split(".")[0] in wanted:
                checks += run([sys.executable, str(HERE / name)], {**at, **more})
        if not wanted or "node" in wanted:
            script = pathlib.Path(folder) / "node.mjs"
            script.write_text((HERE / "node.mjs").read_text())
            script.with_name("node_modules").symlink_to(pathlib.Path(modules) / "node_modules")
            checks += run([os.environ["MANTA_NODE"], str(script)], {**at, "IN": folder})
    return tell(checks, bool(wanted))


def key(check):
    """A check by the name of its client, without the version."""
    return f"{re.sub(r' [0-9.]+$', '', check['client'])}: {check['name']}"


def tell(checks, partly):
    clients = collections.OrderedDict()
    for check in checks:
        clients.setdefault(check["client"], []).append(check)
    short = [c for c in checks if c["reason"]]
    print("| client | holds | of | short |\n|---|---|---|---|")
    for client, of in clients.items():
        holds = [c for c in of if not c["reason"]]
        print(f"| {client} | {len(holds)} | {len(of)} | {'; '.join(c['name'] for c in of if c['reason'])} |")
    print(f"| all | {len(checks) - len(short)} | {len(checks)} | |\n")
    for c in short:
        print(f"{key(c)}: {KNOWN.get(key(c), 'NOT KNOWN')}\n    {c['reason']}")
    found = {key(c) for c in short}
    surprises = found - set(KNOWN) if partly else found ^ set(KNOWN)
    for name in sorted(surprises):
        print(f"{name}: {'falls short, which is not known' if name not in KNOWN else 'holds now, or is no check: take it out of known.json'}", file=sys.stderr)
    return 1 if surprises or len(short) > SHORT_MAX else 0


sys.exit(main())
