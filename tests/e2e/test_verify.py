"""`manta verify`, the architecture test: it passes on a good cluster and says what is wrong with others."""

import os
import pathlib

import pytest

from hosts import Host


@pytest.mark.model
def test_good_cluster(run, smol):
    """Given a head and two workers with the real model; when it is verified; then each test tells what it found, and the
    end is [TEST COMPLETE] with status 0."""
    out = run("verify", "--head", smol.address)
    assert out.returncode == 0, out.stdout + out.stderr
    for words in ("[TEST 1] cluster resources: found 3 nodes, CPU: 2.0", "[TEST 2] prompt coordinator: found 'prompt_coordinator'",
                  "available inference actors: 2", "mapped: 0", "used 2/2 actors", "[TEST COMPLETE] architecture verified"):
        assert words in out.stdout, out.stdout


def test_no_workers(run, cluster):
    """Given a head alone; when it is verified; then it fails with status 1 and says how to start a worker."""
    head = cluster.head()
    out = run("verify", "--head", head.address)
    assert out.returncode == 1
    assert "manta worker --head" in out.stdout and "[TEST FAILED]" in out.stdout and "[TEST COMPLETE]" not in out.stdout


def test_model_that_still_loads(run, cluster):
    """Given a worker whose model loads for long; when the cluster is verified; then that is what it says."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:load_ms=20000")
    head.wait_status(workers=1)
    out = run("verify", "--head", head.address)
    assert out.returncode == 1 and "no actor is ready" in out.stdout and "loading" in out.stdout


def test_actor_that_fails(run, cluster):
    """Given two actors of which one crashes in its first answer; when the cluster is verified; then it fails, and says that
    not every actor answered."""
    head = cluster.head()
    cluster.echo_worker(head, "echo")
    cluster.echo_worker(head, "echo:crash_at=5,decode_us=20000")
    head.wait_ready(actors=2)
    out = run("verify", "--head", head.address)
    assert out.returncode == 1 and "used 1/2 actors" in out.stdout and "not every actor answered" in out.stdout, out.stdout


def test_wrong_address(run):
    """Given an address where nothing listens; when it is verified; then it fails with status 1 and says what to check."""
    out = run("verify", "--head", "127.0.0.1:1")
    assert out.returncode == 1 and "127.0.0.1:1" in out.stderr and "--head" in out.stderr


def test_model_forced_into_the_head(run, cluster):
    """Given a head that maps a model file, by a switch for this test; when the cluster is verified; then it fails, although all
    actors answer, and says why."""
    model = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"), "manta/models/SmolLM2-135M-Instruct.Q4_1.gguf")
    head = cluster.head("--debug-map", model)
    cluster.echo_worker(head)
    head.wait_ready(actors=1)
    out = run("verify", "--head", head.address)
    assert out.returncode == 1 and "used 1/1 actors" in out.stdout
    assert "FAILED: the head maps a model or an engine into its memory: it must be a coordinator only" in out.stdout, out.stdout


def test_workers_of_another_host(run, cluster):
    """Given a head that listens to the network, with keys, and two workers on another host (a network namespace); when the
    cluster is verified; then it passes, and the workers have that host's address."""
    with Host() as host:
        ours = host.ours
        head = cluster.head("--host", ours, "--api-key", "k", "--join-token", "t")
        for node in ("oak", "elm"):
            cluster.echo_worker(f"{ours}:{head.port}", "echo", "--node", node, "--join-token", "t", through=host.through)
        head.wait_event("actors", actors=2)
        out = run("verify", "--head", f"{ours}:{head.port}", "--api-key", "k")
        assert out.returncode == 0, out.stdout + out.stderr
        assert "found 3 nodes" in out.stdout and "used 2/2 actors" in out.stdout and "[TEST COMPLETE]" in out.stdout
        actors = run("actors", "--head", f"{ours}:{head.port}", "--api-key", "k").stdout
        assert actors.count(f" {host.theirs}\n") == 2, actors
