"""Frameworks over the SDKs, as they come from their registry: LangChain, instructor, pydantic-ai, OpenAI's agents, litellm, llama-index. The real model holds
answers to schemas and calls tools that it must; where it is too weak to call by itself, the echo engine has a script. tests/sdks/run sets them up."""

import asyncio
import os
import pathlib
import subprocess
import sys

import pydantic
import pytest

from cluster import Cluster

SCRIPT = 'echo:script=Let me look. <tool_call>{"name":"weather","arguments":{"city":"Paris"}}</tool_call><next>It rains in Paris.'
QUESTION = "What is the weather in Paris?"
SAY = [{"role": "user", "content": "Say hi."}]


class Person(pydantic.BaseModel):
    """A person."""

    name: str = pydantic.Field(max_length=20)
    age: int = pydantic.Field(ge=0, le=150)


def of(head, **more):
    return {"base_url": f"{head.url}/v1", "api_key": "none", "max_retries": 0, "timeout": 300, **more}


# ---- LangChain ----

def chain(head, **more):
    from langchain_openai import ChatOpenAI
    return ChatOpenAI(**of(head, **{"model": "smollm2", "temperature": 0, "seed": 1, "max_tokens": 80, **more}))


def test_langchain_talks(smol):
    """It asks, streams, and asks several at once; each way the text is the same."""
    model = chain(smol)
    whole = model.invoke("Say hi.")
    assert whole.content and whole.usage_metadata["output_tokens"] > 0
    assert "".join(c.content for c in model.stream("Say hi.")) == whole.content
    assert [a.content for a in model.batch(["Say hi.", "Say hi."])] == [whole.content] * 2


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_langchain_wants_a_form(smol, method):
    """A schema, or a tool that must be called, comes as the object that was asked for."""
    assert isinstance(chain(smol).with_structured_output(Person, method=method).invoke("Ada is 36. Who is she?"), Person)


def test_langchain_runs_tools(scripted):
    """A call comes with its arguments, and its result is turned in."""
    from langchain_core.messages import HumanMessage, ToolMessage
    from langchain_core.tools import tool

    @tool
    def weather(city: str) -> str:
        """The weather of a city."""
        return f"rain in {city}"
    model = chain(scripted, model="echo").bind_tools([weather])
    first = model.invoke([HumanMessage(QUESTION)])
    assert [(c["name"], c["args"]) for c in first.tool_calls] == [("weather", {"city": "Paris"})]
    last = model.invoke([HumanMessage(QUESTION), first, ToolMessage(weather.invoke(first.tool_calls[0]["args"]), tool_call_id=first.tool_calls[0]["id"])])
    assert last.content == "It rains in Paris."


def test_the_langchain_example(smol):
    """examples/langchain_chat.py: the chain and the stream say something, and the object is of its class."""
    example = pathlib.Path(__file__).parents[2] / "examples/langchain_chat.py"
    env = {**{k: v for k, v in os.environ.items() if not k.startswith(("MANTA", "OPENAI"))}, "MANTA_URL": smol.url}
    done = subprocess.run([sys.executable, example], env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    said = [part.split("\n", 1)[1].strip() for part in done.stdout.split("== ")[1:]]
    assert len(said) == 3 and all(said) and said[2].startswith("rain="), done.stdout


def test_langchain_completes_a_list(smol):
    """Its completions send several prompts in one request."""
    from langchain_openai import OpenAI
    model = OpenAI(**of(smol, model="smollm2", temperature=0, max_tokens=8))
    alone = [model.invoke(p) for p in ("The sea is", "One and one")]
    assert model.batch(["The sea is", "One and one"]) == alone
    assert [g[0].text for g in model.generate(["The sea is", "One and one"]).generations] == alone


# ---- instructor ----

@pytest.mark.parametrize("mode", ["TOOLS", "JSON_SCHEMA"])
def test_instructor_gets_its_model(smol, mode):
    import instructor
    import openai
    client = instructor.from_openai(openai.OpenAI(**of(smol)), mode=getattr(instructor.Mode, mode))
    person = client.chat.completions.create(model="smollm2", response_model=Person, max_tokens=120, max_retries=0, temperature=0,
                                            messages=[{"role": "user", "content": "Ada is 36 years old. Who is she?"}])
    assert isinstance(person, Person)


# ---- pydantic-ai ----

def test_pydantic_ai_gets_its_output(smol):
    from pydantic_ai import Agent, NativeOutput
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider
    provider = OpenAIProvider(base_url=f"{smol.url}/v1", api_key="none")
    settings = {"max_tokens": 150, "temperature": 0}
    for kind in (OpenAIChatModel, OpenAIResponsesModel):
        for output in (NativeOutput(Person), Person):
            done = Agent(kind("smollm2", provider=provider), output_type=output, model_settings=settings, retries=0).run_sync("Ada is 36. Who is she?")
            assert isinstance(done.output, Person)


@pytest.mark.parametrize("dialect", ["chat", "responses"])
def test_pydantic_ai_runs_tools(scripted, dialect):
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider
    model = (OpenAIChatModel if dialect == "chat" else OpenAIResponsesModel)("echo", provider=OpenAIProvider(base_url=f"{scripted.url}/v1", api_key="none"))
    agent, asked = Agent(model), []

    @agent.tool_plain
    def weather(city: str) -> str:
        """The weather of a city."""
        asked.append(city)
        return "rain"
    assert agent.run_sync(QUESTION).output == "It rains in Paris." and asked == ["Paris"]


# ---- OpenAI's agents ----

@pytest.mark.parametrize("api", ["responses", "chat_completions"])
def test_openai_agents_run_tools(scripted, api):
    import agents
    import openai
    asked = []
    kind = agents.OpenAIResponsesModel if api == "responses" else agents.OpenAIChatCompletionsModel

    @agents.function_tool
    def weather(city: str) -> str:
        """The weather of a city."""
        asked.append(city)
        return "rain"

    async def both_ways():
        model = kind(model="echo", openai_client=openai.AsyncOpenAI(**of(scripted)))
        agent = agents.Agent(name="forecast", instructions="Tell of the weather.", model=model, tools=[weather])
        whole = await agents.Runner.run(agent, QUESTION)
        run = agents.Runner.run_streamed(agent, QUESTION)
        async for _ in run.stream_events():
            pass
        return whole.final_output, run.final_output
    assert asyncio.run(both_ways()) == ("It rains in Paris.",) * 2 and asked == ["Paris", "Paris"]


@pytest.mark.parametrize("api", ["responses", "chat_completions"])
def test_openai_agents_get_their_output(smol, api):
    import agents
    import openai
    kind = agents.OpenAIResponsesModel if api == "responses" else agents.OpenAIChatCompletionsModel
    agent = agents.Agent(name="who", model=kind(model="smollm2", openai_client=openai.AsyncOpenAI(**of(smol))), output_type=Person,
                         model_settings=agents.ModelSettings(max_tokens=150, temperature=0))
    assert isinstance(agents.Runner.run_sync(agent, "Ada is 36. Who is she?").final_output, Person)


# ---- litellm ----

@pytest.mark.parametrize("provider, path", [("openai", "/v1"), ("hosted_vllm", "/v1"), ("anthropic", ""), ("text-completion-openai", "/v1")])
def test_litellm_talks(smol, provider, path):
    import litellm
    asked = {"model": f"{provider}/smollm2", "api_base": smol.url + path, "api_key": "none", "messages": SAY, "max_tokens": 20, "temperature": 0, "num_retries": 0}
    whole = litellm.completion(**asked)
    streamed = "".join(c.choices[0].delta.content or "" for c in litellm.completion(**asked, stream=True))
    assert whole.choices[0].message.content.strip() == streamed.strip() != "" and whole.usage.completion_tokens > 0


def test_litellm_knows_the_errors(smol):
    """A prompt that is too long, a model that is not there, and a request that cannot be are what it has names for."""
    import litellm
    asked = {"api_base": f"{smol.url}/v1", "api_key": "none", "messages": SAY, "num_retries": 0}
    with pytest.raises(litellm.ContextWindowExceededError):
        litellm.completion(model="openai/smollm2", **{**asked, "messages": [{"role": "user", "content": "word " * 3000}]})
    with pytest.raises(litellm.NotFoundError):
        litellm.completion(model="openai/nothing", **asked)
    with pytest.raises(litellm.BadRequestError):
        litellm.completion(model="openai/smollm2", top_p=7, **asked)


def test_litellm_gets_tools_and_forms(smol):
    import litellm
    asked = {"model": "hosted_vllm/smollm2", "api_base": f"{smol.url}/v1", "api_key": "none", "max_tokens": 150, "temperature": 0, "num_retries": 0,
             "messages": [{"role": "user", "content": "Ada is 36. Who is she?"}]}
    person = litellm.completion(response_format=Person, **asked).choices[0].message.content
    tool = {"type": "function", "function": {"name": "note", "parameters": Person.model_json_schema()}}
    call = litellm.completion(tools=[tool], tool_choice={"type": "function", "function": {"name": "note"}}, **asked).choices[0].message.tool_calls[0]
    assert Person.model_validate_json(person) and Person.model_validate_json(call.function.arguments) and call.function.name == "note"


def test_litellm_speaks_responses(smol):
    import litellm
    answer = litellm.responses(model="openai/smollm2", input="Say hi.", api_base=f"{smol.url}/v1", api_key="none", max_output_tokens=20)
    assert answer.output[0].content[0].text


# ---- llama-index ----

def index(head, model, **more):
    from llama_index.llms.openai_like import OpenAILike
    return OpenAILike(model=model, api_base=f"{head.url}/v1", api_key="none", max_retries=0, timeout=300, context_window=1024, max_tokens=100, temperature=0, **more)


def test_llama_index_talks(smol):
    from llama_index.core.llms import ChatMessage
    chat = index(smol, "smollm2", is_chat_model=True)
    whole = chat.chat([ChatMessage(role="user", content="Say hi.")]).message.content
    assert "".join(c.delta or "" for c in chat.stream_chat([ChatMessage(role="user", content="Say hi.")])) == whole != ""
    text = index(smol, "smollm2", is_chat_model=False)
    whole = text.complete("The sea is").text
    assert "".join(c.delta or "" for c in text.stream_complete("The sea is")) == whole != ""


def test_llama_index_calls_tools(scripted, smol):
    from llama_index.core.program import LLMTextCompletionProgram
    from llama_index.core.tools import FunctionTool

    def weather(city: str) -> str:
        """The weather of a city."""
        return f"rain in {city}"
    model = index(scripted, "echo", is_chat_model=True, is_function_calling_model=True)
    answer = model.chat_with_tools([FunctionTool.from_defaults(weather)], user_msg=QUESTION)
    calls = model.get_tool_calls_from_response(answer)
    assert [(c.tool_name, c.tool_kwargs) for c in calls] == [("weather", {"city": "Paris"})]
    form = index(smol, "smollm2", is_chat_model=True, additional_kwargs={"extra_body": {"json_schema": Person.model_json_schema()}})
    assert LLMTextCompletionProgram.from_defaults(output_cls=Person, prompt_template_str="Ada is 36. Who is she?", llm=form)().age >= 0


# ---- all of them ----

@pytest.mark.parametrize("way", ["langchain", "langchain-ollama", "langchain-anthropic", "litellm", "llama-index"])
def test_a_stream_lives_on(tmp_path, way):
    """Given a stream in its middle, when its worker is killed, the framework gets the text that it would have got."""
    import litellm
    from llama_index.core.llms import ChatMessage

    def pieces(head):
        if way == "langchain":
            return (c.content for c in chain(head, model="echo").stream("Tell of rays."))
        if way == "langchain-ollama":
            from langchain_ollama import ChatOllama
            return (c.text for c in ChatOllama(base_url=head.url, model="echo", seed=1).stream("Tell of rays."))
        if way == "langchain-anthropic":
            from langchain_anthropic import ChatAnthropic
            model = ChatAnthropic(base_url=head.url, api_key="none", model="echo", max_retries=0, max_tokens=100, model_kwargs={"extra_body": {"seed": 1}})
            return (c.text for c in model.stream("Tell of rays."))
        if way == "litellm":
            asked = {"model": "hosted_vllm/echo", "api_base": f"{head.url}/v1", "api_key": "none", "stream": True, "num_retries": 0, "seed": 1}
            return (c.choices[0].delta.content or "" for c in litellm.completion(messages=SAY, **asked))
        talk = index(head, "echo", is_chat_model=True, additional_kwargs={"seed": 1})
        return (c.delta or "" for c in talk.stream_chat([ChatMessage(role="user", content="Tell of rays.")]))
    with Cluster(tmp_path) as c:
        head = c.head()
        workers = {node: c.echo_worker(head, "echo:tokens=60", "--node", node) for node in ("ash", "fir")}
        head.wait_ready(actors=2)
        expected, text = "".join(pieces(head)), ""
        c.pace(20)
        for n, piece in enumerate(pieces(head)):
            text += piece
            if n == 10:
                next(w for node, w in workers.items() if head.computes(node)).kill()
                c.pace(0)
        assert text == expected
        head.wait_event("job_resumed")
