"""A lean HTTP/1.1 client for asyncio: kept connections, whole answers or streams, and nothing else.

Why not a package: the coordinator adds this to each call of an actor, and a general client costs as much as the actor call itself.
"""
import asyncio
import socket

from manta.answer import Answer
from manta.client import MantaError, split_address

KEPT_MAX = 64  # idle connections


class Gone(Exception):
    """The connection ended before the answer did."""


class _Connection(asyncio.Protocol):
    """One request at a time. The bytes of the answer go to `sink`: a function of (status, headers), body pieces, the end."""

    def __init__(self):
        self.transport = None
        self.buffer = bytearray()
        self.answer = None

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc):
        self.transport = None
        if self.answer is not None:
            answer, self.answer = self.answer, None
            answer.lost(exc)

    def data_received(self, data):
        if self.answer is None:  # bytes nobody asked for
            self.transport.abort()
            return
        self.buffer += data
        try:
            over = self.answer.feed(self.buffer)
        except ValueError as e:
            self.transport.abort()
            answer, self.answer = self.answer, None
            answer.lost(e)
            return
        if over:
            answer, self.answer = self.answer, None
            answer.finish(self)


class _Answer(Answer):
    """`parts`: None collects the body; else a queue that gets its pieces, then None or an exception."""

    def __init__(self, client, loop, parts=None):
        super().__init__()
        self.client = client
        self.done = loop.create_future()  # (status, headers, body); of a stream: when its head is there, with body b""
        self.parts = parts

    def began(self):
        if self.parts is not None and not self.done.done():
            self.done.set_result((self.status, self.headers, b""))

    def take(self, data):
        if self.parts is not None:
            self.parts.put_nowait(bytes(data))
        else:
            self.body += data

    def finish(self, connection):
        self.client._keep(connection, self.may_be_kept)
        if self.parts is not None:
            self.parts.put_nowait(None)
        elif not self.done.done():
            self.done.set_result((self.status, self.headers, bytes(self.body)))

    def lost(self, exc):
        gone = Gone(str(exc) if exc else "the head closed the connection")
        if not self.done.done():
            self.done.set_exception(gone)
        elif self.parts is not None:
            self.parts.put_nowait(gone)


class HttpClient:
    """Of one head. For one event loop."""

    def __init__(self, head, api_key=""):
        self.head = head
        self.host, self.port = split_address(head)
        self.idle = []
        auth = f"Authorization: Bearer {api_key}\r\n" if api_key else ""
        self.common = f"Host: {head}\r\n{auth}"

    def _keep(self, connection, may_be_kept):
        if connection.transport is not None and may_be_kept and len(self.idle) < KEPT_MAX:
            self.idle.append(connection)
        elif connection.transport is not None:
            connection.transport.close()

    async def _connection(self, fresh):
        while self.idle and not fresh:
            connection = self.idle.pop()
            if connection.transport is not None:
                return connection, True
        try:
            _, connection = await asyncio.get_running_loop().create_connection(_Connection, self.host, self.port)
        except OSError as e:
            raise Gone(f"no answer from a manta head at {self.head}: {e}") from e
        return connection, False

    async def _begin(self, method, path, body, headers, parts):
        loop = asyncio.get_running_loop()
        request = f"{method} {path} HTTP/1.1\r\n{self.common}{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body
        fresh = False
        while True:
            connection, kept = await self._connection(fresh)
            answer = _Answer(self, loop, parts)
            connection.answer = answer
            connection.transport.write(request)
            try:
                return connection, await answer.done
            except Gone:
                if not kept or answer.status:
                    raise
                fresh = True  # a kept connection may have been closed meanwhile: that is no failure yet
            except asyncio.CancelledError:
                connection.answer = None
                if connection.transport is not None:
                    connection.transport.abort()
                raise

    async def call(self, method, path, body=b"", headers=""):
        """(status, body). Raises Gone."""
        _, (status, _, text) = await self._begin(method, path, body, headers, None)
        return status, text

    async def stream(self, method, path, body=b"", headers=""):
        """(status, headers, pieces): pieces is an asynchronous generator; closing it early hangs up. Raises Gone."""
        parts = asyncio.Queue()
        connection, (status, got, _) = await self._begin(method, path, body, headers, parts)

        async def pieces():
            whole = False
            try:
                while True:
                    piece = await parts.get()
                    if piece is None:
                        whole = True
                        return
                    if isinstance(piece, Exception):
                        raise piece
                    yield piece
            finally:
                if not whole and connection.transport is not None:
                    connection.answer = None
                    connection.transport.abort()

        return status, got.decode("latin-1"), pieces()

    def close(self):
        for connection in self.idle:
            if connection.transport is not None:
                connection.transport.close()
        self.idle.clear()


__all__ = ["Gone", "HttpClient", "MantaError"]
