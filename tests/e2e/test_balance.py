"""Who gets which prompt: strategies and sessions."""

import json

import pytest

from cluster import Beside, pace_file, wait_for


@pytest.fixture(name="three")
def three_fixture(cluster):
    """Starts a head with these flags, and three idle workers that are alike: none tells its speed before a minute is over, which would be chance."""
    def start(*flags):
        head = cluster.head("--beat-ms", 60000, "--lost-after-ms", 600000, "--token-stall-ms", 600000, *flags)
        for _ in range(3):
            cluster.echo_worker(head, "echo:tokens=4")
        head.wait_ready(3)
        return head
    return start


def actors_of(head, prompts, headers=None, **fields):
    """Which actor answered each of the prompts, asked one after the other."""
    actors = []
    for prompt in prompts:
        body = json.dumps({"prompt": prompt, "actors": 1, **fields})
        status, _, text = head.request("POST", "/manta/process_prompt", body, headers)
        assert status == 200, text
        actors.append(json.loads(text)["answered_by"]["actor_id"])
    return actors


QUESTIONS = [f"question {i}" for i in range(6)]
BOOK = "It was a bright cold day in April, and the clocks were striking thirteen. " * 20


def test_a_session_goes_back_to_its_actor(three):
    """Given three idle workers; when different prompts come, then they go round; when they come with one session's name, in
    any of the headers and fields that clients use, then each goes where the first went; and a header says more than a field."""
    head = three()
    assert set(actors_of(head, QUESTIONS)) == {0, 1, 2}
    for header in ("X-Session-Id", "X-SMG-Routing-Key", "X-Dynamo-Session-ID"):
        assert len(set(actors_of(head, QUESTIONS, {header: f"anna by {header}"}))) == 1
    for field in ("prompt_cache_key", "user"):
        assert len(set(actors_of(head, QUESTIONS, **{field: f"bert by {field}"}))) == 1
    home = actors_of(head, QUESTIONS[:1], {"X-Session-Id": "carl"})
    for i in range(5):
        assert actors_of(head, QUESTIONS[:1], {"X-Session-Id": "carl"}, prompt_cache_key=f"another {i}") == home


@pytest.mark.parametrize("strategy", ["predicted", "prefix"])
def test_a_known_beginning_is_followed(three, strategy):
    """Given a head that looks at prefixes; when prompts with one long beginning come, then they all go to the actor that
    computed it first, and prompts without it go to the others as well."""
    head = three("--balance", strategy)
    assert head.status()["head"]["balance"] == strategy
    assert len(set(actors_of(head, [BOOK + q for q in QUESTIONS]))) == 1
    assert set(actors_of(head, QUESTIONS)) == {0, 1, 2}


def test_round_robin_goes_round(three):
    """Given a head told to go round; when prompts with one long beginning come, then each actor gets its turn."""
    head = three("--balance", "round-robin")
    actors = actors_of(head, [BOOK + q for q in QUESTIONS])
    assert actors[:3] == actors[3:] and set(actors) == {0, 1, 2}


def test_a_slow_worker_is_told_apart(cluster):
    """Given three workers of which one computes at a fraction of the speed; while all answer, its state is slow and
    says why: in the status, with its actor, in the metrics and in the log. The others are ok, and it still answers."""
    head = cluster.head("--lost-after-ms", 60000)
    for i, ms in enumerate((100, 100, 1500)):  # a busy machine adds some tens
        cluster.echo_worker(head, "echo:tokens=400", "--node", f"w{i}", "--debug-pace", pace_file(cluster.folder, f"w{i}"))
        cluster.pace(ms, f"w{i}")
    head.wait_ready(3)
    asking = Beside(lambda: head.ask("how fast are you?", actors="all", max_tokens=400))  # slow is said of who computes

    def shown():
        """Everywhere; a worker that shares a busy machine may be late with a heartbeat, and is slow for a moment, too."""
        workers = {w["node"]: w for w in head.status()["worker_nodes"]}
        actor = next(a for a in head.get("/manta/actors")["actor_list"] if a["node"] == "w2")
        metrics = head.request("GET", "/metrics")[2]
        return ({n: w["state"] for n, w in workers.items()} == {"w0": "ok", "w1": "ok", "w2": "slow"} and "tokens/s" in workers["w2"]["reason"]
                and (actor["worker_state"], actor["worker_reason"]) == ("slow", workers["w2"]["reason"])
                and 'manta_workers_in_state{state="ok"} 2\n' in metrics and 'manta_workers_in_state{state="slow"} 1\n' in metrics)
    wait_for("w2 to be slow", shown)
    metrics = head.request("GET", "/metrics")[2]
    assert 'manta_worker_memory_bytes{node="w2"}' in metrics and "manta_actor_token_age_seconds{" in metrics
    assert float(head.wait_event("actor_slow", node="w2")["decode_tps"]) < float(head.wait_event("actor_slow", node="w2")["best_tps"])
    for i in range(3):
        cluster.pace(0, f"w{i}")
    asking.end()
    assert len(head.ask("and now?", actors="all", max_tokens=4)["responses"]) == 3


def test_bench_compares_the_strategies(run):
    """Given a bench with an engine that takes no time; when it compares the strategies, then each had the same prompts on each
    load, all answers are counted, and where prompts share their beginnings those that look at prefixes computed the least."""
    end = run("bench", "--compare-balance", "--calls", "96", "--model", "echo:tokens=4096,context=4096", "-o", "json")
    assert end.returncode == 0, end.stderr
    rows = json.loads(end.stdout)["results"]
    strategies = ["predicted", "least-busy", "round-robin", "random", "prefix"]
    assert [(r["load"], r["balance"]) for r in rows] == [(name, s) for name in ("even", "uneven", "shared") for s in strategies]
    for r in rows:
        assert r["calls"] == 96 and r["tokens_per_s"] > 0 and r["ttft_p95_ms"] >= r["ttft_p50_ms"] > 0, r
        assert sorted(r["shares"]) == ["worker-1", "worker-2", "worker-3"] and abs(sum(r["shares"].values()) - 1) < 0.01, r
    cached = {r["balance"]: r["cached_share"] for r in rows if r["load"] == "shared"}
    assert min(cached["predicted"], cached["prefix"]) > max(cached["round-robin"], cached["random"])


def test_bench_of_one_load(run):
    """Given a bench that is asked for one load; when it ends; then there is a row of each strategy under that load, and no other."""
    end = run("bench", "--compare-balance", "--load", "uneven", "--calls", "6", "--model", "echo:tokens=4096,context=4096", "-o", "json")
    assert end.returncode == 0, end.stderr
    assert [r["load"] for r in json.loads(end.stdout)["results"]] == ["uneven"] * 5


def test_bench_says_what_is_wrong(run):
    """Given a comparison of a model that cannot be loaded, or of a load that is none; then it ends with the reason. Without a comparison:
    test_bench_here.py."""
    end = run("bench", "--compare-balance", "--model", "echo:tokns=3")
    assert end.returncode == 1 and "did you mean 'tokens'" in end.stderr
    end = run("bench", "--compare-balance", "--load", "odd")
    assert end.returncode == 2 and "even" in end.stderr
