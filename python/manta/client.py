"""A small blocking client of a head: one kept connection, no packages.

    head = Client("10.0.0.7:8470", api_key="...")
    head.process_prompt("What is machine learning?")["final_response"]

Not for several threads at once: give each its own.
"""
import json
import os
import socket

from manta.answer import Answer

READ_BYTES = 64 << 10
DEFAULT_HEAD = "127.0.0.1:8470"


class MantaError(Exception):
    """What the head refused or could not do, in its own words; `status` is its HTTP status, 0 where it did not answer."""

    def __init__(self, message, status=0):
        super().__init__(message)
        self.message = message
        self.status = status

    def __reduce__(self):
        return (MantaError, (self.message, self.status))


def plain_address(address):
    """"http://host:port/v1", which other clients are given, or a port of this machine -> "host:port"."""
    text = address.strip().removeprefix("http://").rstrip("/").removesuffix("/v1")
    return f"127.0.0.1:{text}" if text.isdigit() else text


def split_address(address):
    """"host:port" or "[v6]:port" -> (host, port)."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        raise MantaError(f"'{address}' is not an address like 10.0.0.7:8470")
    return host.strip("[]"), int(port)


def error_of(status, body):
    """The head's own words in an error answer."""
    try:
        return MantaError(json.loads(body)["error"]["message"], status)
    except (ValueError, KeyError, TypeError):
        return MantaError(f"status {status}: {body[:200].decode(errors='replace')}", status)


class Client:
    def __init__(self, head=None, api_key=None, timeout_s=300):
        self.head = plain_address(head or os.environ.get("MANTA_HEAD", DEFAULT_HEAD))
        self.host, self.port = split_address(self.head)
        key = os.environ.get("MANTA_API_KEY", "") if api_key is None else api_key
        auth = f"Authorization: Bearer {key}\r\n" if key else ""
        self.common = f"Host: {self.head}\r\n{auth}Content-Type: application/json\r\n"
        self.timeout_s = timeout_s
        self.socket = None

    def _connect(self):
        self.socket = socket.create_connection((self.host, self.port), timeout=self.timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _send(self, request):
        """The first bytes of the answer. A kept connection may have been closed by the head meanwhile: then another one is tried, once."""
        for kept in (self.socket is not None, False):
            if self.socket is None:
                self._connect()
            try:
                self.socket.sendall(request)
                data = self.socket.recv(READ_BYTES)
            except ConnectionError:
                data = b""
            if data or not kept:
                return data
            self.close()

    def _exchange(self, request):
        """The whole answer. Raises OSError, ValueError."""
        answer, buffer, data = Answer(), bytearray(), self._send(request)
        while data:
            buffer += data
            if answer.feed(buffer):
                return answer
            data = self.socket.recv(READ_BYTES)
        raise ConnectionResetError("it closed the connection")

    def call(self, method, path, body=None):
        """The parsed JSON answer. Raises MantaError."""
        data = b"" if body is None else json.dumps(body).encode()
        request = f"{method} {path} HTTP/1.1\r\n{self.common}Content-Length: {len(data)}\r\n\r\n".encode() + data
        try:
            answer = self._exchange(request)
        except (OSError, ValueError) as e:
            self.close()
            raise MantaError(f"no answer from a manta head at {self.head}: {e}") from e
        if not answer.may_be_kept:
            self.close()
        if answer.status >= 400:
            raise error_of(answer.status, bytes(answer.body))
        return json.loads(answer.body)

    def process_prompt(self, prompt, **options):
        """Every actor's response and the final one. Options as in POST /manta/process_prompt: actors="all", model, max_tokens, ..."""
        return self.call("POST", "/manta/process_prompt", {"prompt": prompt, **options})

    def status(self):
        return self.call("GET", "/manta/status")

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None
