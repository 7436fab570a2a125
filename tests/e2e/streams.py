"""Answers as a client sees them, whole or streamed, so that an answer that lived through a failover can be compared with the
undisturbed one: every event must be well-formed, and between two of them lies a measured gap."""

import http.client
import json
import socket
import struct
import threading
import time


class Answer:
    """What came of one request. Two of them are equal when the client could not tell them apart but by time."""

    def __init__(self):
        self.status = 0
        self.text, self.tokens, self.logprobs, self.finish = {}, {}, {}, {}
        self.usage = self.error = None
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
        self.usage = value.get("usage") or self.usage
        for c in value.get("choices", []):
            assert c["index"] not in self.finish, f"choice {c['index']} goes on after its end"
            self.choice(c)


def ask(head, body, path="/v1/completions", timeout_s=100, on_event=None):
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
                assert line == b"" or line.startswith(b":") or reply.status != 200, line
        return answer
    finally:
        conn.close()


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
            far = socket.create_connection(("127.0.0.1", self.to_port))
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
