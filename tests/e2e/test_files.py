"""Model files that change under service: nobody ends, nobody is blamed, and who lost a file serves again when it is whole."""

import json
import os
import shutil

import pytest

import absurd
from cluster import wait_for
from streams import Load

pytestmark = pytest.mark.model


@pytest.fixture
def files(tmp_path):
    """Two small models of two files, and a cache that knows nothing of them."""
    good, other = tmp_path / "good.gguf", tmp_path / "other.gguf"
    m = absurd.Model()
    good.write_bytes(m.bytes())
    m.key("tokenizer.ggml.tokens")[2][-1] = "ni"
    other.write_bytes(m.bytes())
    return good, other


def flags(*paths):
    return [f for path in paths for f in ("--model", path)] + ["--slots", 2, "--threads", 1, "--context", 256]


def actors(head):
    return {a["model"]: a for a in head.get("/manta/actors")["actor_list"]}


def wait_state(head, model, state):
    return wait_for(f"{model} {state}", lambda: actors(head).get(model, {}).get("state") == state and actors(head)[model])


def cut(path):
    os.truncate(path, 4096)


def overwrite(path):
    """Other bytes of the same size, in place."""
    with open(path, "r+b") as f:
        f.seek(path.stat().st_size // 2)
        f.write(bytes(1000))


@pytest.mark.parametrize("spoil", [cut, overwrite])
def test_a_file_spoilt_in_place(cluster, files, spoil):
    """Given a worker with two models, and streams of one of them; when that one's file is cut, or written to in place, and later is as
    before; then the worker lives, the actor fails with the reason, the other model answers all the time, who asks for the spoilt one is told
    the reason and need not wait, no request is refused as one that crashes workers, and the streams end well when the file is back."""
    good, other = files
    whole = good.read_bytes()
    head = cluster.head()
    worker = cluster.worker(head, *flags(good, other), "--node", "oak")
    head.wait_ready(actors=2)
    cluster.pace(300)  # so that both are in their middle
    body = {"model": "good", "prompt": "the thin hen", "max_tokens": 200, "seed": 1, "stream": True, "ignore_eos": True}
    clients = Load(head, [body] * 2)
    head.wait_status(running=2)
    spoil(good)
    failed = wait_state(head, "good", "failed")
    assert "changed while it was in use" in failed["note"], failed
    cluster.pace(0)
    assert head.ask("Hello", model="other", max_tokens=3)["answered_by"]["node"] == "oak"
    if spoil is cut:  # the other one is a model, too
        status, answer = head.post("/v1/completions", {"model": "good", "prompt": "late"})
        assert status == 503 and "'good' cannot be loaded: model file" in answer["error"]["message"], "nobody else has it: it is not waited for"
    with open(good, "r+b") as f:
        f.write(whole)
    wait_state(head, "good", "ready")
    assert [a.done and a.status for a in clients.end()] == [200, 200]
    assert head.ask("Hello", model="good", max_tokens=3)["final_response"] is not None
    assert worker.running() and not worker.crashed() and head.status()["calls_failed"] == (spoil is cut)


def test_a_file_that_becomes_another_model(cluster, files):
    """Given a worker; when other weights are copied over its model's file; then it serves them, under another digest."""
    good, other = files
    head = cluster.head()
    worker = cluster.worker(head, *flags(good))
    head.wait_ready(actors=1)
    before = actors(head)["good"]["digest"]
    shutil.copyfile(other, good)
    wait_for("the other file", lambda: actors(head).get("good", {}).get("state") == "ready" and actors(head)["good"]["digest"] != before)
    assert head.ask("Hello", model="good", max_tokens=3)["final_response"] is not None and worker.running()


def test_a_file_that_is_moved_away(cluster, files):
    """Given a worker whose model's file is moved away, and replaced by another one; then it serves what it has mapped."""
    good, other = files
    head = cluster.head()
    worker = cluster.worker(head, *flags(good))
    head.wait_ready(actors=1)
    before = actors(head)["good"]["digest"]
    good.rename(good.with_suffix(".away"))
    assert head.ask("Hello", max_tokens=3)["final_response"] is not None
    other.rename(good)
    assert head.ask("Hello again", max_tokens=3)["final_response"] is not None
    assert actors(head)["good"]["digest"] == before and worker.running()


def test_a_bad_file_beside_a_good_one_comes_back(cluster, files):
    """Given a worker with a good model and one whose file is half there; then the good one serves and the other says why not; when the rest
    of the file comes, it serves, too."""
    good, other = files
    whole = other.read_bytes()
    other.write_bytes(whole[:len(whole) // 2])
    head = cluster.head()
    cluster.worker(head, *flags(good, other))
    head.wait_ready(actors=1)
    assert "truncated" in wait_state(head, "other", "failed")["note"]
    other.write_bytes(whole)
    wait_state(head, "other", "ready")
    assert head.ask("Hello", model="other", max_tokens=3)["final_response"] is not None


def test_up_outlives_its_file(cluster, files):
    """Given `manta up` with two workers; when the model's file is moved away and both workers are killed; then head and up live, the workers
    say what they miss, and serve again when the file is back."""
    good, _ = files
    up = cluster.up("--no-prompt", "--workers", 2, *flags(good)[:2], "--slots", 2)
    up.wait_event("up_ready")
    away = good.rename(good.with_suffix(".away"))
    pids = [up.child(f"worker-{i}") for i in (1, 2)]
    for pid in pids:
        os.kill(pid, 9)
    wait_for("both to say what they miss", lambda: [a["state"] for a in up.get("/manta/actors")["actor_list"]] == ["failed"] * 2)
    notes = [a["note"] for a in up.get("/manta/actors")["actor_list"]]
    assert all("No such file" in note or "does not exist" in note for note in notes), notes
    status, body = up.post("/manta/process_prompt", {"prompt": "x", "timeout_s": 0.5})
    assert status == 503 and "No such file" in body["error"]["message"], body
    away.rename(good)
    up.wait_ready(actors=2)
    assert up.running() and up.ask("Hello", max_tokens=2)["final_response"] is not None
    assert json.loads(up.request("GET", "/health")[2])
