"""What the measurement of clients shares: the list of checks, the cluster's addresses, and how a check is told.

A check is a function that returns something true. It falls short by returning anything else, or by raising: the reason is what it says."""

import json
import os
import sys
import urllib.error
import urllib.request

URL, KEYED = os.environ["MANTA_URL"], os.environ["MANTA_KEYED_URL"]  # a head that wants no key; one that wants KEY
KEY, V1 = "sesame", URL + "/v1"
MODEL, SCRIPTED, PLAIN, EMBED = "smollm2", "echo", "plain", "all-minilm-l6-v2"  # the real model; one that calls a tool; one that talks; one for vectors
GAP, RANK = "smollm2-fim", "bert-rank-tiny"  # fills gaps; ranks texts
SAY = [{"role": "user", "content": "Say hi."}]
ASK = [{"role": "user", "content": "What is the weather in Paris?"}]
CITY = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 12}}, "required": ["city"], "additionalProperties": False}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "The weather of a city", "parameters": CITY}}
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {"zone": {"enum": ["UTC", "CET"]}}, "required": ["zone"]}}}
PERSON = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 150}},
          "required": ["name", "age"], "additionalProperties": False}
WHO = [{"role": "user", "content": "Ada is 36. Who is she?"}]
LONG = [{"role": "user", "content": "word " * 9000}]
LAST = "It rains in Paris."

_checks = []


def check(client, name):
    def add(function):
        _checks.append((client, name, function))
        return function
    return add


def raises(kind, call, **fields):
    """What it raised, when it is of that kind and has those members; else it fails."""
    try:
        call()
    except kind as e:
        for name, value in fields.items():
            assert getattr(e, name, None) == value, f"{name} is {getattr(e, name, None)!r}"
        return e
    raise AssertionError(f"no {kind.__name__} was raised")


def an_object(text, cut):
    """A small model may not come to the end of it."""
    return text.lstrip().startswith("{") if cut else isinstance(json.loads(text), dict)


def person(text):
    value = json.loads(text)
    return set(value) == {"name", "age"} and 0 <= value["age"] <= 150


def http(method, path, body=None, headers=None, url=URL, raw=False):
    """(status, headers, body), of JSON or as text."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url + path, data, {"content-type": "application/json", **(headers or {})}, method=method)
    try:
        reply = urllib.request.urlopen(request, timeout=120)
    except urllib.error.HTTPError as e:
        reply = e
    text = reply.read().decode()
    return reply.status, {k.lower(): v for k, v in reply.headers.items()}, text if raw or not text.startswith(("{", "[")) or "\n{" in text else json.loads(text)


def main():
    """Runs all of them; a line of JSON for each on stdout."""
    for client, name, function in _checks:
        try:
            got = function()
            reason = "" if got else f"it gives {got!r}"
        except Exception as e:
            reason = f"{type(e).__name__}: {e}"
        print(json.dumps({"client": client, "name": name, "reason": " ".join(reason.split())[:300]}), flush=True)
    sys.stdout.flush()
    os._exit(0)  # some of the clients leave threads behind
