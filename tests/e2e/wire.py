"""A worker that is not manta: speaks the head's link by hand, rightly or as wrongly as a test wants.

Frames as in src/wire/wire.h: u32 length of what follows, u16 message number, fields in the order of src/wire/schema.h."""

import contextlib
import socket
import struct
import threading

from cluster import own_token
from swarm import UPGRADE, VERSION

HELLO, BYE = 1, 7
WELCOME, REFUSE = 33, 34


def text(s):
    raw = s.encode()
    return struct.pack("<I", len(raw)) + raw


def frame(number, fields):
    return struct.pack("<IH", 2 + len(fields), number) + fields


def hello(proto=VERSION, role=1, node="by-hand", token=None, cpus=1.0):
    token = own_token() if token is None else token
    return frame(HELLO, struct.pack("<I", proto) + text("0.0.1") + struct.pack("<B", role) + text(token) + text(node) + text("")
                 + struct.pack("<QIfQ", 4711, 1, cpus, 1 << 30) + text("") + text("by hand") + struct.pack("<QQ", 0, 0))


def refuse(message, error=15, final=True):
    return frame(REFUSE, struct.pack("<H", error) + text(message) + struct.pack("<B", final))


class FakeHead:
    """Listens, accepts every worker that dials its link, says `frames` to each, and keeps the connections."""

    def __init__(self, frames, host="127.0.0.1"):
        self.frames = frames
        self.heard = bytearray()  # of all workers, behind their requests
        self.dials = 0
        self.server = socket.create_server((host, 0))
        self.address = f"{host}:{self.server.getsockname()[1]}"
        self.connections = []
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.server.close()
        for c in self.connections:
            c.close()

    def _serve(self):
        while True:
            try:
                c, _ = self.server.accept()
            except OSError:
                return
            self.connections.append(c)
            while b"\r\n\r\n" not in c.recv(65536):
                pass
            self.dials += 1
            c.sendall(b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: manta\r\n\r\n" + self.frames)
            threading.Thread(target=self._hear, args=(c,), daemon=True).start()

    def _hear(self, c):
        with contextlib.suppress(OSError):
            while more := c.recv(65536):
                self.heard += more


class Link:
    """A connection to the head that has been upgraded to the worker link."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.socket.sendall(UPGRADE)
        self.rest = b""
        while b"\r\n\r\n" not in self.rest:
            self.rest += self.socket.recv(4096)
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.socket.close()

    def send(self, raw):
        self.socket.sendall(raw)

    def receive(self):
        """The next frame as (number, fields), or None when the head has hung up."""
        while len(self.rest) < 4 or len(self.rest) < 4 + struct.unpack_from("<I", self.rest)[0]:
            try:
                more = self.socket.recv(4096)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.rest += more
        size, number = struct.unpack_from("<IH", self.rest)
        fields, self.rest = self.rest[6:4 + size], self.rest[4 + size:]
        return number, fields

    def refusal(self):
        """(sentence, final) of the refuse that must come next, behind which the head hangs up."""
        number, fields = self.receive() or (None, b"")
        assert number == REFUSE, f"not refused, but answered with message {number}"
        _, size = struct.unpack_from("<HI", fields)
        assert self.receive() is None, "refused, but not hung up"
        return fields[6:6 + size].decode(), fields[-1] == 1
