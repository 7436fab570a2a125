"""Tools and reasoning in OpenAI's responses and Anthropic's messages, with their real clients: blocks in their order, calls that are forced, results
turned in, forms, and streams whose worker or head does not live to see the end of a call."""

import json
import random
import signal

import anthropic
import anthropic.lib.tools
import jsonschema
import openai
import pydantic
import pytest

from cluster import REAL, wait_for
from test_tools import ASK as CHAT, CALLS, CLOCK, QUESTION, SCRIPT, WEATHER, body, random_tools, scripted

FUNCTIONS = [{"type": "function", **t["function"]} for t in (WEATHER, CLOCK)]
TOOLS = [{"name": t["function"]["name"], "input_schema": t["function"]["parameters"]} for t in (WEATHER, CLOCK)]
ASK = {"model": "echo", "input": "What is the weather in Paris?", "tools": [{"type": "web_search"}, *FUNCTIONS]}
SUMMARY = {**ASK, "reasoning": {"summary": "auto"}}
SAY = {"model": "echo", "max_tokens": 1000, "messages": QUESTION, "tools": TOOLS}


def openai_of(head):
    return openai.OpenAI(base_url=f"{head.url}/v1", api_key="none", max_retries=0, timeout=600)


def anthropic_of(head):
    return anthropic.Anthropic(base_url=head.url, api_key="none", max_retries=0, timeout=600)


def what(output):
    """The items of a response, without their names."""
    short = {"message": lambda i: ("message", i.content[0].text), "reasoning": lambda i: ("reasoning", i.content[0].text),
             "function_call": lambda i: ("call", i.name, i.arguments)}
    return [short[i.type](i) for i in output]


ITEMS = [("reasoning", "Paris, so France."), ("message", "Let me look: "), ("call", *CALLS[0]), ("call", *CALLS[1]), ("message", " Both are asked.")]
BLOCKS = [("thinking", "Paris, so France."), ("text", "Let me look: "), ("tool_use", CALLS[0][0], json.loads(CALLS[0][1])),
          ("tool_use", CALLS[1][0], json.loads(CALLS[1][1])), ("text", " Both are asked.")]


def blocks_of(content):
    short = {"text": lambda b: ("text", b.text), "thinking": lambda b: ("thinking", b.thinking), "tool_use": lambda b: ("tool_use", b.name, b.input)}
    return [short[b.type](b) for b in content]


def test_a_response_that_calls(scripted):
    """Given a model that thinks, talks and calls two tools, the response has an item for each, whole or streamed; its stream has the events that
    agents wait for, in OpenAI's order."""
    answer = openai_of(scripted).responses.create(**ASK)
    assert answer.status == "completed" and what(answer.output) == ITEMS and len({i.id for i in answer.output}) == 5
    assert 5 < answer.usage.output_tokens_details.reasoning_tokens < answer.usage.output_tokens / 2
    assert [t.name for t in answer.tools] == ["weather", "clock"]
    events = list(openai_of(scripted).responses.create(**ASK, stream=True))
    assert what(events[-1].response.output) == ITEMS
    numbers = [e.sequence_number for e in events]
    assert numbers == sorted(set(numbers))
    added = [e.item for e in events if e.type == "response.output_item.added"]
    done = [e.item for e in events if e.type == "response.output_item.done"]
    assert [i.id for i in added] == [i.id for i in done] == [i.id for i in events[-1].response.output] and what(done) == ITEMS
    for i, call in ((2, CALLS[0]), (3, CALLS[1])):
        of_it = [e for e in events if getattr(e, "output_index", None) == i]
        assert [e.type for e in of_it][::len(of_it) - 1] == ["response.output_item.added", "response.output_item.done"]
        assert of_it[0].item.arguments == "" and of_it[-2].type == "response.function_call_arguments.done" and of_it[-2].arguments == call[1]
        assert "".join(e.delta for e in of_it if e.type == "response.function_call_arguments.delta") == call[1]


def test_outputs_are_turned_in(scripted):
    """Given the outputs of calls, a conversation continues them, by its items or by the response's name; both are the same prompt."""
    client = openai_of(scripted)
    first = client.responses.create(**ASK)
    outputs = [{"type": "function_call_output", "call_id": i.call_id, "output": "fair"} for i in first.output if i.type == "function_call"]
    named = client.responses.create(**{**ASK, "input": outputs}, previous_response_id=first.id)
    assert named.usage.input_tokens > first.usage.input_tokens + 40
    items = client.responses.input_items.list(named.id, order="asc").data
    assert [i.type for i in items] == ["message", "reasoning", "message", "function_call", "function_call", "function_call_output", "function_call_output"]
    spelt = client.responses.create(**{**ASK, "input": [{"role": "user", "content": ASK["input"]}, *(i.model_dump(exclude_none=True) for i in first.output[:4]), *outputs]})
    assert spelt.output_text == named.output_text
    referred = [{"role": "user", "content": ASK["input"]}, *({"type": "item_reference", "id": i.id} for i in first.output if i.type != "reasoning"), *outputs]
    assert client.responses.create(**{**ASK, "input": referred}).usage.input_tokens == named.usage.input_tokens
    client.responses.delete(first.id)
    with pytest.raises(openai.BadRequestError, match="input: that response is not here"):
        client.responses.create(**{**ASK, "input": referred})


THOUGHT = ["response.output_item.added", "response.reasoning_summary_part.added", "response.reasoning_summary_text.delta",
           "response.reasoning_summary_text.done", "response.reasoning_summary_part.done", "response.output_item.done"]


@pytest.mark.parametrize("reasoning", [{"summary": "auto"}, {"summary": "concise", "effort": "low"}, {"generate_summary": "detailed"}])
def test_a_thought_as_a_summary(scripted, reasoning):
    """Given a client that asks for summaries and reads nothing else, the thought is the summary, whole, streamed in OpenAI's order and stored; its
    events have the numbers that they have without a summary."""
    client = openai_of(scripted)
    answer = client.responses.create(**ASK, reasoning=reasoning)
    thought, text = ITEMS[0][1], lambda item: [part.text for part in item.summary]
    assert text(answer.output[0]) == [thought] and answer.output[0].content is None and answer.output[0].status == "completed"
    assert what(answer.output[1:]) == ITEMS[1:]
    assert {k: v for k, v in answer.reasoning.model_dump().items() if v} == reasoning
    assert client.responses.retrieve(answer.id) == answer
    events = list(client.responses.create(**ASK, reasoning=reasoning, stream=True))
    of_it = [e for e in events if getattr(e, "output_index", None) == 0]
    kinds = [e.type for e in of_it]
    assert sorted(kinds, key=THOUGHT.index) == kinds and set(kinds) == set(THOUGHT)
    assert text(of_it[0].item) == [] and text(of_it[-1].item) == text(events[-1].response.output[0]) == [thought]
    assert {(e.item_id, e.summary_index) for e in of_it[1:-1]} == {(of_it[0].item.id, 0)}
    assert (of_it[1].part.type, of_it[1].part.text, of_it[-2].part.text, of_it[-3].text) == ("summary_text", "", thought, thought)
    assert "".join(e.delta for e in of_it if e.type == THOUGHT[2]) == thought
    plain = client.responses.create(**ASK, stream=True)
    assert [e.sequence_number for e in events] == [e.sequence_number for e in plain]


def test_a_summary_as_the_client_gathers_it(scripted):
    """Given the client's own gathering of a stream, its response has the thought as its summary."""
    with openai_of(scripted).responses.stream(**SUMMARY) as stream:
        for _ in stream:
            pass
        item = stream.get_final_response().output[0]
    assert [part.text for part in item.summary] == [ITEMS[0][1]]


@pytest.mark.parametrize("asked", [ASK, SUMMARY])
def test_thoughts_are_turned_in(scripted, asked):
    """Given a thought, as content or as a summary, a conversation continues it, by its items, by its parts, or by the response's name: all have the
    prompt that has the thought; the list of the input shows it as the response does."""
    client = openai_of(scripted)
    first = client.responses.create(**asked)
    thought, *rest = [i.model_dump(exclude_none=True) for i in first.output[:4]]
    outputs = [{"type": "function_call_output", "call_id": i["call_id"], "output": "fair"} for i in rest if i["type"] == "function_call"]
    say = {"role": "user", "content": ASK["input"]}

    def tokens(*items, **more):
        return client.responses.create(**{**asked, "input": [*items, *outputs]}, **more).usage.input_tokens
    with_it = tokens(say, thought, *rest)
    assert with_it > tokens(say, *rest) + len(ITEMS[0][1]) // 4
    words = [{"type": "reasoning_text", "text": t} for t in ("Paris, ", "so France.")]
    assert tokens(say, {"type": "reasoning", "summary": [], "content": words}, *rest) == with_it
    both = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "x"}], "content": words}
    assert tokens(say, both, *rest) == with_it  # the thought itself, not what is left of it
    for empty in ([], None):
        summed = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Paris, so France."}], "content": empty}
        assert tokens(say, summed, *rest) == with_it
    last = client.responses.create(**{**asked, "input": [say, *(i.model_dump(exclude_none=True) for i in first.output), *outputs]})
    named = client.responses.create(**{**asked, "input": outputs}, previous_response_id=first.id)
    escape = len(r"\\u00ed") - len("í".encode())  # in the arguments, which the response keeps as the model wrote them
    assert last.usage.input_tokens == named.usage.input_tokens - escape > with_it and last.output_text == named.output_text
    items = client.responses.input_items.list(named.id, order="asc").data
    assert [i.type for i in items] == ["message", "reasoning", "message", "function_call", "function_call", "function_call_output", "function_call_output"]
    assert [p.text for p in items[1].content or items[1].summary] == [ITEMS[0][1]] and bool(items[1].summary) == (asked is SUMMARY)


@pytest.mark.parametrize("path, asked, whole, event", [
    ("/v1/chat/completions", CHAT, openai.types.chat.ChatCompletion, openai.types.chat.ChatCompletionChunk),
    ("/v1/chat/completions", {**CHAT, "logprobs": True, "top_logprobs": 2, "max_tokens": 5}, openai.types.chat.ChatCompletion, openai.types.chat.ChatCompletionChunk),
    ("/v1/responses", ASK, openai.types.responses.Response, openai.types.responses.ResponseStreamEvent),
    ("/v1/responses", {**SUMMARY, "max_output_tokens": 5, "metadata": {"a": "b"}}, openai.types.responses.Response, openai.types.responses.ResponseStreamEvent),
    ("/v1/messages", SAY, anthropic.types.Message, anthropic.types.RawMessageStreamEvent)])
def test_answers_have_the_clients_types(scripted, path, asked, whole, event):
    """Given clients that check types, which the SDKs themselves do not, then whole answers and all events are of the types that the SDKs declare, with no
    member missing."""
    status, answer = scripted.post(path, asked)
    assert status == 200 and pydantic.TypeAdapter(whole).validate_python(answer)
    _, _, text = scripted.request("POST", path, json.dumps({**asked, "stream": True}), {"content-type": "application/json"})
    events = [data for _, data in events_of(text) if data["type" if "type" in data else "object"] != "ping"]
    for data in events:
        pydantic.TypeAdapter(event).validate_python(data)
    assert len(events) > 3


def test_documents_are_texts(scripted):
    """Given documents and search results in a message or in a tool's result, and what Anthropic's own tools did before, then the prompt is that of the
    same texts; citations and files are refused by their names."""
    client = anthropic_of(scripted)

    def tokens(*content):
        return client.messages.count_tokens(model="echo", messages=[{"role": "user", "content": [*content, {"type": "text", "text": "And?"}]}]).input_tokens
    plain = tokens(*({"type": "text", "text": t} for t in ("Rays", "of the reef", "Rays glide.")))
    document = {"type": "document", "title": "Rays", "context": "of the reef", "source": {"type": "text", "media_type": "text/plain", "data": "Rays glide."}}
    found = {"type": "search_result", "title": "Rays", "source": "of the reef", "content": [{"type": "text", "text": "Rays glide."}]}
    assert tokens(document) == tokens(found) == plain
    for wrong, param in (({**document, "citations": {"enabled": True}}, "citations"), ({**document, "source": {"type": "file", "file_id": "f"}}, "source")):
        with pytest.raises(anthropic.BadRequestError, match=rf"messages\[0\].content\[0\].{param}: "):
            tokens(wrong)


class Notes(anthropic.lib.tools.BetaAbstractMemoryTool):
    """A memory as the SDK wants it, of one file; it keeps what it was asked."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def view(self, command):
        self.asked.append((command.command, command.path))
        return "rays.txt"

    def create(self, command):
        self.asked.append((command.command, command.path, command.file_text))
        return "done"
    str_replace = insert = delete = rename = view


def test_the_sdks_own_tools_are_called(cluster):
    """Given the SDK's memory tool, which is sent with a type and no schema, and a model that calls it, then the SDK's runner, which asks the server to keep
    the conversation and learns that it does not, has each call in the form that it checks, runs it, and gets the last answer."""
    def call(**arguments):
        return f'<tool_call>{json.dumps({"name": "memory", "arguments": arguments}, separators=(",", ":"))}</tool_call>'
    head = cluster.head()
    turns = call(command="view", path="/memories"), call(command="create", path="/memories/rays.txt", file_text="They glide."), "Noted."
    cluster.echo_worker(head, "echo:script=" + "<next>".join(turns))
    head.wait_ready(actors=1)
    notes = Notes()
    last = anthropic_of(head).beta.messages.tool_runner(model="echo", max_tokens=500, tools=[notes], messages=QUESTION).until_done()
    assert notes.asked == [("view", "/memories"), ("create", "/memories/rays.txt", "They glide.")]
    assert last.content[0].text == "Noted." and last.stop_reason == "end_turn"


@pytest.mark.parametrize("wrong", ["long", 7, {}])
def test_no_such_summary(scripted, wrong):
    """Given a kind of summary that OpenAI does not have, the client is told which there are."""
    with pytest.raises(openai.BadRequestError, match="reasoning.summary: "):
        openai_of(scripted).responses.create(**{**ASK, "reasoning": {"summary": wrong}})


def test_a_message_that_calls(scripted):
    """Given the same model, a message has a block for each, whole or as the client gathers its stream; events of blocks do not interleave."""
    answer = anthropic_of(scripted).messages.create(**SAY)
    assert answer.stop_reason == "tool_use" and blocks_of(answer.content) == BLOCKS
    with anthropic_of(scripted).messages.stream(**SAY) as stream:
        events = [e for e in stream if e.type.startswith("content_block")]
        message = stream.get_final_message()
    assert blocks_of(message.content) == BLOCKS and message.stop_reason == "tool_use"
    indices = [e.index for e in events]
    assert indices == sorted(indices) and {e.index for e in events} == set(range(5))
    for i in range(5):
        kinds = [e.type for e in events if e.index == i]
        assert kinds[0] == "content_block_start" and kinds[-1] == "content_block_stop" and set(kinds[1:-1]) == {"content_block_delta"}
    one = anthropic_of(scripted).messages.create(**SAY, tool_choice={"type": "any", "disable_parallel_tool_use": True})
    assert blocks_of(one.content) == BLOCKS[:3] and one.stop_reason == "tool_use"


def test_results_are_turned_in(scripted):
    """Given results of calls, a conversation continues; its tokens are counted with the tools'."""
    client = anthropic_of(scripted)
    first = client.messages.create(**SAY)
    uses = [b for b in first.content if b.type == "tool_use"]
    said = [*QUESTION, {"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in first.content]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": b.id, "content": "fair"} for b in uses]}]
    again = client.messages.create(**{**SAY, "messages": said})
    counted = client.messages.count_tokens(**{k: v for k, v in SAY.items() if k != "max_tokens"} | {"messages": said}).input_tokens
    assert counted == again.usage.input_tokens + again.usage.cache_read_input_tokens > first.usage.input_tokens + first.usage.cache_read_input_tokens + 20


def events_of(text):
    """Each event as (id, data)."""
    events = [dict(line.split(": ", 1) for line in event.split("\n") if line and not line.startswith(":")) for event in text.split("\n\n")]
    return [(e["id"], json.loads(e["data"])) for e in events if "id" in e]


def numbers_of(events, name):
    """Paths that resume a response by the numbers of its events."""
    return [f"/v1/responses/{name}?stream=true&starting_after={data['sequence_number']}" for _, data in events if "sequence_number" in data]


@pytest.mark.parametrize("path, asked", [("/v1/responses", ASK), ("/v1/responses", SUMMARY), ("/v1/messages", SAY)])
def test_every_event_is_a_place_to_resume_from(scripted, path, asked):
    """Given a stream that has ended, whoever names any of its events gets all that came after it."""
    status, _, text = scripted.request("POST", path, json.dumps({**asked, "stream": True}), {"content-type": "application/json"})
    events = events_of(text)
    assert status == 200 and len({e[0] for e in events}) == len(events) > 60
    paths = [[f"/v1/streams/{event_id}" for event_id, _ in events]]
    if path == "/v1/responses":
        paths.append(numbers_of(events, events[0][1]["response"]["id"]))
    for by in paths:
        for i, place in enumerate(by):
            status, _, rest = scripted.request("GET", place)
            assert status == 200 and events_of(rest) == events[i + 1:], place


@pytest.mark.parametrize("lost", ["worker", "head", "killed head"])
@pytest.mark.parametrize("path, asked", [("/v1/responses", ASK), ("/v1/responses", SUMMARY), ("/v1/messages", SAY)])
@pytest.mark.parametrize("at", [12, 60, 90])
def test_a_call_lives_on(cluster, path, asked, lost, at):
    """Given a stream in its middle, thinking or within a call; when its worker is killed, its head is replaced, or killed and started again and the
    client comes back with its last event; then all its events are those that it would have got."""
    head = cluster.head()
    workers = {node: cluster.echo_worker(head, SCRIPT, "--node", node) for node in ("ash", "fir")}
    head.wait_ready(actors=2)
    cluster.pace(25)
    conn = head.begin(path, {**asked, "stream": True})
    reply, event, events, struck = conn.getresponse(), [], [], False
    try:
        for line in reply:
            event.append(line.decode())
            if line != b"\n":
                continue
            events += events_of("".join(event))
            event = []
            if len(events) < at or struck:
                continue
            struck = True
            if lost == "worker":
                next(w for node, w in workers.items() if head.computes(node)).kill()
            elif lost == "head":
                cluster.head("--replace", port=head.port)
                assert head.wait() == 0, head.log
            else:
                head.send(signal.SIGKILL)
            cluster.pace(0)
    except (ConnectionError, OSError):
        assert lost == "killed head"
    finally:
        conn.close()
    if lost == "killed head":
        cluster.head(port=head.port).wait_ready(actors=2)
        events += events_of(head.request("GET", f"/v1/streams/{events[-1][0]}")[2])
    name = events[0][0].rsplit("-", 1)[0].rstrip("w")
    whole = events_of(head.request("GET", f"/v1/streams/{name}")[2])  # whoever listens there now
    assert events == whole and len(whole) > at


# ---- the real model ----

@pytest.mark.model
def test_forced_calls(smol):
    """Given random tools that must be called, and a model that knows none; then both dialects have one call whose arguments validate."""
    for i in range(3):
        schemas, fields = body(i)
        tools = [t["function"] for t in fields["tools"]]
        answer = openai_of(smol).responses.create(model="smollm2", input="What is the weather?", tool_choice="required", parallel_tool_calls=False, temperature=1,
                                                  max_output_tokens=400, tools=[{"type": "function", **t} for t in tools], extra_body={"seed": i})
        assert [item.type for item in answer.output] == ["function_call"] and answer.status == "completed", answer
        jsonschema.validate(json.loads(answer.output[0].arguments), schemas[answer.output[0].name])
        message = anthropic_of(smol).messages.create(model="smollm2", messages=QUESTION, max_tokens=400, extra_body={"seed": i},
                                                     tool_choice={"type": "any", "disable_parallel_tool_use": True},
                                                     tools=[{"name": t["name"], "input_schema": t["parameters"]} for t in tools])
        assert [b.type for b in message.content] == ["tool_use"] and message.stop_reason == "tool_use", message
        jsonschema.validate(message.content[0].input, schemas[message.content[0].name])
        named = random.Random(i).choice(list(random_tools(random.Random(i))))
        certain = anthropic_of(smol).messages.create(model="smollm2", messages=QUESTION, max_tokens=400, extra_body={"seed": i},
                                                     tool_choice={"type": "tool", "name": named},
                                                     tools=[{"name": t["name"], "input_schema": t["parameters"]} for t in tools])
        assert certain.content[0].name == named


@pytest.mark.model
def test_forms(smol):
    """Given text.format or output_config.format, the answer is JSON of that schema; a schema that is none is a 400 with the field's name."""
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1, "maximum": 9}}, "required": ["n"], "additionalProperties": False}
    answer = openai_of(smol).responses.create(model="smollm2", input="A number?", max_output_tokens=60, temperature=1,
                                              text={"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": True}})
    jsonschema.validate(json.loads(answer.output_text), schema)
    message = anthropic_of(smol).messages.create(model="smollm2", messages=QUESTION, max_tokens=60,
                                                 extra_body={"output_config": {"format": {"type": "json_schema", "schema": schema}}})
    jsonschema.validate(json.loads(message.content[0].text), schema)
    with pytest.raises(openai.BadRequestError) as e:
        openai_of(smol).responses.create(model="smollm2", input="x", text={"format": {"type": "json_schema", "name": "n", "schema": {"type": "elephant"}}})
    assert e.value.param == "text.format"


@pytest.mark.model
def test_a_message_is_continued(smol):
    """Given a conversation that ends with the assistant, the answer continues from there."""
    begun = [*QUESTION, {"role": "assistant", "content": "The weather in Paris is"}]
    message = anthropic_of(smol).messages.create(model="smollm2", messages=begun, max_tokens=8, extra_body={"temperature": 0})
    assert message.content[0].text.startswith(" ")


@pytest.mark.model
def test_a_forced_call_survives_its_worker(cluster):
    """Given a message that must call, on exact workers; when its worker is killed within the arguments; then they are the undisturbed ones."""
    head = cluster.head()
    flags = (*REAL, "--exact")
    workers = {name: cluster.worker(head, *flags, "--node", name) for name in ("oak", "elm")}
    head.wait_ready(actors=2)
    say = {**SAY, "model": "smollm2", "tool_choice": {"type": "tool", "name": "weather"}, "extra_body": {"seed": 4}}
    expected = anthropic_of(head).messages.create(**say)
    with anthropic_of(head).messages.stream(**say) as stream:
        for n, event in enumerate(e for e in stream if e.type == "content_block_delta"):
            busy = next((name for name in workers if head.computes(name)), None) if n == 3 else None
            if busy is not None:
                workers.pop(busy).kill()
        message = stream.get_final_message()
    assert blocks_of(message.content) == blocks_of(expected.content) and message.stop_reason == "tool_use"
    wait_for("one worker", lambda: len(head.ready_actors()) == 1)
