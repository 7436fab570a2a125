"""Streams outlive heads: the head is killed, another one is asked, the client's connection breaks; whoever comes with the last event id
it has seen gets the rest, byte for byte."""

import itertools
import json
import re
import signal
import time

import pytest

from cluster import REAL, Beside, free_port, together, wait_for
from streams import Load, Traveller, ask, compare, on_their_way, running

SCRIPT = "echo:tokens=160"
STREAM = {"stream": True, "stream_options": {"include_usage": True}}
PROMPTS = {"/v1/completions": {"prompt": "tell me of rays"}, "/v1/chat/completions": {"messages": [{"role": "user", "content": "tell me of rays"}]}}


def choices_of(events):
    """What its events say of each answer, in order: which of two answers is further is chance."""
    said = {}
    for event in events:
        for choice in json.loads(event.split("data: ")[1])["choices"]:
            said.setdefault(choice["index"], []).append(choice)
    return said


def bodies(n):
    kinds = [
        {"temperature": 0},
        {"temperature": 1},
        {"temperature": 1, "stop": ["light, the", " reef reef reef", "水 glide"]},
        {"temperature": 1, "n": 3},
        {"temperature": 1, "logprobs": 1},
    ]
    return [{"prompt": f"{i}: tell me of rays", "seed": i, "max_tokens": 140, **STREAM, **kind}
            for i, kind in zip(range(n), itertools.cycle(kinds))]


def undisturbed(cluster, asked):
    head = cluster.head()
    cluster.echo_worker(head, SCRIPT)
    head.wait_ready(actors=1)
    return [ask(head, body).what() for body in asked]


def test_every_event_says_where_the_client_is(cluster):
    """Given a stream of two answers, each event has an id with the stream's name and the tokens of both so far; the first of each
    answer has its role alone."""
    head = cluster.head()
    cluster.echo_worker(head)
    head.wait_ready(actors=1)
    status, headers, text = head.request("POST", "/v1/chat/completions", '{"messages":[{"role":"user","content":"hi"}],"n":2,"stream":true,"max_tokens":5}')
    assert status == 200
    name = re.fullmatch(r"chatcmpl-([0-9a-f]{16})", headers["x-request-id"])[1]
    events = [e for e in text.split("\n\n") if e]
    ids = [re.fullmatch(rf"id: {name}-(\d+)([rd]?),(\d+)([rd]?)\ndata: {{.*}}", e) for e in events[:-1]]
    assert all(ids), events
    assert events[-1] == "data: [DONE]"
    places = [(int(m[1]), int(m[3])) for m in ids]
    assert places == sorted(places) and places[-1] == (5, 5) and ids[-1][2] == ids[-1][4] == "d"
    for choices in choices_of(events[:-1]).values():
        assert choices[0]["delta"] == {"role": "assistant", "content": None} and choices[0]["finish_reason"] is None
        assert choices[1]["delta"]["content"] != "" and not any("role" in c["delta"] for c in choices[1:])


def test_the_head_is_killed_and_comes_back(cluster, capsys):
    """Given 100 streams of all kinds, more than run at once, when the head is killed with -9 and started again on its port,
    each client that comes back with its last event id gets the rest: what was running continued meanwhile."""
    asked = bodies(100)
    expected = undisturbed(cluster, asked)
    port = free_port()
    head = cluster.head(port=port)
    for _ in range(2):
        cluster.echo_worker(head, SCRIPT, "--slots", 40)
    head.wait_ready(actors=2)
    heads = [head]
    cluster.pace(300)
    travellers = [Traveller([head], body) for body in asked]  # the same port again

    def fault():
        running(head, 80)
        on_their_way(travellers, 50)
        head.kill()
        heads.append(cluster.head(port=port))
        wait_for("streams to be taken over", lambda: len(heads[1].events("stream_resumed")) >= 40)
        cluster.pace(0)
    with Beside(fault):
        answers = together(len(asked), lambda i: travellers[i].go())
    compare(answers, expected)
    taken = len(heads[1].events("stream_resumed"))
    with capsys.disabled():
        print(f"\n    {taken} of {len(asked)} streams were taken over, the others had not begun; longest gap "
              f"{max(a.gap_s for a in answers) * 1000:.0f} ms")
    assert taken >= 40
    workers = [p for p in cluster.processes if p.name.startswith("worker")]
    wait_for("the workers to say so", lambda: sum(len(w.events("stream_adopted")) for w in workers) >= 40)  # a line comes later than what it is about


def test_two_heads_and_one_dies(cluster, capsys):
    """Given workers that joined two heads, when one head is killed, its clients continue at the other one, by POST or by GET."""
    asked = bodies(100)
    expected = undisturbed(cluster, asked)
    first, second = cluster.head(), cluster.head()
    for _ in range(2):
        cluster.echo_worker(f"{first.address},{second.address}", SCRIPT, "--slots", 40)
    for head in (first, second):
        head.wait_ready(actors=2)

    cluster.pace(300)
    travellers = [Traveller([first, second], body, method=("POST", "GET")[i % 2]) for i, body in enumerate(asked)]

    def fault():
        running(first, 80)
        on_their_way(travellers, 50)
        first.kill()
        wait_for("streams to be taken over", lambda: len(second.events("stream_resumed")) >= 40)
        cluster.pace(0)
    with Beside(fault):
        answers = together(len(asked), lambda i: travellers[i].go())
    compare(answers, expected)
    with capsys.disabled():
        print(f"\n    {len(second.events('stream_resumed'))} streams continued at the second head; longest gap "
              f"{max(a.gap_s for a in answers) * 1000:.0f} ms")
    second.wait_idle()


def test_answers_that_had_not_begun_are_not_forgotten(cluster):
    """Given a request for three answers on a worker of two slots, at one of two heads; when that head is killed before the third answer
    has begun, the client that asks the other head by GET gets all three."""
    asked = [{"prompt": "three", "seed": 3, "max_tokens": 140, "temperature": 1, "n": 3, **STREAM}]
    expected = undisturbed(cluster, asked)
    first, second = cluster.head(), cluster.head()
    cluster.echo_worker(f"{first.address},{second.address}", SCRIPT, "--slots", 2)
    for head in (first, second):
        head.wait_ready(actors=1)
    cluster.pace(300)
    traveller = Traveller([first, second], asked[0], method="GET")
    client = Beside(traveller.go)
    first.wait_status(running=2, queued=1)
    on_their_way([traveller], 1)
    first.kill()
    second.wait_event("stream_resumed", call=1, branches=3)
    cluster.pace(0)
    compare([client.end()], expected)


def test_a_client_hangs_up_and_comes_back(cluster):
    """Given one head, when a client's connection breaks in the middle, generating stops; when it comes back, the rest is generated."""
    asked = bodies(10)
    expected = undisturbed(cluster, asked)
    head = cluster.head()
    cluster.echo_worker(head, SCRIPT, "--slots", 16)
    head.wait_ready(actors=1)
    travellers = [Traveller([head], body) for body in asked]
    for i, t in enumerate(travellers):
        t.cut_after = 5 + 9 * i
    answers = together(len(asked), lambda i: travellers[i].go())
    compare(answers, expected)
    assert all(t.tries == 2 for t in travellers)


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions"])
def test_the_end_comes_again_and_nothing_else(cluster, path):
    """Given a stream that was read to its end, when its client asks for what comes after an event, it gets just that. Comments, which tell of
    the worker that wrote it again, are no part of it."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=20")
    head.wait_ready(actors=1)
    body = {**PROMPTS[path], "max_tokens": 6, "seed": 3, **STREAM}
    _, _, text = head.request("POST", path, json.dumps(body))
    events = text.split("\n\n")
    for i, event in enumerate(events[:-2]):
        last = re.match("id: (.*)", event)[1]
        status, _, rest = head.request("GET", f"/v1/streams/{last}")
        assert status == 200
        assert re.sub("^:.*\n", "", rest, flags=re.M).split("\n\n") == events[i + 1:], f"after event {i}"


def test_process_prompt_goes_on_too(cluster):
    """Given a fan-out to two actors as a stream, when its client comes back, it gets the rest and the final answer of all of it."""
    port = free_port()
    head = cluster.head(port=port)
    for _ in range(2):
        cluster.echo_worker(head, SCRIPT)
    head.wait_ready(actors=2)
    body = json.dumps({"prompt": "tell", "actors": "all", "stream": True, "max_tokens": 60, "seed": 5})
    _, _, whole = head.request("POST", "/manta/process_prompt", body)
    final = [e for e in whole.split("\n\n") if "final_response" in e][0]
    t = Traveller([head], json.loads(body), path="/manta/process_prompt")
    seen = []
    t.answer.event = lambda data: (seen.append(data), t.answer.times.append(time.monotonic()), setattr(t.answer, "done", data == "[DONE]"))
    t.cut_after = 40
    t.go()
    value = [json.loads(d) for d in seen if "final_response" in d]
    assert len(value) == 1
    want = json.loads(re.search("data: (.*)", final)[1])
    said = [json.loads(d) for d in seen if ".chunk" in d]
    for branch in (0, 1):
        text = "".join(d["text"] for d in said if d["index"] == branch)
        assert text == value[0]["responses"][branch]["response"] == want["responses"][branch]["response"] != ""


@pytest.mark.parametrize("last", ["nonsense", "0123456789abcdef-", "0123456789abcdef-1,", "0000000000000000-1", "0123456789abcdef-99999999999",
                                  "0123456789abcdef-" + ",".join(["1"] * 65)])
def test_ids_that_are_none(cluster, last):
    """Given what no event ever had as its id, the answer is 400 and says what would be right."""
    head = cluster.head()
    for method, path, body in (("GET", "/v1/streams/" + last, None), ("POST", "/v1/completions", '{"prompt":"hi"}')):
        status, _, text = head.request(method, path, body, {"Last-Event-ID": last})
        assert status == 400 and "id:" in text


def test_a_stream_that_nobody_has(cluster):
    """Given a name that no worker knows: a client that brings no request is told so, and what would help; one that has nothing of it begins
    anew; one whose request has fewer answers than the stream had brings another request."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=20")
    head.wait_ready(actors=1)
    body = '{"prompt":"hi","stream":true,"max_tokens":3}'
    for method, path, sent, last in (("GET", "/v1/streams/0123456789abcdef-3", None, None), ("POST", "/v1/completions", body, "0123456789abcdef-3,1")):
        status, _, text = head.request(method, path, sent, {"Last-Event-ID": last} if last else {})
        error = json.loads(text)["error"]
        assert status == 404 and error["code"] == "stream_not_found" and "no worker has anything of it; POST its request again" in error["message"]
    status, headers, text = head.request("POST", "/v1/completions", body, {"Last-Event-ID": "0123456789abcdef-0"})
    assert status == 200 and headers["x-request-id"] == "cmpl-0123456789abcdef" and text.endswith("data: [DONE]\n\n")


def events_of(text):
    return re.findall("^id: .*\ndata: {.*}$", text, flags=re.M)


def settled(head):
    """Workers of a former life are not expected any more: whoever seeks is answered as soon as those that are there have answered."""
    assert head.request("GET", "/v1/streams/ffffffffffffffff-1")[0] == 404


@pytest.mark.parametrize("path", PROMPTS)
@pytest.mark.parametrize("mode", ["exact", "may-differ"])
def test_what_nobody_has_is_computed_again(cluster, mode, path):
    """Given a stream that was read undisturbed, when a client brings its request, its seed and any event's id under a name that nobody knows, it
    gets what came after that event, to the byte, and is told that it was computed again and whether that makes a difference."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=30", *(["--exact"] if mode == "exact" else []))
    head.wait_ready(actors=1)
    settled(head)
    names = (f"{i:016x}" for i in itertools.count(1))
    for shape in ({}, {"n": 2, "temperature": 1}, {"logprobs": True, "temperature": 1}, {"temperature": 1, "stop": [" reef", "水"]}):
        body = json.dumps({**PROMPTS[path], "max_tokens": 12, "seed": 7, **STREAM, **shape})
        _, headers, text = head.request("POST", path, body)
        whole, name = events_of(text), headers["x-request-id"].split("-")[1]
        for i in range(0, len(whole) - 1, 3):
            place, other = re.match(f"id: {name}-(.*)", whole[i])[1], next(names)
            status, headers, text = head.request("POST", path, body, {"Last-Event-ID": f"{other}-{place}"})
            assert status == 200 and text.endswith("data: [DONE]\n\n"), f"{shape} after event {i}"
            assert choices_of(events_of(text)) == choices_of(whole[i + 1:]), f"{shape} after event {i}"
            if re.search("[1-9]", place):  # it has a part of the text
                assert headers["x-manta-computed-again"] == mode and f": manta computed again: {mode.replace('-', ' ')}" in text


def test_the_name_of_a_stream_is_its_seed(cluster):
    """Given a drawn answer whose request had no seed and whose only worker has been killed, when its client comes with its request and an
    event's id, another worker draws the same again."""
    head = cluster.head()
    worker = cluster.echo_worker(head, "echo:tokens=30")
    head.wait_ready(actors=1)
    body = json.dumps({"prompt": "tell me of rays", "max_tokens": 12, "temperature": 1, **STREAM})
    _, _, text = head.request("POST", "/v1/completions", body)
    whole = events_of(text)
    worker.kill()
    head.wait_ready(actors=0)
    cluster.echo_worker(head, "echo:tokens=30")
    head.wait_ready(actors=1)
    settled(head)
    _, headers, text = head.request("POST", "/v1/completions", body, {"Last-Event-ID": re.match("id: (.*)", whole[4])[1]})
    assert headers["x-manta-computed-again"] == "may-differ"
    assert choices_of(events_of(text)) == choices_of(whole[5:]) != {}
    again, chosen = head.get(f"/manta/requests/{headers['x-request-id']}/explain")["steps"]
    assert (again["what"], again["tokens"] > 0, chosen["what"]) == ("computed again", True, "chosen")


@pytest.mark.parametrize("heads", [1, 2])
def test_head_and_workers_are_lost_together(cluster, heads):
    """Given streams of all kinds, when their head and all workers that compute them are killed in one moment and others are started, each client
    that brings its request again, here or at a second head, gets the rest, byte for byte."""
    asked = bodies(10)
    expected = undisturbed(cluster, asked)
    port = free_port()
    first = cluster.head(port=port)
    others = [cluster.head() for _ in range(heads - 1)]
    addresses = ",".join(h.address for h in [first, *others])
    workers = [cluster.echo_worker(addresses, SCRIPT, "--slots", 8) for _ in range(2)]
    first.wait_ready(actors=2)
    cluster.pace(300)
    travellers = [Traveller([first, *others], body) for body in asked]
    lost = []

    def fault():
        running(first, len(asked))
        on_their_way(travellers, len(asked), events=5)
        for process in (first, *workers):
            lost.append(process.kill())
        cluster.pace(0)
        if not others:
            cluster.head(port=port)
        cluster.echo_worker(addresses, SCRIPT, "--slots", 40)
    with Beside(fault):
        answers = together(len(asked), lambda i: travellers[i].go())
    compare(answers, expected)
    assert lost == [-signal.SIGKILL] * 3 and all(t.tries >= 2 for t in travellers)


def test_a_frozen_head_comes_back_and_its_streams_were_not_given_up(cluster):
    """Given a head that is stopped for longer than its workers wait, when it continues, its streams end well: other workers take them."""
    asked = bodies(6)
    expected = undisturbed(cluster, asked)
    head = cluster.head("--beat-ms", 100, "--lost-after-ms", 1500)
    workers = [cluster.echo_worker(head, SCRIPT, "--slots", 8) for _ in range(2)]
    head.wait_ready(actors=2)
    cluster.pace(300)
    load = Load(head, asked)
    running(head, 6)
    load.wait(2, streams=6)
    head.send(signal.SIGSTOP)
    for worker in workers:
        worker.wait_event("head_lost")
    head.send(signal.SIGCONT)
    head.wait_ready(actors=2)
    cluster.pace(0)
    compare(load.end(), expected)


@pytest.mark.model
def test_exact_answers_of_the_real_model_outlive_their_head(cluster, capsys):
    """Given the real model in exact mode, when the head is killed in the middle, the rest is the same to the byte."""
    port = free_port()
    head = cluster.head(port=port)
    for _ in range(2):
        cluster.worker(head, *REAL, "--exact")
    head.wait_ready(actors=2)
    asked = [{"messages": [{"role": "user", "content": f"Story {i}: what happened at sea?"}], "seed": i, "max_tokens": 48, "temperature": 0.8 * (i % 2),
              "logprobs": True, **STREAM} for i in range(6)]
    path = "/v1/chat/completions"
    expected = [ask(head, body, path).what() for body in asked]
    cluster.pace(300)
    travellers = [Traveller([head], body, path) for body in asked]

    def fault():
        running(head, 4)
        on_their_way(travellers, 4)
        head.kill()
        again = cluster.head(port=port)
        wait_for("streams to be taken over", lambda: len(again.events("stream_resumed")) >= 3)
        cluster.pace(0)
    with Beside(fault):
        answers = together(len(asked), lambda i: travellers[i].go())
    compare(answers, expected)
    with capsys.disabled():
        print(f"\n    longest gap {max(a.gap_s for a in answers) * 1000:.0f} ms")
