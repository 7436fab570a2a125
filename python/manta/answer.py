"""Parses one answer of HTTP/1.1 as its bytes come, for the clients of this package: no sockets, no waiting."""

HEAD_BYTES_MAX = 64 << 10


class Answer:
    """feed() it what has come until it says that the answer is whole; then there are status, headers (lower case) and body."""

    def __init__(self):
        self.status = 0
        self.headers = b""
        self.body = bytearray()
        self._length = -1      # bytes of body, or of a chunk, to come; -1: not known yet
        self._chunked = False
        self._in_body = False

    @property
    def may_be_kept(self):
        """The connection can have another request."""
        return b"\r\nconnection: close" not in self.headers

    def began(self):
        """Called when the head of the answer is there."""

    def take(self, data):
        """Called with each piece of the body."""
        self.body += data

    def feed(self, buffer):
        """Takes what it can from the front of `buffer` (a bytearray). True when the answer is whole. Raises ValueError."""
        if not self._in_body and not self._head(buffer):
            return False
        return self._feed_chunks(buffer) if self._chunked else self._feed_plain(buffer)

    def _head(self, buffer):
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(buffer) > HEAD_BYTES_MAX:
                raise ValueError("the head of an answer is too long")
            return False
        self.headers = bytes(buffer[:end]).lower()
        self.status = int(self.headers[9:12])
        del buffer[: end + 4]
        if self.status == 100:
            return self._head(buffer)
        at = self.headers.find(b"\r\ncontent-length:")
        if at >= 0:
            self._length = int(self.headers[at + 17 :].split(b"\r\n", 1)[0])
        elif b"\r\ntransfer-encoding: chunked" in self.headers:
            self._chunked = True
        else:
            raise ValueError("an answer without a length")
        self._in_body = True
        self.began()
        return True

    def _feed_plain(self, buffer):
        n = min(len(buffer), self._length)
        if n:
            self.take(buffer[:n])
            del buffer[:n]
            self._length -= n
        return self._length == 0

    def _feed_chunks(self, buffer):
        while True:
            if self._length < 0:
                end = buffer.find(b"\r\n")
                if end < 0:
                    return False
                self._length = int(buffer[:end].split(b";", 1)[0], 16)
                del buffer[: end + 2]
            if len(buffer) < self._length + 2:
                return False
            last = self._length == 0
            if not last:
                self.take(buffer[: self._length])
            del buffer[: self._length + 2]
            self._length = -1
            if last:
                return True
