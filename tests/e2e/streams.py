"""Answers as a client sees them, whole or streamed, so that an answer that lived through a failover can be compared with the
undisturbed one: every event must be well-formed, and between two of them lies a measured gap."""

import http.client
import json
import socket
import struct
import threading
import time

from cluster import PATIENCE_S, Beside, wait_for


class Answer:
    """What came of one request. Two of them are equal when the client could not tell them apart but by time."""

    def __init__(self):
        self.status = 0
        self.text, self.tokens, self.logprobs, self.finish = {}, {}, {}, {}
        self.usage = self.error = self.fingerprint = None
        self.roles = set()  # answers of a streamed chat that have begun
        self.done = False  # [DONE] came
        self.after_error = 0  # events that came after an error
        self.times = []  # of events with text

    def what(self):
        return {"status": self.status, "text": self.text, "logprobs": self.logprobs, "finish": self.finish, "error": self.error,
                "completion_tokens": self.usage and self.usage["completion_tokens"],
                "prompt_tokens": self.usage and self.usage["prompt_tokens"], "done": self.done}

    @property
    def gap_s(self):
        return max((b - a for a, b in zip(self.times, self.times[1:])), default=0.0)

    def choice(self, c):
        i = c["index"]
        if "delta" in c:
            assert ("role" in c["delta"]) == (i not in self.roles), f"choice {i}: the role comes once, before all else"
            assert i in self.roles or c["delta"] == {"role": "assistant", "content": None}
            self.roles.add(i)
        text = c.get("text") if "text" in c else (c.get("delta") or c.get("message") or {}).get("content")
        self.text[i] = self.text.get(i, "") + (text or "")
        logprobs = c.get("logprobs") or {}
        for entry in logprobs.get("content") or []:
            self.logprobs.setdefault(i, []).append((entry["token"], entry["logprob"]))
        for token, logprob in zip(logprobs.get("tokens") or [], logprobs.get("token_logprobs") or []):
            self.logprobs.setdefault(i, []).append((token, logprob))
        if c.get("finish_reason"):
            assert i not in self.finish, f"choice {i} ended twice"
            self.finish[i] = c["finish_reason"]

    def event(self, data):
        assert not self.done, f"something came after [DONE]: {data}"
        if data == "[DONE]":
            self.done = True
            return
        self.after_error += self.error is not None
        value = json.loads(data)
        self.times.append(time.monotonic())
        self.error = value.get("error", self.error)
        self.fingerprint = value.get("system_fingerprint", self.fingerprint)
        self.usage = value.get("usage") or self.usage
        for c in value.get("choices", []):
            assert c["index"] not in self.finish, f"choice {c['index']} continues after its end"
            self.choice(c)


def ask(head, body, path="/v1/completions", timeout_s=PATIENCE_S, on_event=None):
    """One request on a connection of its own. `on_event` is called after each event of a stream."""
    answer = Answer()
    conn = http.client.HTTPConnection("127.0.0.1", head.port, timeout=timeout_s)
    try:
        conn.request("POST", path, json.dumps(body), {"content-type": "application/json", **head.authorization()})
        reply = conn.getresponse()
        answer.status = reply.status
        if not body.get("stream"):
            value = json.loads(reply.read())
            answer.error, answer.usage = value.get("error"), value.get("usage")
            for c in value.get("choices", []):
                answer.choice(c)
            return answer
        for line in reply:
            line = line.rstrip(b"\r\n")
            if line.startswith(b"data: "):
                answer.event(line[6:].decode())  # bytes that are no UTF-8 raise
                if on_event:
                    on_event(answer)
            else:
                assert line == b"" or line.startswith((b":", b"id: ")) or reply.status != 200, line
        return answer
    finally:
        conn.close()


class Traveller:
    """A client that continues its stream wherever a head answers: it gives back the last event id it has seen whole."""

    def __init__(self, heads, body, path="/v1/completions", method="POST"):
        self.heads, self.body, self.path, self.method = heads, body, path, method
        self.answer = Answer()
        self.last_id = None
        self.tries = 0
        self.cut_after = None  # it hangs up once after so many events

    def once(self, head, timeout_s):
        conn = http.client.HTTPConnection("127.0.0.1", head.port, timeout=timeout_s)
        headers = {"content-type": "application/json", **({"Last-Event-ID": self.last_id} if self.last_id else {})}
        try:
            if self.answer.times and self.method == "GET":  # a stream that has not begun is known to no worker
                conn.request("GET", f"/v1/streams/{self.last_id}", headers=headers)
            else:
                conn.request("POST", self.path, json.dumps(self.body), headers)
            reply = conn.getresponse()
            self.answer.status = reply.status
            if reply.status != 200:
                self.answer.error = json.loads(reply.read())["error"]
                return True
            self.last_id = self.last_id or reply.headers["x-request-id"]
            if not self.body.get("stream"):
                value = json.loads(reply.read())
                self.answer.usage = value.get("usage")
                for c in value.get("choices", []):
                    self.answer.choice(c)
                return True
            return self.read(reply)
        finally:
            conn.close()

    def read(self, reply):
        """Events that are whole; True when the last one has come."""
        data, event_id = None, None
        for line in reply:
            if not line.endswith(b"\n"):
                return False  # cut in its middle
            line = line.rstrip(b"\r\n").decode()
            if line.startswith("data: "):
                data = line[6:]
            elif line.startswith("id: "):
                event_id = line[4:]
            elif line == "" and data is not None:
                self.answer.event(data)
                self.last_id, data = event_id or self.last_id, None
                if self.answer.done or self.answer.error:
                    return True
                if self.cut_after is not None and len(self.answer.times) >= self.cut_after:
                    self.cut_after = None
                    return False
            else:
                assert line == "" or line.startswith(":"), line
        return False

    def go(self, timeout_s=PATIENCE_S):
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            head = self.heads[self.tries % len(self.heads)]
            self.tries += 1
            try:
                if self.once(head, timeout_s):
                    return self.answer
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
        raise AssertionError(f"not whole after {timeout_s} s and {self.tries} connections: {self.answer.what()}")


class Cable:
    """A TCP relay between a worker and its head that can be reset (both ends get RST) and cut (both ends hear nothing)."""

    def __init__(self, port):
        self.to_port = port
        self.pairs = []
        self.cut = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.to_port))
            except OSError:  # nobody is there at present
                near.close()
                continue
            self.pairs.append((near, far))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self.pump, args=(source, sink), daemon=True).start()

    def pump(self, source, sink):
        try:
            while data := source.recv(65536):
                while self.cut.is_set():  # what was sent into the cut is lost with the connection
                    time.sleep(0.01)
                sink.sendall(data)
        except OSError:
            pass
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def reset(self):
        pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for s in pair:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                fd = s.detach()
                socket.close(fd)

    def close(self):
        self.cut.clear()
        self.listener.close()
        self.reset()


def compare(answers, expected):
    for answer, want in zip(answers, expected, strict=True):
        assert answer.what() == want


def running(head, n):
    return wait_for(f"{n} running jobs", lambda: (s := head.status())["running"] >= n and s)


class Load:
    """Requests that are asked at the same time, and run while the test does something."""

    def __init__(self, head, bodies, path="/v1/completions", ask=ask):
        self.events = [0] * len(bodies)
        self.clients = [Beside(self.one, i, head, body, path, ask) for i, body in enumerate(bodies)]

    def one(self, i, head, body, path, ask):
        def heard(answer):
            self.events[i] = len(answer.times)
        return ask(head, body, path, on_event=heard)

    def running(self):
        return any(c.running() for c in self.clients)

    def wait(self, events, streams=1):
        """Waits until so many streams have had so many events."""
        wait_for(f"{events} events of {streams} streams", lambda: sum(n >= events for n in self.events) >= streams)
        return self

    def wait_more(self, events):
        """Waits for so many events of all streams together, from now on."""
        before = sum(self.events)
        wait_for(f"{events} more events", lambda: sum(self.events) >= before + events)

    def end(self):
        return [c.end() for c in self.clients]

    def what(self):
        return [a.what() for a in self.end()]


def on_their_way(travellers, n, events=3):
    """Waits until so many travellers have had so many events."""
    wait_for(f"{n} streams in their middle", lambda: sum(len(t.answer.times) >= events for t in travellers) >= n)
