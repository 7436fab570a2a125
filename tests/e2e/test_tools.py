"""Tools and reasoning in chats, with the real openai client: what a model calls, what it must call, and calls whose worker or head does not
live to see their end. Where SmolLM2 is too weak to call by itself a grammar forces it, or the echo engine has a script."""

import json
import os
import random
import signal

import jsonschema
import openai
import pytest

from cluster import Cluster, REAL, wait_for

KILLS = int(os.environ.get("MANTA_TEST_KILLS", 3))
SETS = int(os.environ.get("MANTA_TEST_SETS", 6))  # 100 for a long run

WEATHER = {"type": "function", "function": {"name": "weather", "description": "The weather of a city", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "maxLength": 16}, "unit": {"enum": ["C", "F"]}}, "required": ["city", "unit"],
    "additionalProperties": False}}}
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {
    "type": "object", "properties": {"zone": {"enum": ["UTC", "CET"]}}, "required": ["zone"], "additionalProperties": False}}}
QUESTION = [{"role": "user", "content": "What is the weather in Paris?"}]
SCRIPT = ('echo:script=<think>Paris, so France.</think>Let me look: <tool_call>{"name":"weather","arguments":{"city":"Par\\u00eds {\\"a\\"}","unit":"C"}}'
          '</tool_call><tool_call>{"name":"clock","arguments":{"zone":"CET"}}</tool_call> Both are asked.')
CALLS = [("weather", '{"city":"Par\\u00eds {\\"a\\"}","unit":"C"}'), ("clock", '{"zone":"CET"}')]
ASK = {"model": "echo", "messages": QUESTION, "tools": [WEATHER, CLOCK]}


def of(head):
    return openai.OpenAI(base_url=f"{head.url}/v1", api_key="none", max_retries=0, timeout=600)


def calls_of(message):
    return [(c.function.name, c.function.arguments) for c in message.tool_calls or []]


def gather(chunks):
    """The message of a stream, put together as clients do."""
    message, finish = {"content": "", "reasoning": "", "calls": [], "ids": []}, None
    for chunk in chunks:
        for choice in chunk.choices:
            delta, finish = choice.delta, choice.finish_reason or finish
            message["content"] += delta.content or ""
            message["reasoning"] += getattr(delta, "reasoning_content", None) or ""
            for call in delta.tool_calls or []:
                if call.id:
                    assert call.index == len(message["calls"]) and call.type == "function" and call.function.arguments == ""
                    message["calls"].append([call.function.name, ""])
                    message["ids"].append(call.id)
                else:
                    message["calls"][call.index][1] += call.function.arguments
    message["calls"] = [tuple(c) for c in message["calls"]]
    return message, finish


@pytest.fixture(scope="module")
def scripted(tmp_path_factory):
    """One head with two workers whose script thinks, talks, calls two tools and talks again. test_tools_dialects.py uses it, too."""
    with Cluster(tmp_path_factory.mktemp("scripted"), "scripted") as c:
        head = c.head()
        for node in ("ash", "fir"):
            c.echo_worker(head, SCRIPT, "--node", node)
        head.wait_ready(actors=2)
        yield head


def test_an_answer_that_calls(scripted):
    """Given a model that thinks, talks and calls two tools, the message has each in its place, whole or streamed."""
    answer = of(scripted).chat.completions.create(**ASK)
    message = answer.choices[0].message
    assert answer.choices[0].finish_reason == "tool_calls"
    assert (message.content, message.reasoning_content) == ("Let me look:  Both are asked.", "Paris, so France.")
    assert calls_of(message) == CALLS
    assert 5 < answer.usage.completion_tokens_details.reasoning_tokens < answer.usage.completion_tokens / 2
    assert len({c.id for c in message.tool_calls}) == 2 and all(len(c.id) == 9 and c.id.isalnum() for c in message.tool_calls)
    streamed, finish = gather(of(scripted).chat.completions.create(**ASK, stream=True))
    assert finish == "tool_calls" and streamed["calls"] == CALLS and len(set(streamed["ids"])) == 2
    assert (streamed["content"], streamed["reasoning"]) == (message.content, message.reasoning_content)


def test_calls_as_the_client_gathers_them(scripted):
    """Given the client's own gathering of a stream, its calls are those that come whole; n answers have calls of their own."""
    with of(scripted).chat.completions.stream(**ASK) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    assert calls_of(final.choices[0].message) == CALLS
    answers = of(scripted).chat.completions.create(**ASK, n=3)
    assert [calls_of(c.message) for c in answers.choices] == [CALLS] * 3
    assert len({call.id for c in answers.choices for call in c.message.tool_calls}) == 6


def test_one_call_at_most(scripted):
    """Given parallel_tool_calls false, or a named function, the answer ends with its first call."""
    for more in ({"parallel_tool_calls": False}, {"tool_choice": {"type": "function", "function": {"name": "weather"}}}):
        answer = of(scripted).chat.completions.create(**ASK, **more)
        assert (answer.choices[0].finish_reason, calls_of(answer.choices[0].message)) == ("tool_calls", CALLS[:1]), more
    plain = of(scripted).chat.completions.create(**ASK, tool_choice="none").choices[0]
    assert plain.message.tool_calls is None and plain.finish_reason == "stop"


def test_what_is_cut_off_says_so(scripted):
    """Given max_tokens in the middle of a call, the answer does not look like one that has called."""
    whole = of(scripted).chat.completions.create(**ASK)
    answer = of(scripted).chat.completions.create(**ASK, max_tokens=whole.usage.completion_tokens // 2)
    assert answer.choices[0].finish_reason == "length"
    assert calls_of(answer.choices[0].message)[0][0] == "weather" and not calls_of(answer.choices[0].message)[0][1].endswith("}")


def test_results_are_turned_in(scripted):
    """Given results of calls, the conversation continues them; the prompt has them."""
    client = of(scripted)
    first = client.chat.completions.create(**ASK)
    said = [*QUESTION, first.choices[0].message.model_dump(exclude_none=True),
            *({"role": "tool", "tool_call_id": c.id, "content": "fair"} for c in first.choices[0].message.tool_calls)]
    again = client.chat.completions.create(**{**ASK, "messages": said})
    assert again.usage.prompt_tokens > first.usage.prompt_tokens + 20
    for wrong, param in [([*QUESTION, said[-1]], "messages[1].tool_call_id"), (said[:2], "messages")]:
        with pytest.raises(openai.BadRequestError) as e:
            client.chat.completions.create(**{**ASK, "messages": wrong})
        assert e.value.param == param


def events_of(text):
    """Each event as (id, data)."""
    events = [dict(line.split(": ", 1) for line in event.split("\n") if line and not line.startswith(":")) for event in text.split("\n\n")]
    return [(e["id"], json.loads(e["data"])) for e in events if "id" in e]


def test_every_event_is_a_place_to_resume_from(scripted):
    """Given a stream that has ended, whoever names any of its events gets all that came after it."""
    status, _, text = scripted.request("POST", "/v1/chat/completions", json.dumps({**ASK, "stream": True}), {"content-type": "application/json"})
    events = events_of(text)
    assert status == 200 and len({e[0] for e in events}) == len(events)
    for i, (event_id, _) in enumerate(events):
        status, _, rest = scripted.request("GET", f"/v1/streams/{event_id}")
        assert status == 200 and events_of(rest) == events[i + 1:], event_id


@pytest.mark.parametrize("what", ["worker", "head", "killed head"])
@pytest.mark.parametrize("at", [8, 45, 60, 100])
def test_a_call_lives_on(cluster, what, at):
    """Given a stream in its middle, thinking, or within the arguments of a call; when its worker is killed, its head is replaced, or killed
    and started again; then the client has the same message as without."""
    head = cluster.head()
    script = SCRIPT + " That is all." * 40  # it is not over before a reader who comes late has read so far
    workers = {node: cluster.echo_worker(head, script, "--node", node) for node in ("ash", "fir")}
    head.wait_ready(actors=2)
    expected = gather(of(head).chat.completions.create(**ASK, stream=True))
    cluster.pace(30)
    stream, chunks = of(head).chat.completions.create(**ASK, stream=True), []
    try:
        for chunk in stream:
            chunks.append(chunk)
            if len(chunks) != at:
                continue
            if what == "worker":
                next(w for node, w in workers.items() if head.computes(node)).kill()
            elif what == "head":
                cluster.head("--replace", port=head.port)
                assert head.wait() == 0, head.log
            else:
                head.send(signal.SIGKILL)
            cluster.pace(0)
    except openai.APIConnectionError:
        assert what == "killed head"
    if what == "killed head":
        cluster.pace(0)
        again = cluster.head(port=head.port)
        again.wait_ready(actors=2)
        _, _, rest = again.request("GET", f"/v1/streams/{chunks[0].id}")  # all of it: the client kept no event's id
        chunks = [openai.types.chat.ChatCompletionChunk.model_validate(data) for _, data in events_of(rest)]
    message, finish = gather(chunks)
    assert {**message, "ids": 0} == {**expected[0], "ids": 0} and finish == "tool_calls" and len(message["ids"]) == 2


# ---- the real model ----

def random_tools(r):
    """Tools whose every call ends, and their schemas by name."""
    def value(depth):
        kinds = [{"type": "string", "maxLength": r.randint(1, 8)}, {"enum": r.sample(["a", "b c", 'd"e', 7], 2)}, {"type": "integer", "minimum": 0, "maximum": 99},
                 {"type": "boolean"}, {"type": "array", "items": {"enum": ["x", "y"]}, "minItems": 1, "maxItems": 3}]
        if depth == 0:
            kinds.append(thing(1))
        return r.choice(kinds)

    def thing(depth):
        names = r.sample(["city", "to", "n", "tags", "größe", "a b"], r.randint(1, 3))
        return {"type": "object", "properties": {n: value(depth) for n in names}, "required": names, "additionalProperties": False}
    names = r.sample(["weather", "send_mail", "clock", "get", "get_all", "mcp__x-1"], r.randint(1, 4))
    return {n: thing(0) for n in names}


def body(i, **more):
    schemas = random_tools(random.Random(i))
    tools = [{"type": "function", "function": {"name": n, "parameters": s}} for n, s in schemas.items()]
    return schemas, {"model": "smollm2", "messages": QUESTION, "tools": tools, "tool_choice": "required", "parallel_tool_calls": False, "temperature": 1,
                     "seed": i, "max_tokens": 400, **more}


def validate(message, finish, schemas, i):
    assert finish == "tool_calls" and len(message["calls"]) == 1 and not message["content"], (i, finish, message)
    name, arguments = message["calls"][0]
    value = json.loads(arguments)
    jsonschema.validate(value, schemas[name], jsonschema.Draft202012Validator)
    assert arguments == json.dumps(value, separators=(",", ":"), ensure_ascii=False), (i, arguments)


@pytest.mark.model
def test_a_call_is_forced_whatever_the_model(client):
    """Given random tools and seeds at temperature 1, and a model that knows no tools; when one must be called, or a certain one; then each
    answer is a call whose arguments validate, as compact JSON, whole or streamed."""
    for i in range(SETS):
        schemas, fields = body(i)
        whole = client.chat.completions.create(**fields).choices[0]
        streamed, finish = gather(client.chat.completions.create(**fields, stream=True))
        assert calls_of(whole.message) == streamed["calls"] and whole.message.content is None
        validate(streamed, finish, schemas, i)
        named = random.Random(i).choice(list(schemas))
        certain, finish = gather(client.chat.completions.create(**{**fields, "tool_choice": {"type": "function", "function": {"name": named}}}, stream=True))
        validate(certain, finish, schemas, i)
        assert certain["calls"][0][0] == named


@pytest.mark.model
def test_several_calls_are_forced(client):
    """Given parallel_tool_calls, the model may call as often as it likes; each call that is whole validates."""
    answer = client.chat.completions.create(model="smollm2", messages=QUESTION, tools=[CLOCK], tool_choice="required", parallel_tool_calls=True, max_tokens=120,
                                            temperature=1, seed=3)
    calls = calls_of(answer.choices[0].message)
    assert len(calls) > 1 and answer.choices[0].finish_reason in ("tool_calls", "length")
    assert all(name == "clock" and json.loads(arguments)["zone"] in ("UTC", "CET") for name, arguments in calls[:-1])


@pytest.mark.model
def test_a_conversation_with_tools(client):
    """Given results turned in, and tools that the model need not call, it answers in words; the prompt tells it of both."""
    first = client.chat.completions.create(model="smollm2", messages=QUESTION, tools=[WEATHER], temperature=0, max_tokens=100,
                                           tool_choice={"type": "function", "function": {"name": "weather"}})
    call = first.choices[0].message.tool_calls[0]
    said = [*QUESTION, {"role": "assistant", "tool_calls": [call.model_dump()]}, {"role": "tool", "tool_call_id": call.id, "content": "Rain, 9 degrees."}]
    answer = client.chat.completions.create(model="smollm2", messages=said, tools=[WEATHER], temperature=0, max_tokens=40)
    without = client.chat.completions.create(model="smollm2", messages=said, temperature=0, max_tokens=40)
    assert answer.choices[0].message.content and answer.choices[0].message.tool_calls is None
    assert answer.usage.prompt_tokens > without.usage.prompt_tokens + 50


@pytest.mark.model
def test_a_forced_call_survives_its_worker(cluster):
    """Given streams of forced calls on exact workers; when the worker of each is killed at a random token; then the call is the undisturbed one."""
    head = cluster.head()
    flags = (*REAL, "--exact")
    workers = {name: cluster.worker(head, *flags, "--node", name) for name in ("oak", "elm")}
    head.wait_ready(actors=2)
    for i in range(1000, 1000 + KILLS):
        schemas, fields = body(i, stream=True)
        expected = list(of(head).chat.completions.create(**fields))
        at, chunks = random.Random(i).randrange(1, len(expected) - 1), []
        for chunk in of(head).chat.completions.create(**fields):
            chunks.append(chunk)
            busy = next((name for name in workers if head.computes(name)), None) if len(chunks) == at else None
            if busy is not None:
                workers.pop(busy).kill()
                workers[f"{busy}'"] = cluster.worker(head, *flags, "--node", f"{busy}'")
        message, finish = gather(chunks)
        validate(message, finish, schemas, i)
        assert message["calls"] == gather(expected)[0]["calls"], (i, at)
        wait_for("two workers", lambda: len(head.ready_actors()) == 2)


@pytest.mark.model
@pytest.mark.parametrize("parameters, why", [
    ({"type": "object", "properties": {"a": {"type": "thing"}}}, r"tools\[0\].function.parameters.properties.a.type: is no type"),
    ({"type": "object", "properties": {"a": {"type": "number", "multipleOf": 2}}}, "tools: cannot be used: 'f' is strict"),
    ({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string", "maxLength": 1999}, "minItems": 1999999}}}, "tools: cannot be used"),
])
def test_tools_that_cannot_be_kept_to(client, parameters, why):
    """Given a schema that is none, or that a strict tool cannot be held to, or that explodes; then the client gets a BadRequestError that names it."""
    with pytest.raises(openai.BadRequestError, match=why) as e:
        client.chat.completions.create(model="smollm2", messages=QUESTION, max_tokens=5,
                                       tools=[{"type": "function", "function": {"name": "f", "strict": True, "parameters": parameters}}])
    assert e.value.param.startswith("tools")


@pytest.mark.model
def test_a_chat_that_ends_with_the_assistant_is_continued(client):
    """Given a chat whose last message is the assistant's, the answer continues from it; its prompt has no turn of its own for the answer."""
    begun = [*QUESTION, {"role": "assistant", "content": "The weather in Paris is"}]
    answer = client.chat.completions.create(model="smollm2", messages=begun, temperature=0, max_tokens=12)
    fresh = client.chat.completions.create(model="smollm2", messages=begun, temperature=0, max_tokens=12, extra_body={"continue_final_message": False})
    assert answer.choices[0].message.content.startswith(" ") and answer.usage.prompt_tokens < fresh.usage.prompt_tokens
