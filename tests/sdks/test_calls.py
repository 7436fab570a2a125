"""Calls of tools by frameworks: two in one answer, run and turned in; streamed in pieces; whole though their worker dies within them. tests/sdks/run sets them up."""

import json

import pytest

from test_sdks import Cluster, of
from test_troubles import one_by_one

QUESTION = "What is the weather in Paris, and how late is it?"
LAST = "It rains in Paris at noon."
SCRIPT = ('echo:context=8192,script=<think>Paris, so France.</think>Let me look. <tool_call>{"name":"weather","arguments":{"city":"Paris"}}</tool_call>'
          f'<tool_call>{{"name":"clock","arguments":{{"zone":"Central European Time"}}}}</tool_call><next>{LAST}')
CALLS = [("weather", {"city": "Paris"}), ("clock", {"zone": "Central European Time"})]
ARGUMENTS = sum(len(json.dumps(a, separators=(",", ":"))) for _, a in CALLS)


def weather(city: str) -> str:
    """The weather of a city."""
    return "rain"


def clock(zone: str) -> str:
    """The time of a zone."""
    return "noon"


TOOLS = [weather, clock]
RESULTS = {"weather": "rain", "clock": "noon"}
SAY = [{"role": "user", "content": QUESTION}]


# ---- a framework: told(head) gives its calls and its last words; pieces(head) gives the arguments as they come, and then its calls ----

def langchain(head, way="chat"):
    if way == "ollama":
        from langchain_ollama import ChatOllama
        return ChatOllama(base_url=head.url, model="echo", seed=1)
    if way == "anthropic":
        from langchain_anthropic import ChatAnthropic
        return ChatAnthropic(base_url=head.url, api_key="none", model="echo", max_retries=0, max_tokens=500)
    from langchain_openai import ChatOpenAI
    return ChatOpenAI(model="echo", use_responses_api=way == "responses", **of(head))


def langchain_told(head, way):
    from langchain_core.messages import HumanMessage, ToolMessage
    from langchain_core.tools import tool
    model = langchain(head, way).bind_tools([tool(f) for f in TOOLS])
    first = model.invoke([HumanMessage(QUESTION)])
    results = [ToolMessage(RESULTS[c["name"]], tool_call_id=c["id"], name=c["name"]) for c in first.tool_calls]
    return [(c["name"], c["args"]) for c in first.tool_calls], model.invoke([HumanMessage(QUESTION), first, *results]).text


def langchain_pieces(head, way):
    from langchain_core.tools import tool
    whole = None
    for chunk in langchain(head, way).bind_tools([tool(f) for f in TOOLS]).stream(QUESTION):
        whole = chunk if whole is None else whole + chunk
        yield from (c["args"] for c in chunk.tool_call_chunks if c["args"])
    yield [(c["name"], c["args"]) for c in whole.tool_calls]


def pydantic_ai_model(head, way, model="echo"):
    import openai
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider
    kind = OpenAIResponsesModel if way == "responses" else OpenAIChatModel
    return kind(model, provider=OpenAIProvider(openai_client=openai.AsyncOpenAI(**of(head))))


def pydantic_ai(head, way):
    from pydantic_ai import Agent
    return Agent(pydantic_ai_model(head, way), tools=TOOLS)


def pydantic_ai_told(head, way):
    run = pydantic_ai(head, way).run_sync(QUESTION)
    calls = [p for m in run.all_messages() for p in m.parts if p.part_kind == "tool-call"]
    return [(c.tool_name, c.args_as_dict()) for c in calls], run.output


async def pydantic_ai_pieces(head, way):
    from pydantic_ai import FunctionToolCallEvent, PartDeltaEvent, ToolCallPartDelta
    calls = []
    async with pydantic_ai(head, way).run_stream_events(QUESTION) as events:
        async for event in events:
            if isinstance(event, PartDeltaEvent) and isinstance(event.delta, ToolCallPartDelta) and event.delta.args_delta:
                yield event.delta.args_delta
            if isinstance(event, FunctionToolCallEvent):
                calls.append((event.part.tool_name, event.part.args_as_dict()))
    yield calls


def openai_agent(head, way, model="echo", **settings):
    import agents
    import openai
    kind = agents.OpenAIResponsesModel if way == "responses" else agents.OpenAIChatCompletionsModel
    return agents.Agent(name="forecast", model=kind(model=model, openai_client=openai.AsyncOpenAI(**of(head))), tools=[agents.function_tool(f) for f in TOOLS],
                        model_settings=agents.ModelSettings(**settings))


def calls_of_items(items):
    return [(i.raw_item.name, json.loads(i.raw_item.arguments)) for i in items if i.type == "tool_call_item"]


def openai_agents_told(head, way):
    import agents
    run = agents.Runner.run_sync(openai_agent(head, way), QUESTION)
    return calls_of_items(run.new_items), run.final_output


async def openai_agents_pieces(head, way):
    import agents
    run = agents.Runner.run_streamed(openai_agent(head, way), QUESTION)
    async for event in run.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.function_call_arguments.delta":
            yield event.data.delta
    yield calls_of_items(run.new_items)


def litellm_ask(head, provider, messages=SAY, **more):
    import litellm
    tools = [{"type": "function", "function": {"name": f.__name__, "description": f.__doc__, "parameters": {
        "type": "object", "properties": {name: {"type": "string"}}, "required": [name]}}} for f, name in ((weather, "city"), (clock, "zone"))]
    base = head.url + ("/v1" if provider in ("openai", "hosted_vllm") else "")
    return litellm.completion(model=f"{provider}/echo", api_base=base, api_key="none", messages=messages, tools=tools, max_retries=0, num_retries=0,
                              max_tokens=500, **more)


def calls_of_message(message):
    return [(c.function.name, json.loads(c.function.arguments)) for c in message.tool_calls]


def litellm_told(head, provider):
    first = litellm_ask(head, provider).choices[0].message
    results = [{"role": "tool", "tool_call_id": c.id, "content": RESULTS[c.function.name]} for c in first.tool_calls]
    return calls_of_message(first), litellm_ask(head, provider, [*SAY, first.model_dump(exclude_none=True), *results]).choices[0].message.content


def litellm_pieces(head, provider):
    import litellm
    chunks = []
    for chunk in litellm_ask(head, provider, stream=True):
        chunks.append(chunk)
        yield from (c.function.arguments for c in chunk.choices[0].delta.tool_calls or [] if c.function.arguments)
    yield calls_of_message(litellm.stream_chunk_builder(chunks).choices[0].message)


def llama_index(head, way, model="echo"):
    from llama_index.llms.openai_like import OpenAILike, OpenAILikeResponses
    asked = {"model": model, "api_base": f"{head.url}/v1", "api_key": "none", "max_retries": 0, "timeout": 300, "context_window": 1024,
             "is_function_calling_model": True, "temperature": 0}
    return OpenAILike(**asked, is_chat_model=True, max_tokens=300) if way == "chat" else OpenAILikeResponses(**asked, max_output_tokens=300)


def llama_index_ask(**more):
    from llama_index.core.tools import FunctionTool
    return {"tools": [FunctionTool.from_defaults(f) for f in TOOLS], "user_msg": QUESTION, **more}


def calls_of_index(model, response):
    return [(c.tool_name, c.tool_kwargs) for c in model.get_tool_calls_from_response(response)]


def llama_index_told(head, way):
    from llama_index.core.llms import ChatMessage
    model, ask = llama_index(head, way), llama_index_ask(allow_parallel_tool_calls=True)
    first = model.chat_with_tools(**ask)
    results = [ChatMessage(role="tool", content=RESULTS[c.tool_name], additional_kwargs={"tool_call_id": c.tool_id}) for c in model.get_tool_calls_from_response(first)]
    last = model.chat([ChatMessage(role="user", content=QUESTION), first.message, *results])
    return calls_of_index(model, first), last.message.content


def llama_index_pieces(head, way):
    """It gives its message so far: a piece is how much longer its calls are. By responses it gives a call when that is whole."""
    model, last, said = llama_index(head, way), None, 0
    for last in model.stream_chat_with_tools(**llama_index_ask(allow_parallel_tool_calls=True)):
        so_far = sum(len(b.tool_kwargs) for b in last.message.blocks if b.block_type == "tool_call" and isinstance(b.tool_kwargs, str))
        if so_far > said:
            yield "." * (so_far - said)
            said = so_far
    yield calls_of_index(model, last)


WAYS = {
    "langchain": (langchain_told, langchain_pieces, ["chat", "responses", "anthropic", "ollama"]),
    "pydantic-ai": (pydantic_ai_told, pydantic_ai_pieces, ["chat", "responses"]),
    "openai-agents": (openai_agents_told, openai_agents_pieces, ["chat", "responses"]),
    "litellm": (litellm_told, litellm_pieces, ["openai", "hosted_vllm", "anthropic", "ollama_chat"]),
    "llama-index": (llama_index_told, llama_index_pieces, ["chat", "responses"]),
}
EACH = [(framework, way) for framework, (_, _, ways) in WAYS.items() for way in ways]
WHOLE = [("langchain", "ollama"), ("llama-index", "responses")]  # these give a call when it is whole
STREAMED = [each for each in EACH if each != ("litellm", "ollama_chat")]  # it merges calls that come one after the other, whatever their index in Ollama's shape


@pytest.mark.parametrize("framework, way", EACH)
def test_two_calls_in_one_answer(both, framework, way):
    """Given a model that calls two tools at once, the framework has both with their arguments, and with both results the last answer."""
    assert WAYS[framework][0](both, way) == (CALLS, LAST)


@pytest.mark.parametrize("framework, way", STREAMED)
def test_two_calls_are_streamed(both, framework, way):
    """Given the same as a stream, the arguments come in pieces, and are those that come whole."""
    *pieces, calls = one_by_one(WAYS[framework][1](both, way))
    assert calls == CALLS
    assert (framework, way) in WHOLE or len(pieces) > ARGUMENTS / 3, pieces


@pytest.mark.parametrize("framework, way", [each for each in STREAMED if each not in WHOLE])
def test_two_calls_live_on(tmp_path, framework, way):
    """Given a stream within its second call, when its worker is killed, the framework has both calls as they would have been."""
    with Cluster(tmp_path) as c:
        head = c.head()
        workers = {node: c.echo_worker(head, SCRIPT, "--node", node) for node in ("ash", "fir")}
        head.wait_ready(actors=2)
        c.pace(20)
        so_far, struck = 0, False
        for piece in one_by_one(WAYS[framework][1](head, way)):
            so_far += len(piece) if isinstance(piece, str) else 0
            if not struck and so_far > ARGUMENTS / 2:
                struck = True
                next(w for node, w in workers.items() if head.computes(node)).kill()
                c.pace(0)
        assert struck and piece == CALLS
        head.wait_event("job_resumed")
