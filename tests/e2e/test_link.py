"""Strangers on the worker link: whatever they send, the head says why it hangs up, and continues serving."""

import struct

import pytest

import wire
from cluster import wait_for


@pytest.fixture
def head(cluster):
    """A head with one good worker, which must still be there and answering at the end."""
    head = cluster.head()
    cluster.echo_worker(head)
    head.wait_ready(actors=1)
    yield head
    assert head.ask("still there?")["final_response"]
    status = head.status()
    assert (status["workers"], status["actors"], status["calls_failed"]) == (1, 1, 0)


@pytest.mark.parametrize("raw, said", [
    (b"\x10\x00\x00\x00" + b"\xff" * 16, "message"),
    (b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", "limit"),
    (struct.pack("<I", 0), "frame"),
    (struct.pack("<I", 1) + b"x", "frame"),
    (struct.pack("<I", 0xffffffff) + b"xx", "limit"),
    (struct.pack("<I", 17 << 10) + b"xx", "limit"),
    (wire.frame(999, b""), "message"),
    (wire.frame(wire.HELLO, b"\x01\x00\x00\x00\xff\xff\xff\xff"), "hello"),
    (wire.frame(wire.HELLO, wire.hello()[6:-1]), "hello"),
    (wire.frame(wire.HELLO, wire.hello()[6:] + b"more"), "hello"),
    (wire.frame(wire.BYE, wire.text("never came")), "hello"),
], ids=["garbage", "http", "empty-frame", "one-byte-frame", "endless-frame", "long-first-frame", "unknown-message", "text-past-the-end",
        "text-past-the-frame", "too-many-bytes", "no-hello-first"])
def test_garbage_is_refused(head, raw, said):
    """Given a head with a worker; when somebody dials the worker link and sends garbage; then the head refuses it with a
    reason, hangs up and logs it."""
    with wire.Link(head.port) as link:
        link.send(raw)
        sentence, _ = link.refusal()
        assert said in sentence.lower(), sentence
    head.wait_line("warning: .* event=(not_a_message|link_refused)")


@pytest.mark.parametrize("fields, said", [
    ({"proto": 99}, ["protocol 99", f"protocol {wire.VERSION}", "same version"]),
    ({"proto": 0}, ["protocol 0"]),
    ({"role": 9}, ["role 9"]),
    ({"node": ""}, ["node name"]),
    ({"node": "two\nlines"}, ["node name"]),
    ({"node": "x" * 1000}, ["node name"]),
    ({"cpus": float("nan")}, ["processors"]),
])
def test_wrong_hello_is_refused_for_good(head, fields, said):
    """Given a head; when a dialler of another version, or one that cannot be, says hello; then it is told what was wrong
    and that dialling again will not help."""
    with wire.Link(head.port) as link:
        link.send(wire.hello(**fields))
        sentence, final = link.refusal()
        assert final and all(words in sentence for words in said), sentence


def test_silence_is_hung_up_on(head):
    """Given a head; when somebody dials and says nothing; then the head hangs up after its patience."""
    with wire.Link(head.port) as link:
        sentence, _ = link.refusal()
        assert "hello" in sentence


def test_garbage_after_the_welcome(head):
    """Given a dialler that was welcomed as a worker; when it sends an over-long frame; then it is refused, and is no
    longer a node of the cluster."""
    with wire.Link(head.port) as link:
        link.send(wire.hello())
        assert link.receive()[0] == wire.WELCOME
        head.wait_status(workers=2)
        link.send(struct.pack("<I", 9 << 20) + b"xx")
        assert "limit" in link.refusal()[0]
    head.wait_status(workers=1)


def test_worker_that_says_nothing_more_is_lost(cluster):
    """Given a head that notices silence after 500 ms; when a worker is welcomed and then sends no beat; then it is lost."""
    head = cluster.head("--beat-ms", 100, "--lost-after-ms", 500)
    with wire.Link(head.port) as link:
        link.send(wire.hello())
        assert link.receive()[0] == wire.WELCOME
        head.wait_status(workers=1)
        head.wait_status(workers=0)
    assert head.events("worker_joined", node="by-hand")


def test_connections_that_never_finish(head):
    """Given a head; when fifty connections open, say half a request, and stay; then others are served meanwhile."""
    links = [wire.socket.create_connection(("127.0.0.1", head.port)) for _ in range(50)]
    for link in links:
        link.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-")
    wait_for("50 open connections", lambda: head.status()["head"]["connections"] > 50)
    assert head.ask("me first")["final_response"]
    for link in links:
        link.close()


def test_worker_that_is_refused_for_good(cluster):
    """Given a head of another version; when it refuses a worker for good; then the worker ends with the head's words and
    does not dial again."""
    with wire.FakeHead(wire.refuse("this head speaks protocol 99: upgrade")) as other:
        worker = cluster.echo_worker(other.address)
        assert worker.wait() == 1
        assert worker.says("99: upgrade")
        assert other.dials == 1


BROKEN = wire.frame(wire.HELLO, b"")


@pytest.mark.parametrize("frames", [b"\xff" * 64, b"\x10\x00\x00\x00" + b"\xff" * 16, BROKEN, BROKEN * 3, wire.refuse("busy", final=False)],
                         ids=["endless-frame", "garbage", "broken-hello", "three-broken-hellos", "not-now"])
def test_worker_whose_head_talks_nonsense(cluster, frames):
    """Given something that takes the worker's upgrade and then talks nonsense, or refuses it for now; when a worker dials
    it; then the worker logs what was wrong, reads no further, dials again, each time later, and serves its other head meanwhile."""
    head = cluster.head()
    with wire.FakeHead(frames) as other:
        worker = cluster.echo_worker(f"{other.address},{head.address}")
        head.wait_ready(actors=1)
        wait_for("a third dial", lambda: other.dials >= 3)
        assert worker.events("not_joined")
        assert len(worker.events("not_a_message")) <= other.dials
        assert head.ask("and you?")["final_response"]
        assert other.dials < 20
        assert worker.stop() == 0
