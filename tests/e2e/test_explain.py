"""What a head tells of a request: why it went where it went, also after a failover; and a line of the log for each."""

import json

import re

from cluster import Beside, free_port, wait_for
from streams import Traveller


def ask(head, name, **more):
    body = {"messages": [{"role": "user", "content": "hello"}], **more}
    return head.request("POST", "/v1/chat/completions", json.dumps(body), headers={"x-request-id": name})


def explain(head, name):
    return head.get(f"/manta/requests/{name}/explain")


def test_why_this_actor(echo):
    """Given three idle actors; when a prompt is answered; then the account names the chosen one among the candidates, each with its predicted
    seconds, and what it took; the list has it among those that ended."""
    assert ask(echo, "why-1")[0] == 200
    told = explain(echo, "why-1")
    assert told["status"] == 200 and told["state"] == "ended" and told["tokens"] == 12 and told["client_id"] == "why-1"
    step, = told["steps"]
    assert step["what"] == "chosen" and step["why"] == "best" and len(step["candidates"]) == 3
    assert [c["chosen"] for c in step["candidates"]] == [True, False, False] and step["candidates"][0]["node"] == told["node"]
    costs = [c["cost_s"] for c in step["candidates"]]
    assert all(c >= 0 for c in costs) and costs[0] == min(costs)
    assert told["id"] in [r["id"] for r in echo.get("/manta/requests")["ended_list"]]
    assert explain(echo, told["id"]) == told


def test_what_the_queue_did(cluster):
    """Given one actor with one slot that is taken; when another request waits; then its account says at which place, and afterwards how long."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=5", "--slots", 1)
    head.wait_ready(actors=1)
    cluster.pace(200)
    with Beside(ask, head, "first"):
        head.wait_status(running=1)
        with Beside(ask, head, "second") as second:
            head.wait_status(queued=1)
            told = explain(head, "second")
            assert told["place"] == 1 and told["state"] == "running" and told["steps"] == []
    assert second.result[0] == 200
    told = explain(head, "second")
    assert told["queued_s"] > 0 and told["steps"][0]["why"] == "next in queue" and told["steps"][0]["waited_s"] == told["queued_s"]


def test_a_failover_is_told(cluster, run):
    """Given an answer in its middle; when its worker is killed; then comments of the stream, the account, and `manta explain` say which worker
    was lost after how many tokens, and which one resumed; the log has a line for the request."""
    head = cluster.head()
    for node in "oak", "elm":
        cluster.echo_worker(head, "echo:tokens=40", "--node", node)
    head.wait_ready(actors=2)
    cluster.pace(50)
    with Beside(head.kill_answering, 3) as killing:
        status, _, text = ask(head, "moved", stream=True)
    assert status == 200
    victim = killing.result
    other, = {"oak", "elm"} - {victim}
    comments = [line for line in text.splitlines() if line.startswith(": manta") and "worker=" in line]
    token = comments[0].split("token=")[1].split()[0]
    assert comments == [f": manta left worker={victim} token={token} reason=crashed", f": manta resumed worker={other} token={token}"]
    told = explain(head, "moved")
    assert [(s["what"], s["node"], s["tokens"]) for s in told["steps"]] == [("chosen", victim, 0), ("left", victim, int(token)), ("chosen", other, int(token))]
    event = head.wait_event("request", id=told["id"])
    assert event["status"] == "200" and event["tokens"] == "40" and event["node"] == other


def whats(told):
    return [s["what"] for s in told["steps"]]


def test_it_outlives_a_replaced_head(cluster, run):
    """Given a request that has ended and one in its middle; when the head is replaced and then the second one's worker is killed; then the new head
    tells of the first what the former told, and of the second all: before, the new head, and after. An actor's number is its head's own."""
    head = cluster.head()
    for node in "oak", "elm":
        cluster.echo_worker(head, "echo:tokens=40", "--node", node)
    head.wait_ready(actors=2)
    assert ask(head, "ended", max_tokens=3)[0] == 200
    before = explain(head, "ended")
    cluster.pace(100)
    with Beside(ask, head, "runs") as runs:
        head.tokens(3)
        new = cluster.head("--replace", port=head.port)
        assert head.wait() == 0
        told = explain(new, "ended")
        assert {**told, "steps": 0} == {**before, "steps": 0}
        for step in told["steps"] + before["steps"]:
            for part in [step, *step["candidates"]]:
                part["actor"] = None
        assert told["steps"] == before["steps"] and explain(new, told["id"])["id"] == before["id"]
        victim = new.kill_answering(5)
        new.wait_ready(actors=1)
        cluster.pace(0)
    assert runs.result[0] == 200
    other, = {"oak", "elm"} - {victim}
    told = explain(new, "runs")
    assert whats(told) == ["chosen", "new head", "chosen", "left", "chosen"] and told["client_id"] == "runs" and told["status"] == 200
    assert [s["node"] for s in told["steps"] if "node" in s] == [victim] * 3 + [other] and told["steps"][2]["why"] == "has it"
    assert told["steps"][0]["actor"] is None and told["steps"][4]["actor"] is not None and told["first_token_s"] < told["steps"][1]["at_s"]
    text = run("explain", "runs", "--port", new.port).stdout
    assert re.search(rf"sent to {victim}: .*\n.*\n.*\n.*\n.* a new head took the place .*\n.* sent to {victim} \(actor \d+\): it has the answer already", text), text


def test_a_head_that_was_killed_took_it_along(cluster, run):
    """Given a stream whose head is killed; when another head is asked why it went where it went; then that says since when it is there and what
    is lost; when the stream's client has come back there, it tells of what came after."""
    head = cluster.head(port=free_port())
    cluster.echo_worker(head, "echo:tokens=40", "--node", "oak")
    head.wait_ready(actors=1)
    t = Traveller([head], {"messages": [{"role": "user", "content": "hello"}], "stream": True}, "/v1/chat/completions")
    t.cut_after = 5
    cluster.pace(100)
    assert t.once(head, None) is False
    head.kill()
    new = cluster.head(port=head.port)
    new.wait_ready(actors=1)
    name = "chatcmpl-" + t.last_id.split("-")[0]
    lost = run("explain", name, "--port", new.port)
    assert lost.returncode != 0 and re.search(rf"there is no request '{name}' here: this head began \d+ s ago and keeps the last 256 "
                                              "requests; those of a head that was lost are lost with it", lost.stderr), lost.stderr
    cluster.pace(0)
    assert t.once(new, None)
    told = explain(new, name)
    assert whats(told)[:2] == ["came back", "chosen"] and told["steps"][0]["tokens"] == told["steps"][1]["tokens"] >= 3
    text = run("explain", name, "--port", new.port).stdout
    assert f"its client came back with {told['steps'][0]['tokens']} tokens of it; what was before that is in no account here" in " ".join(text.split())


def test_who_may_not_see_it(cluster):
    """Given two clients with keys of their own; when one asks why the other's request went somewhere; then there is no such request."""
    head = cluster.head("--api-key", "ann: a1,bob: b1")
    cluster.echo_worker(head, "echo:tokens=3")
    wait_for("an actor", lambda: json.loads(head.request("GET", "/readyz")[2])["actors"] == 1)
    auth = {"authorization": "Bearer a1", "x-request-id": "secret"}
    assert head.request("POST", "/v1/chat/completions", json.dumps({"messages": [{"role": "user", "content": "x"}]}), headers=auth)[0] == 200
    assert head.request("GET", "/manta/requests/secret/explain", headers=auth)[0] == 200
    status, _, text = head.request("GET", "/manta/requests/secret/explain", headers={"authorization": "Bearer b1"})
    assert status == 404 and "secret" in text
