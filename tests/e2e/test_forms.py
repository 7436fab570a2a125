"""Answers of a given form, by the names that OpenAI, llama-server and vLLM have for it: whatever the model, at random, through a failover."""

import json
import os
import random
import re

import jsonschema
import openai
import pytest

from cluster import REAL, together, wait_for
from streams import ask

pytestmark = pytest.mark.model

SCHEMAS = int(os.environ.get("MANTA_TEST_SCHEMAS", 16))  # 200 for a long run
KILLS = int(os.environ.get("MANTA_TEST_KILLS", 4))
QUESTION = [{"role": "user", "content": "Tell me about a cat, its friends and what they ate."}]


def random_schema(r, depth=0):
    """A schema whose every answer ends."""
    def string():
        return r.choice([{"type": "string", "maxLength": r.randint(1, 9)}, {"type": "string", "minLength": 1, "maxLength": 4},
                         {"type": "string", "pattern": r.choice(["^[a-z]{2,5}$", r"^\d{3}-\d{2}$", "^(red|green|dark blue)$", r"^\w+@\w+\.(com|org)$",
                                                                 "^[^x]{1,4}$", "^.{2}$"])},
                         {"type": "string", "format": r.choice(["date", "uuid", "date-time"])}])

    def integer():
        low = r.randint(-300, 300)
        return r.choice([{"type": "integer"}, {"type": "integer", "minimum": low, "maximum": low + r.randint(0, 999)}, {"type": "integer", "exclusiveMinimum": low}])

    def thing():
        names = r.sample(["name", "age", "tags", "a b", "x", 'quote"d', "größe", "not", "minimum"], r.randint(1, 4))
        return {"type": "object", "properties": {n: random_schema(r, depth + 1) for n in names},
                "required": [n for n in names if r.random() < 0.7], "additionalProperties": False}

    def array():
        return {"type": "array", "items": random_schema(r, depth + 1), "minItems": r.randint(0, 2), "maxItems": r.randint(2, 3)}
    simple = [string, integer, lambda: {"type": "boolean"}, lambda: {"type": "null"}, lambda: {"type": "number"},
              lambda: {"enum": r.sample(["a", 1, None, True, "long words", 2.5], 3)}, lambda: {"const": r.choice(["yes", 7, {"a": [1]}])},
              lambda: {"type": ["integer", "null"]}]
    nested = [thing, array, thing, lambda: {"anyOf": [random_schema(r, depth + 1), {"type": "boolean"}]}]
    if depth == 0:
        return {**thing(), "title": "Random"}
    return r.choice(simple + nested if depth < 3 else simple)()


def body(i, **more):
    r = random.Random(i)
    schema = random_schema(r)
    return schema, {"messages": QUESTION, "temperature": 1, "seed": i, "max_tokens": 600,
                    "response_format": {"type": "json_schema", "json_schema": {"name": "random", "schema": schema, "strict": True}}, **more}


def validate(text, schema, i):
    try:
        jsonschema.validate(json.loads(text), schema, jsonschema.Draft202012Validator, format_checker=jsonschema.FormatChecker())
    except (ValueError, jsonschema.ValidationError) as e:
        raise AssertionError(f"schema {i}: {json.dumps(schema)}\n{text}\n{e}")


def test_random_schemas_are_kept_to(client):
    """Given random JSON schemas and random seeds at temperature 1; when the openai client asks, plain or streaming; then every answer
    that is not cut is valid JSON of its schema, and few are cut: a pattern may be repeated without an end."""
    def one(i):
        schema, fields = body(i)
        answer = client.with_options(timeout=3600).chat.completions.create(model="smollm2", **fields)
        whole = answer.choices[0].finish_reason == "stop"
        if whole:
            validate(answer.choices[0].message.content, schema, i)
        return not whole
    assert sum(sum(together(8, lambda i: one(first + i))) for first in range(0, SCHEMAS, 8)) <= 1 + SCHEMAS // 50


def test_a_form_survives_its_worker(cluster):
    """Given streams of random schemas on exact workers; when the worker of each is killed at a random token; then the stream has the bytes
    of the undisturbed one, and validates."""
    head = cluster.head()
    flags = (*REAL, "--exact")
    workers = {name: cluster.worker(head, *flags, "--node", name) for name in ("oak", "elm")}
    head.wait_ready(actors=2)
    for i in range(1000, 1000 + KILLS):
        schema, fields = body(i, stream=True)
        whole = ask(head, fields, path="/v1/chat/completions")
        at = random.Random(i).randrange(1, max(2, len(whole.times) - 2))

        def kill(answer):
            if len(answer.times) == at:
                busy = next((name for name in workers if head.computes(name)), None)
                if busy is not None:
                    workers.pop(busy).kill()
                    workers[f"{busy}'"] = cluster.worker(head, *flags, "--node", f"{busy}'")
        answer = ask(head, fields, path="/v1/chat/completions", on_event=kill)
        assert answer.what() == whole.what(), (i, at)
        validate(answer.text[0], schema, i)
        wait_for("two workers", lambda: len(head.ready_actors()) == 2)


def test_every_name_of_a_form_is_honoured(smol):
    """Given grammars, choices and expressions by all their names, for chats, texts and process_prompt; then the answer fits."""
    forms = [("grammar", 'root ::= "yes" | "no"', "yes|no"), ("guided_grammar", 'root ::= [ab] [ab]', "[ab]{2}"),
             ("guided_choice", ["red", 'dark "blue"'], 'red|dark "blue"'), ("guided_regex", r"\d{4}-[a-f]+\.", r"\d{4}-[a-f]+\."), ("regex", r"\d{3}", r"\d{3}"),
             ("structured_outputs", {"choice": ["up", "down"]}, "up|down"), ("structured_outputs", {"regex": "^x{3}$"}, "xxx"),
             ("json_schema", {"enum": [1, 22]}, "1|22"), ("guided_json", {"type": "boolean"}, "true|false"),
             ("response_format", {"type": "json_object", "schema": {"const": [1]}}, r"\[1\]")]
    base = {"/v1/chat/completions": {"messages": QUESTION}, "/v1/completions": {"prompt": "It is"}, "/manta/process_prompt": {"prompt": "Well?", "actors": 1}}
    for path, fields in base.items():
        for name, value, pattern in forms:
            status, answer = smol.post(path, {**fields, "model": "smollm2", "max_tokens": 60, "temperature": 1, name: value})
            assert status == 200, (path, name, answer)
            text = answer["final_response"] if "final_response" in answer else answer["choices"][0].get("text") or answer["choices"][0]["message"]["content"]
            assert re.fullmatch(pattern, text) or name == "guided_regex" and len(text) > 40, (path, name, text)


def test_a_json_object_is_enforced(client):
    """Given a small model that likes to talk; when a JSON object is asked for; then it begins with a brace, and is JSON where it is whole."""
    answer = client.chat.completions.create(model="smollm2", messages=QUESTION, response_format={"type": "json_object"}, max_tokens=200, temperature=0)
    text = answer.choices[0].message.content
    assert text.startswith("{")
    if answer.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(text), dict)


@pytest.mark.parametrize("field, value, why", [
    ("grammar", "root ::= (", "unexpected end of input|expecting"),
    ("grammar", "root ::= \x1b[31m\n", "expecting"),
    ("json_schema", {"type": "array", "uniqueItems": True}, "'uniqueItems' cannot be enforced, in #$"),
    ("response_format", {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "elephant"}}}, "unrecognized type elephant"),
    ("guided_regex", "a(?!b)", "pattern"),
    ("json_schema", {"type": "string", "minLength": 100000000}, ""),
])
def test_what_is_no_form_is_a_400_with_the_reason(client, field, value, why):
    """Given a form that is none, or that cannot be enforced; then the client gets a BadRequestError with the field and one clean line."""
    with pytest.raises(openai.BadRequestError) as e:
        client.chat.completions.create(model="smollm2", messages=QUESTION, max_tokens=5, extra_body={field: value})
    assert e.value.param == field and e.value.message and re.search(f"{field}: .*({why})", e.value.message), e.value.message
    assert not re.search(r"[\n\x1b]", e.value.body["message"])
