"""Tools that must be called, by frameworks that say so, with the real model, which would not call by itself; and instructor's forms, in pieces, in a row and of several
kinds. tests/sdks/run sets them up."""

from collections.abc import Iterable
from typing import Literal

import pydantic
import pytest

from test_calls import llama_index, pydantic_ai_model
from test_sdks import Cluster, Person, of

SAYS = "Hello."


def weather(city: Literal["Paris", "Rome"]) -> str:
    """The weather of a city."""
    return f"rain in {city}"


def clock(zone: Literal["UTC", "CET"]) -> str:
    """The time of a zone."""
    return f"noon in {zone}"


TOOLS = [weather, clock]


# ---- a framework: the names of the tools that are called when it says `choice`: None, required, or the name of one ----

def openai_agents_called(head, way, choice):
    import agents
    import openai
    kind = agents.OpenAIResponsesModel if way == "responses" else agents.OpenAIChatCompletionsModel
    agent = agents.Agent(name="a", model=kind(model="smollm2", openai_client=openai.AsyncOpenAI(**of(head))), tools=[agents.function_tool(f) for f in TOOLS],
                         model_settings=agents.ModelSettings(max_tokens=60, temperature=0, tool_choice=choice, parallel_tool_calls=False if choice else None),
                         tool_use_behavior="stop_on_first_tool")
    try:
        run = agents.Runner.run_sync(agent, SAYS)
    except agents.exceptions.ModelBehaviorError:  # how it says by responses that the tokens ended, as they do within a text alone
        return []
    called = [i.raw_item.name for i in run.new_items if i.type == "tool_call_item"]
    assert not called or run.final_output.split()[0] == {"weather": "rain", "clock": "noon"}[called[0]]
    return called


def llama_index_called(head, way, choice):
    from llama_index.core.tools import FunctionTool
    model = llama_index(head, way, "smollm2")
    more = {} if choice is None else {"tool_required": True} if choice == "required" else {"tool_choice": choice}
    answer = model.chat_with_tools([FunctionTool.from_defaults(f) for f in TOOLS], user_msg=SAYS, **more)
    return [c.tool_name for c in model.get_tool_calls_from_response(answer, error_on_no_tool_call=False)]


def pydantic_ai_called(head, way, choice):
    from pydantic_ai import ModelRequest, Tool
    from pydantic_ai.direct import model_request_sync
    from pydantic_ai.models import ModelRequestParameters
    settings = {"max_tokens": 60, "temperature": 0, "tool_choice": [choice] if choice in ("weather", "clock") else choice}
    answer = model_request_sync(pydantic_ai_model(head, way, "smollm2"), [ModelRequest.user_text_prompt(SAYS)], model_settings={**settings, "parallel_tool_calls": False},
                                model_request_parameters=ModelRequestParameters(function_tools=[Tool(f).tool_def for f in TOOLS], allow_text_output=True))
    return [p.tool_name for p in answer.parts if p.part_kind == "tool-call"]


CALLED = {"openai-agents": openai_agents_called, "llama-index": llama_index_called, "pydantic-ai": pydantic_ai_called}


@pytest.mark.parametrize("way", ["chat", "responses"])
@pytest.mark.parametrize("framework", CALLED)
def test_a_tool_that_must_be_called(smol, framework, way):
    """Given a greeting, the model calls nothing by itself, one of the tools when it must, and the one that is named."""
    assert CALLED[framework](smol, way, None) == []
    assert CALLED[framework](smol, way, "required") in (["weather"], ["clock"])
    for name in ("weather", "clock"):
        assert CALLED[framework](smol, way, name) == [name]


# ---- instructor ----

class Weather(pydantic.BaseModel):
    """The weather of a city."""

    city: str


class Clock(pydantic.BaseModel):
    """The time of a zone."""

    zone: str


FORMS = {"kinds": '<tool_call>{"name":"Weather","arguments":{"city":"Paris"}}</tool_call><tool_call>{"name":"Clock","arguments":{"zone":"CET"}}</tool_call>',
         "one": '<tool_call>{"name":"Person","arguments":{"name":"Ada Lovelace","age":36}}</tool_call>',
         "row": '<tool_call>{"name":"IterablePerson","arguments":{"tasks":[{"name":"Ada","age":36},{"name":"Alan","age":41}]}}</tool_call>'}


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    """A head with a model for each kind of form."""
    with Cluster(tmp_path_factory.mktemp("forms")) as c:
        head = c.head()
        for name, script in FORMS.items():
            c.echo_worker(head, f"echo:name={name},script={script}")
        head.wait_ready(actors=len(FORMS))
        yield head


def instructed(head, mode):
    import instructor
    import openai
    return instructor.from_openai(openai.OpenAI(**of(head)), mode=getattr(instructor.Mode, mode)).chat.completions


def who(model):
    return {"model": model, "max_tokens": 300, "temperature": 0, "max_retries": 0, "messages": [{"role": "user", "content": "Ada is 36 years old. Who is she?"}]}


def test_instructor_gets_several_kinds(forms):
    """Given a model that calls two tools in one answer, it has an object of each class."""
    found = instructed(forms, "PARALLEL_TOOLS").create(response_model=Iterable[Weather | Clock], **who("kinds"))
    assert list(found) == [Weather(city="Paris"), Clock(zone="CET")]


def grows(parts):
    """The last of the parts; each has what the one before it had, and more or the same."""
    parts = [p.model_dump() for p in parts]
    names = [p["name"] or "" for p in parts]
    assert len(set(names)) > 2 and all(after.startswith(before) for before, after in zip(names, names[1:], strict=False)), names
    return Person(**parts[-1])


def test_instructor_gets_a_call_in_pieces(forms):
    """Given a call that is streamed, its object grows; and objects in a row come one by one."""
    assert grows(instructed(forms, "TOOLS").create_partial(response_model=Person, **who("one"))) == Person(name="Ada Lovelace", age=36)
    row = instructed(forms, "TOOLS").create_iterable(response_model=Person, **who("row"))
    assert list(row) == [Person(name="Ada", age=36), Person(name="Alan", age=41)]


@pytest.mark.parametrize("mode", ["JSON_SCHEMA", "TOOLS"])
def test_instructor_gets_a_form_in_pieces(smol, mode):
    """Given the real model and a form, by a schema or a tool, the object grows until it is whole."""
    assert grows(instructed(smol, mode).create_partial(response_model=Person, **who("smollm2")))
