"""Models that cannot be loaded: the worker says what is wrong, with the numbers, and ends with a status that tells it."""

import re
import struct

import pytest

from cluster import smollm2

MODEL_UNUSABLE, TOO_LITTLE_MEMORY = 6, 5


@pytest.fixture
def load(run):
    """Starts a worker with that model and flags; nobody needs to be at its head's address. Its end."""
    return lambda model, *flags: run("worker", "--head", "127.0.0.1:1", "--model", model, *flags)


@pytest.mark.parametrize("name, content, said", [
    ("empty.gguf", b"", "empty|0 bytes|GGUF"),
    ("text.gguf", b"This is not a model, but it is long enough to look like one." * 100, "not a GGUF"),
    ("zip.gguf", b"PK\x03\x04" + bytes(5000), "not a GGUF"),
    ("future.gguf", b"GGUF" + struct.pack("<IQQ", 99, 1, 1) + bytes(500), "version 99"),
    ("greedy.gguf", b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1 << 60) + bytes(500), "GGUF|tensors|damaged"),
], ids=lambda value: value if isinstance(value, str) and value.endswith(".gguf") else "")
def test_what_is_not_a_model(load, tmp_path, name, content, said):
    """Given a file that is no model; when a worker is to load it; then the worker says so, names the file, and ends with
    the status of an unusable model."""
    path = tmp_path / name
    path.write_bytes(content)
    worker = load(path)
    assert worker.returncode == MODEL_UNUSABLE, worker.stderr
    assert name in worker.stderr and re.search(said, worker.stderr), worker.stderr


def test_missing_model(load, tmp_path):
    """Given no such file, or a folder; when a worker is to load it; then the worker says so and ends."""
    for path in tmp_path / "missing.gguf", tmp_path:
        worker = load(path)
        assert worker.returncode == MODEL_UNUSABLE and str(path) in worker.stderr, worker.stderr


@pytest.mark.parametrize("name, near", [("smolm2", "smollm2"), ("smolml2", "smollm2"), ("mixtral", None)])
def test_unknown_name(load, name, near):
    """Given a name that is not in the catalogue; when a worker is to load it; then the error names the nearest one there
    is, or where to see them all."""
    worker = load(name)
    assert worker.returncode == MODEL_UNUSABLE and name in worker.stderr
    assert (f"'{near}'" if near else "manta models") in worker.stderr, worker.stderr


def test_unreadable_model(load, tmp_path):
    """Given a file that may not be read (which root always may); when a worker is to load it; then the error says why."""
    path = tmp_path / "secret.gguf"
    path.write_bytes(b"GGUF")
    path.chmod(0)
    worker = load(path)
    assert worker.returncode != 0 and "secret.gguf" in worker.stderr


@pytest.mark.model
@pytest.mark.parametrize("bytes_kept", [16, 100_000, 50_000_000])
def test_truncated_model(load, tmp_path, bytes_kept):
    """Given a download that broke off in the header, in the vocabulary or in the tensors; when a worker is to load it;
    then the error says that the file is not whole."""
    path = tmp_path / "half.gguf"
    with open(smollm2(), "rb") as whole:
        path.write_bytes(whole.read(bytes_kept))
    worker = load(path)
    assert worker.returncode == MODEL_UNUSABLE, worker.stderr
    assert re.search("half.gguf.*(truncated|ends|whole)", worker.stderr), worker.stderr


@pytest.mark.model
def test_model_over_the_memory_limit(load):
    """Given a limit below what the model needs; when a worker is to load it; then it is refused before it is loaded, and
    the message has what it needs and what the limit is."""
    worker = load("smollm2", "--memory", "50m")
    assert worker.returncode == TOO_LITTLE_MEMORY, worker.stderr
    line = next(line for line in worker.stderr.splitlines() if "error" in line)
    assert re.search(r"needs \d+ MiB: .*the limit is 41 MiB .*kept streams \(3 MiB\), moving answers \(3 MiB\) and long prompts \(3 MiB\) leave of 50 MiB", line), line


@pytest.mark.model
def test_context_over_the_memory_limit(load):
    """Given a limit that the weights fit into; when a context is wanted whose KV cache does not; then that is refused,
    with the numbers."""
    worker = load("smollm2", "--memory", "400m", "--context", "8192", "--slots", "16")
    assert worker.returncode == TOO_LITTLE_MEMORY and "KV" in worker.stderr, worker.stderr


@pytest.mark.model
def test_context_is_chosen_to_fit(cluster):
    """Given a small limit and no wish for a context; when the model is loaded; then the context is as long as fits, and
    the worker stays below its limit."""
    head = cluster.head()
    worker = cluster.worker(head, "--model", "smollm2", "--memory", "400m", "--slots", 8, "--threads", 1)
    head.wait_ready(actors=1)
    actor = head.ready_actors()[0]
    assert 256 <= actor["context"] < 8192
    assert actor["weights_bytes"] + actor["repack_bytes"] + actor["kv_bytes"] + actor["compute_bytes"] <= 400 << 20
    assert head.ask("Hi", max_tokens=4)["final_response"]
    assert not worker.has_grown(0, 400 << 20)


@pytest.mark.model
def test_failed_model_is_told_to_clients(cluster):
    """Given a cluster with a good model; when another worker's model cannot be loaded; then the cluster serves on, and
    the worker is gone with its reason in the head's log."""
    head = cluster.head()
    cluster.echo_worker(head)
    bad = cluster.echo_worker(head, "echo:fail_load=1")
    assert bad.wait() == MODEL_UNUSABLE
    head.wait_ready(actors=1)
    assert head.ask("hello")["final_response"]
    assert bad.events("model_not_loaded")


@pytest.mark.model
def test_model_by_path_is_named_after_its_file(cluster):
    """Given a model file of one's own; when a worker loads it by its path; then clients select it by the file's name."""
    path = cluster.folder / "my-model.gguf"
    path.symlink_to(smollm2())
    head = cluster.head()
    cluster.worker(head, "--model", path, "--context", 256, "--slots", 1, "--threads", 1)
    head.wait_ready(actors=1)
    assert [m["id"] for m in head.get("/v1/models")["data"]] == ["my-model"]
    assert head.ask("Hi", model="my-model", max_tokens=4)["final_response"]


def test_no_such_engine(run):
    """Given no such engine; when a worker is to use it; then the error names those there are."""
    worker = run("worker", "--engine", "lama", "--model", "smollm2")
    assert worker.returncode == 2 and "llama" in worker.stderr


@pytest.mark.parametrize("at_first", [1, 3], ids=["alone", "beside"])
def test_a_model_that_ends_its_worker_twice_is_left_out(cluster, at_first):
    """Given a worker with a model whose loading crashes the process, alone or beside good ones; when it was started anew twice; then that
    model is left out with the reason, and the others serve; killed from outside while it loads it is not blamed."""
    head = cluster.head()
    good = [flag for i in range(1, at_first) for flag in ("--model", f"echo:name=good{i},seed={i}")]
    flags = ("--engine", "echo", *good, "--model", "echo:name=bad,seed=9,crash_load=1", "--node", "oak")
    for _ in range(2):
        assert cluster.worker(head, *flags).wait() == -6
    third = cluster.worker(head, *flags)
    third.wait_line("'bad'.* 2 .* event=model_left_out")
    if good:
        head.wait_ready(actors=at_first - 1)
        assert head.ask("Hi", model="good1")["final_response"]
    else:
        assert third.wait() == 6
    slow = ("--engine", "echo", "--model", "echo:name=slow,seed=3,hang_load=600000", "--node", "elm")
    for _ in range(3):
        victim = cluster.worker(head, *slow)
        victim.wait_event("model_loading", model="slow")
        victim.kill()
    cluster.worker(head, *slow).wait_event("model_loading", model="slow")
