"""`manta prompt` continues an answer whose head was killed."""

import json
import re
import subprocess

from cluster import PATIENCE_S, PROGRAM, environment, free_port, wait_for
from hosts import Host

SCRIPT = "echo:tokens=160"


def prompt(cluster, head, *words):
    return subprocess.Popen([PROGRAM, "prompt", "--head", head, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=environment(cluster.folder))


def response(text):
    return re.search(r"\[FINAL RESPONSE\] (.*)", text, re.DOTALL)[1]


def tokens(requests):
    """How many tokens the only request of that list has."""
    return sum(r["tokens"] for r in json.loads(requests)["request_list"])


def test_a_prompt_outlives_its_head(cluster):
    """Given a prompt that is being answered, when the head is killed and comes back, the answer is whole and the person was told why it paused."""
    port = free_port()
    head = cluster.head(port=port)
    cluster.echo_worker(head, SCRIPT)
    head.wait_ready(actors=1)
    cluster.pace(100)
    asking = prompt(cluster, head.address, "tell me")
    head.tokens(3)
    head.kill()
    again = cluster.head(port=port)
    again.wait_event("stream_resumed")
    cluster.pace(0)
    out, err = asking.communicate(timeout=PATIENCE_S)
    assert asking.returncode == 0, out + err
    assert "[RECONNECTING]" in err and len(response(out)) > 300


def test_a_prompt_goes_to_the_next_head(cluster):
    """Given two heads, when the first one is killed in the middle of an answer, or is not there, the second one answers."""
    first, second = cluster.head(), cluster.head()
    cluster.echo_worker(f"{first.address},{second.address}", SCRIPT)
    for head in (first, second):
        head.wait_ready(actors=1)
    both = f"{first.address},{second.address}"
    cluster.pace(100)
    asking = prompt(cluster, both, "tell me")
    first.tokens(3)
    first.kill()
    second.wait_event("stream_resumed")
    cluster.pace(0)
    out, err = asking.communicate(timeout=PATIENCE_S)
    assert asking.returncode == 0 and "[RECONNECTING]" in err, out + err
    asking = prompt(cluster, both, "tell me")
    out, err = asking.communicate(timeout=PATIENCE_S)
    assert asking.returncode == 0 and "[RECONNECTING]" not in err and len(response(out)) > 300


def test_a_prompt_whose_heads_machine_is_gone(cluster, run):
    """Given two heads, the first of them on another host; when that host is cut off in the middle of an answer, so that nobody closes the connection;
    then the person is told, and the second head continues the answer."""
    keys = ("--api-key", "k", "--join-token", "t")
    with Host() as host:
        far = cluster.head("--host", host.theirs, *keys, through=host.through)
        near = cluster.head(*keys)
        near.key = "k"
        both = f"{host.theirs}:{far.port},{near.address}"
        cluster.echo_worker(both, SCRIPT, "--join-token", "t")
        far.wait_event("actors", actors=1)
        near.wait_ready(actors=1)
        cluster.pace(100)
        asking = prompt(cluster, both, "--api-key", "k", "tell me")
        wait_for("some tokens", lambda: tokens(run("requests", "-o", "json", "--head", f"{host.theirs}:{far.port}", "--api-key", "k").stdout) > 3)
        host.cut()
        near.wait_event("stream_resumed")
        cluster.pace(0)
        out, err = asking.communicate(timeout=PATIENCE_S)
    assert asking.returncode == 0 and "[RECONNECTING]" in err, out + err
    assert len(response(out)) > 300
