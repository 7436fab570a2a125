"""Servers that are no head: another program on a head's port, and a proxy in front of a head."""

import contextlib
import socket
import threading

BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 24\r\n\r\n<html>502 nginx</html>\r\n"


def read_request(conn):
    """The bytes of one request, b"" at the end of the connection."""
    got = b""
    while b"\r\n\r\n" not in got:
        more = conn.recv(65536)
        if not more:
            return b""
        got += more
    head, _, body = got.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        more = conn.recv(65536)
        if not more:
            return b""
        body += more
    return head + b"\r\n\r\n" + body


class Server:
    """Answers each connection on a thread of its own; `address` is where."""

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                conn, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        with contextlib.suppress(OSError), conn:
            while request := read_request(conn):
                if not self.answer(conn, request):
                    return


class Stranger(Server):
    """Another program: the same answer to everything."""

    def __init__(self, body, status="200 OK", kind="application/json"):
        self.response = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()

    def answer(self, conn, request):
        conn.sendall(self.response)
        return True


class Proxy(Server):
    """Speaks HTTP/1.0 with the head, as nginx does by default: it cannot tell an answer that broke off from one that ended, and ends both in
    order. Where no head answers, it says so with 502."""

    def __init__(self, port):
        self.port, self.refused = port, 0
        self.asked, self.passed = b"", b""  # what clients sent, and what heads answered

    def answer(self, conn, request):
        self.asked += request
        request = request.replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1)
        try:
            with socket.create_connection(("127.0.0.1", self.port)) as head:
                head.sendall(request)
                with contextlib.suppress(ConnectionError):
                    while more := head.recv(65536):
                        self.passed += more
                        conn.sendall(more)
        except ConnectionRefusedError:
            self.refused += 1
            conn.sendall(BAD_GATEWAY)
        return False
