"""A person at a real terminal: manta in tmux, the screen as it stands, keys that are pressed, a window that is resized."""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile

from cluster import PROGRAM, TEST_TIMEOUT_S, environment, wait_for

SGR = re.compile(r"\x1b\[[0-9;:]*m")


class Screen:
    def __init__(self, *args, folder, env=None, without=(), columns=80, rows=30, shell=False):
        """manta with these arguments; `shell`: an interactive shell, in which manta is on the PATH."""
        given = environment(folder, LC_ALL="C.UTF-8", PATH=f"{os.path.dirname(PROGRAM)}:{os.environ['PATH']}", HISTFILE="", **(env or {}))
        self.place = tempfile.mkdtemp(prefix="tmux", dir="/tmp")  # a socket's path may not be long
        self.env = {k: v for k, v in given.items() if k not in (*without, "TMUX", "TERM")} | {"TERM": "xterm-256color"}
        manta = shlex.join([PROGRAM, *map(str, args)])  # its status goes to a file: tmux does not always know it
        command = ["bash", "--norc", "-i"] if shell else ["bash", "-c", f"{manta}; echo $? >{self.place}/ended"]
        inside = {"TERM": (env or {}).get("TERM", "tmux-256color"), "PS1": "'$ '"}  # a shell between would leave out PS1
        self.tmux("-f", "/dev/null", "start-server", ";", "set-option", "-g", "remain-on-exit", "on", ";", "set-option", "-g", "remain-on-exit-format", "", ";", "set-option", "-g", "status", "off", ";",
                  "set-option", "-g", "history-limit", "5000", ";", "new-session", "-d", "-x", str(columns), "-y", str(rows),
                  "exec env " + " ".join(f"{k}={v}" for k, v in inside.items()) + " " + shlex.join(command))

    def tmux(self, *args, text=None):
        """Only the socket of this test is spoken to: nobody else's tmux."""
        return subprocess.run(["tmux", "-u", "-S", f"{self.place}/s", *args], env=self.env, input=text, capture_output=True, text=True, timeout=60, check=True).stdout

    def __enter__(self):
        return self

    def __exit__(self, failed, *exc):
        if failed:
            print("---- screen ----\n" + "\n".join(self.lines(everything=True)))
        self.tmux("kill-server")
        shutil.rmtree(self.place)

    def lines(self, everything=False, escapes=False):
        """What stands on the screen, line by line; `everything`: what has left it at the top, too; `escapes`: with the colours."""
        said = self.tmux("capture-pane", "-p", *(["-S", "-"] if everything else []), *(["-e"] if escapes else []))
        return [line.rstrip() for line in said.rstrip("\n").split("\n")]

    def text(self):
        """All of it, lines that the terminal broke joined again."""
        return self.tmux("capture-pane", "-p", "-J", "-S", "-")

    def colours(self):
        return set(SGR.findall("\n".join(self.lines(everything=True, escapes=True))))

    def type(self, text):
        self.tmux("send-keys", "-l", "--", text)

    def press(self, *keys):
        """By their names: Enter, BSpace, C-c, C-z, Up."""
        self.tmux("send-keys", *keys)

    def paste(self, text):
        """As a terminal does it: between marks where the program has asked for them."""
        self.tmux("load-buffer", "-", text=text)
        self.tmux("paste-buffer", "-p", "-d")

    def resize(self, columns, rows):
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def wait(self, pattern, timeout_s=TEST_TIMEOUT_S):
        return wait_for(f"/{pattern}/ on the screen", lambda: re.search(pattern, self.text()), timeout_s)

    def wait_shell(self):
        """The shell has the terminal."""
        wait_for("the shell's prompt", lambda: self.lines()[-1] == "$")

    def wait_end(self, timeout_s=TEST_TIMEOUT_S):
        """The exit status."""
        ended = pathlib.Path(self.place, "ended")
        return int(wait_for("the end", lambda: ended.exists() and ended.read_text().endswith("\n") and ended.read_text(), timeout_s))
