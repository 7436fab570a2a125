"""`manta up`: head and workers as children of one process, and nothing left behind when it ends, however it ends."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess

import pytest

from cluster import PROGRAM, REAL, alive, children, environment, free_port, wait_for

ECHO = ("--engine", "echo", "--model", "echo:tokens=20")


@pytest.mark.model
def test_up_test_answers_and_ends(run, tmp_path):
    """Given a fresh start without a terminal; when `manta up --test` runs; then it shows a real answer with all its tags,
    ends by itself with status 0, and every line of head and workers is in the log."""
    up = run("up", "--test", "--port", free_port(), "--workers", 2, *REAL)
    assert up.returncode == 0, up.stderr
    tags = ["[PROMPT] What is machine learning?", "[SENDING]", "[RESPONSE] received in", "[CLUSTER INFO] total nodes 3, total actors 2",
            "[RESPONSES]", "[ANSWERED BY] node: worker-", "[FINAL RESPONSE] "]
    places = [up.stdout.find(tag) for tag in tags]
    assert -1 not in places and places == sorted(places), up.stdout
    assert "learn" in up.stdout[places[-1]:].lower()
    log = (tmp_path / "manta" / "up.log").read_text()
    assert "head | " in log and "worker-1 | " in log and "worker-2 | " in log
    for words in "HEAD NODE STARTING", "COORDINATOR MODE", "MODEL DEPLOYMENT", "WORKER NODE READY":
        assert words in log


@pytest.fixture
def up(cluster):
    """A cluster of three scripted workers, ready."""
    up = cluster.up("--no-prompt", *ECHO)
    up.wait_event("up_ready")
    assert len(up.ready_actors()) == 3
    return up


def everybody(up):
    return children(up.pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_everything(up, number):
    """Given a cluster; when its parent gets SIGTERM, SIGINT or SIGHUP; then it ends in order and no process is left."""
    pids = everybody(up)
    assert len(pids) == 4
    assert up.stop(number) == (0 if number != signal.SIGHUP else 128 + signal.SIGHUP)
    assert not any(alive(pid) for pid in pids)
    assert up.events("worker_stopped")


@pytest.mark.parametrize("place", ["between", "in"])
def test_sigint_of_a_script_ends_a_cluster_with_its_prompt(cluster, place):
    """Given a cluster whose prompts come through a pipe that stays open; when its parent gets SIGINT, between two answers or in one;
    then it ends with 130 and no process is left: Ctrl-C cancels only the answer where the prompt reads from a terminal."""
    up = cluster.up("--engine", "echo", "--model", "echo:tokens=20000,decode_us=20000", stdin=subprocess.PIPE)
    try:
        wait_for("the prompt", lambda: up.says(r"\bquit\b"))
        pids = everybody(up)
        assert len(pids) == 5
        if place == "in":
            up.popen.stdin.write(b"a story\n")
            up.popen.stdin.flush()
            wait_for("a running job", lambda: up.status()["running"] == 1)
        assert up.stop(signal.SIGINT) == 130
        assert not any(alive(pid) for pid in pids)
    finally:
        up.popen.stdin.close()


def test_a_killed_parent_leaves_no_orphan(up):
    """Given a cluster; when its parent is killed with -9; then all its children end at once."""
    pids = everybody(up)
    up.kill()
    wait_for("the end of all children", lambda: not any(alive(pid) for pid in pids))


def test_a_killed_worker_comes_back(up):
    """Given a cluster; when a worker is killed with -9; then it is started again, under its name, and answers."""
    pid = up.child("worker-2")
    os.kill(pid, signal.SIGKILL)
    up.wait_line("signal 9.* event=child_died part=worker-2")
    wait_for("a new worker-2", lambda: up.child("worker-2") != pid)
    up.wait_ready(actors=3)
    assert len(up.ask("all there?", actors="all")["responses"]) == 3
    assert not alive(pid)


def test_a_killed_head_comes_back(up):
    """Given a cluster; when its head is killed with -9; then it is started again and the workers, which continued running,
    join it."""
    workers = [up.child(f"worker-{i}") for i in (1, 2, 3)]
    os.kill(up.child("head"), signal.SIGKILL)
    up.wait_line("signal 9.* event=child_died part=head")
    wait_for("the head to answer again", up.answers)
    up.wait_ready(actors=3)
    assert [up.child(f"worker-{i}") for i in (1, 2, 3)] == workers and all(map(alive, workers))
    assert len(up.ask("all there?", actors="all")["responses"]) == 3


def test_scale(up, run):
    """Given three workers; when `manta scale 5` is given, then `scale 2`, then `scale 0`; then so many actors are ready
    each time, the head is the same, and those who left are gone."""
    head = up.child("head")
    for n in 5, 2, 0, 1:
        before = everybody(up)
        scale = run("scale", n, "--head", up.address)
        assert scale.returncode == 0, scale.stderr
        up.wait_ready(actors=n)
        wait_for(f"{n} workers and the head", lambda: len(everybody(up)) == n + 1)
        wait_for(f"the launcher to tell of {n}", lambda: up.status()["scale"].items() >= {"launcher": True, "running": n, "target": n, "desired": n, "policy": "fixed"}.items())
        assert up.child("head") == head and head in before
    assert up.ask("the last one?")["answered_by"]["node"] == "worker-1"


def test_scale_by_the_load(cluster, run):
    """Given three idle workers; when the load is to decide from none to four; then they leave one after the other, the head stays ready, and
    the next prompt wakes one, waits for it and is answered. When the head is killed, the next one continues by the load."""
    up = cluster.up("--no-prompt", *ECHO, "--scale-idle", 5)
    up.wait_event("up_ready")
    scale = run("scale", "auto", "--min", 0, "--max", 4, "--head", up.address, "-o", "json")
    assert scale.returncode == 0 and json.loads(scale.stdout) == {"target": 3, "policy": "auto", "min": 0, "max": 4}, scale.stderr
    wait_for("nobody to be left", lambda: up.status()["workers"] == 0, 120)
    shown = up.status()["scale"]
    assert shown["desired"] == 0 and shown["reason"] == "idle" and shown["idle_s"] == 5
    assert up.get("/readyz")["status"].startswith("ready") and up.get("/v1/models")["data"]
    assert "by the load, 0 to 4: 0 wanted" in run("status", "--head", up.address).stdout
    assert up.ask("wake up")["answered_by"]["node"] == "worker-1"
    assert up.status()["scale"]["desired"] == 1 and up.status()["scale"]["start_s"] > 0
    metrics = up.request("GET", "/metrics")[2]
    assert 'manta_scale_changes_total{reason="wake"} 1' in metrics and "manta_scale_desired 1" in metrics and "manta_scale_max 4" in metrics
    before = up.child("head")
    os.kill(before, signal.SIGKILL)

    def next_head_knows():
        with contextlib.suppress(OSError, http.client.HTTPException):
            return up.child("head") != before and up.status()["scale"].items() >= {"policy": "auto", "min": 0, "max": 4}.items()
    wait_for("the next head to know", next_head_knows)


def test_a_worker_that_cannot_run_ends_the_cluster(run):
    """Given a model that is not there; when a cluster is to run it; then `manta up` ends with the model's error."""
    up = run("up", "--no-prompt", "--port", free_port(), "--model", "/nowhere/model.gguf")
    assert up.returncode not in (0, None) and "/nowhere/model.gguf" in up.stderr.strip().splitlines()[-1], up.stderr


@pytest.mark.model
@pytest.mark.parametrize("engine, said", [("missing", "no engine 'llama'"), ("broken", "cannot load engine module"), ("old", "speaks version 1 of the engine interface")])
def test_an_engine_that_cannot_be_used_ends_the_cluster(tmp_path, engine, said):
    """Given a program whose engine module is not there, is no library, or is left over from another version; when a cluster is started; then
    it ends with the reason, and no worker is started again and again."""
    place = tmp_path / "program"
    place.mkdir()
    program, module = place / "manta", place / "manta-engine-llama.so"
    shutil.copy(PROGRAM, program)
    if engine == "broken":
        module.write_text("not a library")
    if engine == "old":
        (tmp_path / "old.c").write_text("static const struct {unsigned abi;} ops = {1}; const void *manta_engine(void) { return &ops; }")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", module, tmp_path / "old.c"], check=True)
    env = environment(tmp_path)
    env.pop("MANTA_ENGINE_DIR", None)
    end = subprocess.run([program, "up", "--no-prompt", "--verbose", "--port", str(free_port()), *REAL[:2]], env=env, capture_output=True, text=True,
                         timeout=120, check=False)
    assert end.returncode != 0 and said in end.stderr.strip().splitlines()[-1], end.stderr
    assert "not starting it again" in end.stderr and "starting it again in" not in end.stderr, end.stderr


def test_somebody_elses_head_on_the_port(cluster, run):
    """Given a head that listens on the port already; when a cluster is to use that port; then it ends with an error that
    does not advise what would not help, and the other head is as before, without strange workers."""
    head = cluster.head()
    up = run("up", "--test", "--port", head.port, *ECHO)
    assert up.returncode != 0 and str(head.port) in up.stderr and "[FINAL RESPONSE]" not in up.stdout
    assert "no `manta up` of yours started it" in up.stderr and "`manta down` stops it" not in up.stderr, up.stderr
    head.wait_status(workers=0)


def test_processors_are_shared_out(up):
    """Given a cluster of three workers; when they run; then each was given its share of the processors, at least one."""
    share = max(1, len(os.sched_getaffinity(0)) // 3)
    assert [w["cpus"] for w in up.status()["worker_nodes"]] == [share] * 3
