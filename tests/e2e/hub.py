"""A model hub on loopback that behaves like the real one, or misbehaves on purpose; and small honest GGUF files for it.

    with Hub() as hub:
        hub.files["ann/pet-GGUF"] = {"pet.Q8_0.gguf": gguf(100_000)}
        hub.cut_after = 50_000          # of the next answer
        manta("models", "pull", "hf:ann/pet-GGUF/pet.Q8_0.gguf", env=hub.env)
        assert hub.asked("pet.Q8_0.gguf")[1].headers["range"] == "bytes=50000-"

Two hosts, as in reality: the hub answers 302 with the size and the digest, the storage (another port) has the bytes.
"""

import functools
import hashlib
import http.server
import json
import re
import struct
import threading
import time
import types
import urllib.parse


def text(s):
    return struct.pack("<Q", len(s)) + s.encode()


def gguf(size=100_000, seed=0, name="pet"):
    """A whole GGUF file of about `size` bytes, its tensor filled from the seed."""
    columns = max(32, size // 4 // 32 * 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 2)
    head += text("general.architecture") + struct.pack("<I", 8) + text("llama")
    head += text("general.name") + struct.pack("<I", 8) + text(name)
    head += text("token_embd.weight") + struct.pack("<IQIQ", 1, columns, 0, 0)
    head += bytes(-len(head) % 32)
    block = hashlib.sha256(str(seed).encode()).digest()
    return head + (block * (columns * 4 // len(block) + 1))[:columns * 4]


@functools.lru_cache(16)
def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Hub:
    """What it shall do is set in its attributes; what was asked of it is in .requests."""

    def __init__(self):
        self.files = {}             # "owner/repo" -> {"path": bytes}
        self.requests = []          # of both hosts, in order: .host, .path, .headers
        self.token = None           # wanted from everybody, when set
        self.refuse = []            # statuses of the next answers of the hub
        self.refuse_headers = {}    # sent with them
        self.cut_after = None       # the next answer of the storage ends after so many bytes; a list: one answer each
        self.page = None            # the storage answers with this web page
        self.page_type = "text/html; charset=utf-8"
        self.ranges = True          # the storage knows Range
        self.lie_length = 0         # added to Content-Length
        self.lie_linked = 0         # added to X-Linked-Size
        self.lie_sha256 = None      # instead of X-Linked-Etag's
        self.announce = True        # False: no lengths, no digests: HTTP/1.0, ends when it ends
        self.etag = None            # of the storage; default: from the bytes
        self.trickle_s = 0          # pause of the storage after each 200 bytes, for the next answer only
        self.redirect = None        # where the hub redirects to, instead of its storage
        self.hold = None            # an event the storage waits for before its bytes
        self.lock = threading.Lock()

    def __enter__(self):
        self.hub, self.storage = self.serve("hub"), self.serve("storage")
        return self

    def __exit__(self, *exc):
        if self.hold:
            self.hold.set()
        for server in self.hub, self.storage:
            server.shutdown()
            server.server_close()

    def serve(self, host):
        owner = self

        class Handler(Answers):
            hub, name = owner, host
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # clients that hang up are part of the stories
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return server

    def url(self, host="hub"):
        return f"http://127.0.0.1:{(self.hub if host == 'hub' else self.storage).server_port}"

    @property
    def env(self):
        return {"HF_ENDPOINT": self.url()}

    def asked(self, end, host="storage"):
        """The requests for paths that end so."""
        return [r for r in self.requests if r.host == host and r.path.split("?")[0].endswith(end)]


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        with self.hub.lock:
            headers = {k.lower(): v for k, v in self.headers.items()}
            self.hub.requests.append(types.SimpleNamespace(host=self.name, path=self.path, headers=headers))
        self.close_connection = True
        if self.name == "storage":
            self.store()
        else:
            self.answer_as_hub()

    def send(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def answer_as_hub(self):
        hub, path = self.hub, urllib.parse.urlsplit(self.path).path
        if hub.refuse:
            return self.send(hub.refuse.pop(0), {"X-Error-Message": "as told", **hub.refuse_headers}, b"no")
        if hub.token and self.headers.get("authorization") != f"Bearer {hub.token}":
            return self.send(401, {"X-Error-Message": "Invalid username or password."}, b"no")
        tree = re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)", path)
        if tree and tree[1] in hub.files:
            found = [{"type": "file", "path": name, "size": len(data), "oid": "0" * 40, "lfs": {"oid": sha256(data), "size": len(data)}}
                     for name, data in hub.files[tree[1]].items()]
            return self.send(200, {"Content-Type": "application/json; charset=utf-8"}, json.dumps(found).encode())
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        data = hub.files.get(file[1], {}).get(file[3]) if file else None
        if data is None:
            return self.send(404, {"X-Error-Message": "Entry not found", "Content-Type": "text/plain"}, b"no")
        headers = {"Location": hub.redirect or f"{hub.url('storage')}/{file[1]}/{file[3]}?Signature=secret"}
        if hub.announce:
            headers |= {"X-Linked-Size": str(len(data) + hub.lie_linked), "X-Linked-Etag": f'"{hub.lie_sha256 or sha256(data)}"',
                        "ETag": '"of the pointer"'}
        return self.send(302, headers)

    def store(self):
        hub, path = self.hub, urllib.parse.urlsplit(self.path).path.lstrip("/")
        owner, repo, name = (path.split("/", 2) + ["", ""])[:3]
        data = hub.files.get(f"{owner}/{repo}", {}).get(name, b"")
        if hub.page is not None:
            return self.send(200, {"Content-Type": hub.page_type}, hub.page)
        etag = hub.etag or f'"{sha256(data)[:32]}"'
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", ""))
        start = int(wanted[1]) if wanted and hub.ranges and self.headers.get("if-range", etag) == etag else 0
        if start >= len(data) > 0:
            return self.send(416, {"Content-Range": f"bytes */{len(data)}"})
        headers = {"ETag": etag, "Content-Type": "application/octet-stream"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        if hub.announce:
            headers["Content-Length"] = str(len(data) - start + hub.lie_length)
        self.send_response(206 if start else 200)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.send_bytes(data[start:])

    def send_bytes(self, data):
        hub = self.hub
        with hub.lock:
            cut, hub.cut_after = (hub.cut_after.pop(0) if hub.cut_after else None, hub.cut_after) if isinstance(hub.cut_after, list) \
                else (hub.cut_after, None)
            trickle_s, hub.trickle_s = hub.trickle_s, 0
        if cut is not None:
            data = data[:cut]
        if hub.hold:
            self.wfile.write(data[:4])
            self.wfile.flush()
            hub.hold.wait(600)
            data = data[4:]
        step = 200 if trickle_s else 1 << 16
        for at in range(0, len(data), step):
            self.wfile.write(data[at:at + step])
            self.wfile.flush()
            time.sleep(trickle_s)
