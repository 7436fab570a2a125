"""Every field that clients of other servers send: honoured, refused by its name, or a hint that changes no answer. No silent no."""

import json
import re

import pytest

from cluster import Cluster

CHAT, TEXT, ASK, EMBED = "/v1/chat/completions", "/v1/completions", "/manta/process_prompt", "/v1/embeddings"
BASE = {
    CHAT: {"messages": [{"role": "user", "content": "hi"}]},
    TEXT: {"prompt": "hi"},
    ASK: {"prompt": "hi"},
    EMBED: {"model": "vectors", "input": "hi"},
}

# Field, a value with which it changes the answer where it is honoured; refused at these endpoints.
REFUSED = {
    (CHAT, TEXT, ASK): [
        ("grammar_lazy", True), ("format", "json"), ("min_tokens", 5), ("stop_token_ids", [7]), ("bad_words", ["a"]), ("allowed_token_ids", [7]), ("n_indent", 4),
        ("t_max_predict_ms", 50), ("t_max_prompt_ms", 50), ("top_a", 0.2),
        ("tfs_z", 0.5),
        ("adaptive_target", 0.5), ("adaptive_decay", 0.5),
        ("use_beam_search", True), ("length_penalty", 0.5), ("early_stopping", True),
        ("chat_template", "{{ x }}"), ("documents", [{"text": "a"}]), ("generation_prompt", "a"),
        ("add_special_tokens", True), ("truncate_prompt_tokens", 4), ("reasoning", {"effort": "high"}),
        ("reasoning_budget", 100), ("thinking", {"type": "enabled"}),
        ("think", True), ("system", "be brief"), ("template", "{{ .Prompt }}"), ("raw", True), ("context", [1, 2]),
        ("options", {"temperature": 0}), ("images", ["aGk="]), ("image_data", [{"data": "aGk=", "id": 1}]), ("audio", {"voice": "alloy"}),
        ("modalities", ["text", "audio"]), ("lora", [{"id": 0, "scale": 1}]), ("web_search_options", {"a": 1}),
        ("post_sampling_probs", True), ("prompt_logprobs", 1), ("include_stop_str_in_output", True), ("skip_special_tokens", False),
        ("spaces_between_special_tokens", False), ("return_tokens_as_token_ids", True),
        ("verbose", True), ("return_tokens", True), ("response_fields", ["content"]),
        ("safe_prompt", True), ("prompt_mode", "reasoning"), ("tool_prompt", "a"), ("ebnf", 'root ::= "a"'), ("stop_regex", "a+"), ("no_stop_trim", True),
        ("lora_path", "a"), ("custom_logit_processor", "a"), ("thinking_budget", 9), ("thinking_token_budget", 9), ("prompt_truncate_len", 9),
        ("enable_search", True), ("search_parameters", {"mode": "on"}), ("data_sources", [{"type": "a"}]),
    ],
    (TEXT, ASK): [("add_generation_prompt", False), ("continue_final_message", True), ("chat_template_kwargs", {"enable_thinking": False}), ("reasoning_effort", "high"),
                  ("reasoning_format", "deepseek"), ("enable_thinking", True)],
    (CHAT,): [("functions", [{"name": "f"}]), ("echo", True), ("suffix", "end")],
    (CHAT, ASK): [("function_call", {"name": "f"})],
    (TEXT,): [("top_logprobs", 3)],
    (ASK,): [("n_cmpl", 2), ("n_probs", 2), ("timings_per_token", True), ("cache_prompt", False), ("return_progress", True), ("logprobs", True), ("top_logprobs", 2), ("n", 2), ("tools", [{}]), ("return_token_ids", True),
             ("tool_choice", "required"), ("tool_choice", {"type": "function", "function": {"name": "f"}})],
    (EMBED,): [("embd_normalize", -1), ("normalize", False), ("pooling", "cls"), ("truncate", True), ("truncate_prompt_tokens", 3),
               ("task", "retrieval.query"), ("input_type", "query"), ("prompt_name", "query"), ("instruction", "a"), ("late_chunking", True),
               ("options", {"num_ctx": 3}), ("truncation", True), ("output_dimension", 2), ("output_dtype", "int8"), ("embedding_type", "binary"),
               ("embedding_types", ["int8"])],
}

# What an answer must be: honoured by models (test_forms.py), refused by the echo engine, which keeps to nothing.
FORMS = [
    ("grammar", 'root ::= "a"'), ("json_schema", {"type": "object"}), ("json_schema", {}), ("structured_outputs", {"choice": ["a"]}),
    ("guided_json", {"type": "object"}), ("guided_choice", ["a", "b"]), ("guided_regex", "a+"), ("regex", "a+"), ("guided_grammar", 'root ::= "a"'),
    ("response_format", {"type": "json_object"}), ("response_format", {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}),
]

# The values that ask for nothing: SDKs and front ends send them with every request.
HARMLESS = [
    ("typical_p", 1.0), ("top_n_sigma", -1), ("xtc_probability", 0), ("xtc_threshold", 0.1), ("dry_multiplier", 0.0), ("dry_base", 1.75),
    ("dry_allowed_length", 2), ("dry_penalty_last_n", -1), ("dry_sequence_breakers", ["\n", ":", '"', "*"]), ("mirostat", 0),
    ("mirostat_tau", 5), ("mirostat_eta", 0.1), ("dynatemp_range", 0), ("dynatemp_exponent", 1), ("min_keep", 0), ("min_tokens", 0),
    ("grammar", ""), ("json_schema", None), ("stop_token_ids", []), ("skip_special_tokens", True),
    ("cache_prompt", True), ("modalities", ["text"]), ("reasoning_format", "auto"), ("chat_template_kwargs", {}), ("lora", []),
    ("samplers", ["penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature"]),
    ("response_format", {"type": "text"}), ("verbose", False), ("audio", None),
    ("safe_prompt", False), ("prompt_mode", None), ("no_stop_trim", False), ("enable_search", False), ("regex", None), ("random_seed", None),
]
HINTS = [("id_slot", 1), ("n_keep", 4), ("n_discard", 3), ("n_cache_reuse", 256), ("sse_ping_interval", 3), ("parallel_tool_calls", False),
         ("prediction", {"type": "content", "content": "a"}), ("verbosity", "low"), ("service_tier", "flex"), ("metadata", {"a": "b"}),
         ("safety_identifier", "a"), ("store", False), ("speculative.n_max", 3), ("backend_sampling", True), ("keep_alive", "5m"),
         ("a_field_that_nobody_knows", [1])]


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    """A head with a model that answers and one that makes vectors."""
    with Cluster(tmp_path_factory.mktemp("fields"), "head") as c:
        head = c.head()
        c.echo_worker(head, "echo:tokens=30", "--model", "echo:name=vectors,embed=8")
        head.wait_ready(actors=2)
        yield head


def send(head, path, **fields):
    return head.post(path, {"model": "echo", "max_tokens": 8, "temperature": 0, **BASE[path], **fields} if path != EMBED
                     else {**BASE[path], **fields})


def pairs(table):
    return [(path, field, value) for paths, rows in table.items() for path in paths for field, value in rows]


def test_what_manta_lacks_is_refused_by_its_name(head):
    """Given every field of other servers that changes an answer and that manta does not have; when it is sent with such a value, to
    every endpoint; then the answer is 400, names the field and says that it is not supported."""
    asked = pairs(REFUSED)
    assert len({(path, field) for path, field, _ in asked}) >= 222
    wrong = []
    for path, field, value in asked:
        status, answer = send(head, path, **{field: value})
        error = answer.get("error") or {}
        if status != 400 or error.get("param") != field or error.get("type") != "not_supported_error" or field not in error["message"]:
            wrong.append((path, field, value, status, error))
    assert not wrong, wrong


@pytest.mark.parametrize("path", [CHAT, TEXT, ASK])
def test_a_form_that_is_not_kept_to_is_refused_by_its_name(head, path):
    """Given the fields that say what an answer must be, and an engine that cannot hold answers to it; then none is ignored."""
    for field, value in FORMS:
        status, answer = send(head, path, **{field: value})
        error = answer.get("error") or {}
        assert status == 400 and error.get("param") == field and field in error["message"], (field, value, status, answer)


@pytest.mark.parametrize("path", [CHAT, TEXT, ASK])
def test_values_that_ask_for_nothing_are_fine(head, path):
    """Given the same fields with the value that asks for nothing, and hints; when they come; then the answer is the one without them."""
    plain = send(head, path)[1]

    def text(answer):
        return answer["final_response"] if path == ASK else answer["choices"][0].get("text", answer["choices"][0].get("message"))
    for field, value in HARMLESS + HINTS:
        status, answer = send(head, path, **{field: value})
        assert status == 200 and text(answer) == text(plain), (field, value, answer)


@pytest.mark.parametrize("field, value", [("thinking", "hm"), ("reasoning", "hm"), ("function_call", {"name": "f"}), ("images", ["aGk="]), ("prefix", True)])
def test_fields_of_a_message(head, field, value):
    """Given a message with a field that manta does not read and a template could; then it is refused, with its place."""
    status, answer = head.post(CHAT, {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", field: value},
                                                   {"role": "user", "content": "c"}]})
    assert status == 400 and answer["error"]["param"].startswith("messages[1]") and "supported" in answer["error"]["message"]
    assert head.post(CHAT, {"messages": [{"role": "user", "content": "a", field: None}], "max_tokens": 1})[0] == 200


@pytest.mark.parametrize("path", [CHAT, TEXT, ASK])
@pytest.mark.parametrize("field", ["n_predict", "max_tokens", "max_completion_tokens"])
def test_limits_hold_under_every_name(head, path, field):
    """Given any of the three names of the limit; when it is sent to any endpoint; then the answer has so many tokens."""
    status, answer = head.post(path, {**BASE[path], field: 5})
    assert status == 200
    assert (answer["responses"][0]["tokens"] if path == ASK else answer["usage"]["completion_tokens"]) == 5


def test_names_of_other_servers_that_are_honoured(head):
    """Given llama-server's n_cmpl and n_probs, and Mistral's random_seed; when they are sent; then there are so many answers, log-probabilities, and the
    answer of that seed."""
    answer = send(head, CHAT, n_cmpl=3)[1]
    assert len(answer["choices"]) == 3
    answer = send(head, CHAT, n_probs=2)[1]
    assert all(len(t["top_logprobs"]) == 2 for t in answer["choices"][0]["logprobs"]["content"])
    assert len(send(head, TEXT, n_probs=2)[1]["choices"][0]["logprobs"]["top_logprobs"][0]) == 2
    assert send(head, TEXT, n_probs=0)[1]["choices"][0]["logprobs"] is None
    for path in (CHAT, TEXT):
        seeds = [("seed", 7), *[("random_seed", 7)] * 3, ("random_seed", 8)]
        texts = [json.dumps(send(head, path, **{name: n}, temperature=2)[1]["choices"][0], sort_keys=True) for name, n in seeds]
        assert len(set(texts[:4])) == 1 and texts[4] != texts[0], texts


@pytest.mark.parametrize("path", [CHAT, TEXT])
def test_times_of_an_answer(head, path):
    """Given an answer; then it has llama-server's timings, which fit its usage; a stream has them in each event when it is asked for them, and
    else in none: its events are the same whenever and by whomever they are sent."""
    status, answer = send(head, path, n=2, max_tokens=5)
    times, usage = answer["timings"], answer["usage"]
    assert status == 200 and times["predicted_n"] == usage["completion_tokens"] == 10
    assert times["cache_n"] + times["prompt_n"] == 2 * usage["prompt_tokens"]
    assert times["predicted_per_second"] == pytest.approx(1000 * (times["predicted_n"] - 2) / times["predicted_ms"], rel=1e-6)

    def events(**fields):
        body = {"model": "echo", **BASE[path], "max_tokens": 5, "stream": True, "stream_options": {"include_usage": True}, **fields}
        return [json.loads(e) for e in re.findall("data: ({.*})", head.request("POST", path, json.dumps(body))[2])]
    asked = [e for e in events(timings_per_token=True) if not (e["choices"] and "role" in e["choices"][0].get("delta", {}))]
    said = [e["timings"]["predicted_n"] for e in asked]
    assert said == sorted(said) and said[0] == 1 and said[-2:] == [5, 5]
    assert [e["timings"]["predicted_ms"] for e in asked] == sorted(e["timings"]["predicted_ms"] for e in asked)
    for other in (events(), events(timings_per_token=False)):
        assert len(other) > 5 and not any("timings" in e for e in other)


def test_seed_minus_one_is_another_one_each_time(head):
    """Given seed -1, as llama-server's clients mean it; when a prompt is asked six times; then the answers differ; with a seed they do not."""
    def texts(seed):
        return {json.dumps(send(head, TEXT, seed=seed, temperature=2)[1]["choices"][0]["text"]) for _ in range(6)}
    assert len(texts(-1)) > 1 and len(texts(7)) == 1 and len(texts(-2)) == 1


def test_paths_without_v1(head):
    """Given clients that build their addresses without /v1; when they ask; then they are answered the same."""
    for path in (CHAT, TEXT, EMBED):
        body = {**BASE[path], **({} if path == EMBED else {"temperature": 0, "max_tokens": 3})}
        (status, with_v1), (bare_status, bare) = head.post(path, body), head.post(path.removeprefix("/v1"), body)
        assert status == bare_status == 200 and with_v1.get("choices") == bare.get("choices") and with_v1.get("data") == bare.get("data")
    assert head.get("/models") == head.get("/v1/models") and head.get("/models/echo") == head.get("/v1/models/echo")
    assert head.request("GET", "/models/nothing")[0] == 404


@pytest.mark.parametrize("coding, status", [("gzip", 415), ("br", 415), ("deflate, gzip", 415), ("identity", 200), ("Identity", 200)])
def test_compressed_bodies(head, coding, status):
    """Given a body that says it is compressed; then it is refused as such, not as broken JSON."""
    got, _, text = head.request("POST", TEXT, '{"prompt":"hi","max_tokens":1}', {"content-encoding": coding})
    assert got == status and (status == 200 or "content-encoding" in json.loads(text)["error"]["message"])


def test_large_requests_for_vectors(head):
    """Given what OpenAI's documentation allows, 2,048 texts, or 300,000 token ids in all; when it comes in one request; then each input has its
    vector; one text more is refused with the limit."""
    status, answer = head.post(EMBED, {"model": "vectors", "input": [f"text {i}" for i in range(2048)]})
    assert status == 200 and [d["index"] for d in answer["data"]] == list(range(2048))
    status, answer = head.post(EMBED, {"model": "vectors", "input": [[i % 200 for i in range(1000)]] * 300})
    assert status == 200 and len(answer["data"]) == 300 and answer["usage"]["prompt_tokens"] == 300000
    status, answer = head.post(EMBED, {"model": "vectors", "input": ["x"] * 2049})
    assert status == 400 and "2048" in answer["error"]["message"]


@pytest.mark.parametrize("path", [CHAT, TEXT])
def test_biases_of_tokens_that_do_not_exist(head, path):
    """Given a bias for a token id beyond the model's vocabulary; then it is refused with that id, not ignored."""
    status, answer = send(head, path, logit_bias={"3": 1, "7654321": 5})
    assert status == 400 and "logit_bias" in answer["error"]["message"] and "7654321" in answer["error"]["message"]
    assert send(head, path, logit_bias={"3": 1})[0] == 200


def test_request_ids_come_back(head):
    """Given a client with an id of its own for a request; then every answer has it in x-request-id, errors, too, and manta's own beside it; without
    one, x-request-id is manta's."""
    for path, body in ((TEXT, '{"prompt":"hi","max_tokens":1}'), (TEXT, "{"), (TEXT, '{"prompt":"hi","max_tokens":2,"stream":true}'), ("/nowhere", "{}")):
        status, headers, _ = head.request("POST", path, body, {"x-request-id": "trace 7/é".encode().decode("latin1")})
        assert headers["x-request-id"] == "trace 7/é".encode().decode("latin1"), (status, path)
        assert status != 200 or headers["x-manta-request-id"].startswith("cmpl-")
    assert head.request("POST", TEXT, '{"prompt":"hi","max_tokens":1}')[1]["x-request-id"].startswith("cmpl-")


def test_a_wrong_key_has_openais_code(cluster):
    """Given a head with a key; then it may come in any of the three headers, and a wrong one is told with OpenAI's code."""
    head = cluster.head("--api-key", "secret")
    for headers in ({"authorization": "Bearer secret"}, {"x-api-key": "secret"}, {"api-key": "secret"}):
        assert head.request("GET", "/v1/models", headers=headers)[0] == 200
    for headers in ({}, {"authorization": "Bearer wrong"}, {"api-key": "wrong"}):
        status, _, text = head.request("GET", "/v1/models", headers=headers)
        assert status == 401 and json.loads(text)["error"]["code"] == "invalid_api_key"
