"""`manta prompt` continues an answer whose head was killed."""

import re
import subprocess

from cluster import PATIENCE_S, PROGRAM, environment, free_port

SCRIPT = "echo:tokens=160"


def prompt(cluster, head, *words):
    return subprocess.Popen([PROGRAM, "prompt", "--head", head, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=environment(cluster.folder))


def response(text):
    return re.search(r"\[FINAL RESPONSE\] (.*)", text, re.DOTALL)[1]


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
