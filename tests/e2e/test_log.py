"""Log lines are for whoever reads them; nobody waits for a reader. Also where the lines of `manta up` are kept."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess

import pytest

import swarm
from cluster import PROGRAM, Api, Up, children, environment, free_port, wait_for
from terminal import Terminal

ECHO = ("--engine", "echo", "--model", "echo:tokens=20")
CTRL_S, CTRL_Q = "\x13", "\x11"


@contextlib.contextmanager
def full_pipe():
    """Both ends of a pipe that takes nothing more: its reader is there and does not read."""
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(theirs, b"." * 4096)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(theirs, b".")
    os.set_blocking(theirs, True)
    try:
        yield ours, theirs
    finally:
        os.close(ours)
        os.close(theirs)


class Quiet(Api):
    """A manta process whose output goes where the test says."""

    def __init__(self, *args, port, folder, output, env=None):
        self.port = port
        self.popen = subprocess.Popen([PROGRAM, *map(str, args)], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                      env=environment(folder, **(env or {})))
        self.pid = self.popen.pid

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait(10)


def read_all(fd):
    """What lies in the pipe now."""
    os.set_blocking(fd, False)
    found = b""
    with contextlib.suppress(BlockingIOError):
        while more := os.read(fd, 1 << 16):
            found += more
    os.set_blocking(fd, True)
    return found.decode(errors="replace")


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGSEGV])
def test_a_reader_that_does_not_read(tmp_path, end):
    """Given a head and a worker whose standard error is a pipe that is full; when they start, answer and are asked to end, or
    crash; then they do all of it, and once somebody reads, the lines are there."""
    port = free_port()
    with full_pipe() as (ours, theirs):
        with Quiet("head", "--port", port, port=port, folder=tmp_path, output=theirs) as head:
            wait_for("the head", head.answers)
            with Quiet("worker", "--head", head.address, *ECHO, "--node", "oak", port=port, folder=tmp_path, output=theirs) as worker:
                head.wait_ready(actors=1)
                assert head.ask("hello")["responses"][0]["tokens"] == 20
                text = ""
                if end == signal.SIGTERM:
                    def told():
                        nonlocal text
                        text += read_all(ours)
                        return "ready for worker nodes" in text and "active and waiting for tasks" in text
                    wait_for("lines", told)
                os.kill(worker.pid, end)
                assert worker.popen.wait(60) == (0 if end == signal.SIGTERM else -end)
            assert head.answers()


def test_lines_that_did_not_fit_are_counted(cluster, tmp_path):
    """Given a head that traces every message into a pipe that is full; when answers stream; then all of them come, and who reads
    at last is told how many lines are missing."""
    port = free_port()
    with full_pipe() as (ours, theirs):
        with Quiet("head", "--port", port, port=port, folder=tmp_path, output=theirs, env={"MANTA_TRACE": "wire"}) as head:
            wait_for("the head", head.answers)
            cluster.echo_worker(head.address, "echo:tokens=2000")
            head.wait_ready(actors=1)
            for _ in range(6):
                assert head.ask("hello", max_tokens=2000)["responses"][0]["tokens"] == 2000
            text = ""

            def told():
                nonlocal text
                text += read_all(ours)
                return re.search(r"warning: (\d+) lines dropped", text)
            assert int(wait_for("the number of lines that are lost", told)[1]) > 0
            assert head.answers()


@pytest.mark.parametrize("part", ["head", "worker", "up"])
def test_a_terminal_that_was_stopped(cluster, tmp_path, part):
    """Given a head, a worker or a whole cluster on a terminal; when its output is stopped with Ctrl-S; then workers join, leave
    and answer as before; Ctrl-Q shows the lines."""
    head = cluster.head() if part == "worker" else Api()
    head.port = head.port or free_port()
    args = {"head": ("head", "--port", head.port), "worker": ("worker", "--head", head.address, *ECHO),
            "up": ("up", "--no-prompt", "--verbose", "--workers", 2, "--port", head.port, *ECHO)}[part]
    with Terminal(*args, folder=tmp_path) as t:
        wait_for("the first line", lambda: "STARTING" in t.text())
        t.press(CTRL_S)
        wait_for("the head", head.answers)
        if part == "head":
            cluster.echo_worker(head, "echo:tokens=20", "--node", "elm")
        actors = 2 if part == "up" else 1
        head.wait_ready(actors=actors)
        if part == "up":
            wait_for("four processes", lambda: len(children(t.popen.pid)) == 3)
            victim = head.status()["worker_nodes"][0]["pid"]
            os.kill(victim, signal.SIGKILL)
            wait_for("its successor", lambda: victim not in children(t.popen.pid) and len(children(t.popen.pid)) == 3)
            head.wait_ready(actors=actors)
        assert head.ask("hello")["responses"][0]["tokens"] == 20
        t.press(CTRL_Q)
        wait_for("the lines", lambda: {"head": "event=worker_joined node=elm", "worker": "event=worker_ready", "up": "signal 9"}[part] in t.text())
        t.popen.terminate()
        assert t.popen.wait(30) == 0


def test_an_up_that_is_stopped(cluster):
    """Given a cluster whose `manta up` is stopped (Ctrl-Z, SIGSTOP) while head and workers trace every message; when thousands of
    tokens stream; then no answer waits for it."""
    up = cluster.up("--no-prompt", "--workers", 2, "--engine", "echo", "--model", "echo:tokens=2000", env={"MANTA_TRACE": "wire"})
    up.wait_event("up_ready")
    os.kill(up.pid, signal.SIGSTOP)
    for _ in range(8):
        assert up.ask("hello", max_tokens=2000)["responses"][0]["tokens"] == 2000
    os.kill(up.pid, signal.SIGCONT)
    up.wait_line(r"\d+ lines\b")
    assert up.stop() == 0


def test_a_peer_without_a_token_cannot_fill_the_log(cluster):
    """Given a head; when somebody without a token dials it a thousand times with nonsense; then its log grows by a few lines, one
    of which says how many were left out, and other lines come as before."""
    head = cluster.head("--join-token", "secret", "--status-every-ms", 5000)
    before = len(head.log)
    for _ in range(1000):
        with socket.create_connection(("127.0.0.1", head.port)) as s:
            s.sendall(swarm.UPGRADE + b"\0" * 64)
            with contextlib.suppress(OSError):
                while s.recv(4096):
                    pass
    wait_for("a hundred lines to be left out", lambda: sum(int(e["lines"]) for e in head.events("lines_left_out")) > 100)  # who dials slowly has one left out now and then
    assert len(head.log) - before < 1000 * 40, head.log[-2000:]
    cluster.echo_worker(head, "echo:tokens=20", "--join-token", "secret", "--node", "fir")
    head.wait_event("worker_joined", node="fir")


def log_files(folder):
    return {p.name: p.read_text() for p in (folder / "manta").glob("up-*") if p.is_file()}


def test_each_cluster_has_a_log(cluster, tmp_path):
    """Given a cluster; when a second one is started on another port, ended, and started again; then each has a log of its own, to
    which the later start is added, and the usual name leads to the one that runs."""
    first = cluster.up("--no-prompt", "--workers", 1, *ECHO)
    first.wait_event("up_ready")
    lines = wait_for("its log", lambda: log_files(tmp_path).get(f"up-{first.port}.log", ""))
    second = cluster.up("--no-prompt", "--workers", 1, *ECHO)
    second.wait_event("up_ready")
    assert second.stop() == 0
    again = cluster.add(type(second), ["up", "--no-prompt", "--workers", "1", "--port", second.port, *ECHO])
    again.port = second.port
    again.wait_event("up_ready")
    wait_for("both starts in one log", lambda: log_files(tmp_path)[f"up-{second.port}.log"].count("event=child_started part=head ") == 2)
    files = log_files(tmp_path)
    assert files[f"up-{first.port}.log"].startswith(lines) and "\0" not in "".join(files.values())
    assert (tmp_path / "manta/up.log").resolve().name == f"up-{first.port}.log"
    assert first.stop() == 0 and again.stop() == 0


def test_a_second_up_on_the_port_starts_nothing(cluster, run, tmp_path):
    """Given a cluster; when another one is to use its port; then that ends before any process of it starts, with one line that says who
    is there and what to do, and the log of the first is as it was."""
    first = cluster.up("--no-prompt", "--workers", 1, *ECHO)
    first.wait_event("up_ready")
    wait_for("its log", lambda: "worker-1" in log_files(tmp_path).get(f"up-{first.port}.log", ""))
    before = log_files(tmp_path)
    second = run("up", "--no-prompt", "--port", first.port, "--workers", 3, *ECHO)
    assert second.returncode == 1
    head = first.child("head")
    assert second.stderr == (f"error: a cluster of manta (head pid {head}, 1 workers) already runs on {first.address}: "
                             f"`manta prompt --head {first.address}` opens a prompt there, `manta down` stops it; or give another --port\n")
    assert {name: text for name, text in log_files(tmp_path).items()} == before
    assert first.status()["workers"] == 1


def test_two_ups_at_the_same_moment(cluster):
    """Given a free port; when two clusters are started on it at once; then one serves, with its own workers only, and the other ends before
    any of its workers starts."""
    port = free_port()
    ups = [cluster.add(Up, ["up", "--no-prompt", "--port", port, "--workers", 2, *ECHO]) for _ in range(2)]
    wait_for("one of them to end", lambda: any(not up.running() for up in ups))
    lost, won = sorted(ups, key=lambda up: up.running())
    won.wait_event("up_ready")
    assert lost.wait() == 1 and not lost.says("worker-"), lost.log
    won.port = port
    assert won.status()["workers"] == 2


def test_a_port_that_something_else_has(run):
    """Given a program that listens and says nothing; when a cluster is to use its port; then it is refused within seconds."""
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
        up = run("up", "--no-prompt", "--port", port, *ECHO)
    assert up.returncode == 1
    assert up.stderr == f"error: port {port} on 127.0.0.1 is in use by another program: take another --port, or stop that first\n"


def test_the_log_is_bounded(cluster, tmp_path):
    """Given a cluster with small log files, whose head traces every message; when far more is logged than they hold; then there are as
    many as were allowed, none larger, each whole lines, and the newest line is in the current one."""
    up = cluster.up("--no-prompt", "--workers", 1, "--engine", "echo", "--model", "echo:tokens=2000", "--log-bytes", "64k", "--log-files", 3,
                    env={"MANTA_TRACE": "wire"})
    up.wait_event("up_ready")
    name = f"up-{up.port}.log"
    wait_for("three files", lambda: up.ask("hello", max_tokens=2000) and len(log_files(tmp_path)) == 3)
    up.ask("hello", max_tokens=2000)
    assert up.stop() == 0
    files = log_files(tmp_path)
    assert sorted(files) == [name, f"{name}.1", f"{name}.2"]
    for text in files.values():
        assert len(text.encode()) <= 65536 and text.endswith("\n") and "\0" not in text
    assert files[name].splitlines()[-1].startswith("up | head stopped")


def test_a_log_that_is_moved_away(cluster, tmp_path):
    """Given a cluster; when its log is moved away, as logrotate does; then the next lines begin a new one."""
    up = cluster.up("--no-prompt", "--workers", 1, *ECHO)
    up.wait_event("up_ready")
    path = tmp_path / "manta" / f"up-{up.port}.log"
    wait_for("its log", path.exists)
    path.rename(path.with_suffix(".old"))
    os.kill(up.child("worker-1"), signal.SIGKILL)
    wait_for("a new log", lambda: path.exists() and "event=child_died" in path.read_text())
    assert up.stop() == 0


def test_lines_as_json(cluster):
    """Given `manta up --log-format json`; when its workers join and one is killed; then each line is a JSON object with time, level, tag, event
    and sentence, says whose it is, and what the text form says of the same events is in its fields."""
    up = cluster.up("--no-prompt", "--workers", 2, *ECHO, "--log-format", "json")
    wait_for("an address", lambda: '"event":"up_ready"' in up.log)
    os.kill(json_events(up, "child_started", part="worker-1")[-1]["pid"], signal.SIGKILL)
    wait_for("its end and its successor", lambda: json_events(up, "child_died", part="worker-1") and json_events(up, "worker_left", node="worker-1"))
    for event in json_events(up):
        assert event["level"] in ("error", "warn", "info") and event["text"] and event["event"] and re.fullmatch(r"20\d\d-\d\d-\d\dT.*Z", event["time"])
    assert {e["part"] for e in json_events(up, "worker_ready")} >= {"worker-1", "worker-2"}
    assert json_events(up, "worker_joined", part="head", node="worker-2")[0]["memory_bytes"] > 0
    assert up.stop() == 0


def json_events(process, name=None, **fields):
    events = [json.loads(line) for line in process.log.splitlines()]
    return [e for e in events if name in (None, e["event"]) and all(e.get(key) == value for key, value in fields.items())]
