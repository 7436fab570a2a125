"""Attacks on a head from one machine: each is called again and again while 50 streams run beside it, and returns what it found wrong.

A head with keys, two workers; `anna` and `ben` are ordinary keys, `ops` may change the cluster. What an attack opens it closes."""

import contextlib
import http.client
import itertools
import json
import socket
import sys
import threading
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "e2e"), str(Path(__file__).parents[1] / "fixtures")]

from cluster import Beside, Cluster, wait_for  # noqa: E402
from streams import Load, ask  # noqa: E402

KEYS = "anna: of-anna\nben: of-ben\nops[admin]: of-ops\n"
ANNA, BEN = ({"authorization": f"Bearer of-{name}"} for name in ("anna", "ben"))
STREAMS = 50
HELD_MS = 1000  # a pace at which each stream takes a minute
MIB = 1 << 20
LINK = b"GET /manta/link HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: manta\r\n\r\n"
places = itertools.cycle(range(2, 12))


def dial(port, *parts):
    """From one of ten addresses; what cannot be sent is not."""
    s = socket.socket()
    s.settimeout(2)
    with contextlib.suppress(OSError):
        s.bind((f"127.0.0.{next(places)}", 0))
        s.connect(("127.0.0.1", port))
        for part in parts:
            s.sendall(part)
    return s


def close(sockets):
    for s in sockets:
        s.close()


def head_of(path, length, key=None):
    auth = f"authorization: Bearer of-{key}\r\n" if key else ""
    return f"POST {path} HTTP/1.1\r\nhost: localhost\r\n{auth}content-length: {length}\r\n\r\n".encode()


def unfinished(stage, key, n):
    held = [dial(stage.port, head_of("/v1/chat/completions", 4 * MIB, key), b" " * (4 * MIB - 1)) for _ in range(n)]
    time.sleep(0.2)
    close(held)


def bodies_without_a_key(stage):
    unfinished(stage, None, 20)


def bodies_with_a_key(stage):
    unfinished(stage, "anna", 20)


def heads(stage):
    close([dial(stage.port, b"GET /livez HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 31000) for _ in range(stage.many // 4)])


def idle(stage):
    stage.kept += [dial(stage.port) for _ in range(stage.many // 4)]
    while len(stage.kept) > stage.many:
        stage.kept.pop(0).close()


def slow_heads(stage):
    held = [dial(stage.port, b"GET /livez HTTP/1.1\r\nx: ") for _ in range(stage.many // 8)]
    for _ in range(5):
        for s in held:
            with contextlib.suppress(OSError):
                s.sendall(b"y")
    close(held)


def links(stage):
    garbage = b"\xff\xff\xff\x7f\x01\x00", b"\x06\x00\x00\x00\x05\x00abcd", b"GET / HTTP/1.1\r\n\r\n"
    close([dial(stage.port, LINK, *([garbage[i % 4]] if i % 4 < 3 else [])) for i in range(stage.many // 8)])


SMUGGLED = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"
FRAMINGS = [b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
            b"Content-Length: +0\r\n\r\n", b"Content-Length : 0\r\n\r\n", b"X: y\r\n Content-Length: 0\r\n\r\n",
            b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", b"Content-Length: 99999999999999999999\r\n\r\n"]


def smuggling(stage):
    for framing in FRAMINGS:
        s = dial(stage.port, b"POST /manta/scale HTTP/1.1\r\nHost: localhost\r\n" + framing + SMUGGLED)
        got = b""
        with contextlib.suppress(OSError):
            while data := s.recv(65536):
                got += data
        s.close()
        if got.count(b"HTTP/1.1 ") > 1 or b'"actors"' in got:
            return f"{framing!r}: what stood behind it was answered: {got[-200:]!r}"


def pages(stage):
    one = "".join(f"{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer of-anna\r\n\r\n"
                  for path in ("/metrics", "/manta/status", "/manta/actors", "/manta/requests", "/v1/models") for method in ("GET", "HEAD"))
    held = [dial(stage.port, one.encode() * 20) for _ in range(10)]
    time.sleep(0.5)
    close(held)


def slow_readers(stage):
    body = json.dumps({"prompt": "x", "max_tokens": 5}).encode()
    page = b"GET /manta/status HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer of-anna\r\n\r\n"
    held = [dial(stage.port, head_of("/v1/completions", len(body), "anna") + body, page * 200) for _ in range(30)]
    time.sleep(0.5)
    close(held)


def large_bodies(stage):
    body = json.dumps({"prompt": "\n" * (2 * MIB - 100), "max_tokens": 1}).encode()
    held = [dial(stage.port, head_of("/v1/completions", len(body), "anna") + body) for _ in range(4)]
    for s in held:
        with contextlib.suppress(OSError):
            s.settimeout(10)
            s.recv(100)
    close(held)


def cross_site(stage):
    foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site", **ANNA}
    for path, body in (("/manta/scale", {"workers": 0}), ("/manta/drain", {"worker": "w"}), ("/v1/chat/completions", {"messages": []})):
        status = stage.request("POST", path, body, foreign)
        if status != 403:
            return f"a foreign page may {path}: {status}"
    status = stage.request("GET", "/manta/status", None, {"host": "rebound.example"})
    if status not in (401, 403):
        return f"a rebound name reads the status: {status}"


def tenants(stage):
    if (status := stage.request("POST", "/manta/drain", {"worker": "w"}, ANNA)) != 403:
        return f"an ordinary key may drain: {status}"
    if stage.stream_id and (status := stage.request("GET", f"/v1/streams/{stage.stream_id}", None, BEN)) not in (404, 403):
        return f"another key reads a stream: {status}"


ATTACKS = [bodies_without_a_key, bodies_with_a_key, heads, idle, slow_heads, links, smuggling, pages, slow_readers, large_bodies, cross_site,
           tenants]


class Stage:
    """A head with two workers, and 50 streams of which the undisturbed twins are known."""

    def __init__(self, cluster, many, tokens, step_us):
        keys = cluster.folder / "keys"
        keys.write_text(KEYS)
        self.cluster, self.many, self.kept, self.stream_id = cluster, many, [], None
        self.bodies = [{"prompt": f"stream {i}", "seed": i, "stream": True, "max_tokens": tokens} for i in range(STREAMS)]
        calm = cluster.head()
        cluster.echo_worker(calm, f"echo:tokens={tokens}", "--slots", STREAMS, "--node", "calm")
        calm.wait_ready(actors=1)
        self.twins = [ask(calm, body).what() for body in self.bodies]
        calm.stop()
        self.head = cluster.head("--api-key-file", keys)
        self.head.key, self.port = "of-ops", self.head.port
        for node in ("w", "v"):
            cluster.echo_worker(self.head, f"echo:tokens={tokens},decode_us={step_us}", "--slots", STREAMS, "--node", node)
        self.head.wait_ready(actors=2)
        self.unhealthy, self.most, self.polls = [], 0, 0

    def request(self, method, path, body, headers):
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            conn.request(method, path, json.dumps(body) if body is not None else None, headers)
            return conn.getresponse().status
        finally:
            conn.close()

    def watch(self, ended):
        while not ended.wait(0.05):
            self.most = max(self.most, self.head.rss_bytes())
            self.polls += 1
            try:
                status = self.request("GET", "/livez", None, {})
            except OSError as e:
                status = repr(e)
            if status != 200:
                self.unhealthy.append(status)

    def under(self, attack):
        """Runs the streams, and the attack until they have ended. Returns what was wrong, '' when nothing was. All streams run before
        the first attack begins, also on a slow machine."""
        ended, wrong = threading.Event(), []
        self.cluster.pace(HELD_MS)
        load, watcher = Load(self.head, self.bodies), Beside(self.watch, ended)
        wait_for("the streams", lambda: self.head.status()["running"] >= STREAMS)
        listed = self.head.get("/manta/requests")["request_list"]
        self.stream_id = listed[0]["id"] if listed else None
        while load.running():
            with contextlib.suppress(TimeoutError, ConnectionError):
                if (found := attack(self)) and found not in wrong:
                    wrong.append(found)
            self.cluster.pace(0)
        answers = load.end()
        ended.set()
        watcher.end()
        close(self.kept)
        self.kept.clear()
        different = [i for i in range(STREAMS) if answers[i].what() != self.twins[i]]
        if different:
            wrong.append(f"{len(different)} streams are not as if undisturbed, such as {different[:3]}")
        return "; ".join(wrong)

    def verdicts(self):
        """(what, wrong) of all attacks together."""
        self.head.wait_ready(actors=2)
        status = self.head.status()
        budget, head = status["memory"]["bytes_max"], status["head"]
        return [
            (f"longest turn {head['loop_turn_cpu_max_us'] / 1e3:.1f} ms of processor time, of {head['loop_turns']}",
             head["loop_turns_long"] and f"{head['loop_turns_long']} turns over 50 ms"),
            (f"memory {self.most / MIB:.0f} MiB of {budget / MIB:.0f}", self.most > budget and "over the budget"),
            (f"{self.polls} health checks", self.unhealthy and f"{len(self.unhealthy)} failed: {self.unhealthy[:3]}"),
            ("the workers are there", status["workers"] != 2 and f"{status['workers']} workers"),
        ]


def run(folder, many, tokens, step_us, tell=print, attacks=ATTACKS):
    """All attacks, one behind the other. Returns how many passed and how many failed."""
    results = []
    with Cluster(folder) as cluster:
        stage = Stage(cluster, many, tokens, step_us)
        for attack in attacks:
            results.append((attack.__name__.replace("_", " "), stage.under(attack)))
            tell(f"{'FAILED' if results[-1][1] else 'passed'}  {results[-1][0]} {results[-1][1]}")
        for what, wrong in stage.verdicts():
            results.append((what, wrong))
            tell(f"{'FAILED' if wrong else 'passed'}  {what} {wrong or ''}")
    failed = sum(bool(wrong) for _, wrong in results)
    return len(results) - failed, failed
