"""One native process, kept up by a thread of this one: started, started again when it dies, ended with it.

The happy path: start() -> the process runs, its lines are ours -> stop() -> it ends. It can fail by: it dies (started again after a
pause that doubles from 250 ms to 10 s; one that ran for a minute begins at 250 ms again); it cannot be started at all (the same);
this process is killed (the kernel kills the native one: --die-with-parent is tied to the thread that started it, and that is why
the thread stays for as long as the process does).
"""
import os
import signal
import subprocess
import sys
import threading
import time

FIRST_PAUSE_S, LONGEST_PAUSE_S, STABLE_S = 0.25, 10.0, 60.0
LINE_BYTES_MAX = 8192
# A status that another try would not change: wrong usage, wrong key, too little memory, an unusable model.
HOPELESS = (2, 3, 5, 6)


def describe_end(status):
    return f"was killed by signal {-status} ({signal.Signals(-status).name})" if status < 0 else f"ended with status {status}"


class Native:
    def __init__(self, name, command, environment=None):
        """`command`: argv, or a function that gives it anew for each start; `environment`: added to ours, None leaves one out."""
        self.name = name
        self.command = command if callable(command) else lambda: command
        self.environment = environment or {}
        self.process = None
        self.starts = 0
        self.started_at = 0.0
        self.last_end = ""      # "was killed by signal 9 (SIGKILL)"
        self.last_words = ""    # its last line, or its last that says error
        self.failed = False     # it ended in a way that another try would not change
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep_up, name=f"native-{name}", daemon=True)

    def start(self):
        self._thread.start()

    def say(self, text):
        print(f"{self.name} | {text}", flush=True)

    @property
    def pid(self):
        process = self.process
        return process.pid if process is not None and process.poll() is None else 0

    def _full_environment(self):
        environment = dict(os.environ)
        for name, value in self.environment.items():
            if value is None:
                environment.pop(name, None)
            else:
                environment[name] = value
        return environment

    def _keep_up(self):
        pause_s = FIRST_PAUSE_S
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self.last_end = self._run_once()
            except Exception as e:  # no such program, no memory, no head yet: said, and tried again
                self.last_end = f"cannot be started: {e}"
            if self._stopping.is_set():
                return
            if time.monotonic() - began >= STABLE_S:
                pause_s = FIRST_PAUSE_S
            if self.failed:
                pause_s = LONGEST_PAUSE_S
            self.say(f"{self.last_end}: starting it again in {pause_s * 1000:.0f} ms")
            self._stopping.wait(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _run_once(self):
        argv = [*self.command(), "--die-with-parent", str(os.getpid())]
        self.process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self._full_environment(), close_fds=True
        )
        self.starts += 1
        self.started_at = time.time()
        if self._stopping.is_set():  # stop() looked before there was a process
            self.process.kill()
        says_error = False
        for line in iter(lambda: self.process.stdout.readline(LINE_BYTES_MAX), b""):
            text = line.decode(errors="replace").rstrip("\n")
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
            if text and (not says_error or "error" in text):
                says_error = "error" in text
                self.last_words = text
        status = self.process.wait()
        self.failed = status in HOPELESS
        return describe_end(status)

    def restart(self):
        """Ends the process; it comes back with a new command."""
        process = self.process
        if process is not None and process.poll() is None:
            process.kill()

    def stop(self, signum=signal.SIGTERM, grace_s=20.0):
        """Asks it to end, kills it after the grace, and waits for that."""
        self._stopping.set()
        process = self.process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signum)
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.say(f"did not end within {grace_s:.0f} s: killing it")
            process.kill()
            process.wait()
