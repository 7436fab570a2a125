"""Head and worker report to the supervisor that started them: systemd's protocol of $NOTIFY_SOCKET. The services themselves are tried by
tests/fresh/package, in a system that is booted for it."""

import os
import pathlib
import signal
import socket

import pytest

from cluster import Head, alive, wait_for


class Supervisor:
    """The socket that a unit of Type=notify is given."""

    def __init__(self, folder, abstract=False):
        self.name = f"@manta-test-{os.getpid()}-{folder.name}" if abstract else str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.name.replace("@", "\0"))
        self.socket.setblocking(False)
        self.lines = []

    def env(self):
        return {"NOTIFY_SOCKET": self.name}

    def told(self, line):
        """All that was told so far, if that line is in it."""
        while True:
            try:
                self.lines += self.socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                return self.lines if line in self.lines else None

    def wait(self, line):
        return wait_for(f"{line} of the supervised", lambda: self.told(line))


@pytest.fixture(params=[False, True], ids=["path", "abstract"])
def supervisor(tmp_path, request):
    return Supervisor(tmp_path, request.param)


def test_a_head_and_a_worker_report(cluster, supervisor):
    """Given a supervised head and worker; they report that they are ready, that they live, and that they stop."""
    head = cluster.head(env=supervisor.env())
    assert f"STATUS=listening on http://{head.address}" in supervisor.wait("READY=1")
    supervisor.wait("WATCHDOG=1")
    supervisor.lines.clear()
    worker = cluster.echo_worker(head, env=supervisor.env())
    supervisor.wait("READY=1")
    head.wait_ready(actors=1)
    assert "STOPPING=1" not in supervisor.lines
    worker.stop()
    supervisor.wait("STOPPING=1")
    supervisor.lines.clear()
    head.stop()
    supervisor.wait("STOPPING=1")


def test_the_one_that_takes_over_is_the_main_process(cluster, tmp_path):
    """Given a supervised head; when another one takes its place in the background, as a reload of the service does, then the command returns once that listens, the
    old head has told its supervisor of the new one before it ended, the new one reports that it is ready, and logs to where it was told to."""
    supervisor = Supervisor(tmp_path)
    head = cluster.head(env=supervisor.env())
    cluster.echo_worker(head)
    head.wait_ready(actors=1)
    supervisor.wait("READY=1")
    supervisor.lines.clear()
    reload = cluster.add(Head, ["head", "--port", head.port, "--replace", "--detach"], env=supervisor.env())
    assert reload.wait() == 0 and head.wait() == 0, reload.log
    supervisor.told("")
    main = [line for line in supervisor.lines if line.startswith("MAINPID=")]
    pid = int(main[0].removeprefix("MAINPID="))
    try:
        assert alive(pid) and pid != head.pid and "READY=1" in supervisor.lines
        head.wait_ready(actors=1)
        wait_for("its log", lambda: reload.events("worker_joined"))
    finally:
        os.kill(pid, signal.SIGINT)
        wait_for("its end", lambda: not alive(pid))


def test_a_head_that_cannot_start_in_the_background_says_so(cluster, run):
    """Given a port that is taken; a head for it in the background fails as it would in the foreground."""
    head = cluster.head()
    end = run("head", "--port", head.port, "--detach")
    assert end.returncode != 0 and "already in use" in end.stderr + end.stdout


def test_children_of_a_supervised_cluster_are_silent(cluster, tmp_path):
    """Given `manta up` as a supervised service; its head and workers, which are not the main process, report nothing."""
    supervisor = Supervisor(tmp_path)
    up = cluster.up("--engine", "echo", "--model", "echo", "--workers", 1, "--no-prompt", env=supervisor.env())
    up.wait_ready(actors=1)
    for pid in up.child("head"), up.child("worker-1"):
        assert b"NOTIFY_SOCKET" not in pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    supervisor.told("")
    assert supervisor.lines == []
