"""A person at a terminal: manta on a pty, what it shows, and keys that are pressed."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time

from cluster import PROGRAM, TEST_TIMEOUT_S, environment, wait_for

CTRL_C, CTRL_D, CTRL_Q, CTRL_S, CTRL_U, CTRL_Z, ENTER, UP = "\x03", "\x04", "\x11", "\x13", "\x15", "\x1a", "\r", "\x1b[A"


class Terminal:
    def __init__(self, *args, folder, env=None, without=(), through=(), program=PROGRAM, columns=120, rows=40):
        """`without`: names of variables that its environment does not have; `through`: a command that becomes manta."""
        given = environment(folder, **{"TERM": "xterm", **(env or {})})
        ours, theirs = pty.openpty()
        self.fd = ours
        self.resize(columns, rows)
        self.seen = b""
        self.popen = subprocess.Popen(
            [*through, program, *map(str, args)], stdin=theirs, stdout=theirs, stderr=theirs, env={k: v for k, v in given.items() if k not in without},
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(theirs)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def __enter__(self):
        return self

    def __exit__(self, failed, *exc):
        if failed:
            print("---- terminal ----\n" + self.text())
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait(TEST_TIMEOUT_S)
        self.reader.join(5)
        os.close(self.fd)

    def _read(self):
        while True:
            try:
                more = os.read(self.fd, 65536)
            except OSError:  # the other side is closed
                return
            if not more:
                return
            self.seen += more

    def text(self):
        """What was shown, without escape sequences."""
        text = self.seen.decode(errors="replace")
        return re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|[=>])", "", text).replace("\r\n", "\n")

    def press(self, keys):
        os.write(self.fd, keys.encode())

    def resize(self, columns, rows=40):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def mark(self):
        """Here; for wait_text(after=...)."""
        return len(self.text())

    def wait_text(self, pattern, after=0, timeout_s=TEST_TIMEOUT_S):
        return wait_for(f"/{pattern}/ on the terminal", lambda: re.search(pattern, self.text()[after:]), timeout_s)

    def wait_end(self, timeout_s=TEST_TIMEOUT_S):
        """The exit status."""
        return self.popen.wait(timeout_s)


def sizes_over_time(look, until, every_s=0.05):
    """The lengths that look() has until `until()`: does something come in pieces?"""
    sizes = []
    while not until():
        sizes.append(len(look()))
        time.sleep(every_s)
    return sizes
