"""A pytest plugin around llama.cpp's own server tests: what they take for granted of their place, and what is expected of each.

Nothing leaves this machine: no model is fetched, and an address that is not of loopback is refused. A test that listed.txt names is expected to fail, and an
error if it passes."""

import pathlib
import re
import sys
import time
import types
import urllib.parse

import openai._base_client
import pytest
import requests

import stand_ins

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(pathlib.Path.cwd()))  # the tests' own folder


def fetch_nothing(url, **options):
    raise OSError(f"{url} is not here, and is not fetched")


sys.modules["wget"] = types.SimpleNamespace(download=fetch_nothing)

import utils  # noqa: E402  of llama.cpp's

running = [""]  # the test's function


# ---- where they run ----

def stay_here(session, method, url, **options):
    host = urllib.parse.urlsplit(url).hostname
    if host not in ("127.0.0.1", "::1", "localhost"):
        raise requests.ConnectionError(f"{host} is not this machine")
    return ask(session, method, url, **options)


ask = requests.Session.request
requests.Session.request = stay_here
utils.ServerPreset.load_all = staticmethod(lambda: None)


# ---- flags of llama-server that are defaults of requests ----

LIMITS = {"/completion": "n_predict", "/completions": "n_predict", "/v1/completions": "n_predict", "/infill": "n_predict",
          "/chat/completions": "max_tokens", "/v1/chat/completions": "max_tokens"}


def about_reasoning(server, path):
    out = {}
    if "chat/completions" in path and server.reasoning_format is not None:
        out["reasoning_format"] = server.reasoning_format
    if server.reasoning in ("on", "off"):
        out["chat_template_kwargs"] = {"enable_thinking": server.reasoning == "on"}
    return out


def with_defaults(server, path, data):
    if not isinstance(data, dict):
        return data
    if running[-1] in stand_ins.ENDLESS:
        data = {"ignore_eos": True, **data}
    if stand_ins.PEER:
        return data
    data = {name: value for name, value in data.items() if name != "model"}  # llama-server answers for any; manta for those that it has
    limit = LIMITS.get(path)
    if path == "/apply-template":
        return {**about_reasoning(server, path), **data}
    if limit is None:
        return data
    defaults = {"temperature": server.temperature, "seed": server.seed, **about_reasoning(server, path)}
    if server.n_predict:
        defaults[limit] = server.n_predict
    if set(data) & {"n_predict", "max_tokens"}:
        defaults.pop(limit, None)
    return {**defaults, **data}


def wrapped(call):
    def wrapper(self, method, path, data=None, *args, **options):
        answer = call(self, method, path, with_defaults(self, path, data), *args, **options)
        if isinstance(answer, utils.ServerResponse):  # names of headers have no case
            answer.headers = requests.structures.CaseInsensitiveDict(answer.headers)
        return answer
    return wrapper


def without_model(client, options, **more):
    if isinstance(options.json_data, dict):
        options.json_data.pop("model", None)
    return build(client, options, **more)


build = openai._base_client.BaseClient._build_request


def wrap_requests():
    if not stand_ins.PEER:
        openai._base_client.BaseClient._build_request = without_model
    for name in "make_request", "make_stream_request":
        setattr(utils.ServerProcess, name, wrapped(getattr(utils.ServerProcess, name)))


# ---- what only their own models say ----

def match_regex(regex, text):
    if running[-1] in stand_ins.WORDS:
        return isinstance(text, str) and len(text) > 0
    return compare(regex, text)


compare = utils.match_regex
utils.match_regex = match_regex


def count_anew(item):
    """Numbers of tokens that are parameters: those of the model that stands in."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    for name, numbers in stand_ins.COUNTS.get(item.originalname, {}).items():
        params[name] = numbers[params[name]]


# ---- what is expected ----

def table():
    """{test: reason} of listed.txt."""
    rows = {}
    for line in (HERE / "listed.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            test, kind, reason = ROW.fullmatch(line).groups()
            rows[test] = kind + reason
    return rows


ROW = re.compile(r"(test_\w+\.py(?:::\w+(?:\[.*\])?)?) (model|inside|differs|refused|passes)(.*)")


def start_and_wait(server, *args, **options):
    """/health of a head is well before its first worker has come."""
    start(server, *args, **options)
    while server.make_request("GET", "/readyz").status_code != 200 and server.process.poll() is None:
        time.sleep(0.05)


start = utils.ServerProcess.start


def pytest_configure(config):
    wrap_requests()
    if not stand_ins.PEER:
        utils.ServerProcess.start = start_and_wait


def pytest_collection_modifyitems(items):
    rows, used = table(), set()
    for item in items:
        count_anew(item)
        full = item.nodeid.removeprefix("unit/")
        name = full.partition("[")[0]
        some = [test for test in rows if "*" in test and re.fullmatch(re.escape(test).replace(r"\*", ".*"), full)]
        found = next((test for test in (full, *some, name, name.partition("::")[0]) if test in rows), None)
        used.add(found)
        wanted = "model" if stand_ins.PEER else ""  # llama-server is to fail where a model is the reason, and there alone is it asked for
        if found and rows[found] != "passes" and rows[found].startswith(wanted):
            item.add_marker(pytest.mark.xfail(reason=rows[found], strict=True))
    unknown = set(rows) - used
    if unknown and len(items) > 500:  # all of them were asked for
        raise pytest.UsageError(f"listed.txt names tests that there are not: {sorted(unknown)}")


def pytest_runtest_call(item):
    running[:] = [item.originalname]
