"""The blocking client of the Python package (python/manta/client.py) and a real head."""

import json
import pathlib
import socket
import sys
import threading

import pytest

from cluster import environment, wait_for

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "python"))
from manta.client import Client, MantaError  # noqa: E402


@pytest.fixture
def client():
    c = Client("127.0.0.1:1", "", timeout_s=60)
    yield c
    c.close()


def aim(client, port):
    client.head, client.port = f"127.0.0.1:{port}", port
    return client


def test_prompts_and_status_over_one_connection(cluster):
    """Given a head with a key and an echo worker; when a client asks several things; then it gets them all over one connection, and a
    refusal in the head's own words leaves that connection as it is."""
    head = cluster.head(env=environment(cluster.folder, MANTA_API_KEY="k" * 32))
    cluster.echo_worker(head, "echo:tokens=20,context=65536")
    client = Client(f"127.0.0.1:{head.port}", "k" * 32)
    client.status()
    first = client.socket
    wait_for("an actor", lambda: client.status()["actors"] == 1)
    answer = client.process_prompt("What is machine learning?", actors="all")
    assert answer["cluster_info"]["successful_responses"] == 1 and answer["final_response"]
    with pytest.raises(MantaError, match="no-such-model") as e:
        client.process_prompt("x", model="no-such-model")
    assert e.value.status >= 400
    long = client.process_prompt("word " * 10000, max_tokens=1)  # more than one read and one write
    assert long["responses"][0]["tokens"] == 1
    assert client.socket is first
    wrong = Client(f"127.0.0.1:{head.port}", "w" * 32)
    with pytest.raises(MantaError) as e:
        wrong.status()
    assert e.value.status == 401
    wrong.close()
    client.close()


def test_a_head_that_was_started_again(cluster):
    """Given a client with a kept connection; when the head is away; then one clear line; when a new one listens there; then the next call
    simply works."""
    head = cluster.head()
    client = Client(f"127.0.0.1:{head.port}", "")
    assert client.status()["actors"] == 0
    head.kill()
    with pytest.raises(MantaError, match=f"no answer from a manta head at 127.0.0.1:{head.port}"):
        client.status()
    again = cluster.head(port=head.port)
    assert client.status()["actors"] == 0
    kept = client.socket
    again.kill()
    cluster.head(port=head.port)
    assert kept is client.socket and client.status()["actors"] == 0  # its kept connection is closed: not a failure
    client.close()


class Answers:
    """A server that answers the requests of each connection with the byte strings it was given, and then closes it."""

    def __init__(self, *connections):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.requests = []
        self.thread = threading.Thread(target=self._run, args=(connections,), daemon=True)
        self.thread.start()

    def _run(self, connections):
        for answers in connections:
            conn, _ = self.socket.accept()
            for answer in answers:
                self.requests.append(self._request(conn))
                for piece in answer:
                    conn.sendall(piece)
            conn.close()

    @staticmethod
    def _request(conn):
        data = b""
        while b"\r\n\r\n" not in data:
            data += conn.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += conn.recv(65536)
        return body

    def close(self):
        self.thread.join(30)
        self.socket.close()


def plain(value, *headers):
    body = json.dumps(value).encode()
    return b"HTTP/1.1 200 OK\r\n" + b"".join(h + b"\r\n" for h in headers) + b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize("cut", [1, 7, 1 << 20])
def test_answers_in_any_pieces(client, cut):
    """Given answers with a length, in chunks, after 100 Continue; when they come in pieces of any size; then each is read whole."""
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1, 2\r\n4;x=y\r\n, 3]\r\n0\r\n\r\n"
    answers = [plain([1, 2, 3]), chunked, b"HTTP/1.1 100 Continue\r\n\r\n" + plain([1, 2, 3])]
    server = Answers([[a[i:i + cut] for i in range(0, len(a), cut)] for a in answers])
    aim(client, server.port)
    assert [client.call("GET", "/x") for _ in answers] == [[1, 2, 3]] * 3
    server.close()


def test_a_prompt_is_not_sent_twice(client):
    """Given a kept connection; when it is closed in the middle of an answer; then that is told, and the prompt is not sent again; when it was closed
    before: it is sent over another one."""
    server = Answers([[plain(1)], ], [[plain(2)], [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"]], [[plain(3, b"Connection: close")]], [[plain(4)]])
    aim(client, server.port)
    assert client.call("POST", "/x", "a") == 1
    assert client.call("POST", "/x", "b") == 2
    with pytest.raises(MantaError, match="it closed the connection"):
        client.call("POST", "/x", "c")
    assert client.call("POST", "/x", "d") == 3 and client.socket is None
    assert client.call("POST", "/x", "e") == 4
    server.close()
    assert server.requests == [b'"a"', b'"b"', b'"c"', b'"d"', b'"e"']


@pytest.mark.parametrize("nonsense", [b"HTTP/1.1 xyz\r\nContent-Length: 1\r\n\r\n1", b"HTTP/1.1 200 OK\r\n\r\n",
                                      b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
                                      b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"x" * (80 << 10)])
def test_nonsense(client, nonsense):
    """Given a server that is no head; then one clear line."""
    server = Answers([[[nonsense]][0]])
    aim(client, server.port)
    with pytest.raises(MantaError, match="no answer from a manta head"):
        client.status()
    server.close()


def test_an_address_as_the_program_takes_it(echo):
    """Given the addresses that `--head` and MANTA_HEAD take; when a client is made with one; then it reaches the head, and the Host header is the address alone."""
    for address in (echo.address, f"http://{echo.address}", f"http://{echo.address}/", f"{echo.url}/v1", str(echo.port), f" {echo.address} "):
        client = Client(address, "")
        assert client.status()["workers"] == 3 and client.head == echo.address, address
        client.close()
    for wrong in ("", "http://", "head", f"https://{echo.address}", f"{echo.url}/api"):
        with pytest.raises(MantaError, match="is not an address like"):
            Client(wrong or "http://", "")
