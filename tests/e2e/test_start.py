"""The start, as a person meets it: `manta up` at a terminal, in the background, twice; its log; and how clients find it."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from cluster import PROGRAM, alive, children, environment, free_port, wait_for
from hosts import Host
from terminal import CTRL_C, CTRL_Q, CTRL_S, ENTER, Terminal

ECHO = ("--workers", 2, "--engine", "echo", "--model", "echo:tokens=20")


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("env", [{}, {"TERM": "dumb"}], ids=["xterm", "dumb"])
def test_the_screen_before_the_prompt(tmp_path, columns, env):
    """Given a terminal of some width; when a cluster is started there; then before the prompt are at most twelve lines, none is broken by the
    edge, no log line is among them, and the address for programs is; the log has what was not shown."""
    port = free_port()
    with Terminal("up", "--port", port, *ECHO, folder=tmp_path, columns=columns, env=env) as t:
        t.wait_text(r">>> $")
        shown = re.sub(r"(?m)^.*\r", "", t.text()).split("\n")
        assert len(shown) <= 13 and all(len(line) <= columns for line in shown), shown
        others = "; without /v1: Anthropic, Ollama" if columns >= 80 else ""
        assert f"  API       http://127.0.0.1:{port}/v1 (OpenAI){others}" in [line.rstrip() for line in shown]
        assert "event=" not in t.text() and "next" in t.text()
        assert shown[-2].strip().endswith("/bye ends chat and cluster.")  # as it does below
        assert env or "workers 2/2" in t.text()
        t.press("/bye" + ENTER)
        assert t.wait_end() == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()
    assert "worker-2 | " in (tmp_path / "manta" / f"up-{port}.log").read_text()


def refused_by_browsers():
    """A free port that browsers do not open."""
    for port in 10080, 6566, 6697, 6679, 4190, 5061:
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass
    pytest.skip("all of the ports that browsers refuse are taken")


def test_a_port_that_browsers_refuse(cluster, tmp_path):
    """Given a port that browsers do not open; when a cluster is started there; then the box says so in place of the console's address; so does a head by itself, in
    its log; on another port neither does."""
    port = refused_by_browsers()
    with Terminal("up", "--port", port, *ECHO, folder=tmp_path) as t:
        t.wait_text(r">>> $")
        assert re.search(rf"console +none: browsers refuse to open port {port}; take another --port", t.text())
        assert f"http://127.0.0.1:{port} (in a browser)" not in t.text() and "event=" not in t.text()
        t.press("/bye" + ENTER)
        assert t.wait_end() == 0
    assert int(cluster.head(port=port).wait_event("port_refused_by_browsers")["port"]) == port
    usual = cluster.head()
    usual.wait_event("head_ready")
    assert not usual.events("port_refused_by_browsers")


def test_verbose_shows_the_log(tmp_path):
    with Terminal("up", "--port", free_port(), "--verbose", *ECHO, folder=tmp_path) as t:
        t.wait_text(r">>> $")
        assert "[HEAD NODE STARTING]" in t.text() and "[WORKER NODE READY]" in t.text()


@pytest.mark.parametrize("columns", [60, 200])
def test_a_failed_start_says_why_once(tmp_path, columns):
    """Given a model that none of three workers can load; when a cluster is started with it at a terminal; then the reason stands there once, broken between
    words, and is the last line; each worker's own words are in the log."""
    port = free_port()
    with Terminal("up", "--port", port, "--workers", 3, "--engine", "echo", "--model", "echo:no_such=1", folder=tmp_path, columns=columns) as t:
        assert t.wait_end() != 0
        t.reader.join(30)
        shown = t.text()[t.text().index("error: "):]  # behind the line of progress
        said = " ".join(shown.split())
        assert said.count("no_such") == 1 and re.match(r"error: worker-\d ended with status \d+: ", said) and "event=" not in said, t.text()
        assert all(len(line) <= columns for line in shown.splitlines())
    log = (tmp_path / "manta" / f"up-{port}.log").read_text()
    assert all(f"worker-{i} | " in log and re.search(rf"^error: worker-{i} ended", log, re.MULTILINE) for i in (1, 2, 3)), log


def test_in_the_background(tmp_path, run):
    """Given `manta up -d` at a terminal; when it returns; then the cluster runs on, clients find it without an address, a second start is refused
    and leaves the log alone, `manta logs` shows the lines of one part, and `manta down` ends everything."""
    port = free_port()
    with Terminal("up", "-d", "--port", port, *ECHO, folder=tmp_path) as t:
        assert t.wait_end() == 0
        assert f"http://127.0.0.1:{port}/v1" in t.text() and "manta down" in t.text()
    assert "[NODES] total 3" in run("status").stdout
    log = tmp_path / "manta" / f"up-{port}.log"
    size = log.stat().st_size
    again = run("up", "-d", "--port", port, *ECHO)
    assert again.returncode != 0 and re.fullmatch(rf"error: .* already runs on 127.0.0.1:{port}: .*manta down.*\n", again.stderr), again.stderr
    assert log.stat().st_size == size
    lines = run("logs", "worker-2").stdout.splitlines()
    assert lines and all(line.startswith("worker-2 | ") for line in lines)
    assert run("logs", "worker-2", "--tail", 1).stdout.splitlines() == lines[-1:]
    pids = children(int(re.search(r"pid (\d+)", run("down").stdout)[1]))
    assert not any(map(alive, pids)) and run("status").returncode != 0


def test_logs_are_followed(tmp_path, run):
    """Given somebody who follows the log of a cluster; when a worker is cordoned; then the line appears; Ctrl-C ends it."""
    port = free_port()
    assert run("up", "-d", "--port", port, *ECHO).returncode == 0
    try:
        with Terminal("logs", "-f", "head", "--port", port, folder=tmp_path) as t:
            t.wait_text(r"event=head_ready")
            assert run("cordon", "worker-1").returncode == 0
            t.wait_text(r"event=worker_\w+ .*node=worker-1(?s:.*)cordon")
            t.press(CTRL_C)
            t.wait_end()
        nobody = run("logs", "worker-9", "--port", port)
        assert nobody.returncode != 0 and nobody.stdout == "" and "is of 'worker-9'" in nobody.stderr and "head, up and the workers" in nobody.stderr
    finally:
        assert run("down").returncode == 0


def test_several_clusters(tmp_path, run):
    """Given two clusters of one user, neither on the usual port; when a client is told no address; then it asks which, by their ports."""
    ports = [free_port(), free_port()]
    try:
        for port in ports:
            assert run("up", "-d", "--port", port, "--cluster", f"c{port}", *ECHO).returncode == 0
        asked = run("status")
        assert asked.returncode == 2 and all(f"--port {port}" in asked.stderr for port in ports)
        assert "[NODES] total 3" in run("status", "--port", ports[1]).stdout
    finally:
        for port in ports:
            run("down", "--cluster", f"c{port}")


def up_there(tmp_path, through, port, *flags):
    """`manta up -d` by another command, such as nsenter; and commands in the same place."""
    def there(*words):
        return subprocess.run([*through, PROGRAM, *map(str, words)], env=environment(tmp_path), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=120, check=False)
    assert there("up", "-d", "--port", port, *ECHO, *flags).returncode == 0
    return there


@pytest.fixture
def noted(tmp_path):
    """Where running clusters are noted; those that a failed test leaves are ended."""
    folder = tmp_path / "manta/running"
    yield folder
    for note in folder.iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(note.read_text().split()[0]), signal.SIGTERM)


def test_two_networks_of_one_machine(tmp_path, run, noted):
    """Given two clusters of one user at the same port, in two networks of one machine; when status and down are given in each of them; then each
    finds its own cluster, without an address, and down ends no other."""
    port = free_port()
    with Host() as host:
        host.ip("link", "set", "lo", "up", there=True)
        there = up_there(tmp_path, host.through, port)
        assert run("up", "-d", "--port", port, *ECHO).returncode == 0
        for ask in (there, run):
            status, down = ask("status"), ask("down")
            assert status.returncode == 0 and "[NODES] total 3" in status.stdout, status.stderr
            assert down.returncode == 0 and down.stdout.count(f"head at 127.0.0.1:{port}") == 1, down.stdout + down.stderr
            assert ask("down").stdout.startswith("down | nothing of the cluster")


@pytest.mark.skipif(subprocess.run(["unshare", "--uts", "true"], capture_output=True, check=False).returncode != 0, reason="no other host name here")
def test_a_home_that_two_machines_share(tmp_path, run, noted):
    """Given a user whose home is on two machines, and a cluster on one of them; when status and down are given on the other; then they leave it
    and its note alone, whatever runs there under its process id, and on its own machine down finds it."""
    port = free_port()
    there = up_there(tmp_path, ("unshare", "--uts", "sh", "-c", 'hostname elsewhere; exec "$@"', "x"), port, "--workers", 1)
    notes = list(noted.iterdir())
    text = notes[0].read_text()
    gone = noted / "5000000"
    gone.write_text(text.replace(text.split()[0], "5000000", 1))
    for words in ("down",), ("down", "--port", port):
        assert run(*words).stdout.startswith("down | nothing of the cluster")
    assert run("status").returncode == 4 and gone.exists() and notes[0].read_text() == text
    assert there("status").returncode == 0 and not gone.exists()
    assert f"head at 127.0.0.1:{port}" in there("down").stdout


@pytest.mark.skipif(subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"], capture_output=True, check=False).returncode != 0,
                    reason="no PID namespaces here")
def test_commands_beside_the_first_process_of_a_container(tmp_path):
    """Given a cluster whose `manta up` is the first process of a container, not at the usual port, and another one's note of the same process id
    in the same state folder; when status and down are given beside it, without an address; then they find it, and it ends."""
    port, first = free_port(), ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    ups = []
    for n in range(2):
        up = subprocess.Popen([*first, PROGRAM, "up", "--no-prompt", "--port", str(free_port() if n else port), *map(str, ECHO)], env=environment(tmp_path),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        ups.append(up)
        assert any("event=up_ready" in line for line in up.stdout)

    def beside(*words):
        return subprocess.run(["nsenter", f"--target={children(ups[0].pid)[0]}", "--pid", "--mount", PROGRAM, *words], env=environment(tmp_path),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    try:
        status = beside("status")
        assert status.returncode == 0 and "[NODES] total 3" in status.stdout, status.stderr
        beside("down")  # ends with the container
        assert ups[0].wait(60) == 0 and ups[1].poll() is None
    finally:
        for up in ups:
            up.kill()
            up.communicate()


def test_ctrl_c_during_a_start_in_the_background(tmp_path):
    """Given `up -d` whose workers never become ready; when Ctrl-C is pressed; then it ends, and nothing is left."""
    with Terminal("up", "-d", "--port", free_port(), "--workers", 1, "--engine", "echo", "--model", "echo:load_ms=600000", folder=tmp_path) as t:
        t.wait_text("workers 1/1")
        pids = children(t.popen.pid)
        t.press(CTRL_C)
        assert t.wait_end() != 0 and time.monotonic() > 0
        wait_for("the end of the child", lambda: not any(map(alive, pids)))


def test_a_stopped_terminal_holds_up_nothing(tmp_path):
    """Given a start at a terminal that takes no output (Ctrl-S); when the cluster becomes ready; then the prompt's process starts all the same;
    Ctrl-Q shows the box."""
    with Terminal("up", "--port", free_port(), *ECHO, folder=tmp_path) as t:
        t.press(CTRL_S)
        wait_for("all four processes", lambda: len(children(t.popen.pid)) == 4)
        t.press(CTRL_Q)
        t.wait_text("ready in ")
        t.wait_text(r">>> ")


def test_a_model_that_no_worker_has_room_for_is_not_downloaded(run, tmp_path):
    """Given a model of the catalogue that is larger than what a worker may have; when a cluster is started with it; then it is refused before anything
    is downloaded, with what would be right."""
    end = run("up", "--no-prompt", "--model", "qwen3-4b", "--port", free_port(), env={"MANTA_MODELS_DIR": str(tmp_path / "models"), "HF_ENDPOINT": "http://127.0.0.1:1"})
    assert end.returncode != 0 and "--workers 1 --memory 4g" in end.stderr and "nothing was downloaded" in end.stderr, end.stderr
    assert "127.0.0.1:1" not in end.stderr
