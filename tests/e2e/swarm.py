"""Hundreds of workers in one process of Python, which do what a test tells them: real connections, and frames made and read
by the tables in src/wire/schema.h and schema_handoff.h, so that a new field there needs no change here."""

import asyncio
import pathlib
import re
import socket
import struct
import time

from cluster import TEST_TIMEOUT_S, own_token

SCHEMA = pathlib.Path(__file__).parents[2] / "src/wire/schema.h"
NUMBERS = {"U8": "B", "U16": "H", "U32": "I", "U64": "Q", "I32": "i", "F32": "f", "F64": "d"}
LISTS = {"I32S": "i", "F32S": "f"}
CHAT, EMBED, READY, STOP = 1, 3, 2, 1
UPGRADE = b"GET /manta/link HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: Upgrade\r\nupgrade: manta\r\n\r\n"


def read_schema():
    """(version, message -> number, message or part -> fields as (kind of entry, kind or part, name))."""
    text = SCHEMA.read_text() + SCHEMA.with_name("schema_handoff.h").read_text()
    fields = {name: re.findall(r"\b([FLS])\((\w+), (\w+), \"", body)
              for name, body in re.findall(r"#define WIRE_(?:MSG|PART)_(\w+)\(F, L, S\)((?:.*\\\n)*.*\n)", text)}
    numbers = {name: int(n) for n, name in re.findall(r"\bM\((\d+), (\w+)\)", text)}
    version = int(re.search(r"WIRE_VERSION = (\d+)", SCHEMA.with_name("wire.h").read_text())[1])
    return version, numbers, fields


VERSION, MESSAGES, FIELDS = read_schema()
NAMES = {number: name for name, number in MESSAGES.items()}


def pack(kind, value):
    if kind in NUMBERS:
        return struct.pack("<" + NUMBERS[kind], value or 0)
    if kind in LISTS:
        return struct.pack(f"<I{len(value or ())}{LISTS[kind]}", len(value or ()), *(value or ()))
    if kind == "STRS":
        return struct.pack("<I", len(value or ())) + b"".join(pack("STR", v) for v in value or ())
    raw = (value or "").encode() if not isinstance(value, bytes) else value
    return struct.pack("<I", len(raw)) + raw


def pack_fields(what, values):
    out = []
    for entry, kind, name in FIELDS[what]:
        value = values.get(name)
        if entry == "F":
            out.append(pack(kind, value))
        elif entry == "L":
            out.append(struct.pack("<I", len(value or ())) + b"".join(pack_fields(kind, v) for v in value or ()))
        else:
            out.append(pack_fields(kind, value or {}))
    return b"".join(out)


def frame(message, /, **values):
    """A whole frame; fields that are not given are 0 or empty."""
    fields = pack_fields(message, values)
    return struct.pack("<IH", 2 + len(fields), MESSAGES[message]) + fields


def first_numbers(message, raw):
    """The fields of a message up to the first that is not a number: job, attempt, key, kind of a `run`."""
    found, at = {}, 0
    for entry, kind, name in FIELDS[message]:
        if entry != "F" or kind not in NUMBERS:
            break
        (found[name],) = struct.unpack_from("<" + NUMBERS[kind], raw, at)
        at += struct.calcsize("<" + NUMBERS[kind])
    return found


async def until(what, condition, timeout_s=2 * TEST_TIMEOUT_S):
    """As wait_for(), while the swarm continues."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"waited {timeout_s} s in vain for {what}"
        await asyncio.sleep(0.05)


class Worker(asyncio.Protocol):
    """One link with one actor. on_run(worker, job, attempt) is told of each run; without it they stay silent."""

    def __init__(self, node, model, slots=16, kind=CHAT, on_run=None):
        self.node, self.model, self.slots, self.kind, self.on_run = node, model, slots, kind, on_run
        self.runs = []  # (job, attempt) that came and were not cancelled
        self.runs_n = 0
        self.ready = asyncio.get_running_loop().create_future()
        self.lost = False
        self.rest = b""
        self.up = False

    def connection_made(self, transport):
        self.transport = transport
        transport.write(UPGRADE)

    def connection_lost(self, exc):
        self.lost = True
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(f"{self.node}: hung up"))

    def send(self, message, /, **values):
        self.transport.write(frame(message, **values))

    def data_received(self, data):
        self.rest += data
        if not self.up:
            head, found, rest = self.rest.partition(b"\r\n\r\n")
            if not found:
                return
            assert head.startswith(b"HTTP/1.1 101 "), head
            self.up, self.rest = True, rest
            self.send("hello", proto=VERSION, version="0.0.1", role=1, token=own_token(), node=self.node, epoch=id(self), pid=1, cpus=1.0,
                      memory_bytes=1 << 30, engine="by hand")
        at = 0
        while len(self.rest) - at >= 6:
            size, number = struct.unpack_from("<IH", self.rest, at)
            if len(self.rest) - at < 4 + size:
                break
            self.heard(NAMES.get(number), self.rest[at + 6:at + 4 + size])
            at += 4 + size
        self.rest = self.rest[at:]

    def heard(self, message, raw):
        if message == "welcome":
            self.send("actor", key=0, state=READY, kind=self.kind, model=self.model, digest=f"{self.model:0<64}", slots=self.slots,
                      context=1 << 20)
        elif message == "actor_ack" and not self.ready.done():
            self.ready.set_result(self)
        elif message == "run":
            run = first_numbers("run", raw)
            self.runs.append((run["job"], run["attempt"]))
            self.runs_n += 1
            if self.on_run:
                self.on_run(self, run["job"], run["attempt"])
        elif message == "cancel":
            run = first_numbers("cancel", raw)
            if (run["job"], run["attempt"]) in self.runs:  # else its `done` is on its way
                self.runs.remove((run["job"], run["attempt"]))
                self.send("done", **run, finish=3)

    def beat(self):
        self.send("beat", sent_us=1, rss_bytes=1 << 20, loads=[{"key": 0, "busy": len(self.runs)}])

    def begin(self, job, attempt):
        self.send("prefilled", job=job, attempt=attempt, prompt_tokens=8)

    def tell(self, job, attempt, first, text, **values):
        self.send("tokens", job=job, attempt=attempt, first=first, text=text, ids=[7], **values)

    def end(self, job, attempt, tokens=1, **values):
        self.runs.remove((job, attempt))
        self.send("done", job=job, attempt=attempt, finish=STOP, prompt_tokens=8, completion_tokens=tokens, **values)


def answer_with(**done):
    """on_run of a worker that answers at once."""
    def on_run(w, *run):
        w.begin(*run)
        w.end(*run, 0, **done)
    return on_run


class Swarm:
    """Workers of one head, with their heartbeats."""

    def __init__(self, port):
        self.port = port
        self.workers = []
        self.beats = asyncio.create_task(self._beat())

    async def join(self, n, name, **about):
        loop = asyncio.get_running_loop()
        joined = [(await loop.create_connection(lambda i=i: Worker(f"{name}-{i}", name, **about), "127.0.0.1", self.port))[1]
                  for i in range(n)]
        await asyncio.gather(*(w.ready for w in joined))
        self.workers += joined
        return joined

    async def _beat(self):
        while True:
            await asyncio.sleep(1)
            for w in self.workers:
                if not w.lost:
                    w.beat()

    def leave(self):
        self.beats.cancel()
        for w in self.workers:
            if not w.lost:
                w.transport.abort()


class Client(asyncio.Protocol):
    """One HTTP request; reads nothing behind the head of the answer while it is told not to."""

    def __init__(self, raw, reads=True):
        self.raw, self.reads = raw, reads
        self.got, self.done = b"", asyncio.get_running_loop().create_future()
        self.bytes = 0

    def connection_made(self, transport):
        self.transport = transport
        transport.write(self.raw)
        if not self.reads:
            asyncio.get_running_loop().call_soon(transport.pause_reading)  # older Pythons begin to read after this method

    def data_received(self, data):
        self.bytes += len(data)
        self.got = (self.got + data)[-65536:]
        if not self.done.done() and (b"\r\n0\r\n\r\n" in self.got or self._whole()):
            self.done.set_result(self.got)

    def _whole(self):
        head, found, body = self.got.partition(b"\r\n\r\n")
        size = re.search(rb"(?i)content-length: (\d+)", head)
        return found and size and len(body) >= int(size[1])

    def connection_lost(self, exc):
        if not self.done.done():
            self.done.set_result(self.got)

    @property
    def status(self):
        return int(self.got[9:12]) if self.got.startswith(b"HTTP/1.1 ") else 0

    def close(self):
        self.transport.abort()


def post(path, body, length=None):
    return (b"POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            % (path.encode(), len(body) if length is None else length) + body)


async def ask(port, raw, reads=True, kind=Client):
    """The kernel would hold megabytes for one who does not read; with small segments and buffers it holds little."""
    s = socket.socket()
    s.setblocking(False)
    if not reads:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1448)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(s, ("127.0.0.1", port))
    return (await loop.create_connection(lambda: kind(raw, reads), sock=s))[1]
