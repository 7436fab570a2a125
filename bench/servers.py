"""The two servers under measurement: start them, ask the kernel what they use, end them.

A server is one or more processes behind one address. Processor time and memory come from /proc, so nothing in the
servers themselves is trusted or disturbed.
"""

import http.client
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

START_S = 60  # a server that is not ready by then is broken
END_S = 10
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class ServerError(Exception):
    pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers_200(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


class Process:
    def __init__(self, argv, log):
        self.name = Path(argv[0]).name
        self.log = log
        with open(log, "ab") as out:
            self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)

    def cpu_s(self):
        """User and system time of the process so far, all its threads."""
        fields = Path(f"/proc/{self.child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def memory_mb(self, what):
        """what: "Rss", or "Pss" where shared pages count by their share."""
        rollup = Path(f"/proc/{self.child.pid}/smaps_rollup").read_text()
        line = next(line for line in rollup.splitlines() if line.startswith(f"{what}:"))
        return int(line.split()[1]) / 1024

    def end(self):
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(END_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


class Server:
    """`with Server(...) as s:` gives a server that answers; it has ended when the block has."""

    name = ""
    ready_path = "/health"

    def __init__(self, setup):
        self.setup = setup  # a Setup of cases.py
        self.port = free_port()
        self.processes = []

    def __enter__(self):
        try:
            self.start()
            self.wait_ready(lambda: answers_200(self.port, self.ready_path))
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_):
        self.end()

    def run(self, *argv):
        self.setup.logs.mkdir(parents=True, exist_ok=True)
        process = Process([str(a) for a in argv], self.setup.logs / f"{self.name}-{len(self.processes)}.log")
        self.processes.append(process)
        return process

    def wait_ready(self, is_ready):
        deadline = time.monotonic() + START_S
        while not is_ready():
            dead = next((p for p in self.processes if p.child.poll() is not None), None)
            if dead or time.monotonic() > deadline:
                problem = f"ended with {dead.child.returncode}" if dead else f"is not ready after {START_S} s"
                raise ServerError(f"{self.name} {problem}; see {(dead or self.processes[-1]).log}")
            time.sleep(0.05)

    def end(self):
        for process in reversed(self.processes):
            process.end()

    def cpu_s(self):
        return sum(p.cpu_s() for p in self.processes)


class LlamaServer(Server):
    name = "llama-server"

    def start(self):
        s = self.setup
        total = s.slots * s.context  # its -c is for all slots together
        exact = ["-ctk", "q8_0", "-ctv", "q8_0", "-fa", "on"] if s.exact else []
        self.run(s.programs.llama_server, "-m", s.model, "--host", "127.0.0.1", "--port", self.port, "-t", s.threads,
                 "-np", s.slots, "-c", total, *exact)


class Manta(Server):
    """A head and its workers."""

    name = "manta"
    ready_path = "/readyz"

    def start(self):
        self.head = self.run(self.setup.programs.manta, "head", "--port", self.port)
        self.workers = []
        self.add_worker()

    def add_worker(self):
        s = self.setup
        worker = self.run(s.programs.manta, "worker", "--head", f"127.0.0.1:{self.port}", "--node",
                          f"bench-{len(self.workers)}", "--model", s.model, "--slots", s.slots, "--context", s.context,
                          "--threads", s.threads, "--memory", 0, *(["--exact"] if s.exact else []))
        self.workers.append(worker)

    def add_workers(self, n):
        for _ in range(n):
            self.add_worker()
        self.wait_ready(lambda: self.actors_ready() == len(self.workers))

    def actors_ready(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/metrics")
            lines = connection.getresponse().read().decode().splitlines()
        finally:
            connection.close()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("manta_actors_ready"))
