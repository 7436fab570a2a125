"""The head is small and loads no model, whatever it has to do."""

import json
import socket

import pytest

from cluster import SANITIZED, wait_for

MIB = 1 << 20


def open_stream(head, prompt):
    body = json.dumps({"messages": [{"role": "user", "content": prompt}], "stream": True, "max_tokens": 1000}).encode()
    s = socket.create_connection(("127.0.0.1", head.port), timeout=120)
    s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
              + body)
    return s


@pytest.mark.skipif(SANITIZED, reason="sanitizers take memory of their own")
def test_head_with_100_streams(cluster):
    """Given three workers; when 100 streams are open and all of them flow; then the head's resident memory is below
    16 MiB, and neither a model nor an engine is mapped into it."""
    head = cluster.head()
    for _ in range(3):
        cluster.echo_worker(head, "echo:tokens=1000,decode_us=50000", "--slots", 64)
    head.wait_ready(actors=3)
    streams = [open_stream(head, f"{i} " + "What is machine learning? " * 20) for i in range(100)]
    head.wait_status(running=100)
    for s in streams:
        text = b""
        while text.count(b"data: {") < 3:
            text += s.recv(65536)
    rss = head.rss_bytes()
    assert rss < 16 * MIB, f"{rss / MIB:.1f} MiB"
    assert head.status()["head"]["rss_bytes"] < 16 * MIB
    maps = head.maps()
    assert not [line for line in maps.splitlines() if ".gguf" in line or "manta-engine" in line or "libllama" in line or "stdc++" in line]
    for s in streams:
        s.close()
    head.wait_idle()


@pytest.mark.model
def test_head_of_a_real_cluster(smol):
    """Given two workers with the real model; when prompts have been answered; then the workers map the model and the
    engine, and the head maps neither and is below 16 MiB."""
    assert smol.ask("Hi", max_tokens=4, actors="all")["final_response"]
    for worker in smol.status()["worker_nodes"]:
        maps = open(f"/proc/{worker['pid']}/maps", encoding="utf-8").read()
        assert ".gguf" in maps and "manta-engine-llama.so" in maps
    assert ".gguf" not in smol.maps() and "manta-engine" not in smol.maps()
    assert not smol.has_grown(0, 16 * MIB)


def test_head_after_many_requests(cluster):
    """Given a head that has answered a thousand requests; when a thousand more have been; then it has not grown by more
    than a megabyte."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=2", "--slots", 8)
    head.wait_ready(actors=1)

    def ask_many(n):
        for i in range(n):
            assert head.post("/v1/completions", {"prompt": f"{i} " * 50, "max_tokens": 2})[0] == 200
    ask_many(1000)
    rss = head.rss_bytes()
    ask_many(1000)
    wait_for("closed connections", lambda: head.status()["head"]["connections"] <= 1)
    assert not head.has_grown(rss, MIB)
