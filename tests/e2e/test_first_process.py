"""manta as the first process of a container (PID 1), here of a PID namespace: the kernel lets no signal end that process unless it is handled, and
makes it the parent of every orphan."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time

import pytest

from cluster import TEST_TIMEOUT_S, Api, Process, alive, children, free_port, wait_for

FIRST = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
ECHO = ("--engine", "echo", "--model", "echo:tokens=20")

pytestmark = pytest.mark.skipif(subprocess.run([*FIRST, "true"], capture_output=True, check=False).returncode != 0,
                                reason="this process may not make PID namespaces (it takes root)")


class First(Process, Api):
    """`manta` is the first process of its namespace; `pid` is still that of unshare, which ends with it, with its status."""

    def __init__(self, name, args, folder, **options):
        super().__init__(name, args, folder, through=FIRST, **options)
        self.first = wait_for("the first process", lambda: children(self.pid))[0]

    def send(self, number):
        if self.running():
            os.kill(self.first, number)

    def zombies(self):
        """Pids of its children that have ended and that it has not waited for."""
        every = [int(pid) for task in pathlib.Path(f"/proc/{self.first}/task").glob("*/children") for pid in task.read_text().split()]
        return [pid for pid in every if not alive(pid)]

    def orphan(self):
        """Gives it a process whose parent has ended, as a shell within the container does; returns its pid."""
        before = children(self.first)
        shell = ["nsenter", f"--target={self.first}", "--pid", "--mount", "sh", "-c", "sleep 600 >/dev/null 2>&1 &"]
        assert subprocess.run(shell, check=False).returncode == 0
        return wait_for("the orphan", lambda: [pid for pid in children(self.first) if pid not in before])[0]


def first(cluster, *args):
    p = cluster.add(First, list(args))
    p.port = int(args[args.index("--port") + 1]) if "--port" in args else 0
    return p


def serving(cluster, part):
    """A head, a worker, a cluster or a launcher that runs as first process."""
    port = free_port()
    if part == "head":
        p = first(cluster, "head", "--port", port)
        wait_for("the head", p.answers)
    elif part == "up":
        p = first(cluster, "up", "--no-prompt", "--workers", 1, "--port", port, *ECHO)
        p.wait_event("up_ready")
    else:
        head = cluster.head("--join-token", "t")
        p = first(cluster, part, "--head", head.address, "--join-token", "t", *(ECHO if part == "worker" else ("--workers", 1, *ECHO)))
        head.wait_ready(actors=1)
    return p


@pytest.mark.parametrize("part", ["up", "head", "worker", "launcher"])
def test_orphans_are_buried(cluster, part):
    """Given a part that is the first process; when processes of a shell beside it, whose parent has ended, end, and its own workers are killed with
    the witness beside each; then no zombie stays, and SIGTERM ends the part with status 0."""
    p = serving(cluster, part)
    for _ in range(3):
        for victim in [p.orphan(), *(children(p.first) if part == "up" else ())]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
            wait_for("its end", lambda gone=victim: gone not in children(p.first))
    wait_for("no zombie", lambda: not p.zombies())
    assert p.stop() == 0


@pytest.mark.parametrize("command", [("status", "--watch"), ("requests", "--watch"), ("logs", "--follow"), ("drain", "ash", "--grace", "600"),
                                     ("prompt", "hello"), ("bench",)])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_ends_by_a_signal(cluster, command, number):
    """Given a command that is the first process and waits; when it gets SIGTERM or SIGINT, as `docker stop` and Ctrl-C send it; then it ends."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=2000", "--node", "ash")
    head.wait_ready(actors=1)
    cluster.pace(1000)
    if command[0] == "drain":
        running = head.begin("/manta/process_prompt", {"prompt": "long"})
        head.wait_status(running=1)
    (cluster.folder / "manta").mkdir(exist_ok=True)
    (cluster.folder / f"manta/up-{head.port}.log").write_text("head | a line\n")
    p = first(cluster, *command, *(("--port", head.port) if command[0] == "logs" else ("--head", head.address)))
    wait_for("its first words", lambda: p.log_path.read_text())
    end = time.monotonic() + TEST_TIMEOUT_S
    while p.running() and time.monotonic() < end:
        p.send(number)  # it may be between two questions to the head
        time.sleep(0.05)
    assert not p.running() and p.popen.returncode != 0
    if command[0] == "drain":
        running.close()


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV])
def test_a_crash_ends_it(cluster, number):
    """Given a head that is the first process; when a signal of a crash comes; then it reports the crash once, and ends."""
    p = serving(cluster, "head")
    p.send(number)
    assert p.wait() != 0
    assert p.log_path.read_text().count("manta crash report") == 1


def test_a_folder_that_two_containers_share(cluster):
    """Given a state folder in which a process of another container, which has the same id, has begun to write a secret; when a head starts there as
    first process; then it makes its own, and leaves the other's file alone."""
    theirs = cluster.folder / "manta/join.token.1"
    theirs.parent.mkdir()
    theirs.write_text("half of a")
    p = serving(cluster, "head")
    assert (theirs.parent / "join.token").stat().st_size == 64
    assert theirs.read_text() == "half of a"
    assert p.stop() == 0
