"""Text of models, workers, tenants and heads that would steer a terminal: nothing that a terminal obeys reaches one."""

import contextlib
import http.server
import json
import re
import subprocess
import threading

import pytest

import swarm
import wire
from cluster import PROGRAM, environment, own_token, wait_for
from terminal import ENTER, Terminal

OSC = "\x1b]52;c;eA==\x07\x1b]0;owned\x07"
EVIL = f"{OSC}\x1b[2J\x1bc\x9b31m\x9d0;x\x9c\x08\x08\r\u202egnp.exe\u2066\u200f\u061c\x7f\x0e"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def harmless(raw):
    """Bytes that a terminal got: UTF-8, and nothing in them but text, lines and (the terminal's own) carriage returns before them."""
    text = raw.decode()
    found = OBEYED.search(text.replace("\r\n", "\n"))
    assert not found, f"{found} in {text!r}"
    return text


@pytest.fixture
def hostile(cluster):
    """A head with a model that says what would steer a terminal, with a worker that failed with such words, and a tenant of such a name."""
    head = cluster.head()
    script = b"echo:script=" + (EVIL.replace("\x00", "") + "shown \u00e9\u65e5").encode() + b"\x9b1m\xff."
    cluster.add(type(cluster.processes[0]), ["worker"], env={"MANTA_HEAD": head.address, "MANTA_ENGINE": "echo", "MANTA_MODEL": script, "MANTA_NODE": "honest"})
    head.wait_ready(actors=1)
    with wire.Link(head.port) as link:
        link.send(swarm.frame("hello", proto=swarm.VERSION, version="1", role=1, token=own_token(), node="n\u200d\u05e9", address="a", epoch=7, pid=1, cpus=1.0, memory_bytes=1,
                              engine="e"))
        link.send(swarm.frame("actor", key=0, state=3, kind=1, model="m", digest="d" * 64, note="broken\n[PROMPT] forged" + EVIL))
        link.receive()
        tenant = "t\u0080\u009b31m\u202e"
        head.post("/v1/completions", {"prompt": "hi", "max_tokens": 1}, headers={"X-Tenant-Id": tenant.encode().decode("latin1")})
        wait_for("the worker's actor", lambda: len(head.get("/manta/actors")["actor_list"]) == 2)
        yield head


@pytest.mark.parametrize("words", [("prompt", "hi"), ("prompt", "all hi"), ("status",), ("status", "--limits"), ("actors",), ("models",), ("verify",),
                                   ("drain", "zzz" + EVIL), ("cordon", "nobody\x1b[2J"), ("prompt", "hi\x1b[2J\u009b"), ("health", "worker\x1b[2J"),
                                   ("scale", "x\x1b[2J"), ("nothing\x1b[2J",), ("status", "--no\x1b[2Jflag")], ids=lambda w: w[0])
def test_commands_at_a_terminal(hostile, tmp_path, words):
    """Given such texts in the cluster, or in the words of a command; when a command shows them at a terminal; then as harmless text."""
    flags = ["--head", hostile.address] if "nothing" not in words[0] else []
    with Terminal(*words, *flags, folder=tmp_path) as t:
        t.wait_end()
        t.reader.join(30)
        text = harmless(t.seen)
    if words[0] == "prompt":
        assert "shown \u00e9\u65e5" in text and "]52;c;" in text
    if words[0] == "status" and "--no" not in words[-1]:
        assert not re.search(r"^\[PROMPT\] forged", text, re.M) and "broken" in text


def test_the_prompt_at_a_terminal(hostile, tmp_path):
    """Given such an answer, which comes piece by piece; when it is asked for at the prompt; then what is shown steers nothing: all
    escape sequences are those of the line editor, which has none once TERM is dumb."""
    with Terminal("prompt", "--tags", "--head", hostile.address, folder=tmp_path, env={"TERM": "dumb"}) as t:
        t.wait_text(r"\[PROMPT\] ")
        t.press("hi" + ENTER)
        t.wait_text(r"\[FINAL RESPONSE\]")
        t.press("status" + ENTER + "quit" + ENTER)
        t.wait_end()
        t.reader.join(30)
        text = t.seen.decode()
    assert "\x1b" not in text and "\x9b" not in text and "\u202e" not in text and "\x07" not in text.split("[SENDING]")[1].split("[PROMPT]")[0]


def test_a_pipe_gets_the_answer_to_the_byte(hostile, run):
    """Given such an answer; when a program reads it from a pipe; then it is as the model said it, while names and errors, which are
    for people, are harmless there, too; JSON is valid, and the same at a terminal."""
    said = hostile.ask("hi", temperature=0)["final_response"]
    assert "\x1b[2J" in said and "\x9b31m" in said
    out = run("prompt", "--head", hostile.address, "hi")
    assert said.replace("\r", "\n") in out.stdout and "\u202e" not in out.stdout.split("[FINAL RESPONSE]")[0].split("response: ", 1)[0]
    piped = run("actors", "--head", hostile.address)
    harmless(piped.stdout.encode())
    json.loads(run("actors", "--head", hostile.address, "-o", "json").stdout)


@pytest.mark.parametrize("words", [("actors",), ("status",), ("prompt", "hi"), ("models",)], ids=lambda w: w[0])
def test_json_at_a_terminal(hostile, tmp_path, words):
    """Given such texts; when they are shown as JSON at a terminal; then it steers nothing and is read back as what was said."""
    with Terminal(*words, "--head", hostile.address, "-o", "json", folder=tmp_path) as t:
        t.wait_end()
        t.reader.join(30)
        answer = json.loads(harmless(t.seen))
    texts = json.dumps(answer, ensure_ascii=False)
    if words[0] in ("actors", "status"):
        assert any(a["note"].startswith("broken [PROMPT] forged") for a in answer["actor_list"] if a["node"] != "honest")
    if words[0] == "prompt":
        assert "\x9b31m" in answer["final_response"] and "\\u001b[2J" in texts


@pytest.mark.parametrize("where", ["node", "address", "version", "engine", "model", "digest"])
@pytest.mark.parametrize("text", [b"a\x1b[2J", "a\u009b2J", "a\u202eb", b"a\xff", b"a\n12:00:00.000 [FORGED] b", "a\u2028b"], ids=ascii)
def test_names_that_steer_are_refused(cluster, where, text):
    """Given a worker that calls something by what is no printable UTF-8; when it joins; then it is refused in one harmless line of the log."""
    head = cluster.head()
    names = {"node": "n", "address": "a", "version": "1", "engine": "e", "model": "m", "digest": "d", where: text}
    with wire.Link(head.port) as link:
        link.send(swarm.frame("hello", proto=swarm.VERSION, role=1, token=own_token(), epoch=7, pid=1, cpus=1.0, memory_bytes=1, **{k: names[k] for k in ("node", "address", "version", "engine")}))
        link.send(swarm.frame("actor", key=0, state=2, kind=1, slots=1, context=100, model=names["model"], digest=names["digest"]))
        said = link.receive()
        while said and said[0] != wire.REFUSE:
            said = link.receive()
        assert said and b"printable UTF-8" in said[1]
    head.wait_event("link_refused")
    for line in head.log_path.read_bytes().split(b"\n")[:-1]:
        assert re.match(r"\d\d:\d\d:\d\d\.\d{3} \[(?!FORGED)", harmless(line))
    assert [a["model"] for a in head.get("/manta/actors")["actor_list"]] in ([], ["m"])


def test_a_log_line_is_one_line(hostile):
    """Given names with line ends and escape sequences; when the head logs what such a worker does; then each event is one line, which
    begins with its time, and steers nothing."""
    wait_for("the actor in the log", lambda: hostile.says("broken"))
    for line in hostile.log_path.read_bytes().split(b"\n")[:-1]:
        text = harmless(line)
        assert re.match(r"\d\d:\d\d:\d\d\.\d{3} \[", text), text
        assert len(text.splitlines()) == 1


class Liar(http.server.BaseHTTPRequestHandler):
    """Answers whatever is asked with errors, status pages and events that would steer a terminal."""

    status = {"head": {"coordinator": EVIL, "version": EVIL, "balance": EVIL, "pid": 1}, "nodes": 1, "workers": 1, "actors": 1, "resources": {},
              "worker_nodes": [{"node": EVIL, "state": EVIL, "reason": EVIL, "address": EVIL}], "limits": {"max" + EVIL: 1},
              "tenants_known": 2, "tenants": [{"name": EVIL}], "memory": {"parts": [{"name": EVIL, "then": EVIL}]},
              "actor_list": [{"id": 0, "model": EVIL, "node": EVIL, "state": "failed", "note": EVIL, "failures_in_a_row": 2, "health": EVIL, "trouble": EVIL}]}
    error = True

    def log_message(self, *args):
        pass

    def do_GET(self):  # pylint: disable=invalid-name
        if self.error:
            self.say(400, json.dumps({"error": {"message": "no: " + EVIL, "type": "x"}}))
        else:
            self.say(200, json.dumps(self.status))

    def do_POST(self):  # pylint: disable=invalid-name
        if self.error:
            self.do_GET()
            return
        answer = {"object": "manta.process_prompt", "responses": [{"actor_id": 0, "model": EVIL, "node": EVIL, "response": EVIL, "error": {"message": EVIL}}],
                  "answered_by": {"node": EVIL, "model": EVIL, "address": EVIL}, "final_response": EVIL, "cluster_info": {}}
        pieces = [{"object": "manta.process_prompt.chunk", "text": c} for c in EVIL] + [answer]
        self.say(200, "".join(f"data: {json.dumps(p)}\n\n" for p in pieces) + "data: [DONE]\n\n", "text/event-stream")

    def say(self, status, text, kind="application/json"):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


@contextlib.contextmanager
def lying_head(error):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Lying", (Liar,), {"error": error}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("error", [True, False], ids=["error", "page"])
@pytest.mark.parametrize("words", [("prompt", "hi"), ("status", "--limits"), ("actors",), ("models",), ("verify",), ("scale", "2"), ("drain", "w"), ("health",)],
                         ids=lambda w: w[0])
def test_a_head_that_lies(tmp_path, words, error):
    """Given what says that it is a head, and whose errors, pages and pieces of answers (one character each) would steer a terminal;
    when a command asks it; then nothing of that reaches the terminal, nor a pipe's errors."""
    with lying_head(error) as address:
        with Terminal(*words, "--head", address, folder=tmp_path) as t:
            t.wait_end()
            t.reader.join(30)
            harmless(t.seen)
        if error:
            out = subprocess.run([PROGRAM, *words, "--head", address], capture_output=True, stdin=subprocess.DEVNULL, timeout=120,
                                 env=environment(tmp_path), check=False)
            harmless(out.stderr + out.stdout)
            assert b"no: " in out.stderr + out.stdout or words[0] == "models"


def test_a_worker_whose_head_lies(cluster):
    """Given a head that refuses a worker with words that would steer a terminal; when the worker logs them; then as one harmless line."""
    with wire.FakeHead(wire.refuse("go away\n00:00:00.000 [FORGED] " + EVIL)) as head:
        worker = cluster.echo_worker(head.address)
        worker.wait()
        text = harmless(worker.log_path.read_bytes())
    assert "go away" in text and not re.search(r"^00:00:00.000 \[FORGED\]", text, re.M)
