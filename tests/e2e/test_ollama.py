"""Ollama's API with its real client: answers, streams of lines, tools, forms, vectors, models, errors, and streams that live on when a worker or the head
does not."""

import http.client
import json

import httpx
import ollama
import pytest

import fixtures
from cluster import REAL
from test_tools import CALLS, CLOCK, SCRIPT, WEATHER, scripted  # noqa: F401

SAY = [{"role": "user", "content": "What is the weather in Paris?"}]
TOOLS = [WEATHER, CLOCK]
ASKED = [(name, json.loads(arguments)) for name, arguments in CALLS]
SEED = {"seed": 5}


def of(head, **options):
    return ollama.Client(host=head.url, timeout=120, **options)


def calls_of(message):
    return [(c.function.name, dict(c.function.arguments)) for c in message.tool_calls or []]


def gather(parts):
    """What a stream comes to: thinking, text, calls; and its last part."""
    thinking, text, calls, last = "", "", [], None
    for part in parts:
        assert last is None, f"{part} comes behind the end"
        thinking += part.message.thinking or ""
        text += part.message.content or ""
        calls += calls_of(part.message)
        last = part if part.done else None
    return (thinking, text, calls), last


def test_an_answer(smol):
    """Given options, a chat, its stream and a prompt alone have one answer, with counts and durations that add up."""
    options = {"temperature": 0, "num_predict": 12, "num_ctx": 4096, "repeat_penalty": 1.0}
    whole = of(smol).chat("smollm2:latest", SAY, options=options, keep_alive="5m")
    said, last = gather(of(smol).chat("smollm2", SAY, stream=True, options=options))
    alone = of(smol).generate("smollm2", SAY[0]["content"], options=options)
    assert said[1] == whole.message.content == alone.response != "" and whole.model == "smollm2"
    assert last.done_reason == whole.done_reason == alone.done_reason == "length" and last.eval_count == whole.eval_count == alone.eval_count == 12
    for answer in (whole, last, alone):
        assert answer.prompt_eval_count > 10 and answer.eval_duration > 0 and answer.created_at.endswith("Z")
        assert answer.total_duration >= answer.eval_duration + answer.prompt_eval_duration


def test_what_a_prompt_may_be(smol):
    """Given a system prompt, it is part of what is read; a raw prompt is taken as it is; nothing to answer only asks for the model."""
    client, options = of(smol), {"temperature": 0, "num_predict": 6, "stop": ["\n\n"]}
    plain, told = (client.generate("smollm2", "Name a colour.", system=s, options=options).prompt_eval_count for s in ("", "You are brief."))
    raw = client.generate("smollm2", "One, two, three,", raw=True, options=options)
    status, completion = smol.post("/v1/completions", {"model": "smollm2", "prompt": "One, two, three,", "max_tokens": 6, "temperature": 0, "stop": "\n\n"})
    assert told != plain and status == 200 and raw.response == completion["choices"][0]["text"]
    loaded = client.generate("smollm2", keep_alive=0), client.chat("smollm2", [])
    assert [(a.done, a.done_reason) for a in loaded] == [(True, "load")] * 2 and loaded[0].response == "" == loaded[1].message.content
    assert [(a.prompt_eval_count, a.eval_count) for a in loaded] == [(0, 0)] * 2
    told = client.generate("smollm2", "Name a colour.", options=options, logprobs=True, top_logprobs=2)
    assert "".join(t.token for t in told.logprobs) == told.response and all(len(t.top_logprobs) == 2 for t in told.logprobs)


def test_forms(smol):
    """Given a schema or "json", the answer is JSON that it allows; a schema that is none is an error by the field's name."""
    schema = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 150}},
              "required": ["name", "age"], "additionalProperties": False}
    options = {"temperature": 0, "num_predict": 200}
    whole = json.loads(of(smol).chat("smollm2", [{"role": "user", "content": "Ada is 36. Who is she?"}], format=schema, options=options).message.content)
    assert set(whole) == {"name", "age"} and isinstance(whole["age"], int)
    parts = of(smol).generate("smollm2", "Ada is 36. Who is she?", format=schema, options=options, stream=True)
    assert set(json.loads("".join(p.response for p in parts))) == {"name", "age"}
    anything = of(smol).generate("smollm2", "A JSON object, please: {}", format="json", options={"temperature": 0, "num_predict": 400})
    assert anything.done_reason == "length" or isinstance(json.loads(anything.response), dict)
    with pytest.raises(ollama.ResponseError, match="format: .*") as raised:
        of(smol).chat("smollm2", SAY, format={"type": "nothing"})
    assert raised.value.status_code == 400


def test_tools_and_thinking(scripted):  # noqa: F811
    """Given a model that thinks, talks and calls two tools, the message has each in its place, whole or streamed, and results are turned in, which say of
    which tool they are, or nothing."""
    whole = of(scripted).chat("echo", SAY, tools=TOOLS)
    said, last = gather(of(scripted).chat("echo", SAY, tools=TOOLS, stream=True))
    assert said == (whole.message.thinking, whole.message.content, calls_of(whole.message)) == ("Paris, so France.", "Let me look:  Both are asked.", ASKED)
    assert last.done_reason == whole.done_reason == "stop"
    results = [{"role": "tool", "tool_name": "clock", "content": "noon"}, {"role": "tool", "content": "rain"}]
    again = of(scripted).chat("echo", [*SAY, whole.message, *results], tools=TOOLS)
    assert again.prompt_eval_count > whole.prompt_eval_count + 60
    with pytest.raises(ollama.ResponseError, match=r"messages\[4\]: is the result of no call"):
        of(scripted).chat("echo", [*SAY, whole.message, *results, results[0]], tools=TOOLS)
    with pytest.raises(ollama.ResponseError, match="messages: the last one calls tools"):
        of(scripted).chat("echo", [*SAY, whole.message], tools=TOOLS)


def test_a_call_that_is_cut_off(scripted):  # noqa: F811
    """Given too few tokens for a call, no half of it is told."""
    cut = {"num_predict": 60}
    said, last = gather(of(scripted).chat("echo", SAY, tools=TOOLS, stream=True, options=cut))
    assert said[2] == [] == calls_of(of(scripted).chat("echo", SAY, tools=TOOLS, options=cut).message) and last.done_reason == "length"


def test_vectors(cluster):
    """Given a model that makes vectors, texts come back as vectors, cut to `dimensions`; the older path has one; they are those of /v1/embeddings, but for
    the last digits, which depend on the texts that are computed together."""
    head = cluster.head()
    cluster.worker(head, "--model", fixtures.file("distilbert-tiny"), "--slots", 2, "--threads", 1)
    head.wait_ready(actors=1)
    client, model = of(head), head.get("/v1/models")["data"][0]["id"]
    both = client.embed(model, ["a cat", "a dog"])
    openai = [d["embedding"] for d in head.post("/v1/embeddings", {"model": model, "input": ["a cat", "a dog"]})[1]["data"]]
    cat, dog = (pytest.approx(v, abs=1e-6) for v in openai)
    assert [list(v) for v in both.embeddings] == [cat, dog] and openai[1] != cat and both.prompt_eval_count > 0 and both.total_duration > 0
    assert list(client.embeddings(model, "a cat").embedding) == cat and list(client.embed(model, "a cat").embeddings[0]) == cat
    assert len(client.embed(model, "a cat", dimensions=4).embeddings[0]) == 4
    assert client.show(model).capabilities == ["embedding"]
    with pytest.raises(ollama.ResponseError, match="input: is empty"):
        client.embed(model, [])


def test_more_dimensions_than_there_are(cluster):
    """Given vectors of 8 numbers, a request for more is refused, and the head continues."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:embed=8")
    head.wait_ready(actors=1)
    with pytest.raises(ollama.ResponseError, match="dimensions: 9 were asked for, the model's vectors have 8"):
        of(head).embed("echo", "a cat", dimensions=9)
    assert len(of(head).embed("echo", "a cat", dimensions=8).embeddings[0]) == 8 and head.running()


@pytest.mark.model
def test_a_gap(cluster):
    """Given a model that fills gaps, a prompt with a suffix is completed as /v1/completions does it; the prompt may be empty."""
    head = cluster.head()
    cluster.worker(head, "--model", fixtures.file("smollm2-fim"), "--context", 512, "--slots", 1, "--threads", 1)
    head.wait_ready(actors=1)
    options = {"temperature": 0, "num_predict": 6}
    for prompt in ("def add(a, b):\n", ""):
        status, answer = head.post("/v1/completions", {"prompt": prompt, "suffix": "\n\nprint(add(1, 2))", "max_tokens": 6, "temperature": 0})
        assert status == 200 and of(head).generate("smollm2-fim", prompt, suffix="\n\nprint(add(1, 2))", options=options).response == answer["choices"][0]["text"], answer


def test_models(words):
    """Given a model, it is listed and described by the name that clients look for, and said to be loaded."""
    client = of(words)
    assert [m.model for m in client.list().models] == [m.model for m in client.ps().models] == ["echo:latest"]
    model, running = client.list().models[0], client.ps().models[0]
    assert model.size > 0 and model.digest and model.modified_at.year >= 2024 and running.context_length == 2048
    shown = client.show("echo")
    assert shown.capabilities == ["completion", "tools"] and shown.details.format == "gguf" and "num_ctx" in shown.parameters
    assert shown.modelinfo[shown.modelinfo["general.architecture"] + ".context_length"] == 2048
    assert client.show("echo:latest") == shown
    assert words.get("/api/version")["version"].count(".") == 2


def test_what_a_file_says(smol):
    """Given a model of a real file, its family, size and quantization are those that its worker read there."""
    client = of(smol)
    shown = client.show("smollm2")
    for found in (client.list().models[0].details, client.ps().models[0].details, shown.details):
        assert (found.family, found.families, found.parameter_size, found.quantization_level) == ("llama", ["llama"], "134.52M", "Q4_1")
    assert shown.modelinfo["general.architecture"] == "llama" and shown.modelinfo["general.parameter_count"] == 134_515_008
    assert shown.modelinfo["llama.context_length"] == client.ps().models[0].context_length


@pytest.mark.parametrize("path, body, status, says", [
    ("/api/chat", {"model": "none", "messages": SAY}, 404, "no model 'none'"),
    ("/api/show", {"model": "none"}, 404, "model 'none' not found"),
    ("/api/show", {}, 400, "model: is missing"),
    ("/api/chat", {"messages": [{"role": "user", "content": "x", "images": ["aGk="]}]}, 400, "messages[0].images: are not supported"),
    ("/api/chat", {"messages": [{"content": "x"}]}, 400, "messages[0]: needs \"role\""),
    ("/api/generate", {"prompt": "x", "images": ["aGk="]}, 400, "images: are not supported"),
    ("/api/generate", {"prompt": "x", "suffix": "y"}, 400, "suffix: this model cannot fill gaps"),
    ("/api/generate", {"prompt": "x", "suffix": "y", "system": "z"}, 400, "system: a prompt that is raw, or before a gap"),
    ("/api/generate", {"prompt": "x", "template": "{{ .Prompt }}"}, 400, "template: is not supported"),
    ("/api/generate", {"prompt": "x", "context": [1, 2]}, 400, "context: is not supported"),
    ("/api/generate", {"prompt": "x", "options": {"temperature": 9}}, 400, "temperature: 9 is out of range"),
    ("/api/generate", {"prompt": "x", "options": {"mirostat": 3}}, 400, "mirostat: 3 is out of range"),
    ("/api/generate", {"prompt": "x", "format": "yaml"}, 400, "format: expected \"json\" or a JSON schema"),
    ("/api/chat", {"messages": [{"role": "user", "content": "word " * 9000}]}, 400, "context"),
    ("/api/pull", {"model": "x"}, 400, "`manta models pull NAME`"),
    ("/api/create", {"model": "x"}, 400, "`manta worker --model FILE`"),
    ("/api/blobs/sha256:1", {}, 400, "`manta worker --model FILE`"),
    ("/api/copy", {"source": "x"}, 400, "a head keeps no models"),
    ("/api/nothing", {}, 404, "no such path: /api/nothing"),
])
def test_errors_are_a_text(words, path, body, status, says):
    """Given a request that cannot be, its error is one text with the status that the client raises."""
    got, answer = words.post(path, body)
    assert got == status and list(answer) == ["error"] and says in answer["error"], answer


def test_what_the_client_raises(cluster):
    """Given a head with a key, it is taken as a bearer's token; without it, and for a model that is not there, the client raises its own error."""
    head = cluster.head("--api-key", "sesame")
    head.key = "sesame"
    cluster.echo_worker(head)
    head.wait_ready(actors=1)
    right = of(head, headers={"Authorization": "Bearer sesame"})
    assert right.chat("echo", SAY).message.content
    for client, model, status in ((of(head), "echo", 401), (right, "none", 404)):
        for stream in (False, True):
            with pytest.raises(ollama.ResponseError) as raised:
                list(client.chat(model, SAY, stream=stream))
            assert raised.value.status_code == status and raised.value.error
    with pytest.raises(ollama.ResponseError, match="manta drain"):
        right.delete("echo")
    with pytest.raises(ollama.ResponseError, match="manta models pull"):
        right.pull("echo")


def test_a_foreign_page_may_not(words):
    """Given a page of another site, it gets nothing of this dialect either."""
    for headers in ({"origin": "https://evil.example"}, {"host": "evil.example"}):
        answer = httpx.post(f"{words.url}/api/chat", json={"messages": SAY}, headers=headers)
        assert answer.status_code == 403 and list(answer.json()) == ["error"]


def test_waiting_is_told_by_lines(cluster):
    """Given one busy slot, a stream that waits gets lines without text, and its answer afterwards; every line is an object."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=100000,context=1048576", "--slots", 1)
    head.wait_ready(actors=1)
    cluster.pace(1000)
    busy = head.begin("/api/chat", {"messages": SAY, "stream": False})
    head.wait_status(running=1)
    waiting = head.begin("/api/chat", {"messages": SAY, "options": {"num_predict": 3}})
    reply = waiting.getresponse()
    assert reply.getheader("content-type") == "application/x-ndjson"
    first = json.loads(reply.readline())
    assert first["message"] == {"role": "assistant", "content": ""} and first["done"] is False
    busy.close()
    cluster.pace(0)
    lines = [json.loads(line) for line in reply.read().splitlines()]
    assert [line["done"] for line in lines].count(True) == 1 and lines[-1]["eval_count"] == 3
    waiting.close()


@pytest.mark.parametrize("lost", ["worker", "head"])
@pytest.mark.parametrize("at", [6, 25])
def test_a_stream_lives_on(cluster, lost, at):
    """Given a stream in its middle, thinking, or before it calls tools; when its worker is killed, or its head is replaced; then the client gets what it would
    have got, each call once."""
    head = cluster.head()
    workers = {node: cluster.echo_worker(head, SCRIPT, "--node", node) for node in ("ash", "fir")}
    head.wait_ready(actors=2)
    expected, _ = gather(of(head).chat("echo", SAY, tools=TOOLS, stream=True))
    cluster.pace(25)

    def parts():
        for n, part in enumerate(of(head).chat("echo", SAY, tools=TOOLS, stream=True)):
            yield part
            if n == at and lost == "worker":
                next(w for node, w in workers.items() if head.computes(node)).kill()
            elif n == at:
                cluster.head("--replace", port=head.port)
                assert head.wait() == 0, head.log
            if n == at:
                cluster.pace(0)
    got, last = gather(parts())
    assert got == expected and got[2] == ASKED and last.done_reason == "stop"


def test_a_call_lives_on(cluster):
    """Given a stream within the arguments of a call, of which nothing has been told yet, when its worker is killed, the call comes, whole and once."""
    head = cluster.head()
    workers = {node: cluster.echo_worker(head, SCRIPT, "--node", node) for node in ("ash", "fir")}
    head.wait_ready(actors=2)
    cluster.pace(25)
    conn = head.begin("/api/chat", {"model": "echo", "messages": SAY, "tools": TOOLS})
    reply = conn.getresponse()
    lines = [reply.readline() for _ in range(len("Paris, so France.") + len("Let me look: "))]
    head.tokens(20)  # of the call
    next(w for node, w in workers.items() if head.computes(node)).kill()
    cluster.pace(0)
    lines += reply.read().splitlines()
    calls = [c["function"] for line in lines for c in json.loads(line).get("message", {}).get("tool_calls", [])]
    assert [(c["name"], c["arguments"]) for c in calls] == ASKED
    head.wait_event("job_resumed")
    conn.close()


def test_the_head_is_lost(cluster):
    """Given a stream whose head is killed, the client sees it break off, and whoever asks the next head by the answer's name gets all of it."""
    head = cluster.head()
    for node in ("ash", "fir"):
        cluster.echo_worker(head, "echo:tokens=60", "--node", node)
    head.wait_ready(actors=2)
    expected = of(head).generate("echo", "tell me of rays", options=SEED).response
    cluster.pace(25)
    conn = head.begin("/api/generate", {"model": "echo", "prompt": "tell me of rays", "options": SEED})
    reply = conn.getresponse()
    name = reply.getheader("x-request-id")
    reply.readline()
    head.kill()
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        reply.read()
    conn.close()
    cluster.pace(0)
    again = cluster.head(port=head.port)
    again.wait_ready(actors=2)
    status, _, text = again.request("GET", f"/v1/streams/{name}")
    lines = [json.loads(line) for line in text.splitlines()]
    assert status == 200 and "".join(line["response"] for line in lines) == expected and lines[-1]["done"]


def test_a_client_that_leaves(cluster):
    """Given a stream whose client closes it, its job ends."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=100000,context=1048576")
    head.wait_ready(actors=1)
    stream = of(head).chat("echo", SAY, stream=True)
    next(stream)
    stream.close()
    head.wait_idle()


@pytest.mark.model
def test_a_stream_of_the_model_lives_on(cluster):
    """Given exact workers with the real model, when the worker of a stream is killed, its text is to the byte the undisturbed one."""
    head = cluster.head()
    workers = {node: cluster.worker(head, *REAL, "--exact", "--node", node) for node in ("oak", "elm")}
    head.wait_ready(actors=2)
    options = {"seed": 7, "temperature": 1, "num_predict": 60}
    expected, _ = gather(of(head).chat("smollm2", SAY, stream=True, options=options))
    parts = []
    for n, part in enumerate(of(head).chat("smollm2", SAY, stream=True, options=options)):
        parts.append(part)
        if n == 10:
            next(w for node, w in workers.items() if head.computes(node)).kill()
    assert gather(parts)[0] == expected
