"""A new head takes the place of the running one: no connection is dropped, no client sees an error, every answer is whole."""

import http.client
import itertools
import json
import os
import pathlib
import re
import signal
import socket
import time

import pytest

import swarm
from cluster import REAL, Beside, Head, free_port, together, wait_for
from streams import Answer, Load, ask, compare, running

SCRIPT = "echo:tokens=200"
WIRE = pathlib.Path(__file__).parents[2] / "src/wire/wire.h"
HANDED = swarm.VERSION << 8 | int(re.search(r"WIRE_HANDED = WIRE_VERSION << 8 \| (\d+)", WIRE.read_text())[1])
STREAM = {"stream": True, "stream_options": {"include_usage": True}}
FAN_OUT = "/manta/process_prompt"


def bodies(n):
    """Streams of all kinds, and whole answers among them."""
    kinds = [
        {"temperature": 0, **STREAM},
        {"temperature": 1, **STREAM},
        {"temperature": 1, "stop": ["light, the", " reef reef reef", "水 glide"], **STREAM},
        {"temperature": 1, "n": 3, **STREAM},
        {"temperature": 1, "logprobs": 1, **STREAM},
    ]
    return [{"prompt": f"{i}: tell me of rays", "seed": i, "max_tokens": 180, **kind} for i, kind in zip(range(n), itertools.cycle(kinds))]


def whole_bodies(n):
    kinds = [{"temperature": 1}, {"temperature": 1, "n": 2, "logprobs": 1}, {"stop": [" reef reef reef"]}]
    return [{"prompt": f"whole {i}: tell me of rays", "seed": i, "max_tokens": 150, **kind} for i, kind in zip(range(n), itertools.cycle(kinds))]


def undisturbed(cluster, asked, script=SCRIPT):
    head = cluster.head()
    cluster.echo_worker(head, script, "--slots", 64)
    head.wait_ready(actors=1)
    return together(len(asked), lambda i: ask(head, asked[i]).what())


def replace(cluster, old, *flags, **options):
    """The new head; the old one has ended with 0."""
    new = cluster.head("--replace", *flags, port=old.port, **options)
    assert old.wait() == 0, old.log
    return new


class Connection:
    """A client with a connection that it keeps."""

    def __init__(self, head):
        self.conn = http.client.HTTPConnection("127.0.0.1", head.port, timeout=120)
        self.conn.connect()
        self.conn.auto_open = 0  # it is this connection or none

    def get(self, path):
        self.conn.request("GET", path)
        reply = self.conn.getresponse()
        return reply.status, reply.read().decode()


def test_a_hundred_streams_live_through_three_heads(cluster, capsys):
    """Given 100 streams of all kinds, 20 whole answers, more than run at once, and connections on which nothing happens, when the
    head is replaced three times, no client notices anything but a pause."""
    asked = bodies(100) + whole_bodies(20)
    expected = undisturbed(cluster, asked)
    head = cluster.head()
    for _ in range(2):
        cluster.echo_worker(head, SCRIPT, "--slots", 40)
    head.wait_ready(actors=2)
    idle = [Connection(head) for _ in range(10)]
    assert all(c.get("/livez")[0] == 200 for c in idle)
    half = socket.create_connection(("127.0.0.1", head.port))
    half.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n")
    heads, took = [head], []
    cluster.pace(200)
    load = Load(head, asked)
    wait_for("all requests to be there", lambda: (s := head.status())["running"] == 80 and s["running"] + s["queued"] >= len(asked))
    for _ in range(3):
        load.wait_more(40)
        began = time.monotonic()
        heads.append(replace(cluster, heads[-1]))
        took.append(time.monotonic() - began)
    load.wait_more(40)
    cluster.pace(0)
    answers = load.end()
    compare(answers, expected)
    assert all(c.get("/livez")[0] == 200 for c in idle), "a connection on which nothing happened is of the last head"
    half.sendall(b"\r\n")
    assert half.recv(100).startswith(b"HTTP/1.1 200 ")
    handed = [[int(h.events("handed_over")[0][key]) for key in ("connections", "requests")] for h in heads[:3]]
    going_on = [len(p.events("stream_adopted", computed_again=1)) for p in cluster.processes if p.name.startswith("worker")]
    with capsys.disabled():
        print(f"\n    handed over (connections, requests): {handed}; a new head was there after {[round(1000 * t) for t in took]} ms; longest gap "
              f"{max(a.gap_s for a in answers) * 1000:.0f} ms; computed again {sum(going_on)}")
    assert handed[0][1] >= 100 and handed[2][1] > 20
    heads[-1].wait_idle()


def test_those_who_wait_keep_their_place(cluster):
    """Given one slot, when the head is replaced while requests wait, they are answered in the order in which they came, and each tenant's
    are counted as before."""
    head = cluster.head()
    cluster.echo_worker(head, SCRIPT, "--slots", 1)
    head.wait_ready(actors=1)
    clients = []
    cluster.pace(2000)
    for i in range(8):
        clients.append(Beside(ask, head, {"prompt": f"{i}", "max_tokens": 20, "stream": i % 2 == 0, "seed": i}))
        wait_for("it to be there", lambda n=i: (s := head.status())["running"] + s["queued"] == n + 1)
    before = head.get("/manta/requests")["request_list"]
    new = replace(cluster, head)
    after = new.get("/manta/requests")["request_list"]
    assert [r["id"] for r in after][-5:] == [r["id"] for r in before][-5:]
    cluster.pace(50)  # a second for each answer: time enough to see most of them run
    turns = []
    while any(c.running() for c in clients):
        turns += [r["id"] for r in new.get("/manta/requests")["request_list"] if r["state"] == "running" and r["id"] not in turns]
        time.sleep(0.05)
    order = [r["id"] for r in before]
    assert turns == sorted(turns, key=order.index), "each had its turn behind those that came before it"
    assert all(a.status == 200 and a.error is None for a in [c.end() for c in clients])


def test_a_fan_out_lives_through_it(cluster):
    """Given fan-outs, streamed and whole, to three actors, that run and that wait, when the head is replaced, each has its three answers,
    is told once that each begins, and the final answer has all texts."""
    head = cluster.head()
    for node in ("ash", "fir", "yew"):
        cluster.echo_worker(head, SCRIPT, "--slots", 1, "--node", node)
    head.wait_ready(actors=3)
    asked = [{"prompt": "tell", "actors": "all", "stream": s, "max_tokens": 80, "seed": 5} for s in (True, False, True, False)]
    cluster.pace(300)

    def fault():
        head.wait_status(running=3, queued=9)
        head.tokens(3)
        replace(cluster, head)
        cluster.pace(0)
    with Beside(fault):
        answers = together(4, lambda i: head.request("POST", FAN_OUT, json.dumps(asked[i])))
    texts = set()
    for (status, _, text), body in zip(answers, asked):
        assert status == 200
        if body["stream"]:
            events = [json.loads(d) for d in re.findall("data: ({.*})", text)]
            assert sorted(e["index"] for e in events if e.get("object", "").endswith("started")) == [0, 1, 2], text[:2000]
            final = [e for e in events if "final_response" in e]
            assert len(final) == 1
            for i, r in enumerate(final[0]["responses"]):
                assert "".join(e["text"] for e in events if e.get("index") == i and "text" in e) == r["response"]
        else:
            final = [json.loads(text)]
        assert sorted(r["node"] for r in final[0]["responses"]) == ["ash", "fir", "yew"]
        texts.add(tuple(r["response"] for r in final[0]["responses"]))
    assert len(texts) == 1


def test_embeddings_are_computed_again(cluster):
    """Given embeddings of many texts that run and that wait, when the head is replaced, each gets all its vectors."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:embed=8", "--slots", 2)
    head.wait_ready(actors=1)
    asked = [{"input": [f"text {i}.{k}" for k in range(1 + 9 * (i % 2))], "encoding_format": "float", "dimensions": 4} for i in range(12)]
    cluster.pace(1000)

    def fault():
        running(head, 1)
        replace(cluster, head)
        cluster.pace(0)
    with Beside(fault):
        answers = together(len(asked), lambda i: head.post("/v1/embeddings", asked[i]))
    again = [head.post("/v1/embeddings", body) for body in asked]
    assert all(status == 200 for status, _ in answers + again)
    for (_, got), (_, want), body in zip(answers, again, asked):
        assert len(got["data"]) == len(body["input"]) and got["data"] == want["data"] and got["usage"] == want["usage"]
        assert all(len(d["embedding"]) == 4 for d in got["data"])


def test_waiting_requests_keep_their_format(cluster):
    """Given requests in several formats that wait for a worker, when the head is replaced, each is answered in its own format, as without that."""
    asked = [("/tokenize", {"content": "a cat", "with_pieces": True}), ("/v1/messages/count_tokens", {"messages": [{"role": "user", "content": "a cat"}]}),
             ("/completion", {"prompt": "a cat", "n_predict": 5, "return_tokens": True, "cache_prompt": False, "seed": 7}),
             ("/api/embed", {"input": "a cat", "dimensions": 4}), ("/v1/embeddings", {"input": "a cat"}),
             ("/tokenize", {"content": ["a", 270, " cat"]}), ("/v1/embeddings", {"input": [["a", 270, " cat"], "a"]}),
             ("/completion", {"prompt": ["a", 270, " cat"], "n_predict": 20, "seed": 7, "cache_prompt": False, "logit_bias": [[" sea", False], [" rays", -100], [5, 1]]}),
             ("/v1/completions", {"prompt": [[270, " cat"], "a cat"], "seed": 7, "return_token_ids": True, "cache_prompt": False})]
    head = cluster.head()

    def fault():
        wait_for("all to wait", lambda: head.get("/manta/status")["queued"] == len(asked) + 2)  # two are of two prompts
        replace(cluster, head)
        cluster.echo_worker(head, SCRIPT, "--node", "answers")
        cluster.echo_worker(head, "echo:embed=8", "--node", "vectors")
    with Beside(fault):
        answers = together(len(asked), lambda i: head.post(*asked[i]))
    for (path, body), (status, got) in zip(asked, answers):
        _, want = head.post(path, body)
        for answer in (got, want):
            for key in ("id", "created", "timings", "total_duration"):
                answer.pop(key, None)
        assert (status, got) == (200, want), path


def test_a_slow_reader_and_what_is_half_sent(cluster):
    """Given a client that reads nothing while its answer comes, when the head is replaced, it then reads all of it."""
    body = {"prompt": "long", "max_tokens": 1800, "seed": 3, "logprobs": 5, **STREAM}
    (want,) = undisturbed(cluster, [body], "echo:tokens=1900")
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=1900")
    head.wait_ready(actors=1)
    cluster.pace(20)
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect(("127.0.0.1", head.port))
    text = json.dumps(body)
    s.sendall(f"POST /v1/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(text)}\r\n\r\n{text}".encode())
    head.tokens(100)
    new = replace(cluster, head)
    new.tokens(200)
    newest = replace(cluster, new)
    cluster.pace(0)
    reply = http.client.HTTPResponse(s)
    reply.begin()
    answer = Answer()
    answer.status = reply.status
    for line in reply:
        if line.startswith(b"data: "):
            answer.event(line[6:].strip().decode())
    assert answer.what() == want
    newest.wait_idle()


def test_a_worker_dies_in_that_very_moment(cluster):
    """Given streams, when a worker is killed while the head is replaced, another one continues what it had: what was delivered crossed, too."""
    asked = bodies(20)
    expected = undisturbed(cluster, asked)
    head = cluster.head()
    workers = [cluster.echo_worker(head, SCRIPT, "--slots", 32) for _ in range(2)]
    head.wait_ready(actors=2)

    cluster.pace(200)
    load = Load(head, asked)
    running(head, 20)
    load.wait_more(40)
    workers[0].send(signal.SIGSTOP)
    new = replace(cluster, head)
    workers[0].kill()
    new.wait_event("replaced", workers=1, of=2)
    cluster.pace(0)
    compare(load.end(), expected)


def test_a_client_that_seeks(cluster):
    """Given a client that came with an event id of a stream that no worker has yet, when the head is replaced, it is answered as it would have been."""
    head = cluster.head()
    asks = [("POST", "/v1/completions", '{"prompt":"hi","stream":true,"max_tokens":3}', {"Last-Event-ID": "0123456789abcdef-0"}),
            ("GET", "/v1/streams/0123456789abcdee-3", None, {})]

    def fault():
        wait_for("both, beside who asks", lambda: head.status()["head"]["connections"] >= 3)
        cluster.echo_worker(replace(cluster, head))
    with Beside(fault):
        (begun, _, text), (none, _, words) = together(2, lambda i: head.request(*asks[i]))
    assert begun == 200 and text.endswith("data: [DONE]\n\n") and "id: 0123456789abcdef-3d" in text
    assert none == 404 and "no worker has anything of it" in words


def said(text):
    """Of each answer the pieces of text, and the role, as its events have them."""
    branches = {}
    for event in (json.loads(e) for e in re.findall("data: ({.*})", text)):
        for choice in event.get("choices", [event] if "text" in event else []):
            delta = choice.get("delta", choice)
            branches.setdefault(choice["index"], []).append(delta.get("role") or delta.get("text", delta.get("content", "")))
    return branches


@pytest.mark.parametrize("heads", [1, 2])
def test_clients_that_seek_with_their_requests(cluster, heads):
    """Given clients that brought their requests and event ids of streams that no worker has; when the head is replaced, once or twice, while they
    ask; then each gets what comes after its event, as if the head had stayed, and is told that it was computed again."""
    chat = {"messages": [{"role": "user", "content": "rays"}]}
    asks = [("/v1/completions", {"prompt": "rays"}, "-2"),
            ("/v1/completions", {"prompt": "rays", "n": 2, "temperature": 1}, "-3,1"),
            ("/v1/completions", {"prompt": "rays", "temperature": 1, "logprobs": 1}, "-4.17"),
            ("/v1/chat/completions", chat, "-0r"),
            ("/v1/chat/completions", {**chat, "n": 2, "temperature": 1}, "-5,0r"),
            (FAN_OUT, {"prompt": "rays", "actors": "all"}, "w-2")]
    bodies = [json.dumps({"max_tokens": 8, "seed": 3, **fields, "stream": True}) for _, fields, _ in asks]
    head = cluster.head()
    clients = [Beside(head.request, "POST", asks[i][0], bodies[i], {"Last-Event-ID": f"0123456789abcde{i}{asks[i][2]}"}) for i in range(len(asks))]
    wait_for("all to be there", lambda: head.status()["calls_total"] == len(asks))
    new = head
    for _ in range(heads):
        new = replace(cluster, new)
    cluster.echo_worker(new, SCRIPT)
    for i, (path, _, last) in enumerate(asks):
        (status, _, text), whole = clients[i].end(), said(new.request("POST", path, bodies[i])[2])
        assert status == 200, text
        rest = said(text)
        for k, place in enumerate(last[last.index("-") + 1:].split(",")):
            have = int(re.match("[0-9]+", place)[0]) + ("chat" in path)
            assert rest[k] == whole[k][have:], f"{path} after {last}"
        if last != "-0r":
            assert ": manta computed again: may differ" in text


# ---- when it does not happen ----

def failing_head(run, *flags, status):
    end = run("head", "--replace", *flags)
    assert end.returncode == status, end.stderr
    return end.stderr


def test_nobody_is_there(run):
    """Given no head at that address, the new one says so and ends with the status of "nobody there"."""
    port = free_port()
    assert f"no head of this user runs at 127.0.0.1:{port}" in failing_head(run, "--port", port, status=4)


def test_the_new_head_is_checked_first(cluster, run):
    """Given a head that runs, when the new one is told of another address, or has keys that are none, the running one is not even asked."""
    head = cluster.head()
    assert "no head of this user runs at" in failing_head(run, "--host", "0.0.0.0", "--port", head.port, status=4)
    assert "keys 1 and 2 are the same" in failing_head(run, "--port", head.port, "--api-key", "a,a", status=2)
    assert head.running() and not head.events("handover_refused")


def test_a_head_of_manta_up_is_not_replaced(cluster, run):
    up = cluster.up("--no-prompt", "--workers", 1, "--engine", "echo", "--model", "echo:tokens=20")
    up.wait_event("up_ready")
    assert "manta up" in failing_head(run, "--port", up.port, status=1)
    assert up.ask("hi")["responses"]


def test_up_takes_no_replace(run):
    end = run("up", "--replace")
    assert end.returncode == 2 and "--replace" in end.stderr


def dial(head):
    """A connection to where the head waits for its successor."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    folder = f"{runtime}/manta" if runtime.startswith("/") else f"/tmp/manta-{os.geteuid()}"
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(f"{folder}/head-127.0.0.1-{head.port}")
    return s


def say(s, frame):
    s.sendall(len(frame).to_bytes(4, "little") + frame)


def replace_frame(format=HANDED):
    return swarm.frame("replace", format=format, version=b"9.9", pid=1)


def test_what_is_no_new_head(cluster):
    """Given streams, when somebody dials the running head who is too different, talks nonsense, or dies in the middle of the hand-over, the running
    one continues and no client notices."""
    asked = bodies(10)
    expected = undisturbed(cluster, asked)
    head = cluster.head()
    cluster.echo_worker(head, SCRIPT, "--slots", 32)
    head.wait_ready(actors=1)

    def fault():
        with dial(head) as s:
            say(s, replace_frame(format=77))
            assert b"handoff format" in s.recv(4000)
        with dial(head) as s:
            s.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with dial(head) as s:
            say(s, replace_frame())
            s.recv(1000)  # and it is gone, with half of the connections
        with dial(head) as s:
            say(s, replace_frame())
            while len(s.recv(1 << 20)) == 1 << 20:
                pass
        wait_for("four refusals", lambda: len(head.events("handover_refused")) == 4)
        assert len(head.events("handover_refused", code="ERR_VERSION")) == 1, "the others fail later"
    cluster.pace(200)
    load = Load(head, asked)
    running(head, 10)
    fault()
    cluster.pace(0)
    compare(load.end(), expected)
    assert head.running()
    replace(cluster, head).wait_ready(actors=1)


def sleeps(process):
    """It waits in the kernel: what was said to it before was heard. True of one that has ended, too."""
    stat = pathlib.Path(f"/proc/{process.pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] in "SZ"


def test_a_new_head_that_is_killed_at_once(cluster):
    """Given streams, when new heads are killed with -9 at any time of their beginnings up to the word that gives them the place, there is always
    one head, and no stream is lost."""
    asked = bodies(20)
    expected = undisturbed(cluster, asked)
    head = cluster.head()
    cluster.echo_worker(head, SCRIPT, "--slots", 40)
    head.wait_ready(actors=1)

    def fault():
        for ms in (0, 2, 4, 6, 8, 10):
            new = cluster.add(Head, ["head", "--port", head.port, "--replace"])
            time.sleep(ms / 1000)
            new.send(signal.SIGSTOP)
            os.waitid(os.P_PID, new.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            # the new one may have said its last word: whether the place is its own shows when the running one has heard it
            wait_for("the running head to have heard all", lambda: sleeps(head))
            if head.events("handed_over"):
                new.send(signal.SIGCONT)
                return
            new.kill()
    cluster.pace(200)
    load = Load(head, asked)
    running(head, 20)
    fault()
    cluster.pace(0)
    compare(load.end(), expected)


@pytest.mark.model
def test_the_real_model_in_exact_mode(cluster, capsys):
    """Given the real model in exact mode, when the head is replaced twice, each answer is the undisturbed one to the byte."""
    head = cluster.head()
    for _ in range(2):
        cluster.worker(head, *REAL, "--exact")
    head.wait_ready(actors=2)
    asked = [{"messages": [{"role": "user", "content": f"Story {i}: what happened at sea?"}], "seed": i, "max_tokens": 48, "temperature": 0.8 * (i % 2),
              "logprobs": True, **(STREAM if i % 3 else {})} for i in range(6)]
    path = "/v1/chat/completions"
    expected = [ask(head, body, path).what() for body in asked]
    heads = [head]
    cluster.pace(200)
    load = Load(head, asked, path)
    running(head, 4)
    for _ in range(2):
        load.wait_more(6)
        heads.append(replace(cluster, heads[-1]))
    load.wait_more(6)
    cluster.pace(0)
    answers = load.end()
    compare(answers, expected)
    with capsys.disabled():
        print(f"\n    longest gap {max(a.gap_s for a in answers) * 1000:.0f} ms")
