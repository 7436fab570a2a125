"""Limits without containers, keys in files, and health checks."""

import json
import os
import pathlib
import re
import subprocess

import pytest

from cluster import SANITIZED, free_port, smollm2, wait_for


def test_a_worker_limits_itself_where_it_may(cluster, run):
    """Given a worker told its share of the machine; when it starts; then the log says for each limit whether it was applied, and
    where it says so the kernel agrees; when it ends, its control groups are gone."""
    worker = cluster.echo_worker("127.0.0.1:1", "echo", "--worker-limit-cpus", 1, "--worker-limit-memory", "1g")
    memory = worker.wait_event("limit_memory", bytes=1 << 30)
    cpus = worker.wait_event("limit_cpus", cpus=1)
    if not SANITIZED:
        assert memory["data_segment"] == "1"
        assert re.search(r"Max data size +1073741824 ", pathlib.Path(f"/proc/{worker.pid}/limits").read_text())
    groups = pathlib.Path(f"/proc/{worker.pid}/cgroup").read_text()
    assert (f"manta-{worker.pid}" in groups) == ("1" in (memory["control_group"], cpus["control_group"])), worker.log + groups
    if "0" in (memory["control_group"], cpus["control_group"]):
        worker.wait_event("no_control_group")
    worker.wait_event("model_loading")  # from here on it ends in order when it is asked to
    worker.stop()
    left = [path for _, names, group in (line.split(":", 2) for line in groups.splitlines())
            if f"manta-{worker.pid}" in group and (path := pathlib.Path("/sys/fs/cgroup", names, group.lstrip("/"))).exists()]
    assert not left, left


def test_keys_in_files(cluster, run, tmp_path):
    """Given key and token in files, in no command line; when head, worker and client are told the files; then they know each other."""
    (tmp_path / "key").write_text("a-key\n")
    (tmp_path / "token").write_text("a-token\n")
    token = ("--join-token-file", tmp_path / "token")
    head = cluster.head("--api-key-file", tmp_path / "key", *token)
    cluster.echo_worker(head, "echo", *token)
    client = {"MANTA_API_KEY_FILE": str(tmp_path / "key"), "MANTA_HEAD": head.address}
    wait_for("the worker", lambda: '"actors":1' in run("status", "-o", "json", env=client).stdout.replace(" ", ""))
    assert run("status", env={"MANTA_HEAD": head.address}).returncode == 3
    assert b"a-key" not in pathlib.Path(f"/proc/{head.pid}/cmdline").read_bytes()


@pytest.mark.parametrize("content, says", [(None, "cannot read"), ("", "first line")])
def test_bad_key_files(run, tmp_path, content, says):
    """Given a key file that is not there, or empty; then the head says which setting and which file, and does not start open."""
    if content is not None:
        (tmp_path / "key").write_text(content)
    out = run("head", "--port", 0, "--api-key-file", tmp_path / "key")
    assert out.returncode == 2 and "--api-key-file" in out.stderr and says in out.stderr, out.stderr


@pytest.mark.parametrize("command", [("head", "--port", 0, "--api-key-file"), ("status", "--config"), ("worker", "--model", smollm2(), "--chat-template")])
def test_a_pipe_that_nobody_writes_to(run, tmp_path, command):
    """Given a named pipe in place of a file, and nobody who writes to it; when a command is to read it; then it says so within seconds."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    out = run(*command, pipe, env={"MANTA_HEAD": f"127.0.0.1:{free_port()}"})
    assert out.returncode in (1, 2) and "cannot read" in out.stderr + out.stdout and str(pipe) in out.stderr + out.stdout, (out.returncode, out.stderr)


def test_a_pipe_whose_writer_is_slow(run, tmp_path):
    """Given a pipe as a shell makes it, `--config <(...)`, whose writer says nothing at first; then the command waits for it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["sh", "-c", f"exec 3>{pipe}; sleep 4; echo 'head: {{port: 4711}}' >&3"]) as writer:
        out = run("config", "--config", pipe, "-o", "json")
        writer.wait(60)
    assert out.returncode == 0 and "4711" in out.stdout, out.stderr


@pytest.mark.parametrize("name", ["MANTA_API_KEY", "MANTA_JOIN_TOKEN"])
@pytest.mark.parametrize("secret", ["key\n", "key\r\nx-more: header", "a\tb", "one: k\ntwo: j"])
@pytest.mark.parametrize("command", [("status",), ("head", "--port", 0), ("worker", "--engine", "echo", "--model", "echo")])
def test_a_secret_of_several_lines(run, name, secret, command):
    """Given a key or token with a line break, as `kubectl create secret --from-file` leaves it; when a command that has the setting starts; then
    it is refused by its name, without being shown: it would end a header, or never match."""
    if command[0] == "status" and name == "MANTA_JOIN_TOKEN" or command[0] == "worker" and name == "MANTA_API_KEY":
        return
    out = run(*command, env={name: secret, "MANTA_HEAD": "127.0.0.1:1"})
    assert out.returncode == 2 and name in out.stderr and "line break" in out.stderr and "x-more" not in out.stderr, out.stderr


def test_health(cluster, run):
    """Given a head; its health is good at once, a worker's only when it has joined and its model is loaded; it notes both when they happen, and
    waits for no heartbeat with it."""
    assert run("health", "--head", "127.0.0.1:1").returncode == 1
    head = cluster.head("--beat-ms", 15000, "--lost-after-ms", 60000)
    assert run("health", "--head", head.address).returncode == 0
    out = run("health", "worker", "--node", "oak", "--head", head.address)
    assert out.returncode == 1 and "oak has not joined" in out.stderr
    cluster.echo_worker(head, "echo:load_ms=20000", "--node", "oak")
    head.wait_status(workers=1)
    wait_for("a worker that has joined and loads",
             lambda: "still loading" in (out := run("health", "worker", "--node", "oak", "--head", head.address)).stderr and out.returncode == 1)
    cluster.echo_worker(head, "echo", "--node", "elm")
    head.wait_ready(actors=1)
    assert run("health", "worker", "--node", "elm", "--head", head.address).returncode == 0
    assert json.loads(run("status", "-o", "json", "--head", head.address).stdout)["workers"] == 2
