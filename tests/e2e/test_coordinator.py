"""The head's own pages, and process_prompt: which actors answer, and which answer counts."""

import json
import re

import pytest

from cluster import Beside, pace_file, together, wait_for


def test_health_and_readiness(cluster):
    """Given a head alone; when it is asked; then it is healthy but not ready. While the first model loads, /health says so in
    llama-server's words, whose clients wait for the end of that; the head is alive. Once a model is ready, all is well, whatever loads beside it."""
    head = cluster.head()

    def asked(path):
        status, _, text = head.request("GET", path)
        return status, json.loads(text)
    well, loading = (200, {"status": "ok"}), (503, {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}})
    assert [asked(path) for path in ("/health", "/v1/health", "/livez", "/healthz")] == [well] * 4
    assert asked("/readyz")[0] == 503 and asked("/readyz")[1]["actors"] == 0
    forever = cluster.echo_worker(head, "echo:load_ms=3600000")
    wait_for("a model that loads", lambda: head.get("/manta/status")["actors_loading"] == 1)
    assert [asked(path) for path in ("/health", "/v1/health", "/livez", "/healthz")] == [loading] * 2 + [well] * 2
    worker = cluster.echo_worker(head)
    head.wait_ready(actors=1)
    assert asked("/readyz")[1]["status"] == "ready" and asked("/health") == well
    assert worker.stop() == 0
    head.wait_ready(actors=0)
    assert asked("/readyz")[0] == 503 and asked("/health") == loading
    forever.kill()
    wait_for("health", lambda: asked("/health") == well)


def test_status_tells_what_is_there(echo):
    """Given a head and three workers; when status and actors are asked for; then both agree with what was started."""
    status, actors = echo.status(), echo.get("/manta/actors")
    assert (status["nodes"], status["workers"], status["actors"]) == (4, 3, 3)
    assert status["head"]["coordinator"] == "prompt_coordinator" and status["head"]["pid"] == echo.pid
    assert status["head"]["models_mapped"] == 0
    assert {w["node"] for w in status["worker_nodes"]} == {"ash", "fir", "yew"}
    assert {w["state"] for w in status["worker_nodes"]} <= {"ok", "slow"}  # a busy machine makes one of them slow
    assert status["resources"]["memory"] == sum(w["memory_bytes"] for w in status["worker_nodes"]) == 3 * (2 << 30)
    assert sorted(a["id"] for a in actors["actor_list"]) == [0, 1, 2] and actors["actors"] == 3
    assert {a["model"] for a in actors["actor_list"]} == {"echo"}
    assert status["limits"]["http_body_bytes_max"] == 4 << 20


def metrics(head):
    """Every sample of /metrics, {name{labels}: value}; checks the text's form on the way."""
    status, headers, text = head.request("GET", "/metrics")
    assert status == 200 and headers["content-type"].startswith("text/plain; version=0.0.4") and text.endswith("\n")
    typed, samples = set(), {}
    for line in text.splitlines():
        if line.startswith("#"):
            word, name = re.fullmatch(r"# (HELP|TYPE) ([a-zA-Z_:][\w:]*) .+", line).groups()
            assert word == "HELP" or name not in typed, f"two types of {name}"
            typed |= {name} if word == "TYPE" else set()
            continue
        name, labels, value = re.fullmatch(r'([a-zA-Z_:][\w:]*)(\{(?:\w+="[^"\n]*",?)+\})? (\S+)', line).groups()
        assert name in typed or re.sub("_(bucket|sum|count)$", "", name) in typed, f"{name} has no type"
        assert name + (labels or "") not in samples, f"{line} comes twice"
        samples[name + (labels or "")] = float(value)
    return samples


def test_metrics_are_prometheus_text(echo):
    """Given a cluster; when one prompt is answered between two looks at the metrics; then they are well formed, and
    calls, tokens and latencies have grown by that prompt."""
    before = metrics(echo)
    tokens = echo.ask("count me")["responses"][0]["tokens"]
    after = metrics(echo)
    assert after["manta_actors_ready"] == after["manta_workers"] == 3
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert grown["manta_calls_total"] == 1 and grown["manta_calls_failed_total"] == 0
    assert grown["manta_answer_tokens_total"] == grown["vllm:generation_tokens_total"] == tokens
    assert grown["vllm:time_to_first_token_seconds_count"] == grown["vllm:e2e_request_latency_seconds_count"] == 1
    assert after['vllm:e2e_request_latency_seconds_bucket{le="+Inf"}'] == after["vllm:e2e_request_latency_seconds_count"]


@pytest.mark.parametrize("wanted, answers", [(1, 1), (2, 2), (3, 3), ("all", 3), (50, 3)])
def test_prompt_goes_to_as_many_actors_as_wanted(echo, wanted, answers):
    """Given three actors; when a prompt is for N of them, for all, or for more than there are; then so many different
    actors answer, each with its name, and one answer counts."""
    answer = echo.ask("hello", actors=wanted)
    responses = answer["responses"]
    assert len({r["actor_id"] for r in responses}) == len(responses) == answers
    assert all(r["response"] and r["model"] == "echo" and r["address"] and r["processing_time_s"] >= 0 for r in responses)
    assert answer["cluster_info"] == {"total_nodes": 4, "total_actors": 3, "successful_responses": answers}
    assert answer["final_response"] in [r["response"] for r in responses]
    assert answer["answered_by"]["node"] in ("ash", "fir", "yew")


def test_which_answer_counts(cluster):
    """Given a quick actor that says No, and two slow ones that say Yes; when all are asked; then `first` is the quick
    one's answer, `vote` what most said, and `best` the one with the highest mean log-probability."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:script=No.", "--node", "quick")
    for node in ("slow-1", "slow-2"):
        cluster.echo_worker(head, "echo:script=Yes indeed.", "--node", node, "--debug-pace", pace_file(cluster.folder, "slow"))
    head.wait_ready(actors=3)
    cluster.pace(300, "slow")
    first = head.ask("Well?", actors="all", final="first")
    assert (first["final_response"].strip(), first["answered_by"]["node"]) == ("No.", "quick")
    assert head.ask("Well?", actors="all", final="vote")["final_response"].strip() == "Yes indeed."
    best = head.ask("Well?", actors="all", final="best")
    by_mean = max(best["responses"], key=lambda r: r["mean_logprob"])
    assert best["final_response"] == by_mean["response"]


def test_process_prompt_streams(echo):
    """Given three actors; when a prompt for all of them streams; then each answer is announced with its actor, comes in
    pieces, and the last event is the whole answer that the pieces add up to."""
    status, headers, text = echo.request("POST", "/manta/process_prompt",
                                         json.dumps({"prompt": "hello", "actors": "all", "stream": True}))
    assert status == 200 and headers["content-type"].startswith("text/event-stream")
    lines = [line[6:] for line in text.split("\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    events = [json.loads(line) for line in lines[:-1]]
    started = {e["index"]: e["actor"]["actor_id"] for e in events if e["object"] == "manta.process_prompt.started"}
    pieces = {i: "" for i in started}
    for e in events:
        if e["object"] == "manta.process_prompt.chunk":
            pieces[e["index"]] += e["text"]
    whole = events[-1]
    assert whole["object"] == "manta.process_prompt" and len(started) == 3
    assert {r["actor_id"]: r["response"] for r in whole["responses"]} == {started[i]: pieces[i] for i in started}


def test_load_is_shared(cluster):
    """Given three actors with two slots each, busy for a while with every prompt; when 30 prompts come at once; then all
    are answered and every actor has had its part."""
    head = cluster.head()
    for _ in range(3):
        cluster.echo_worker(head, "echo:tokens=10", "--slots", 2)
    head.wait_ready(actors=3)
    cluster.pace(100)
    answers = together(30, lambda i: head.ask(f"prompt {i}"))
    by = [a["answered_by"]["actor_id"] for a in answers]
    assert len(by) == 30 and all(by.count(actor) >= 5 for actor in (0, 1, 2)), by


def test_prompt_waits_for_the_first_worker(cluster):
    """Given a head without workers; when a prompt comes, and only then a worker; then the prompt is answered."""
    head = cluster.head()
    asking = Beside(head.ask, "anybody there?")
    head.wait_status(queued=1)
    cluster.echo_worker(head)
    assert asking.end()["final_response"]


def test_prompt_without_workers_ends_at_its_deadline(cluster):
    """Given a head without workers; when a prompt may wait for half a second; then it fails after that, and the error
    says what to check."""
    head = cluster.head()
    status, answer = head.post("/manta/process_prompt", {"prompt": "anybody?", "timeout_s": 0.5})
    assert status == 503 and "worker" in answer["error"]["message"]


def test_queue_is_bounded(cluster):
    """Given one busy slot and a queue for two; when a fourth prompt comes; then it is told to come back later, and the
    three others are answered."""
    head = cluster.head("--queue-jobs", 2)
    cluster.echo_worker(head, "echo:tokens=20", "--slots", 1)
    head.wait_ready(actors=1)
    cluster.pace(600000)
    asking = [Beside(head.ask, "please")]
    head.wait_status(running=1)
    asking += [Beside(head.ask, "please") for _ in range(2)]
    head.wait_status(queued=2)
    status, headers, text = head.request("POST", "/manta/process_prompt", '{"prompt": "me too"}')
    assert status == 429 and int(headers["retry-after"]) >= 1
    assert json.loads(text)["error"]["type"] == "rate_limit_error" and "queue_jobs_max" in text
    cluster.pace(0)
    assert all(a.end()["final_response"] for a in asking)


def test_a_stream_that_waits_is_told_what_for(cluster):
    """Given one slot, busy for some seconds; when two streams wait behind it; then comments tell each its place in the
    queue, and its answer follows."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=20", "--slots", 1)
    head.wait_ready(actors=1)
    cluster.pace(250)
    body = json.dumps({"model": "echo", "prompt": "please", "stream": True})
    texts = together(3, lambda i: head.request("POST", "/v1/completions", body)[2])
    waited = [sorted(set(re.findall(r"^: manta queue=(\d+)", text, re.M))) for text in texts]
    assert sorted(waited) == [[], ["1"], ["1", "2"]], waited
    assert re.search(r"^: manta queue=1 eta=\d+\.\ds$", "".join(texts), re.M)
    assert all(text.rstrip().endswith("data: [DONE]") for text in texts)
