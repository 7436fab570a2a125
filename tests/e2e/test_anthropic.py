"""Anthropic's /v1/messages with the real anthropic client: answers, streams, errors, and streams that live on when a worker or the head does not."""

import http.client
import json

import anthropic
import pytest

from cluster import REAL

ASK = {"model": "echo", "max_tokens": 40, "messages": [{"role": "user", "content": "tell me of rays"}]}
SEED = {"extra_body": {"seed": 5}}  # not Anthropic's: equal seeds, equal answers


def of(head, key="none", **options):
    return anthropic.Anthropic(base_url=head.url, api_key=key, max_retries=0, timeout=120, **options)


def test_an_answer(smol):
    """Given a system prompt of blocks and messages of both kinds of content, the answer is a message with its usage; the same question
    again reads its prompt from the cache."""
    body = {"model": "smollm2", "max_tokens": 8, "extra_body": {"temperature": 0},
            "metadata": {"user_id": "u"}, "system": [{"type": "text", "text": "You are brief. " * 40, "cache_control": {"type": "ephemeral"}}],
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Name a colour."}]}, {"role": "assistant", "content": "Red."},
                         {"role": "user", "content": "Another one."}]}
    first = of(smol).messages.create(**body)
    assert first.type == "message" and first.role == "assistant" and first.content[0].type == "text" and first.content[0].text != ""
    assert first.stop_reason in ("end_turn", "max_tokens") and first.stop_sequence is None
    assert first.id.startswith("msg_") and first.model == "smollm2"
    assert first.usage.input_tokens > 20 and 0 < first.usage.output_tokens <= 8
    again = of(smol).messages.create(**body)
    assert again.content == first.content and again.id != first.id
    assert again.usage.cache_read_input_tokens > 0
    assert again.usage.input_tokens + again.usage.cache_read_input_tokens == first.usage.input_tokens + first.usage.cache_read_input_tokens


def test_a_stream_is_the_answer_in_pieces(words):
    """Given the client's own gathering of a stream, its message is the one that comes whole; its events come in Anthropic's order."""
    whole = of(words).messages.create(**ASK, **SEED)
    with of(words).messages.stream(**ASK, **SEED) as stream:
        kinds = [event.type for event in stream]
        message = stream.get_final_message()
    assert message.content[0].text == whole.content[0].text and message.stop_reason == whole.stop_reason == "max_tokens"
    assert message.usage.output_tokens == whole.usage.output_tokens == 40
    raw = [k for k in kinds if k not in ("text", "content_block_delta")]
    assert raw == ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"]


def test_why_it_stopped(words):
    """Given a stop sequence, the answer ends before it and says which one; without one it ends by itself, or by its length."""
    whole = of(words).messages.create(**{**ASK, "max_tokens": 50}, **SEED).content[0].text
    stop = whole.split(" ")[4]
    cut = of(words).messages.create(**ASK, stop_sequences=["never said", stop], **SEED)
    assert (cut.stop_reason, cut.stop_sequence) == ("stop_sequence", stop) and cut.content[0].text == whole[:whole.index(stop)]
    with of(words).messages.stream(**ASK, stop_sequences=[stop], **SEED) as stream:
        assert (stream.get_final_message().stop_reason, stream.get_final_message().stop_sequence) == ("stop_sequence", stop)
    assert of(words).messages.create(**{**ASK, "max_tokens": 500}, **SEED).stop_reason == "end_turn"


def test_tokens_are_counted(smol):
    """Given messages, their tokens are counted without an answer: as many as an answer to them says it read."""
    said = {"model": "smollm2", "system": "You are brief.", "messages": [{"role": "user", "content": "Name a colour."}]}
    before = sum(a["tokens"] for a in smol.status()["actor_list"])
    counted = of(smol).messages.count_tokens(**said).input_tokens
    assert sum(a["tokens"] for a in smol.status()["actor_list"]) == before
    usage = of(smol).messages.create(**said, max_tokens=1).usage
    assert counted == usage.input_tokens + usage.cache_read_input_tokens > 10


@pytest.mark.parametrize("wrong, error, says", [
    ({"max_tokens": None}, anthropic.BadRequestError, "max_tokens: is missing"),
    ({"messages": []}, anthropic.BadRequestError, "messages: has 0 messages"),
    ({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "x"}}]}]}, anthropic.BadRequestError,
     r"messages\[0\].content\[0\]: images are not supported"),
    ({"thinking": {"type": "some"}}, anthropic.BadRequestError, "thinking: needs"),
    ({"tools": [{"name": "t"}]}, anthropic.BadRequestError, r"tools\[0\]: a tool needs"),
    ({"model": "no-such-model"}, anthropic.NotFoundError, "no-such-model"),
    ({"messages": [{"role": "user", "content": "word " * 9000}]}, anthropic.BadRequestError, "prompt is too long: .* tokens > .* maximum"),
])
def test_errors_have_their_types(words, wrong, error, says):
    """Given a request that cannot be, the client raises what its types promise, and the error names its request."""
    body = {**ASK, **wrong}
    with pytest.raises(error, match=says) as raised:
        of(words).post("/v1/messages", body=body, cast_to=object)
    assert raised.value.body["type"] == "error" and raised.value.request_id


def test_keys_and_models(cluster):
    """Given a head with a key, it is taken as x-api-key and as a bearer's token, a wrong one is an authentication error; models are listed
    in the shape of whoever asks."""
    head = cluster.head("--api-key", "sesame")
    head.key = "sesame"
    cluster.echo_worker(head)
    head.wait_ready(actors=1)
    for options in ({"key": "sesame"}, {"key": None, "auth_token": "sesame"}):
        assert of(head, **options).messages.create(**ASK).content[0].text
    with pytest.raises(anthropic.AuthenticationError) as raised:
        of(head, key="wrong").messages.create(**ASK)
    assert raised.value.body["error"]["type"] == "authentication_error"
    model, = of(head, key="sesame").models.list()
    assert (model.id, model.type, model.lifecycle) == ("echo", "model", "active") and model.created_at.year >= 2024
    assert of(head, key="sesame").models.retrieve("echo").display_name == "echo"
    assert head.get("/v1/models")["object"] == "list"


def events_of(text):
    """Each event as (id, name, data)."""
    found = []
    for event in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in event.split("\n") if not line.startswith(":") and line)
        if "id" in lines:
            found.append((lines["id"], lines["event"], json.loads(lines["data"])))
    return found


def test_every_event_is_a_place_to_resume_from(words):
    """Given a stream that has ended, whoever names any of its events gets all that came after it, to the byte."""
    body = json.dumps({**ASK, "stream": True, "seed": 7, "max_tokens": 6})
    status, _, text = words.request("POST", "/v1/messages", body, {"content-type": "application/json"})
    events = events_of(text)
    assert status == 200 and [e[1] for e in events[-3:]] == ["content_block_stop", "message_delta", "message_stop"]
    assert len({e[0] for e in events}) == len(events)
    for i, event in enumerate(events):
        status, _, rest = words.request("GET", f"/v1/streams/{event[0]}")
        assert status == 200 and events_of(rest) == events[i + 1:], f"after {event}"


def test_waiting_is_told_by_ping(cluster):
    """Given one busy slot, a stream that waits gets ping events, and its answer afterwards."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=100000,context=1048576", "--slots", 1)
    head.wait_ready(actors=1)
    cluster.pace(1000)
    busy = http.client.HTTPConnection("127.0.0.1", head.port, timeout=120)
    busy.request("POST", "/v1/messages", json.dumps({**ASK, "max_tokens": 100000}), {"content-type": "application/json"})
    head.wait_status(running=1)
    waiting = http.client.HTTPConnection("127.0.0.1", head.port, timeout=120)
    waiting.request("POST", "/v1/messages", json.dumps({**ASK, "stream": True, "max_tokens": 3}), {"content-type": "application/json"})
    reply = waiting.getresponse()
    while reply.readline() != b"event: ping\n":
        pass
    assert json.loads(reply.readline().removeprefix(b"data: ")) == {"type": "ping"}
    busy.close()
    cluster.pace(0)
    assert b"event: message_stop" in reply.read()
    waiting.close()


@pytest.mark.parametrize("what", ["worker", "head"])
def test_a_stream_lives_on(cluster, what):
    """Given a stream in its middle, when its worker is killed, or its head is replaced by another one, then the client gets the
    message that it would have got, and sees nothing of it."""
    head = cluster.head()
    workers = {node: cluster.echo_worker(head, "echo:tokens=60", "--node", node) for node in ("ash", "fir")}
    head.wait_ready(actors=2)
    expected = of(head).messages.create(**ASK, **SEED)
    cluster.pace(60)
    with of(head).messages.stream(**ASK, **SEED) as stream:
        for n, _ in enumerate(stream.text_stream):
            if n == 8 and what == "worker":
                next(w for node, w in workers.items() if head.computes(node)).kill()
            elif n == 8:
                cluster.head("--replace", port=head.port)
                assert head.wait() == 0, head.log
        message = stream.get_final_message()
    assert message.content[0].text == expected.content[0].text
    assert (message.stop_reason, message.usage.output_tokens) == (expected.stop_reason, expected.usage.output_tokens)


def test_a_client_that_leaves(cluster):
    """Given a stream whose client closes it, its job ends."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=100000,context=1048576")
    head.wait_ready(actors=1)
    with of(head).messages.stream(**{**ASK, "max_tokens": 100000}) as stream:
        next(stream.text_stream)
    head.wait_idle()
