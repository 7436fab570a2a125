"""Workers with several models: one actor each, and every answer from the model that was asked for."""

import re

import pytest

import fixtures
from cluster import REAL, free_port, together

MODEL_UNUSABLE, TOO_LITTLE_MEMORY = 6, 5


def models(*scripts):
    return [word for script in scripts for word in ("--model", script)]


def echo_models(cluster, head, *scripts, flags=()):
    return cluster.worker(head, "--engine", "echo", *models(*scripts), *flags)


def actors(head):
    return {a["model"]: a for a in head.get("/manta/actors")["actor_list"]}


def chat(head, model, prompt="hello"):
    return head.post("/v1/chat/completions", {"model": model, "messages": [{"role": "user", "content": prompt}]})


def test_each_answer_comes_from_the_model_asked_for(cluster):
    """Given a worker with two models, and another with one of them and a third; when 60 prompts for all three come at
    once; then each answer is the text of the model it named, and all three are listed."""
    head = cluster.head()
    echo_models(cluster, head, "echo:name=foo,script=I am foo.", "echo:name=bar,script=I am bar.")
    echo_models(cluster, head, "echo:name=bar,script=I am bar.", "echo:name=baz,script=I am baz.")
    head.wait_ready(actors=4)
    names = ["foo", "bar", "baz"]
    assert sorted(m["id"] for m in head.get("/v1/models")["data"]) == sorted(names)

    def ask(i):
        status, answer = chat(head, names[i % 3])
        return status, answer["model"], answer["choices"][0]["message"]["content"].strip()
    assert together(60, ask) == [(200, names[i % 3], f"I am {names[i % 3]}.") for i in range(60)]
    used = {(a["model"], a["worker"]) for a in head.get("/manta/actors")["actor_list"] if a["jobs_done"] > 0}
    assert used >= {("foo", 1), ("baz", 2)} or used >= {("foo", 2), ("baz", 1)}


def test_no_such_model(cluster):
    """Given a worker with two models; when a third is asked for, once the head has settled; then 404, and the list."""
    head = cluster.head()
    echo_models(cluster, head, "echo:name=foo", "echo:name=bar,seed=2")
    head.wait_ready(actors=2)
    status, answer = chat(head, "smollm3")
    assert status == 404 and "'foo'" in answer["error"]["message"] and "'bar'" in answer["error"]["message"]


def test_chat_with_an_embedding_model(cluster):
    """Given a worker with a model for text and one for embeddings; when the second is asked to chat; then 400, and the
    sentence says what it is for; the first still answers."""
    head = cluster.head()
    echo_models(cluster, head, "echo:name=foo", "echo:name=vec,embed=8")
    head.wait_ready(actors=2)
    assert {m: a["kind"] for m, a in actors(head).items()} == {"foo": "generate", "vec": "embed"}
    status, answer = chat(head, "vec")
    assert status == 400 and "embedding" in answer["error"]["message"], answer
    assert chat(head, "foo")[0] == 200


def test_one_of_several_cannot_be_loaded(cluster):
    """Given three models of which one breaks while loading and one is no model at all; when the worker starts; then it
    serves the third, and the two are shown as failed, with the reason."""
    head = cluster.head()
    worker = echo_models(cluster, head, "echo:name=bad,fail_load=1", "echo:name=good,script=Fine.", "echo:colour=blue")
    head.wait_ready(actors=1)
    worker.wait_event("model_not_loaded", model="bad")
    assert chat(head, "good")[1]["choices"][0]["message"]["content"].strip() == "Fine."
    shown = actors(head)
    assert shown["bad"]["state"] == "failed" and "fail_load" in shown["bad"]["note"]
    assert shown["echo:colour=blue"]["state"] == "failed" and "colour" in shown["echo:colour=blue"]["note"]
    status, answer = chat(head, "bad")
    assert status == 503 and "fail_load" in answer["error"]["message"], answer
    assert worker.running()


def test_none_can_be_loaded(cluster, run):
    """Given models that all fail while loading, or that are no models; when a worker starts; then it ends with the status
    for that, and names each."""
    head = cluster.head()
    worker = echo_models(cluster, head, "echo:name=a,fail_load=1", "echo:name=b,fail_load=1")
    assert worker.wait() == MODEL_UNUSABLE
    assert worker.events("model_not_loaded", model="a") and worker.events("model_not_loaded", model="b")
    nothing = run("worker", "--head", head.address, "--engine", "echo", *models("echo:colour=blue", "echo:size=9"))
    assert nothing.returncode == MODEL_UNUSABLE and "colour" in nothing.stderr and "size" in nothing.stderr


def test_same_model_twice(run):
    """Given two references to one and the same model; when a worker is to take both; then it is told to use slots."""
    worker = run("worker", "--engine", "echo", "--model", "echo", "--model", "echo")
    assert worker.returncode == 2 and "'echo' is given twice" in worker.stderr


def test_memory_is_shared_by_the_models(cluster):
    """Given 120 MiB for two models that would take 90 each; when they are loaded; then both have a smaller context, and
    what they take together is within the limit."""
    head = cluster.head()
    echo_models(cluster, head, *(f"echo:name={n},weights=10m,kv=10k,compute=1m,context=2048" for n in "ab"),
                flags=("--memory", "120m", "--slots", 4))
    head.wait_ready(actors=2)
    shown = actors(head)
    taken = [a["weights_bytes"] + a["repack_bytes"] + a["kv_bytes"] + a["compute_bytes"] for a in shown.values()]
    assert 80 << 20 < sum(taken) <= 98 << 20, taken
    assert all(512 <= a["context"] < 2048 for a in shown.values())
    assert chat(head, "a")[0] == chat(head, "b")[0] == 200


def test_the_model_that_does_not_fit_is_refused_with_numbers(cluster):
    """Given 100 MiB, a model of 60 and one of 50; when the worker starts; then the first serves, and the second is
    refused before it is loaded, with what it needs, what is left, and what takes the rest."""
    head = cluster.head()
    worker = echo_models(cluster, head, "echo:name=big,weights=60m", "echo:name=more,weights=50m,load_ms=3600000",
                         flags=("--memory", "100m"))
    head.wait_ready(actors=1)
    refusal = worker.wait_line("(.*) event=model_not_loaded model=more")[1]
    assert re.search(r"\d+.\d MiB \(--memory\); .*\(6 MiB\).*\(6 MiB\).*\(6 MiB\).* 100 MiB", refusal), refusal
    assert actors(head)["more"]["state"] == "failed"
    assert chat(head, "big")[0] == 200


def test_no_actor_of_a_model_is_left(cluster):
    """Given two models on two workers; when the only worker of one of them goes; then a prompt for that model waits, and
    is told at its deadline what to check; the other model answers, and the first does again when a worker comes back."""
    head = cluster.head()
    gone = echo_models(cluster, head, "echo:name=foo", "echo:name=bar,seed=3")
    echo_models(cluster, head, "echo:name=bar,seed=3")
    head.wait_ready(actors=3)
    assert gone.stop() == 0
    head.wait_ready(actors=1)
    status, answer = head.post("/manta/process_prompt", {"prompt": "Hi", "model": "foo", "timeout_s": 0.4})
    assert status == 503 and "no actor of 'foo'" in answer["error"]["message"] and "Check" in answer["error"]["message"]
    assert chat(head, "bar")[0] == 200
    echo_models(cluster, head, "echo:name=foo")
    assert chat(head, "foo")[0] == 200


def test_up_with_several_models(run, cluster, tmp_path):
    """Given a file with a list of two models; when `manta up` takes it; then each worker has both, as each has with
    flags."""
    settings = tmp_path / "two.yaml"
    settings.write_text("worker:\n  engine: echo\n  model:\n    - echo:name=foo\n    - echo:name=bar,tokens=5\nup:\n  workers: 2\n")
    up = cluster.up("--no-prompt", "--config", settings)
    up.wait_event("up_ready")
    assert sorted(a["model"] for a in up.ready_actors()) == ["bar", "bar", "foo", "foo"]
    test = run("up", "--test", "--port", free_port(), "--workers", 1, "--engine", "echo", *models("echo:name=a", "echo:name=b"))
    assert test.returncode == 0 and "total actors 2" in test.stdout, test.stdout + test.stderr


def test_up_with_a_model_that_fails(cluster):
    """Given one good model and one that cannot be loaded; when `manta up` starts; then it is ready with the good one."""
    up = cluster.up("--no-prompt", "--workers", 2, "--engine", "echo", *models("echo:name=good", "echo:name=bad,fail_load=1"))
    up.wait_event("up_ready")
    assert [a["model"] for a in up.ready_actors()] == ["good", "good"]


@pytest.mark.model
def test_kv_cache_type_of_each_worker(cluster):
    """Given three workers with KV caches in f16, q8_0 and f32; when they are ready; then the measured caches are as large
    as the type says, status and metrics show them, and each worker answers."""
    head = cluster.head()
    for kv in ("f16", "q8_0", "f32"):
        cluster.worker(head, *REAL, "--kv", kv, "--node", kv)
    head.wait_ready(actors=3)
    took = {a["node"]: a["kv_bytes"] for a in head.ready_actors()}
    assert took["q8_0"] / took["f16"] == pytest.approx(34 / 64, abs=0.01) and took["f32"] == 2 * took["f16"]
    assert all(a["weights_bytes"] + a["repack_bytes"] > 90 << 20 and a["compute_bytes"] > 1 << 20 for a in head.ready_actors())
    metrics = head.request("GET", "/metrics")[2]
    assert 'manta_actor_kv_bytes{actor="' in metrics and 'manta_worker_memory_limit_bytes{node="f32"} 2147483648' in metrics
    answers = head.ask("Say hi", actors="all", max_tokens=8)["responses"]
    assert len(answers) == 3 and all(r["response"] for r in answers)


def test_two_files_of_one_name(cluster):
    """Given two workers with different files under one name; when prompts name it plainly, or with the digits of a file;
    then the plain name is the first file's, the second is listed apart, and the log warns; when the first worker goes,
    the name is the second's."""
    head = cluster.head()
    first = echo_models(cluster, head, "echo:name=foo,script=First.")
    head.wait_ready(actors=1)
    echo_models(cluster, head, "echo:name=foo,script=Second.")
    head.wait_ready(actors=2)
    head.wait_event("model_aliased", model="foo")
    names = sorted(m["id"] for m in head.get("/v1/models")["data"])
    assert names[0] == "foo" and re.fullmatch("foo@echo[0-9a-f]{4}", names[1])
    assert head.get(f"/v1/models/{names[1]}")["id"] == names[1]
    assert {chat(head, "foo")[1]["choices"][0]["message"]["content"].strip() for _ in range(6)} == {"First."}
    assert chat(head, names[1])[1]["choices"][0]["message"]["content"].strip() == "Second."
    assert first.stop() == 0
    head.wait_ready(actors=1)
    assert chat(head, "foo")[1]["choices"][0]["message"]["content"].strip() == "Second."


@pytest.mark.model
def test_a_context_for_all_models(cluster):
    """Given smollm2 and a GPT-2 that was made for 256 tokens; when one --context of 1024 is given; then each has as much of
    it as it was made for."""
    head = cluster.head()
    worker = cluster.worker(head, *models("smollm2", fixtures.file("gpt2-tiny")), "--context", 1024, "--slots", 1, "--threads", 1)
    head.wait_ready(actors=2)
    assert {m: a["context"] for m, a in actors(head).items()} == {"smollm2": 1024, "gpt2-tiny": 256}
    worker.wait_line("--context 1024.* event=context_shorter model=gpt2-tiny")


@pytest.mark.model
def test_one_file_under_two_names(cluster):
    """Given the real model and a link to its file under another name; when one worker takes both; then both answer alike,
    each by its name, and the process stays within its limit."""
    from test_models import smollm2
    path = cluster.folder / "other-name.gguf"
    path.symlink_to(smollm2())
    head = cluster.head()
    worker = cluster.worker(head, *models("smollm2", path), "--memory", "500m", "--slots", 2, "--threads", 1)
    head.wait_ready(actors=2)
    shown = actors(head)
    assert shown["smollm2"]["digest"] == shown["other-name"]["digest"]
    said = {name: head.ask("The capital of France is", model=name, max_tokens=12, temperature=0)["final_response"]
            for name in shown}
    assert said["smollm2"] == said["other-name"] != ""
    assert not worker.has_grown(0, 500 << 20)
