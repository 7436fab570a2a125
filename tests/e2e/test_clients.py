"""Clients that go away or do not read: what that costs the others."""

import json
import socket

from cluster import together, wait_for


def ask(head, **fields):
    """A stream of a prompt, as a socket that is not read yet."""
    body = json.dumps({"prompt": "continue", "stream": True, **fields}).encode()
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # so that what is not read stays with the head
    s.settimeout(120)
    s.connect(("127.0.0.1", head.port))
    s.sendall(b"POST /v1/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    return s


def tokens(head):
    return sum(a["tokens"] for a in head.status()["actor_list"])


def test_client_that_leaves_a_stream(cluster):
    """Given an actor with one slot and a stream of an hour; when its client closes the connection; then the generation is
    cancelled, no more tokens are made, and the slot answers the next client."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=1000000,decode_us=20000,context=1048576", "--slots", 1)
    head.wait_ready(actors=1)
    stream = ask(head, max_tokens=1000000)
    while stream.recv(65536).count(b"data: ") == 0:
        pass
    assert head.status()["running"] == 1
    stream.close()
    head.wait_idle()
    before = tokens(head)
    assert head.ask("me now", max_tokens=10)["responses"][0]["tokens"] == 10
    assert tokens(head) == before + 10


def test_client_that_leaves_before_the_first_token(cluster):
    """Given one busy slot; when one client leaves while its prompt is computed and another while it is queued; then
    both jobs are gone at once."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:rows=64", "--slots", 1)
    head.wait_ready(actors=1)
    cluster.pace(1000)
    computing = ask(head, prompt="word " * 400)
    head.wait_status(running=1)
    queued = ask(head, prompt="word " * 400)
    head.wait_status(queued=1)
    queued.close()
    head.wait_status(queued=0)
    computing.close()
    head.wait_idle()


def test_client_that_leaves_a_plain_request(cluster):
    """Given a request that does not stream; when its client leaves; then its generation is cancelled too."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=1000000,decode_us=20000,context=1048576", "--slots", 1)
    head.wait_ready(actors=1)
    plain = ask(head, stream=False, max_tokens=1000000)
    head.wait_status(running=1)
    plain.close()
    head.wait_idle()


def test_client_that_does_not_read(cluster):
    """Given one client that asks for a long stream and does not read it; when another asks for a stream of the same
    actor; then the other has its whole answer meanwhile, the head keeps the unread one in little memory, and when the
    first client reads after all, no token of its answer is missing."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=16000,context=1048576", "--slots", 2, "--context", 20000)
    head.wait_ready(actors=1)
    rss = head.rss_bytes()
    cluster.pace(10)
    lazy = ask(head, max_tokens=16000, logprobs=1)
    head.wait_status(running=1)
    status, answer = head.post("/v1/completions", {"prompt": "quick", "max_tokens": 50})
    assert status == 200 and answer["usage"]["completion_tokens"] == 50
    assert head.status()["running"] == 1
    cluster.pace(0)
    head.wait_idle()
    assert not head.has_grown(rss, 8 << 20)
    text = read_all(lazy)
    assert text.rstrip().endswith("data: [DONE]")
    choices = [json.loads(line[6:])["choices"][0] for line in text.split("\n") if line.startswith("data: {")]
    assert sum(len(c["logprobs"]["tokens"]) for c in choices if c["logprobs"]) == 16000
    assert len(choices) < 16000, "nothing was held back: the client's connection took all of it"
    offsets = [offset for c in choices if c["logprobs"] for offset in c["logprobs"]["text_offset"]]
    assert offsets == sorted(offsets) and choices[-1]["finish_reason"] == "length"


def read_all(stream):
    """The stream's text, its chunked coding undone."""
    raw = bytearray()
    while not raw.endswith(b"\r\n0\r\n\r\n"):
        more = stream.recv(1 << 20)
        assert more, "the stream broke off"
        raw += more
    stream.close()
    at, parts = raw.index(b"\r\n\r\n") + 4, []
    while (end := raw.index(b"\r\n", at)) and (size := int(raw[at:end], 16)) > 0:
        parts.append(raw[end + 2:end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(parts).decode()


def test_many_clients_that_come_and_go(cluster):
    """Given 40 clients that leave at every stage of their stream; when all have left; then no job, no connection and no
    slot is left over, and the head has not grown by much."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=200,decode_us=1000,prefill_us=50", "--slots", 8)
    head.wait_ready(actors=1)

    def come_and_go(i):
        stream = ask(head, max_tokens=200)
        stream.settimeout(i * 0.01 + 0.001)
        try:
            stream.recv(1 << 16)
        except TimeoutError:
            pass
        stream.close()
        return True
    rss = head.rss_bytes()
    assert together(40, come_and_go).count(True) == 40
    head.wait_idle()
    wait_for("closed connections", lambda: head.status()["head"]["connections"] <= 1)
    assert not head.has_grown(rss, 4 << 20)
    assert head.ask("hello")["final_response"]
