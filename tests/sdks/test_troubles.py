"""What each client does when something is wrong: an error is an exception of its own, a full queue is tried again, a stream that is broken off ends its
job, and a stream whose worker dies is whole. tests/sdks/run sets them up."""

import asyncio
import contextlib
import queue
import threading

import pytest

from test_sdks import Cluster, of

SAYS = "Tell of rays."
ASKED = [{"role": "user", "content": SAYS}]


# ---- a way to ask: a whole answer, and the pieces of a stream ----

def openai_client(head, **more):
    import openai
    return openai.OpenAI(**of(head, **more))


def openai_whole(head, model, **more):
    return openai_client(head, **more).chat.completions.create(model=model, messages=ASKED, seed=1).choices[0].message.content


def openai_pieces(head):
    with openai_client(head).chat.completions.create(model="echo", messages=ASKED, seed=1, stream=True) as stream:
        for chunk in stream:
            yield chunk.choices[0].delta.content or ""


def anthropic_client(head, **more):
    import anthropic
    return anthropic.Anthropic(**{**of(head, **more), "base_url": head.url})


def anthropic_whole(head, model, **more):
    return anthropic_client(head, **more).messages.create(model=model, max_tokens=200, messages=ASKED, extra_body={"seed": 1}).content[0].text


def anthropic_pieces(head):
    with anthropic_client(head).messages.stream(model="echo", max_tokens=200, messages=ASKED, extra_body={"seed": 1}) as stream:
        yield from stream.text_stream


def langchain(head, model="echo", **more):
    from langchain_openai import ChatOpenAI
    return ChatOpenAI(model=model, seed=1, **of(head, **more))


def litellm_ask(head, model="echo", max_retries=0, **more):
    import litellm
    return litellm.completion(model=f"openai/{model}", api_base=f"{head.url}/v1", api_key="none", messages=ASKED, seed=1, max_retries=max_retries, **more)


def litellm_pieces(head):
    with litellm_ask(head, stream=True) as stream:
        for chunk in stream:
            yield chunk.choices[0].delta.content or ""


def llama_index(head, model="echo", **more):
    from llama_index.core.llms import ChatMessage
    from llama_index.llms.openai_like import OpenAILike
    llm = OpenAILike(model=model, api_base=f"{head.url}/v1", api_key="none", timeout=300, is_chat_model=True, context_window=1024, max_tokens=200,
                     additional_kwargs={"seed": 1}, **{"max_retries": 0, **more})
    return llm, [ChatMessage(role="user", content=SAYS)]


def llama_index_whole(head, model, **more):
    llm, messages = llama_index(head, model, **more)
    return llm.chat(messages).message.content


def llama_index_pieces(head):
    llm, messages = llama_index(head)
    return (c.delta or "" for c in llm.stream_chat(messages))


def pydantic_ai(head, model="echo", **more):
    import openai
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider
    provider = OpenAIProvider(openai_client=openai.AsyncOpenAI(**of(head, **more)))
    return Agent(OpenAIChatModel(model, provider=provider), model_settings={"seed": 1})


async def pydantic_ai_pieces(head):
    async with pydantic_ai(head).run_stream(SAYS) as run:
        async for piece in run.stream_text(delta=True, debounce_by=None):
            yield piece


def openai_agents(head, model="echo", **more):
    import agents
    import openai
    kind = agents.OpenAIChatCompletionsModel(model=model, openai_client=openai.AsyncOpenAI(**of(head, **more)))
    return agents.Agent(name="rays", model=kind, model_settings=agents.ModelSettings(extra_body={"seed": 1}))


def openai_agents_whole(head, model, **more):
    import agents
    return agents.Runner.run_sync(openai_agents(head, model, **more), SAYS).final_output


async def openai_agents_pieces(head):
    import agents
    run = agents.Runner.run_streamed(openai_agents(head), SAYS)
    try:
        async for event in run.stream_events():
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                yield event.data.delta
    finally:
        run.cancel()


def instructor_whole(head, model, **more):
    import instructor
    client = instructor.from_openai(openai_client(head, **more), mode=instructor.Mode.JSON_SCHEMA)
    return client.chat.completions.create(model=model, response_model=str, messages=ASKED, max_retries=0)


WHOLE = {
    "openai": openai_whole,
    "anthropic": anthropic_whole,
    "langchain": lambda head, model, **more: langchain(head, model, **more).invoke(SAYS).content,
    "litellm": lambda head, model, **more: litellm_ask(head, model, **more).choices[0].message.content,
    "llama-index": llama_index_whole,
    "pydantic-ai": lambda head, model, **more: pydantic_ai(head, model, **more).run_sync(SAYS).output,
    "openai-agents": openai_agents_whole,
}
PIECES = {
    "openai": openai_pieces,
    "anthropic": anthropic_pieces,
    "langchain": lambda head: (c.content for c in langchain(head).stream(SAYS)),
    "litellm": litellm_pieces,
    "llama-index": llama_index_pieces,
    "pydantic-ai": pydantic_ai_pieces,
    "openai-agents": openai_agents_pieces,
}


def one_by_one(pieces):
    """The same, of what comes by await: in one task, as such clients want it."""
    if not hasattr(pieces, "__anext__"):
        yield from pieces
        return
    got, over = queue.Queue(), threading.Event()

    async def gather():
        try:
            async for piece in pieces:
                got.put(piece)
                if over.is_set():
                    break
        finally:
            with contextlib.suppress(GeneratorExit):  # pydantic-ai, should it have more of the answer than it has given
                await pieces.aclose()
            got.put(None)
    thread = threading.Thread(target=lambda: asyncio.run(gather()))
    thread.start()
    try:
        while (piece := got.get()) is not None:
            yield piece
    finally:
        over.set()
        thread.join()


# ---- stories ----

def errors():
    import anthropic
    import litellm
    import openai
    import pydantic_ai.exceptions
    from instructor.core.exceptions import InstructorRetryException
    return {"openai": openai.NotFoundError, "anthropic": anthropic.NotFoundError, "langchain": openai.NotFoundError, "litellm": litellm.NotFoundError,
            "llama-index": openai.NotFoundError, "pydantic-ai": pydantic_ai.exceptions.ModelHTTPError, "openai-agents": openai.NotFoundError,
            "instructor": (openai.NotFoundError, InstructorRetryException)}


@pytest.mark.parametrize("way", [*WHOLE, "instructor"])
def test_an_error_has_its_type(scripted, way):
    """Given a model that is not there, the client raises its own exception for that, with the head's sentence."""
    with pytest.raises(errors()[way]) as raised:
        ({**WHOLE, "instructor": instructor_whole})[way](scripted, "none")
    assert "no model 'none'" in str(raised.value)


@pytest.mark.parametrize("way", WHOLE)
def test_a_full_queue_is_tried_again(tmp_path, way):
    """Given a head whose queue is full, a client with retries is told 429 and when to come again, comes again, and has its answer."""
    with Cluster(tmp_path) as c:
        head = c.head("--queue-jobs", 1)
        c.echo_worker(head, "echo:tokens=8", "--slots", 1)
        head.wait_ready(actors=1)
        expected, got = WHOLE[way](head, "echo"), []
        c.pace(300)
        others = [threading.Thread(target=head.post, args=("/v1/completions", {"prompt": "a", "max_tokens": 8})) for _ in range(2)]
        for other, wanted in zip(others, ({"running": 1}, {"running": 1, "queued": 1}), strict=True):
            other.start()
            head.wait_status(**wanted)
        mine = threading.Thread(target=lambda: got.append(WHOLE[way](head, "echo", max_retries=5)))
        mine.start()
        head.wait_event("request", status=429)
        c.pace(0)
        for thread in (*others, mine):
            thread.join()
        assert got == [expected]


@pytest.mark.parametrize("way", PIECES)
def test_a_stream_that_is_broken_off(tmp_path, way):
    """Given a stream that its client closes in its middle, its job ends."""
    with Cluster(tmp_path) as c:
        head = c.head()
        c.echo_worker(head, "echo:tokens=100000,context=1048576")
        head.wait_ready(actors=1)
        c.pace(5)
        pieces = one_by_one(PIECES[way](head))
        assert next(p for p in pieces if p)
        pieces.close()
        head.wait_idle()


@pytest.mark.parametrize("way", ["openai", "anthropic", "pydantic-ai", "openai-agents"])  # the others: test_sdks.py
def test_a_stream_lives_on(tmp_path, way):
    """Given a stream in its middle, when its worker is killed, the client gets the text that it would have got."""
    with Cluster(tmp_path) as c:
        head = c.head()
        workers = {node: c.echo_worker(head, "echo:tokens=60", "--node", node) for node in ("ash", "fir")}
        head.wait_ready(actors=2)
        expected, text = "".join(one_by_one(PIECES[way](head))), ""
        c.pace(20)
        for n, piece in enumerate(one_by_one(PIECES[way](head))):
            text += piece
            if n == 10:
                next(w for node, w in workers.items() if head.computes(node)).kill()
                c.pace(0)
        assert text == expected != ""
        head.wait_event("job_resumed")
