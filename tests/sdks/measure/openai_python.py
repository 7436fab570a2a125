"""openai, of whichever version is there."""

import asyncio
import base64
import json
import struct

import openai
import pydantic

from checks import (ASK, CLOCK, EMBED, GAP, KEYED, LAST, LONG, MODEL, PERSON, PLAIN, SAY, SCRIPTED, URL, V1, WEATHER, WHO, KEY, an_object, check, main, person, raises)

NAME = f"openai-python {openai.__version__}"
client = openai.OpenAI(base_url=V1, api_key="none", max_retries=0, timeout=120)
COLD = {"model": MODEL, "temperature": 0, "max_tokens": 12}
FORM = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}
FUNCTION = {"type": "function", **WEATHER["function"]}
chat, text, respond = client.chat.completions.create, client.completions.create, client.responses.create


class Person(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=12)
    age: int = pydantic.Field(ge=0, le=150)


def that(name, function):
    check(NAME, name)(function)


def said(answer, i=0):
    return answer.choices[i].message.content


def joined(chunks):
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


# ---- models, chats ----
that("models: list", lambda: {MODEL, EMBED} <= {m.id for m in client.models.list()})
that("models: retrieve", lambda: client.models.retrieve(MODEL).id == MODEL)
that("models: one that is not there", lambda: raises(openai.NotFoundError, lambda: client.models.retrieve("none")))
that("chat: an answer", lambda: said(chat(messages=SAY, **COLD)))
that("chat: usage", lambda: (lambda u: u.prompt_tokens > 0 and u.completion_tokens == 12 and u.total_tokens == u.prompt_tokens + 12)(chat(messages=SAY, **COLD).usage))
that("chat: it says that it was cut", lambda: chat(messages=SAY, **COLD).choices[0].finish_reason == "length")
that("chat: max_completion_tokens", lambda: chat(model=MODEL, messages=SAY, max_completion_tokens=5).usage.completion_tokens == 5)
that("chat: stop", lambda: "," not in said(chat(messages=[{"role": "user", "content": "Count: one, two, three"}], stop=",", **{**COLD, "max_tokens": 60})))
that("chat: seed", lambda: said(chat(model=MODEL, messages=SAY, seed=7, temperature=1, max_tokens=12)) == said(chat(model=MODEL, messages=SAY, seed=7, temperature=1, max_tokens=12)))
that("chat: n", lambda: len(chat(model=MODEL, messages=SAY, n=3, max_tokens=4).choices) == 3)
that("chat: system and developer", lambda: said(chat(messages=[{"role": "developer", "content": "Be brief."}, *SAY], **COLD)))
that("chat: parts of content", lambda: said(chat(messages=[{"role": "user", "content": [{"type": "text", "text": "Say hi."}]}], **COLD)) == said(chat(messages=SAY, **COLD)))
that("chat: logit_bias", lambda: said(chat(messages=SAY, logit_bias={"42": 100}, **COLD)) != said(chat(messages=SAY, **COLD)))
that("chat: user, metadata, service_tier", lambda: said(chat(messages=SAY, user="u", metadata={"a": "b"}, service_tier="auto", **COLD)))
that("chat: it continues the assistant", lambda: said(chat(messages=[*SAY, {"role": "assistant", "content": "Hi, I am"}], **COLD)))
that("chat: logprobs", lambda: len(chat(messages=SAY, logprobs=True, **COLD).choices[0].logprobs.content) == 12)
that("chat: top_logprobs", lambda: len(chat(messages=SAY, logprobs=True, top_logprobs=3, **COLD).choices[0].logprobs.content[0].top_logprobs) == 3)
that("chat: cached tokens are told", lambda: [chat(messages=SAY, **COLD), chat(messages=SAY, **COLD)][1].usage.prompt_tokens_details.cached_tokens > 0)
that("chat: reasoning apart", lambda: chat(model="thinking", messages=SAY).choices[0].message.reasoning_content == "Paris, so France.")
that("chat: reasoning tokens", lambda: chat(model="thinking", messages=SAY).usage.completion_tokens_details.reasoning_tokens > 5)
that("chat: reasoning_effort is taken", lambda: said(chat(messages=SAY, reasoning_effort="low", **COLD)))

# ---- streams ----
that("stream: the text of the whole", lambda: joined(chat(messages=SAY, stream=True, **COLD)) == said(chat(messages=SAY, **COLD)))
that("stream: the role first, without text", lambda: (lambda d: d.role == "assistant" and not d.content)(next(iter(chat(messages=SAY, stream=True, **COLD))).choices[0].delta))
that("stream: it ends with a reason", lambda: list(chat(messages=SAY, stream=True, **COLD))[-1].choices[0].finish_reason == "length")
that("stream: usage", lambda: list(chat(messages=SAY, stream=True, stream_options={"include_usage": True}, **COLD))[-1].usage.completion_tokens == 12)
that("stream: one id", lambda: len({c.id for c in chat(messages=SAY, stream=True, **COLD)}) == 1)
that("stream: several answers", lambda: {c.choices[0].index for c in chat(model=PLAIN, messages=SAY, stream=True, n=2)} == {0, 1})
that("stream: logprobs", lambda: sum(len(c.choices[0].logprobs.content) for c in chat(messages=SAY, stream=True, logprobs=True, **COLD) if c.choices[0].logprobs) == 12)


def stream_helper():
    with client.chat.completions.stream(model=PLAIN, messages=SAY) as stream:
        kinds = {e.type for e in stream}
        return "content.delta" in kinds and said(stream.get_final_completion())


def closed_early():
    stream = chat(model=PLAIN, messages=SAY, stream=True)
    next(iter(stream))
    stream.close()
    return said(chat(model=PLAIN, messages=SAY))


that("stream: the client's own helper", stream_helper)
that("stream: closed by the client", closed_early)


async def aside():
    async with openai.AsyncOpenAI(base_url=V1, api_key="none", max_retries=0) as c:
        return [joined([p async for p in await c.chat.completions.create(messages=SAY, stream=True, **COLD)]),
                *[said(a) for a in await asyncio.gather(*(c.chat.completions.create(messages=SAY, **COLD) for _ in range(4)))]]

that("async: streams, and several at once", lambda: len(set(asyncio.run(aside()))) == 1)
that("cancel: the client's time-out", lambda: raises(openai.APITimeoutError, lambda: client.with_options(timeout=0.05).chat.completions.create(model=MODEL, messages=SAY, max_tokens=800)))
that("headers: x-request-id", lambda: chat(messages=SAY, **COLD)._request_id)
that("headers: raw answers", lambda: client.chat.completions.with_raw_response.create(messages=SAY, **COLD).headers["content-type"].startswith("application/json"))


# ---- vectors ----
def vector(**fields):
    return client.embeddings.create(**{"model": EMBED, "input": "a cat", **fields})


that("embeddings: a text", lambda: len(vector().data[0].embedding) == 384)
that("embeddings: several texts", lambda: [d.index for d in vector(input=["a cat", "a dog", "a cat"]).data] == [0, 1, 2])
that("embeddings: as base64", lambda: len(struct.unpack("<384f", base64.b64decode(vector(encoding_format="base64").data[0].embedding))) == 384)
that("embeddings: as numbers", lambda: abs(sum(x * x for x in vector(encoding_format="float").data[0].embedding) - 1) < 1e-3)
that("embeddings: dimensions", lambda: len(vector(dimensions=64).data[0].embedding) == 64)
that("embeddings: token ids", lambda: len(vector(input=[[2003, 1037], [4937]]).data) == 2)
that("embeddings: usage", lambda: vector().usage.prompt_tokens > 0)
that("embeddings: an empty text", lambda: raises(openai.BadRequestError, lambda: vector(input="")))

# ---- what is refused ----
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
AUDIO = {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}
for name, part in (("images", IMAGE), ("sounds", AUDIO)):
    that(f"refused: {name}", lambda part=part: "not supported" in str(raises(openai.BadRequestError, lambda: chat(model=MODEL, messages=[{"role": "user", "content": [part]}]))))


def refused(kind=openai.BadRequestError, param=None, code=None, via=client, **fields):
    e = raises(kind, lambda: via.chat.completions.create(**{"model": MODEL, "messages": SAY, "max_tokens": 4, **fields}))
    assert (param is None or e.param == param) and (code is None or e.code == code), (e.param, e.code)
    return e


that("errors: a wrong type", lambda: refused(param="temperature", temperature="hot"))
that("errors: out of range", lambda: refused(param="top_p", top_p=7))
that("errors: no messages", lambda: refused(param="messages", messages=[]))
that("errors: a wrong role", lambda: refused(messages=[{"role": "nobody", "content": "x"}]))
that("errors: a model that is not there", lambda: refused(openai.NotFoundError, code="model_not_found", model="none"))
that("errors: a wrong key", lambda: refused(openai.AuthenticationError, code="invalid_api_key", via=openai.OpenAI(base_url=KEYED + "/v1", api_key="wrong", max_retries=0)))
that("errors: the right key", lambda: said(openai.OpenAI(base_url=KEYED + "/v1", api_key=KEY).chat.completions.create(model=PLAIN, messages=SAY)))
that("errors: a prompt that is too long", lambda: "maximum context length" in str(refused(code="context_length_exceeded", messages=LONG)))
that("errors: no such path", lambda: raises(openai.NotFoundError, lambda: client.post("/nothing", body={}, cast_to=object)))
that("errors: a schema that is none", lambda: refused(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nothing"}}}))
that("errors: a tool that is none", lambda: refused(tools=[{"type": "function", "function": {}}]))
that("errors: too many answers", lambda: refused(param="n", n=200))
that("errors: their body", lambda: {"message", "type", "param", "code"} <= set(refused(top_p=7).body))

# ---- tools ----
TOOLS = {"model": SCRIPTED, "messages": ASK, "tools": [WEATHER]}
FORCED = {"model": MODEL, "messages": ASK, "tools": [WEATHER, CLOCK], "max_tokens": 120, "temperature": 1, "seed": 3}


def calls(answer):
    return [(c.function.name, json.loads(c.function.arguments)) for c in answer.choices[0].message.tool_calls or []]


def streamed_calls():
    found = {}
    for chunk in chat(stream=True, **TOOLS):
        for d in chunk.choices[0].delta.tool_calls or []:
            call = found.setdefault(d.index, {"id": "", "name": "", "arguments": ""})
            call["id"] += d.id or ""
            call["name"] += d.function.name or ""
            call["arguments"] += d.function.arguments or ""
    return [(c["name"], json.loads(c["arguments"]), bool(c["id"])) for c in found.values()] == [("weather", {"city": "Paris"}, True)]


def turned_in():
    first = chat(**TOOLS).choices[0].message
    done = {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "rain"}
    return said(chat(**{**TOOLS, "messages": [*ASK, first, done]})) == LAST


that("tools: a call", lambda: calls(chat(**TOOLS)) == [("weather", {"city": "Paris"})] and chat(**TOOLS).choices[0].finish_reason == "tool_calls")
that("tools: a call, streamed", streamed_calls)
that("tools: its result", turned_in)
that("tools: required", lambda: calls(chat(tool_choice="required", **FORCED))[0][0] in ("weather", "clock"))
that("tools: a named one", lambda: set(calls(chat(tool_choice={"type": "function", "function": {"name": "weather"}}, **FORCED))[0][1]) == {"city"})
that("tools: none", lambda: not calls(chat(tool_choice="none", **{**FORCED, "max_tokens": 20})))
that("tools: several in one answer", lambda: len(calls(chat(model="both", messages=ASK, tools=[WEATHER, CLOCK]))) == 2)
that("tools: not several", lambda: len(calls(chat(model="both", messages=ASK, tools=[WEATHER, CLOCK], parallel_tool_calls=False))) == 1)
that("tools: strict, parsed by the client", lambda: client.chat.completions.parse(model=MODEL, messages=WHO, max_tokens=120, tools=[openai.pydantic_function_tool(Person)],
                                                                                  tool_choice="required").choices[0].message.tool_calls[0].function.parsed_arguments.age >= 0)

# ---- forms ----
FORMED = {"model": MODEL, "messages": WHO, "max_tokens": 200, "temperature": 0}


def parsed_stream():
    with client.chat.completions.stream(response_format=Person, **FORMED) as stream:
        return isinstance(stream.get_final_completion().choices[0].message.parsed, Person)


that("JSON: any object", lambda: (lambda c: an_object(c.message.content, c.finish_reason == "length"))(
    chat(model=MODEL, messages=[{"role": "user", "content": "{}"}], max_tokens=200, temperature=0, response_format={"type": "json_object"}).choices[0]))
that("JSON: by a schema", lambda: person(said(chat(response_format=FORM, **FORMED))))
that("JSON: by a schema, streamed", lambda: person(joined(chat(response_format=FORM, stream=True, **FORMED))))
that("JSON: parsed by the client", lambda: isinstance(client.chat.completions.parse(response_format=Person, **FORMED).choices[0].message.parsed, Person))
that("JSON: parsed by the client, streamed", parsed_stream)
that("JSON: a grammar beside it", lambda: said(chat(extra_body={"grammar": 'root ::= "yes" | "no"'}, **FORMED)) in ("yes", "no"))

# ---- completions ----
LINE = {"model": MODEL, "prompt": "The sea is", "max_tokens": 6, "temperature": 0}
that("completions: a text", lambda: text(**LINE).choices[0].text)
that("completions: streamed", lambda: "".join(c.choices[0].text for c in text(stream=True, **LINE)) == text(**LINE).choices[0].text)
that("completions: several prompts", lambda: [c.text for c in text(**{**LINE, "prompt": ["The sea is", "One and"]}).choices][0] == text(**LINE).choices[0].text)
that("completions: token ids", lambda: text(**{**LINE, "prompt": [504, 4062, 314]}).choices[0].text)
that("completions: echo", lambda: text(echo=True, **LINE).choices[0].text.startswith("The sea is"))
that("completions: logprobs", lambda: len(text(logprobs=2, **LINE).choices[0].logprobs.tokens) == 6)
that("completions: a text that is scored", lambda: text(**{**LINE, "max_tokens": 0}, echo=True, logprobs=0).choices[0].logprobs.token_logprobs[0] is None)
that("completions: the best of several", lambda: len(text(best_of=3, **{**LINE, "temperature": 1}).choices) == 1)
that("completions: suffix", lambda: text(suffix=" blue.", **{**LINE, "model": GAP}).choices[0].text)

# ---- responses ----
ITEM = {"model": MODEL, "input": "Say hi.", "max_output_tokens": 12, "temperature": 0}
CALLED = {"model": SCRIPTED, "input": ASK[0]["content"], "tools": [FUNCTION]}


def in_turn():
    first = respond(**CALLED)
    call = next(i for i in first.output if i.type == "function_call")
    done = [{"type": "function_call_output", "call_id": call.call_id, "output": "rain"}]
    return json.loads(call.arguments) == {"city": "Paris"} and respond(**{**CALLED, "input": done}, previous_response_id=first.id).output_text == LAST


def numbered():
    events = list(respond(stream=True, **ITEM))
    numbers = [e.sequence_number for e in events]
    return numbers == sorted(set(numbers)) and events[0].type == "response.created" and events[-1].type == "response.incomplete"


def kept():
    made = respond(**ITEM)
    same = client.responses.retrieve(made.id).output_text == made.output_text
    items = client.responses.input_items.list(made.id).data
    client.responses.delete(made.id)
    return same and len(items) == 1 and raises(openai.NotFoundError, lambda: client.responses.retrieve(made.id))


def resumed():
    events = list(respond(stream=True, **ITEM))
    rest = list(client.responses.retrieve(events[0].response.id, stream=True, starting_after=events[4].sequence_number))
    return [e.sequence_number for e in rest] == [e.sequence_number for e in events[5:]]


that("responses: an answer", lambda: respond(**ITEM).output_text)
that("responses: events with numbers", numbered)
that("responses: a call and its output", in_turn)
that("responses: tools of OpenAI's own are left out", lambda: respond(**{**ITEM, "tools": [{"type": "web_search"}]}).output_text)
that("responses: JSON by a schema", lambda: isinstance(client.responses.parse(model=MODEL, input="Ada is 36. Who is she?", text_format=Person, max_output_tokens=200).output_parsed, Person))
that("responses: kept, listed, deleted", kept)
that("responses: resumed behind an event", resumed)
that("responses: instructions, reasoning, store", lambda: respond(instructions="Be brief.", reasoning={"effort": "low"}, store=False, **ITEM).output_text)
that("responses: an error", lambda: raises(openai.NotFoundError, lambda: respond(**{**ITEM, "model": "none"})))

main()
