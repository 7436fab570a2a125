"""`manta prompt` goes on with an answer whose head was killed."""

import re
import subprocess
import time

from cluster import PROGRAM, environment, free_port, wait_for

SCRIPT = "echo:tokens=160,decode_us=10000"


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
    asking = prompt(cluster, head.address, "tell me")
    wait_for("a running job", lambda: head.status()["running"] == 1)
    time.sleep(0.6)
    head.kill()
    again = cluster.head(port=port)
    out, err = asking.communicate(timeout=30)
    assert asking.returncode == 0, out + err
    assert "[RECONNECTING]" in err and len(response(out)) > 300
    assert "goes on here" in again.log


def test_a_prompt_goes_to_the_next_head(cluster):
    """Given two heads, when the first one is killed in the middle of an answer, or is not there, the second one answers."""
    first, second = cluster.head(), cluster.head()
    cluster.echo_worker(f"{first.address},{second.address}", SCRIPT)
    for head in (first, second):
        head.wait_ready(actors=1)
    both = f"{first.address},{second.address}"
    asking = prompt(cluster, both, "tell me")
    wait_for("a running job", lambda: first.status()["running"] == 1)
    time.sleep(0.6)
    first.kill()
    out, err = asking.communicate(timeout=30)
    assert asking.returncode == 0 and "[RECONNECTING]" in err, out + err
    asking = prompt(cluster, both, "tell me")
    out, err = asking.communicate(timeout=30)
    assert asking.returncode == 0 and "[RECONNECTING]" not in err and len(response(out)) > 300
