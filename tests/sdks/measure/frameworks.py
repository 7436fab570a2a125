"""Frameworks over the clients: LangChain, instructor, pydantic-ai, OpenAI's agents, litellm, llama-index."""

import asyncio
import importlib.metadata
import os

os.environ.update(OPENAI_API_KEY="none", OPENAI_AGENTS_DISABLE_TRACING="1", LITELLM_LOCAL_MODEL_COST_MAP="True", OLLAMA_HOST=os.environ["MANTA_URL"])

import openai  # noqa: E402
import pydantic  # noqa: E402

from checks import ASK, EMBED, LAST, LONG, MODEL, SAY, SCRIPTED, URL, V1, check, main, raises  # noqa: E402


class Person(pydantic.BaseModel):
    """A person."""

    name: str = pydantic.Field(max_length=12)
    age: int = pydantic.Field(ge=0, le=150)


WHO = "Ada is 36. Who is she?"
QUESTION = ASK[0]["content"]
of = {"base_url": V1, "api_key": "none", "max_retries": 0, "timeout": 120}


def that(package, name):
    return check(f"{package} {importlib.metadata.version(package)}", name)


def weather(city: str) -> str:
    """The weather of a city."""
    return "rain"


# ---- LangChain over openai, ollama, anthropic ----
def chain(model=MODEL, **more):
    from langchain_openai import ChatOpenAI
    return ChatOpenAI(**of, model=model, **{"temperature": 0, "max_tokens": 100, **more})


def tool_of():
    from langchain_core.tools import tool
    return tool(weather)


def called(model):
    from langchain_core.messages import HumanMessage, ToolMessage
    bound = model.bind_tools([tool_of()])
    first = bound.invoke([HumanMessage(QUESTION)])
    assert [(c["name"], c["args"]) for c in first.tool_calls] == [("weather", {"city": "Paris"})], first.tool_calls
    return bound.invoke([HumanMessage(QUESTION), first, ToolMessage("rain", tool_call_id=first.tool_calls[0]["id"], name="weather")]).text == LAST


def text_model():
    from langchain_openai import OpenAI
    return OpenAI(**of, model=MODEL, temperature=0, max_tokens=6)


def vectors():
    from langchain_openai import OpenAIEmbeddings
    return OpenAIEmbeddings(base_url=V1, api_key="none", model=EMBED, check_embedding_ctx_length=False)


that("langchain-openai", "invoke")(lambda: chain().invoke("Say hi.").content)
that("langchain-openai", "usage")(lambda: chain().invoke("Say hi.").usage_metadata["output_tokens"] > 0)
that("langchain-openai", "stream")(lambda: "".join(c.content for c in chain().stream("Say hi.")) == chain().invoke("Say hi.").content)
that("langchain-openai", "batch")(lambda: len({a.content for a in chain().batch(["Say hi."] * 3)}) == 1)
that("langchain-openai", "async")(lambda: asyncio.run(chain().ainvoke("Say hi.")).content)
for method in ("json_schema", "function_calling", "json_mode"):
    that("langchain-openai", f"structured output by {method}")(
        lambda method=method: isinstance(chain(max_tokens=200).with_structured_output(Person if method != "json_mode" else None, method=method).invoke(
            WHO if method != "json_mode" else "JSON, please: {}"), Person if method != "json_mode" else dict))
that("langchain-openai", "tools")(lambda: called(chain(SCRIPTED)))
that("langchain-openai", "completions of a list of prompts")(lambda: text_model().batch(["The sea is", "One and"])[0] == text_model().invoke("The sea is"))
that("langchain-openai", "embeddings")(lambda: [len(v) for v in vectors().embed_documents(["a", "b"])] == [384, 384] and len(vectors().embed_query("a")) == 384)
that("langchain-openai", "responses")(lambda: chain(use_responses_api=True).invoke("Say hi.").text)


def ollama_chain(model=MODEL, **more):
    from langchain_ollama import ChatOllama
    return ChatOllama(base_url=URL, model=model, temperature=0, validate_model_on_init=True, **{"num_predict": 100, **more})


def ollama_vectors():
    from langchain_ollama import OllamaEmbeddings
    return OllamaEmbeddings(base_url=URL, model=EMBED)


that("langchain-ollama", "invoke and stream")(lambda: "".join(c.text for c in ollama_chain().stream("Say hi.")) == ollama_chain().invoke("Say hi.").text != "")
that("langchain-ollama", "structured output, tools")(
    lambda: isinstance(ollama_chain(num_predict=200).with_structured_output(Person).invoke(WHO), Person) and called(ollama_chain(SCRIPTED)))
that("langchain-ollama", "embeddings")(lambda: len(ollama_vectors().embed_query("a")) == 384)


def claude(model=MODEL, **more):
    from langchain_anthropic import ChatAnthropic
    return ChatAnthropic(base_url=URL, api_key="none", model=model, max_tokens=200, max_retries=0, **more)


that("langchain-anthropic", "invoke, stream, tools")(lambda: claude().invoke("Say hi.").text and "".join(c.text for c in claude().stream("Say hi.")) and called(claude(SCRIPTED)))


# ---- instructor ----
def instructed(mode):
    import instructor
    client = instructor.from_openai(openai.OpenAI(**of), mode=getattr(instructor.Mode, mode))
    return isinstance(client.chat.completions.create(model=MODEL, response_model=Person, max_tokens=200, max_retries=0, temperature=0,
                                                     messages=[{"role": "user", "content": WHO}]), Person)


for mode in ("TOOLS", "JSON_SCHEMA", "JSON"):
    that("instructor", mode)(lambda mode=mode: instructed(mode))


# ---- pydantic-ai ----
def agent(model=MODEL, responses=False, **more):
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider
    kind = OpenAIResponsesModel if responses else OpenAIChatModel
    return Agent(kind(model, provider=OpenAIProvider(base_url=V1, api_key="none")), model_settings={"max_tokens": 200, "temperature": 0}, retries=0, **more)


def native():
    from pydantic_ai import NativeOutput
    return isinstance(agent(output_type=NativeOutput(Person)).run_sync(WHO).output, Person)


that("pydantic-ai-slim", "text")(lambda: agent().run_sync("Say hi.").output)
that("pydantic-ai-slim", "output by a tool")(lambda: isinstance(agent(output_type=Person).run_sync(WHO).output, Person))
that("pydantic-ai-slim", "output by a schema")(native)
that("pydantic-ai-slim", "tools")(lambda: agent(SCRIPTED, tools=[weather]).run_sync(QUESTION).output == LAST)


# ---- OpenAI's agents ----
def runner(model, chats=False, **more):
    import agents
    kind = agents.OpenAIChatCompletionsModel if chats else agents.OpenAIResponsesModel
    return agents.Agent(name="a", model=kind(model=model, openai_client=openai.AsyncOpenAI(**of)), model_settings=agents.ModelSettings(max_tokens=200, temperature=0), **more)


def ran(model, chats=False, question="Say hi.", **more):
    import agents
    return agents.Runner.run_sync(runner(model, chats, **more), question).final_output


def with_tools():
    import agents
    return [ran(SCRIPTED, chats, QUESTION, tools=[agents.function_tool(weather)]) for chats in (False, True)] == [LAST] * 2


that("openai-agents", "text")(lambda: ran(MODEL))
that("openai-agents", "tools, by responses and chats")(with_tools)
that("openai-agents", "output by a schema")(lambda: isinstance(ran(MODEL, question=WHO, output_type=Person), Person))


# ---- litellm ----
def lite(provider="openai", path="/v1", model=MODEL, **more):
    import litellm
    return litellm.completion(model=f"{provider}/{model}", api_base=URL + path, api_key="none", num_retries=0, **{"messages": SAY, "max_tokens": 20, "temperature": 0, **more})


def lite_stream(**more):
    return "".join(c.choices[0].delta.content or "" for c in lite(stream=True, **more)).strip()


def lite_error(name, **more):
    import litellm
    return raises(getattr(litellm, name), lambda: lite(**more))


def lite_vectors():
    import litellm
    return len(litellm.embedding(model=f"openai/{EMBED}", input=["a", "b"], api_base=V1, api_key="none", encoding_format="float").data) == 2


def lite_responses():
    import litellm
    return litellm.responses(model=f"openai/{MODEL}", input="Say hi.", api_base=V1, api_key="none", max_output_tokens=20).output[0].content[0].text


def lite_tool():
    tool = {"type": "function", "function": {"name": "note", "parameters": Person.model_json_schema()}}
    call = lite(messages=[{"role": "user", "content": WHO}], tools=[tool], tool_choice={"type": "function", "function": {"name": "note"}}, max_tokens=200)
    return Person.model_validate_json(call.choices[0].message.tool_calls[0].function.arguments)


PROVIDERS = {"openai": "/v1", "hosted_vllm": "/v1", "llamafile": "/v1", "anthropic": "", "ollama_chat": "", "text-completion-openai": "/v1", "lm_studio": "/v1"}
for provider, path in PROVIDERS.items():
    that("litellm", f"{provider}: an answer")(lambda provider=provider, path=path: lite(provider, path).choices[0].message.content.strip())
    if provider in ("openai", "anthropic", "ollama_chat"):
        that("litellm", f"{provider}: streamed")(
            lambda provider=provider, path=path: lite_stream(provider=provider, path=path) == lite(provider, path).choices[0].message.content.strip())
that("litellm", "embeddings")(lite_vectors)
that("litellm", "responses")(lite_responses)
that("litellm", "a tool that must be called")(lite_tool)
that("litellm", "JSON by a schema")(lambda: Person.model_validate_json(lite(messages=[{"role": "user", "content": WHO}], response_format=Person, max_tokens=200).choices[0].message.content))
that("litellm", "ContextWindowExceededError")(lambda: lite_error("ContextWindowExceededError", messages=LONG))
that("litellm", "NotFoundError")(lambda: lite_error("NotFoundError", model="none"))


# ---- llama-index ----
def index(model=MODEL, **more):
    from llama_index.llms.openai_like import OpenAILike
    return OpenAILike(model=model, api_base=V1, api_key="none", max_retries=0, timeout=120, context_window=1024, max_tokens=100, temperature=0, **more)


def message(text):
    from llama_index.core.llms import ChatMessage
    return [ChatMessage(role="user", content=text)]


def index_calls():
    from llama_index.core.tools import FunctionTool
    model = index(SCRIPTED, is_chat_model=True, is_function_calling_model=True)
    calls = model.get_tool_calls_from_response(model.chat_with_tools([FunctionTool.from_defaults(weather)], user_msg=QUESTION))
    return [(c.tool_name, c.tool_kwargs) for c in calls] == [("weather", {"city": "Paris"})]


def index_form():
    from llama_index.core.program import LLMTextCompletionProgram
    form = index(is_chat_model=True, additional_kwargs={"extra_body": {"json_schema": Person.model_json_schema()}})
    return LLMTextCompletionProgram.from_defaults(output_cls=Person, prompt_template_str=WHO, llm=form)().age >= 0


that("llama-index-core", "chat")(lambda: index(is_chat_model=True).chat(message("Say hi.")).message.content)
that("llama-index-core", "chat, streamed")(lambda: "".join(c.delta or "" for c in index(is_chat_model=True).stream_chat(message("Say hi."))))
that("llama-index-core", "completion")(lambda: index(is_chat_model=False).complete("The sea is").text)
that("llama-index-core", "tools")(index_calls)
that("llama-index-core", "a form")(index_form)

main()
