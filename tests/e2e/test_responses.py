"""OpenAI's /v1/responses with the real openai client: answers, streams with numbered events, kept responses, and streams that live on when a
worker or the head does not."""

import json
import signal

import openai
import pytest

from cluster import SANITIZED, wait_for

ASK = {"model": "echo", "input": "tell me of rays", "max_output_tokens": 40}
SEED = {"extra_body": {"seed": 5}}  # not OpenAI's here: equal seeds, equal answers
TEXT = ["response.output_item.added", "response.content_part.added", "response.output_text.delta", "response.output_text.done",
        "response.content_part.done", "response.output_item.done"]


def of(head, key="none"):
    return openai.OpenAI(base_url=f"{head.url}/v1", api_key=key, max_retries=0, timeout=120)


def test_an_answer(smol):
    """Given instructions and items of all the kinds that agents send, the answer is a response with its usage."""
    answer = of(smol).responses.create(
        model="smollm2", instructions="You are brief.", max_output_tokens=8, temperature=0, metadata={"a": "b"}, parallel_tool_calls=True,
        include=["reasoning.encrypted_content"], tools=[{"type": "web_search"}], prompt_cache_key="k", service_tier="auto",
        input=[{"role": "developer", "content": "Answer in English."},
               {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Name a colour."}]},
               {"type": "reasoning", "id": "rs_1", "summary": []},
               {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
                "content": [{"type": "output_text", "text": "Red.", "annotations": []}]},
               {"role": "user", "content": "Another one."}])
    assert answer.object == "response" and answer.id.startswith("resp_") and answer.model == "smollm2"
    assert answer.status in ("completed", "incomplete") and answer.output_text and answer.error is None
    assert answer.output[0].type == "message" and answer.output[0].role == "assistant"
    assert answer.usage.input_tokens > 30 and answer.usage.output_tokens <= 8
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    assert (answer.instructions, answer.metadata, answer.max_output_tokens, answer.temperature) == ("You are brief.", {"a": "b"}, 8, 0)


def test_input_comes_in_pages(words):
    """Given a long conversation, the client reads its items page by page, in either order, and each of them once."""
    client, said = of(words), [{"role": "user", "content": f"line {i}"} for i in range(45)]
    answer = client.responses.create(**{**ASK, "input": said})
    items = client.responses.input_items
    assert [i.content[0].text for i in items.list(answer.id, order="asc", limit=7)] == [s["content"] for s in said]
    assert [i.content[0].text for i in items.list(answer.id)] == [s["content"] for s in reversed(said)]
    page = items.list(answer.id, order="asc", limit=2)
    assert len(page.data) == 2 and page.has_more and page.last_id == page.data[1].id
    second = items.list(answer.id, order="asc", limit=100, after=page.last_id)
    assert len(second.data) == 43 and not second.has_more
    for wrong in ({"limit": 0}, {"limit": 101}, {"after": "msg_none"}):
        with pytest.raises(openai.BadRequestError, match=next(iter(wrong))):
            items.list(answer.id, **wrong)


def test_a_stream_is_the_answer_in_pieces(words):
    """Given the client's own gathering of a stream, its response is the one that comes whole; its events come in OpenAI's order and their
    numbers rise."""
    whole = of(words).responses.create(**ASK, **SEED)
    assert whole.status == "incomplete" and whole.incomplete_details.reason == "max_output_tokens"
    with of(words).responses.stream(**ASK, **SEED) as stream:
        events = list(stream)
    kinds = [e.type for e in events]
    assert kinds[:2] == ["response.created", "response.in_progress"] and kinds[-1] == "response.incomplete"
    assert sorted(set(kinds[2:-1]), key=TEXT.index) == TEXT
    numbers = [e.sequence_number for e in events]
    assert numbers[0] == 0 and numbers == sorted(set(numbers))
    last = events[-1].response
    assert last.output[0].content[0].text == whole.output_text and last.usage == whole.usage
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == whole.output_text


def test_a_conversation_is_gone_on_from(words):
    """Given a stored response, a later one continues it: its prompt holds what was said; what is not stored, or was deleted, cannot be continued."""
    client = of(words)
    first = client.responses.create(**ASK, instructions="only now", **SEED)
    again = client.responses.create(**{**ASK, "input": "and then?"}, previous_response_id=first.id, **SEED)
    spelt = client.responses.create(**{**ASK, "input": [
        {"role": "user", "content": ASK["input"]}, {"role": "assistant", "content": first.output_text}, {"role": "user", "content": "and then?"}]}, **SEED)
    assert again.previous_response_id == first.id and again.usage.input_tokens == spelt.usage.input_tokens
    assert again.output_text == spelt.output_text
    assert client.responses.retrieve(first.id) == first
    items = client.responses.input_items.list(again.id, order="asc").data
    assert [(i.role, i.content[0].text) for i in items] == [("user", ASK["input"]), ("assistant", first.output_text), ("user", "and then?")]
    client.responses.delete(first.id)
    for gone in (first.id, client.responses.create(**ASK, store=False).id):
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(gone)
        with pytest.raises(openai.BadRequestError, match="previous_response_id: that response is not here"):
            client.responses.create(**ASK, previous_response_id=gone)
    assert client.responses.retrieve(again.id).id == again.id


@pytest.mark.parametrize("wrong, says", [
    ({"input": None}, "input: is missing"),
    ({"text": {"format": {"type": "json_object"}}}, "text.format: the echo engine cannot enforce a form"),
    ({"tools": [{"type": "function", "parameters": {}}]}, r"tools\[0\].name: is missing"),
    ({"tool_choice": "required"}, "tool_choice: there are no tools to call"),
    ({"background": True}, "background: is not supported"),
    ({"truncation": "auto"}, "truncation: is not supported"),
    ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, r"input\[0\].content\[0\]: parts of type 'input_image'"),
    ({"previous_response_id": "abc"}, "previous_response_id: expected the id of a response"),
])
def test_errors(words, wrong, says):
    """Given a request that cannot be, the client raises what its types promise."""
    with pytest.raises(openai.BadRequestError, match=says):
        of(words).post("/responses", body={**ASK, **wrong}, cast_to=object)


def events_of(text):
    """Each event as (id, data)."""
    found = []
    for event in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in event.split("\n") if not line.startswith(":") and line)
        if "id" in lines:
            found.append((lines["id"], json.loads(lines["data"])))
    return found


def test_every_event_is_a_place_to_resume_from(words):
    """Given a stream that has ended, whoever names any of its events, by its id or its sequence number, gets all that came after it."""
    body = json.dumps({**ASK, "stream": True, "seed": 7, "max_output_tokens": 6})
    status, _, text = words.request("POST", "/v1/responses", body, {"content-type": "application/json"})
    events = events_of(text)
    assert status == 200 and events[-1][1]["type"] == "response.incomplete" and len({e[0] for e in events}) == len(events)
    name = events[0][1]["response"]["id"]
    for i, (event_id, data) in enumerate(events):
        for path in (f"/v1/streams/{event_id}", f"/v1/responses/{name}?stream=true&starting_after={data['sequence_number']}"):
            status, _, rest = words.request("GET", path)
            assert status == 200 and events_of(rest) == events[i + 1:], f"{path} after {data}"
    assert events_of(words.request("GET", f"/v1/responses/{name}?stream=true")[2]) == events


def test_cancel(cluster):
    """Given a stream in its middle, whoever cancels its response is told that, its job ends, and its client hears so."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=100000,context=1048576")
    head.wait_ready(actors=1)
    cluster.pace(10)
    events = iter(of(head).responses.create(**{**ASK, "max_output_tokens": 100000}, stream=True))
    name = next(events).response.id
    assert next(e for e in events if e.type == "response.output_text.delta").delta
    assert of(head).responses.retrieve(name).status == "in_progress"
    assert of(head).responses.cancel(name).status == "cancelled"
    last = list(events)[-1]
    assert (last.type, last.response.status) == ("response.incomplete", "cancelled")
    head.wait_idle()


@pytest.mark.parametrize("what", ["worker", "head", "killed head"])
def test_a_stream_lives_on(cluster, what):
    """Given a stream in its middle, when its worker is killed, its head is replaced, or its head is killed and started again and the client
    comes back with the number of its last event, then all its events are those that it would have got."""
    head = cluster.head()
    workers = {node: cluster.echo_worker(head, "echo:tokens=60", "--node", node) for node in ("ash", "fir")}
    head.wait_ready(actors=2)
    expected = of(head).responses.create(**ASK, **SEED)
    cluster.pace(60)
    stream = of(head).responses.create(**ASK, **SEED, stream=True)
    events = []
    try:
        for event in stream:
            events.append(event)
            if len(events) == 10 and what == "worker":
                next(w for node, w in workers.items() if head.computes(node)).kill()
            elif len(events) == 10 and what == "head":
                cluster.head("--replace", port=head.port)
                assert head.wait() == 0, head.log
            elif len(events) == 10:
                head.send(signal.SIGKILL)
    except openai.APIConnectionError:
        assert what == "killed head"
    if what == "killed head":
        cluster.pace(0)
        again = cluster.head(port=head.port)
        again.wait_ready(actors=2)
        events += of(again).responses.retrieve(events[0].response.id, stream=True, starting_after=events[-1].sequence_number)
    assert events[-1].type == "response.incomplete" and events[-1].response.output[0].content[0].text == expected.output_text
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == expected.output_text
    numbers = [e.sequence_number for e in events]
    assert numbers == sorted(set(numbers)) and events[-1].response.usage.output_tokens == 40


def test_waiting_is_told_by_events(cluster):
    """Given one busy slot, a stream that waits begins all the same, and is told `response.in_progress` again and again."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=100000,context=1048576", "--slots", 1)
    head.wait_ready(actors=1)
    cluster.pace(1000)
    busy = of(head).responses.create(**{**ASK, "max_output_tokens": 100000}, stream=True)
    next(iter(busy))
    head.wait_status(running=1)
    waiting = iter(of(head).responses.create(**{**ASK, "max_output_tokens": 3}, stream=True))
    first = [next(waiting).type for _ in range(4)]
    assert first == ["response.created"] + ["response.in_progress"] * 3
    busy.close()
    cluster.pace(0)
    assert list(waiting)[-1].type == "response.incomplete"


def test_many_stored_responses_give_way_at_once(cluster):
    """Given hundreds of small stored responses, and no worker; when requests of 4 MB come that wait, and all those responses give way to them;
    then no turn of the head's loop takes more than 50 ms of processor time for it."""
    head = cluster.head()
    worker = cluster.echo_worker(head, "echo:tokens=1")
    head.wait_ready(actors=1)
    first = None
    for i in range(480):
        status, answer = head.post("/v1/responses", {"input": str(i), "max_output_tokens": 1})
        assert status == 200
        first = first or answer["id"]
    worker.kill()
    waiting = []
    for i in range(18):
        waiting.append(head.begin("/v1/responses", {"input": "x" * 4100000, "max_output_tokens": 1}))
        wait_for("it, in the queue or refused", lambda: head.get("/manta/requests")["requests"] > i or i > 14)
    wait_for("the first to give way", lambda: head.request("GET", f"/v1/responses/{first}")[0] == 404)
    assert SANITIZED or "\nmanta_loop_turns_long_total 0\n" in head.request("GET", "/metrics")[2]
