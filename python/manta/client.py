"""A small blocking client of a head: one kept connection, no packages.

    head = Client("10.0.0.7:8470", api_key="...")
    head.process_prompt("What is machine learning?")["final_response"]

Not for several threads at once: give each its own.
"""
import http.client
import json
import os
import socket

DEFAULT_HEAD = "127.0.0.1:8470"


class MantaError(Exception):
    """What the head refused or could not do, in its own words; `status` is its HTTP status, 0 where it did not answer."""

    def __init__(self, message, status=0):
        super().__init__(message)
        self.message = message
        self.status = status

    def __reduce__(self):
        return (MantaError, (self.message, self.status))


def split_address(address):
    """"host:port" or "[v6]:port" -> (host, port)."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
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
        self.head = head or os.environ.get("MANTA_HEAD", DEFAULT_HEAD)
        self.host, self.port = split_address(self.head)
        key = os.environ.get("MANTA_API_KEY", "") if api_key is None else api_key
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.timeout_s = timeout_s
        self.connection = None

    def _connect(self):
        self.connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout_s)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, method, path, body=None):
        """The parsed JSON answer. Raises MantaError."""
        data = None if body is None else json.dumps(body)
        for kept in (self.connection is not None, False):
            try:
                if self.connection is None:
                    self._connect()
                self.connection.request(method, path, data, self.headers)
                answer = self.connection.getresponse()
                text = answer.read()
                break
            except (OSError, http.client.HTTPException) as e:
                self.close()
                if not kept:  # one that was kept may have been closed by the head meanwhile: that is no failure yet
                    raise MantaError(f"no answer from a manta head at {self.head}: {e}") from e
        if answer.status >= 400:
            raise error_of(answer.status, text)
        return json.loads(text)

    def process_prompt(self, prompt, **options):
        """Every actor's response and the final one. Options as in POST /manta/process_prompt: actors="all", model, max_tokens, ..."""
        return self.call("POST", "/manta/process_prompt", {"prompt": prompt, **options})

    def status(self):
        return self.call("GET", "/manta/status")

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None
