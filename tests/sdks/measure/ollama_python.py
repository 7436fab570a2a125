"""ollama."""

import asyncio
import importlib.metadata

import ollama

from checks import ASK, EMBED, KEY, KEYED, LAST, MODEL, PERSON, PLAIN, SAY, SCRIPTED, URL, WEATHER, WHO, an_object, check, main, person, raises

NAME = f"ollama-python {importlib.metadata.version('ollama')}"
client = ollama.Client(host=URL, timeout=120)
COLD = {"temperature": 0, "num_predict": 12}


def that(name, function):
    check(NAME, name)(function)


def said(**fields):
    return client.chat(MODEL, SAY, options=COLD, **fields).message.content


def calls(message):
    return [(c.function.name, dict(c.function.arguments)) for c in message.tool_calls or []]


def turned_in():
    first = client.chat(SCRIPTED, ASK, tools=[WEATHER]).message
    return client.chat(SCRIPTED, [*ASK, first, {"role": "tool", "tool_name": "weather", "content": "rain"}], tools=[WEATHER]).message.content == LAST


def function_as_tool():
    def weather(city: str) -> str:
        """The weather.

        Args:
            city: where
        """
    return calls(client.chat(SCRIPTED, ASK, tools=[weather]).message) == [("weather", {"city": "Paris"})]


async def aside():
    return "".join([p.message.content async for p in await ollama.AsyncClient(host=URL).chat(MODEL, SAY, stream=True, options=COLD)])


def status(call):
    return raises(ollama.ResponseError, call).status_code


that("list", lambda: f"{MODEL}:latest" in [m.model for m in client.list().models])
that("ps", lambda: client.ps().models[0].context_length > 0)
that("show", lambda: (lambda s: "completion" in s.capabilities and s.modelinfo)(client.show(MODEL)))
that("chat", lambda: said())
that("chat: counts and durations", lambda: (lambda a: a.eval_count == 12 and a.prompt_eval_count > 0 and a.total_duration > a.eval_duration > 0)(client.chat(MODEL, SAY, options=COLD)))
that("chat: done_reason", lambda: client.chat(MODEL, SAY, options=COLD).done_reason == "length")
that("chat: streamed", lambda: "".join(p.message.content for p in client.chat(MODEL, SAY, stream=True, options=COLD)) == said())
that("chat: async", lambda: asyncio.run(aside()) == said())
that("chat: seed", lambda: len({client.chat(MODEL, SAY, options={"seed": 5, "temperature": 1, "num_predict": 9}).message.content for _ in range(2)}) == 1)
that("chat: stop", lambda: "i" not in client.chat(MODEL, SAY, options={**COLD, "stop": ["i"]}).message.content)
that("chat: keep_alive, num_ctx", lambda: said(keep_alive="5m"))
that("chat: thinking", lambda: client.chat("thinking", SAY, think=True).message.thinking == "Paris, so France.")
that("chat: logprobs", lambda: len(client.chat(MODEL, SAY, options=COLD, logprobs=True).logprobs) == 12)
that("tools: a call", lambda: calls(client.chat(SCRIPTED, ASK, tools=[WEATHER]).message) == [("weather", {"city": "Paris"})])
that("tools: a call, streamed", lambda: [c for p in client.chat(SCRIPTED, ASK, tools=[WEATHER], stream=True) for c in calls(p.message)] == [("weather", {"city": "Paris"})])
that("tools: a Python function", function_as_tool)
that("tools: its result", turned_in)
that("format: json", lambda: (lambda a: an_object(a.message.content, a.done_reason == "length"))(
    client.chat(MODEL, [{"role": "user", "content": "{}"}], format="json", options={**COLD, "num_predict": 200})))
that("format: a schema", lambda: person(client.chat(MODEL, WHO, format=PERSON, options={**COLD, "num_predict": 200}).message.content))
that("generate", lambda: client.generate(MODEL, "Say hi.", options=COLD).response == said())
that("generate: raw, streamed", lambda: "".join(p.response for p in client.generate(MODEL, "The sea is", raw=True, stream=True, options=COLD)))
that("embed", lambda: [len(v) for v in client.embed(EMBED, ["a", "b"]).embeddings] == [384, 384] and len(client.embeddings(EMBED, "a").embedding) == 384)
that("errors", lambda: status(lambda: client.chat("none", SAY)) == 404 and status(lambda: list(client.generate(MODEL, "x", options={"top_p": 7}, stream=True))) == 400)
that("a key", lambda: ollama.Client(host=KEYED, headers={"Authorization": f"Bearer {KEY}"}).chat(PLAIN, SAY).message.content and
     status(lambda: ollama.Client(host=KEYED).chat(PLAIN, SAY)) == 401)

main()
