"""anthropic."""

import anthropic

from checks import ASK, CITY, KEY, KEYED, LAST, LONG, MODEL, PLAIN, SAY, SCRIPTED, URL, WEATHER, WHO, check, main, person, raises
from checks import CLOCK, PERSON

NAME = f"anthropic-python {anthropic.__version__}"
client = anthropic.Anthropic(base_url=URL, api_key="none", max_retries=0, timeout=120)
SHORT = {"model": MODEL, "max_tokens": 12, "messages": SAY, "extra_body": {"temperature": 0}}
TOOLS = [{"name": "weather", "description": "The weather of a city", "input_schema": CITY}, {"name": "clock", "input_schema": CLOCK["function"]["parameters"]}]
CALLED = {"model": SCRIPTED, "max_tokens": 200, "messages": ASK, "tools": TOOLS[:1]}
FORCED = {"model": MODEL, "max_tokens": 150, "messages": ASK, "tools": TOOLS}
ask = client.messages.create


def that(name, function):
    check(NAME, name)(function)


def streamed(**fields):
    with client.messages.stream(**fields) as stream:
        kinds = [e.type for e in stream]
        return kinds, stream.get_final_message()


def use_of(message):
    return next(b for b in message.content if b.type == "tool_use")


def turned_in():
    first = ask(**CALLED)
    done = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use_of(first).id, "content": "rain"}]}
    return ask(**{**CALLED, "messages": [*ASK, {"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in first.content]}, done]}).content[0].text == LAST


def order():
    kinds, message = streamed(**SHORT)
    raw = [k for k in kinds if k != "text"]
    return raw[0] == "message_start" and raw[1] == "content_block_start" and raw[-3:] == ["content_block_stop", "message_delta", "message_stop"] and message.content[0].text


def refused(kind=anthropic.BadRequestError, via=client, **fields):
    e = raises(kind, lambda: via.messages.create(**{**SHORT, **fields}))
    return e.body["type"] == "error" and e.request_id and e.body["error"]["message"]


that("models: list", lambda: MODEL in [m.id for m in client.models.list()])
that("models: retrieve", lambda: client.models.retrieve(MODEL).type == "model")
that("messages: an answer", lambda: ask(**SHORT).content[0].text)
that("messages: why it stopped", lambda: ask(**SHORT).stop_reason == "max_tokens")
that("messages: usage", lambda: ask(**SHORT).usage.output_tokens == 12)
that("messages: cached tokens", lambda: [ask(**SHORT), ask(**SHORT)][1].usage.cache_read_input_tokens > 0)
that("messages: a system prompt of blocks", lambda: ask(system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}], **SHORT).content[0].text)
that("messages: stop sequences", lambda: (lambda m: m.stop_reason == "stop_sequence" and m.stop_sequence)(ask(**{**SHORT, "max_tokens": 200, "stop_sequences": [" ", "i"]})))
that("messages: it continues the assistant", lambda: ask(**{**SHORT, "messages": [*SAY, {"role": "assistant", "content": "Hi, I"}]}).content[0].text)
that("messages: metadata, service_tier", lambda: ask(metadata={"user_id": "u"}, service_tier="auto", **SHORT).content[0].text)
that("messages: beta", lambda: client.beta.messages.create(betas=["x-2026-01-01"], **SHORT).content[0].text)
that("stream: the order of events", order)
that("stream: the text of the whole", lambda: streamed(**SHORT)[1].content[0].text == ask(**SHORT).content[0].text)
that("tokens are counted", lambda: client.messages.count_tokens(model=MODEL, messages=SAY).input_tokens > 3)
that("thinking: a block of its own", lambda: ask(model="thinking", max_tokens=200, messages=SAY).content[0].thinking == "Paris, so France.")
that("thinking: enabled, with a budget", lambda: ask(model=MODEL, max_tokens=1100, messages=SAY, thinking={"type": "enabled", "budget_tokens": 1024}).content)
that("tools: a call", lambda: use_of(ask(**CALLED)).input == {"city": "Paris"} and ask(**CALLED).stop_reason == "tool_use")
that("tools: a call, streamed", lambda: use_of(streamed(**CALLED)[1]).input == {"city": "Paris"})
that("tools: its result", turned_in)
that("tools: any", lambda: use_of(ask(tool_choice={"type": "any"}, **FORCED)).name in ("weather", "clock"))
that("tools: a certain one", lambda: set(use_of(ask(tool_choice={"type": "tool", "name": "weather"}, **FORCED)).input) == {"city"})
that("JSON by a schema", lambda: person(ask(model=MODEL, max_tokens=200, messages=WHO, output_config={"format": {"type": "json_schema", "schema": PERSON}}).content[0].text))
that("errors: a model that is not there", lambda: refused(anthropic.NotFoundError, model="none"))
that("errors: a wrong key", lambda: refused(anthropic.AuthenticationError, via=anthropic.Anthropic(base_url=KEYED, api_key="wrong", max_retries=0)))
that("errors: a prompt that is too long", lambda: "prompt is too long" in refused(messages=LONG))
that("errors: the right key", lambda: anthropic.Anthropic(base_url=KEYED, api_key=KEY).messages.create(**{**SHORT, "model": PLAIN}).content[0].text)

main()
