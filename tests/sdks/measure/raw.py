"""Requests as programs send them that use no SDK: llama-server's clients, Open WebUI, Continue, web pages."""

import json

from checks import ASK, EMBED, GAP, KEY, KEYED, LONG, MODEL, PLAIN, RANK, SAY, SCRIPTED, WEATHER, check, http, main

PAGE = {"origin": "http://localhost:3000"}
COLD = {"temperature": 0, "max_tokens": 8}


def post(path, body, **more):
    status, headers, answer = http("POST", path, body, **more)
    assert status == 200, (status, answer)
    return answer


def get(path, **more):
    status, headers, answer = http("GET", path, **more)
    assert status == 200, (status, answer)
    return answer


def events(path, body):
    return [line[6:] for line in post(path, body, raw=True).splitlines() if line.startswith("data: ")]


def lines(path, body):
    return [json.loads(line) for line in post(path, body, raw=True).splitlines()]


def llama(name):
    return check("raw: llama-server's clients", name)


def completed():
    answer = post("/completion", {"model": MODEL, "prompt": "The sea is", "n_predict": 8, "temperature": 0, "n_probs": 2})
    return answer["content"] and len(answer["completion_probabilities"]) == 8 and answer["timings"]["predicted_n"] == 8 and answer["stop_type"] == "limit"


llama("/completion")(completed)
llama("/completion, streamed")(lambda: json.loads(events("/completion", {"prompt": "The sea is", "n_predict": 8, "stream": True})[-1])["stop"])
llama("/completion: a grammar")(lambda: post("/completion", {"model": MODEL, "prompt": "Yes or no?", "grammar": 'root ::= "yes" | "no"'})["content"] in ("yes", "no"))
llama("/tokenize")(lambda: len(post("/tokenize", {"model": MODEL, "content": "The sea is"})["tokens"]) == 3)
llama("/detokenize")(lambda: post("/detokenize", {"model": MODEL, "tokens": post("/tokenize", {"model": MODEL, "content": "The sea"})["tokens"]})["content"] == "The sea")
llama("/apply-template")(lambda: "Say hi." in post("/apply-template", {"model": MODEL, "messages": SAY})["prompt"])
llama("/props")(lambda: get("/props")["default_generation_settings"]["n_ctx"] > 0)
llama("/slots")(lambda: get("/slots")[0]["n_ctx"] > 0)
llama("/health")(lambda: get("/health")["status"] == "ok")
llama("/infill")(lambda: post("/infill", {"input_prefix": "def add(a, b):\n", "input_suffix": "\n", "n_predict": 4, "model": GAP})["content"])
llama("/v1/rerank")(lambda: post("/v1/rerank", {"model": RANK, "query": "cat", "documents": ["a cat", "a car"]})["results"])
llama("timings and progress in chats")(lambda: post("/v1/chat/completions", {"model": MODEL, "messages": SAY, **COLD})["timings"]["prompt_n"] >= 0)
llama("the words of a prompt that is too long")(lambda: (lambda e: e["n_prompt_tokens"] > e["n_ctx"])(
    http("POST", "/v1/chat/completions", {"model": MODEL, "messages": LONG})[2]["error"]))


def webui(name):
    return check("raw: Open WebUI", name)


webui("GET /models")(lambda: MODEL in [m["id"] for m in get("/models")["data"]])
webui("GET /v1/models")(lambda: get("/v1/models")["object"] == "list")
webui("POST /chat/completions")(lambda: post("/chat/completions", {"model": MODEL, "messages": SAY, **COLD})["choices"])
webui("POST /v1/chat/completions, streamed")(
    lambda: events("/v1/chat/completions", {"model": MODEL, "messages": SAY, "stream": True, "stream_options": {"include_usage": True}, **COLD})[-1] == "[DONE]")
webui("POST /embeddings")(lambda: post("/embeddings", {"model": EMBED, "input": ["a"]})["data"])
webui("GET /api/version")(lambda: get("/api/version")["version"])
webui("GET /api/tags")(lambda: get("/api/tags")["models"][0]["name"].count(":") == 1)
webui("GET /api/ps")(lambda: get("/api/ps")["models"][0]["expires_at"])
webui("POST /api/chat")(lambda: lines("/api/chat", {"model": f"{MODEL}:latest", "messages": SAY, "options": {"num_predict": 5}})[-1]["done"])
webui("POST /api/embed")(lambda: len(post("/api/embed", {"model": f"{EMBED}:latest", "input": ["a", "b"]})["embeddings"]) == 2)
webui("a model that is unloaded")(lambda: post("/api/generate", {"model": MODEL, "keep_alive": 0})["done"])


def kontinue(name):
    return check("raw: Continue", name)


kontinue("POST /api/show")(lambda: "num_ctx" in post("/api/show", {"name": MODEL})["parameters"])
kontinue("POST /api/chat with tools")(lambda: lines("/api/chat", {"model": SCRIPTED, "messages": ASK, "tools": [WEATHER]})[-1]["done_reason"] == "stop")
kontinue("POST /api/generate")(lambda: lines("/api/generate", {"model": MODEL, "prompt": "x", "raw": True, "options": {"num_predict": 5}})[-1]["done"])
kontinue("POST /api/generate with suffix")(lambda: lines("/api/generate", {"model": GAP, "prompt": "def f(", "suffix": "\n", "options": {"num_predict": 5}})[-1]["done"])
kontinue("POST /completion, streamed")(lambda: len(events("/completion", {"prompt": "x", "n_predict": 5, "stream": True})) > 1)


def page(name):
    return check("raw: web pages and headers", name)


def preflight():
    asks = {**PAGE, "access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    status, headers, _ = http("OPTIONS", "/v1/chat/completions", headers=asks)
    return status == 204 and headers["access-control-allow-origin"] == PAGE["origin"] and "authorization" in headers["access-control-allow-headers"].lower()


page("a page asks before")(preflight)
page("a page reads the answer")(lambda: http("GET", "/v1/models", headers=PAGE)[1]["access-control-allow-origin"] == PAGE["origin"])
page("a foreign page is refused")(lambda: http("GET", "/v1/models", headers={"origin": "https://evil.example"})[0] == 403)
page("x-request-id goes out")(lambda: http("POST", "/v1/chat/completions", {"model": PLAIN, "messages": SAY})[1]["x-request-id"].startswith("chatcmpl-"))
page("x-request-id comes back")(lambda: http("POST", "/v1/chat/completions", {"model": PLAIN, "messages": SAY}, {"x-request-id": "mine"})[1]["x-request-id"] == "mine")
for header in ({"api-key": KEY}, {"x-api-key": KEY}, {"authorization": f"Bearer {KEY}"}):
    page(f"a key as {next(iter(header))}")(lambda header=header: get("/v1/models", headers=header, url=KEYED)["data"])
page("the console")(lambda: "<html" in get("/", headers={"accept": "text/html"}, raw=True))
page("/metrics")(lambda: "manta_" in get("/metrics", raw=True))

main()
