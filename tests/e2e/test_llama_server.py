"""llama-server's own endpoints, as its clients call them: texts made tokens and back, chats made prompts, /completion whole and in events, /props, /slots."""

import json
import re
import signal

import pytest

import fixtures
from cluster import Cluster, wait_for

QUESTION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why is the sea blue?"}]


def events_of(text):
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]


def complete(head, **fields):
    status, answer = head.post("/completion", {"prompt": "The sea is", "n_predict": 8, "temperature": 0, **fields})
    assert status == 200, answer
    return answer


@pytest.mark.model
def test_texts_become_tokens_and_texts_again(smol):
    """Given a text, its tokens are those that it has as a prompt; with their pieces if these are wanted; they give the text back. Nothing is computed."""
    text = "The sea: wide, 水 <|im_end|>"
    _, prompt = smol.post("/v1/completions", {"prompt": text, "max_tokens": 1, "return_token_ids": True})
    computed = sum(a["tokens"] for a in smol.status()["actor_list"])
    status, answer = smol.post("/tokenize", {"content": text, "add_special": True})
    assert status == 200 and answer == {"tokens": prompt["prompt_token_ids"]}
    pieces = smol.post("/tokenize", {"content": text, "with_pieces": True})[1]["tokens"]
    assert [p["id"] for p in pieces] == smol.post("/tokenize", {"content": text})[1]["tokens"]
    raw = b"".join(p["piece"].encode() if isinstance(p["piece"], str) else bytes(p["piece"]) for p in pieces)
    assert raw.decode() == text
    ids = smol.post("/tokenize", {"content": "One, two."})[1]["tokens"]
    assert smol.post("/detokenize", {"tokens": ids}) == (200, {"content": "One, two."})
    assert smol.post("/detokenize", {"tokens": prompt["prompt_token_ids"]}) == (200, {"content": text})
    letters = smol.post("/tokenize", {"content": text, "parse_special": False})[1]["tokens"]
    assert len(letters) > len(prompt["prompt_token_ids"]) and smol.post("/detokenize", {"tokens": letters})[1]["content"] == text
    assert smol.post("/chat/completions/input_tokens", {"messages": QUESTION})[1]["input_tokens"] == smol.post("/v1/responses/input_tokens", {
        "instructions": "Be brief.", "input": QUESTION[1]["content"]})[1]["input_tokens"] > 20
    assert sum(a["tokens"] for a in smol.status()["actor_list"]) == computed
    for path, body, param in (("/tokenize", {}, "content"), ("/detokenize", {}, "tokens"), ("/detokenize", {"tokens": ["a"]}, "tokens"),
                              ("/tokenize", {"content": "a", "parse_special": 7}, "parse_special")):
        status, answer = smol.post(path, body)
        assert status == 400 and answer["error"]["param"].startswith(param), answer


@pytest.mark.model
def test_texts_and_token_ids_are_one_prompt(smol):
    """Given texts and token ids in one prompt, its tokens are those of the texts, each by itself, and the ids; alone, among other prompts, with its echo, as an
    input of a vector's model; and too many texts, or what is neither, are refused by their place."""
    ids = smol.post("/tokenize", {"content": " is"})[1]["tokens"]
    mixed = ["The sea", *ids, " blue", " and"]
    tokens = smol.post("/tokenize", {"content": mixed})[1]["tokens"]
    assert tokens == [t for text in ("The sea", " is", " blue", " and") for t in smol.post("/tokenize", {"content": text})[1]["tokens"]]
    assert smol.post("/tokenize", {"content": ["The sea", " is"]})[1]["tokens"] == tokens[:3]
    alone = complete(smol, prompt=tokens)
    assert complete(smol, prompt=mixed)["content"] == alone["content"] and alone["tokens_evaluated"] == len(tokens)
    assert [a["content"] for a in complete(smol, prompt=["The sea is", mixed])] == [complete(smol)["content"], alone["content"]]
    answer = smol.post("/v1/completions", {"prompt": mixed, "max_tokens": 0, "echo": True, "return_token_ids": True})[1]
    assert answer["choices"][0]["text"] == "The sea is blue and" and answer["prompt_token_ids"] == tokens
    for prompt, param in ((["a", 5, {}], "prompt[2]"), (["a"] * 257 + [5], "prompt"), (["a", 49152], None)):
        status, answer = smol.post("/completion", {"prompt": prompt})
        assert status == 400 and answer["error"]["param"] == param, answer
    assert smol.post("/detokenize", {"tokens": ["a", 5]})[0] == 400


@pytest.mark.model
def test_a_word_is_biased_by_its_text(smol):
    """Given a bias of a text, in either shape and in each dialect that has biases, each token of the text has that bias; `false` means never."""
    said = complete(smol, n_predict=16)["content"]
    word = " " + said.split()[2]
    ids = smol.post("/tokenize", {"content": word})[1]["tokens"]
    by_id = complete(smol, n_predict=16, logit_bias=[[i, False] for i in ids])
    assert word in said and word not in by_id["content"]
    for bias in [[word, False]], [[word, -100]], {word: False}, {word: -100}, {**{str(i): -100 for i in ids}, "水": 0.5}:
        assert complete(smol, n_predict=16, logit_bias=bias)["content"] == by_id["content"], bias
    assert by_id["generation_settings"]["logit_bias"] == [{"bias": None, "token": i} for i in ids]
    told = complete(smol, logit_bias={word: -7})["generation_settings"]["logit_bias"]
    assert told == [{"bias": -7, "text": word}]
    chat = {"messages": QUESTION, "temperature": 0, "max_tokens": 16}
    for path, body, of in (("/v1/chat/completions", chat, lambda a: a["choices"][0]["message"]["content"]),
                           ("/v1/completions", {"prompt": "The sea is", "temperature": 0}, lambda a: a["choices"][0]["text"]),
                           ("/manta/process_prompt", {"prompt": QUESTION[1]["content"], "temperature": 0, "max_tokens": 16}, lambda a: a["final_response"])):
        said = of(smol.post(path, body)[1])
        word = " " + said.split()[1]
        status, answer = smol.post(path, {**body, "logit_bias": {word: False}})
        assert status == 200 and word + " " in said and word + " " not in of(answer), (said, answer)
    for bias, param in (({"": 1}, "logit_bias['']"), ([["x" * 257, 1]], "logit_bias[0]"), ({"a": True}, "logit_bias['a']"), ({"-1": 1}, "logit_bias")):
        status, answer = smol.post("/completion", {"prompt": "a", "logit_bias": bias})
        assert status == 400 and answer["error"]["param"] == param, answer


@pytest.mark.model
def test_a_chat_becomes_a_prompt(smol):
    """Given a chat, the template's text; as a completion it has the chat's answer."""
    status, answer = smol.post("/apply-template", {"messages": QUESTION})
    assert status == 200 and answer["prompt"].endswith("<|im_start|>assistant\n") and "Be brief." in answer["prompt"]
    chat = smol.post("/v1/chat/completions", {"messages": QUESTION, "temperature": 0, "max_tokens": 12})[1]["choices"][0]["message"]["content"]
    assert complete(smol, prompt=answer["prompt"], n_predict=12)["content"] == chat
    with_tools = smol.post("/apply-template", {"messages": QUESTION, "tools": [{"type": "function", "function": {"name": "look_up"}}]})[1]["prompt"]
    assert "look_up" in with_tools


@pytest.mark.model
def test_completion(smol):
    """Given a prompt, or several, the answer in llama-server's words, whole and in events; it ends by its length, a word, or by itself."""
    whole = complete(smol)
    assert whole["stop"] and whole["stop_type"] == "limit" and whole["tokens_predicted"] == 8 and whole["tokens_evaluated"] == 3
    assert whole["timings"]["predicted_n"] == 8 and whole["model"] == "smollm2" and whole["content"]
    status, _, text = smol.request("POST", "/completion", json.dumps({"prompt": "The sea is", "n_predict": 8, "temperature": 0, "stream": True}))
    events = events_of(text)
    assert status == 200 and "".join(e["content"] for e in events) == whole["content"] and "[DONE]" not in text
    ids = [t for e in events for t in e["tokens"]]
    assert len(ids) == 8 and ids == complete(smol, return_tokens=True)["tokens"] and whole["tokens"] == []
    assert smol.post("/detokenize", {"tokens": ids})[1]["content"] == whole["content"]
    assert events[-1]["timings"]["predicted_n"] == 8 and not any("timings" in e for e in events[:-1])
    for end in whole, events[-1]:
        assert end["generation_settings"]["n_predict"] == 8 and end["has_new_line"] == ("\n" in whole["content"]) and end["truncated"] is False
    assert complete(smol, response_fields=["content", "generation_settings/n_predict"]) == {"content": whole["content"], "generation_settings/n_predict": 8}
    assert [e["stop"] for e in events] == [False] * (len(events) - 1) + [True] and events[-1]["stop_type"] == "limit"
    word = whole["content"].split()[2]
    ended = complete(smol, stop=[word])
    assert ended["stop_type"] == "word" and ended["stopping_word"] == word and word not in ended["content"]
    several = complete(smol, prompt=["The sea is", "One"])
    assert [a["index"] for a in several] == [0, 1] and several[0]["content"] == whole["content"]
    scored = complete(smol, n_probs=3, n_predict=2)["completion_probabilities"]
    assert len(scored) == 2 and len(scored[0]["top_logprobs"]) == 3 and scored[0]["id"] == scored[0]["top_logprobs"][0]["id"]
    assert complete(smol, grammar='root ::= "yes"')["content"] == "yes"
    assert complete(smol, prompt={"prompt_string": "The sea is"})["content"] == whole["content"]
    assert smol.post("/completion", {})[0] == 400


def stream_of(head, path, body):
    status, _, text = head.request("POST", path, json.dumps({**body, "stream": True}))
    assert status == 200, text
    return events_of(text)


@pytest.mark.model
def test_progress_of_a_prompt(smol):
    """Given a prompt of several batches, who asks for it is told how far it is, from what the cache had to the whole, before the first token; the
    answer is the same. Nobody else is told."""
    words = " ".join(f"word{i}" for i in range(160))
    plain = {"prompt": words, "n_predict": 3, "temperature": 0, "seed": 1}
    ways = (("/completion", plain), ("/v1/completions", {**plain, "max_tokens": 3}), ("/v1/responses", {"input": words, "max_output_tokens": 3}),
            ("/v1/chat/completions", {"messages": [{"role": "user", "content": words}], "max_tokens": 3}))
    for path, body in ways:
        events = stream_of(smol, path, {**body, "return_progress": True, "timings_per_token": True, **({} if path == "/v1/responses" else {"cache_prompt": False})})
        told = [e["prompt_progress"] for e in events if "prompt_progress" in e]
        total = told[0]["total"]
        assert len(told) >= 2 and total > 400 and told[0]["processed"] == told[0]["cache"] and told[-1]["processed"] == total, (path, told)
        assert all(a["processed"] < b["processed"] and a["time_ms"] <= b["time_ms"] for a, b in zip(told, told[1:])), told
        assert path == "/v1/responses" or told[0]["cache"] == 0
        first = next(e for e in events if "prompt_progress" in e)["timings"]
        assert first["prompt_n"] == first["prompt_ms"] == first["predicted_n"] == 0
        assert not any("prompt_progress" in e for e in stream_of(smol, path, body))


@pytest.mark.model
def test_a_prompt_is_computed_anew_where_that_is_wanted(smol):
    """Given a prompt that a slot holds, with cache_prompt false nothing of it is reused, and the text is the same."""
    body = {"prompt": "The quick brown fox jumps over the lazy dog. " * 4, "max_tokens": 4, "temperature": 0, "user": "a"}
    answers = [smol.post("/v1/completions", {**body, **more})[1] for more in ({}, {}, {"cache_prompt": False})]
    cached = [a["usage"]["prompt_tokens_details"]["cached_tokens"] for a in answers]
    assert cached[1] > 20 and cached[2] == 0 and len({a["choices"][0]["text"] for a in answers}) == 1


@pytest.mark.model
def test_probabilities_of_the_draw(smol):
    """Given filters, post_sampling_probs tells the probabilities that the draw went by: they sum up to 1, and the token that came is among them."""
    scored = complete(smol, prompt="Today I would finally become a", temperature=0.7, top_k=8, n_probs=10, n_predict=6, seed=3, post_sampling_probs=True)
    for token in scored["completion_probabilities"]:
        top = token["top_probs"]
        assert 1 <= len(top) <= 8 and sum(t["prob"] for t in top) == pytest.approx(1, abs=1e-4)
        assert [t["prob"] for t in top] == sorted((t["prob"] for t in top), reverse=True)
        assert token["prob"] == next(t["prob"] for t in top if t["id"] == token["id"])
    greedy = complete(smol, n_probs=3, n_predict=2, post_sampling_probs=True)["completion_probabilities"]
    assert all(t["prob"] == 1 and len(t["top_probs"]) == 1 for t in greedy)
    body = {"prompt": "Today", "n_predict": 4, "n_probs": 2, "post_sampling_probs": True}
    assert all("prob" in t for e in stream_of(smol, "/completion", body) for t in e.get("completion_probabilities", []))
    assert smol.post("/v1/completions", {"prompt": "a", "post_sampling_probs": True})[0] == 400


@pytest.fixture(scope="module")
def filler(tmp_path_factory):
    """One head with a worker whose model has tokens for a gap (and was never trained to fill one)."""
    with Cluster(tmp_path_factory.mktemp("filler"), "filler") as c:
        head = c.head()
        c.worker(head, "--model", fixtures.file("smollm2-fim"), "--context", "256", "--slots", "1", "--threads", "1", "--exact")
        head.wait_ready(actors=1)
        yield head


BEFORE, AFTER = "def area(r):\n    return ", " * r * r\n"


def prompt_of(head, **fields):
    status, answer = head.post("/v1/completions", {"max_tokens": 1, "temperature": 0, "return_token_ids": True, **fields})
    assert status == 200, answer
    return answer["prompt_token_ids"]


@pytest.mark.model
def test_a_gap_is_filled(filler):
    """Given the texts around a gap, the prompt is made of them and of the model's own tokens, in llama.cpp's order; /infill and `suffix` ask the
    same, whole and in events. Of long texts what is nearest to the gap is taken; a model without such tokens refuses."""
    def tokens(text):
        return filler.post("/tokenize", {"content": text})[1]["tokens"]
    repo, pre, suf, mid = 4, 11, 12, 13  # <reponame>, and the three that the fixture names
    expected = [repo, *tokens("myproject\n"), pre, *tokens(BEFORE), suf, *tokens(AFTER), mid]
    assert prompt_of(filler, prompt=BEFORE, suffix=AFTER) == expected
    body = {"input_prefix": BEFORE, "input_suffix": AFTER, "n_predict": 6, "temperature": 0, "ignore_eos": True}
    status, whole = filler.post("/infill", body)
    assert status == 200 and whole["tokens_evaluated"] == len(expected) and whole["tokens_predicted"] == 6
    gap = filler.post("/v1/completions", {"prompt": BEFORE, "suffix": AFTER, "max_tokens": 6, "temperature": 0, "ignore_eos": True})[1]
    assert gap["choices"][0]["text"] == whole["content"]
    assert complete(filler, prompt=expected, n_predict=6, ignore_eos=True)["content"] == whole["content"]
    events = events_of(filler.request("POST", "/infill", json.dumps({**body, "stream": True}))[2])
    assert "".join(e["content"] for e in events) == whole["content"] and events[-1]["stop"]
    beside = filler.post("/infill", {**body, "prompt": "3.1", "input_extra": [{"filename": "pi.py", "text": "pi = 3.14\n"}]})[1]
    snippet = tokens("\n\n--- snippet ---\n\n")  # there is no token for files
    assert beside["tokens_evaluated"] == len(expected) + len(snippet) + len(tokens("pi = 3.14\n")) + len(tokens("3.1"))
    long = prompt_of(filler, prompt="x = 1\n" * 4000 + BEFORE, suffix=AFTER + "y = 2\n" * 4000)
    assert len(long) <= 256 and long[long.index(suf) - len(tokens(BEFORE)):long.index(suf)] == tokens(BEFORE)
    assert long[long.index(suf) + 1:][:len(tokens(AFTER))] == tokens(AFTER)


@pytest.mark.model
def test_a_model_without_tokens_for_gaps_refuses(smol):
    for path, body in (("/infill", {"input_prefix": BEFORE, "input_suffix": AFTER}), ("/v1/completions", {"prompt": BEFORE, "suffix": AFTER})):
        status, answer = smol.post(path, body)
        assert status == 400 and "cannot fill gaps" in answer["error"]["message"], answer


PLAIN = {"prompt": "tell"}
MIXED = {"prompt": ["tell ", 270, 271, " me"], "logit_bias": [[" sea", False], [" rays", -100]]}  # token ids of the echo engine


@pytest.mark.parametrize("asked", [PLAIN, MIXED], ids=["text", "texts-and-ids"])
def test_a_completion_lives_on(cluster, asked):
    """Given llama-server's events in their middle, when the worker is killed, or the head, the rest is what it would have been: also of a prompt of texts and
    token ids, without words that it must not have."""
    head = cluster.head()
    workers = {node: cluster.echo_worker(head, "echo:tokens=80", "--node", node) for node in ("ash", "fir")}
    head.wait_ready(actors=2)
    body = {**asked, "n_predict": 70, "seed": 4, "stream": True}
    expected = "".join(e["content"] for e in stream_of(head, "/completion", body))
    if asked == MIXED:
        unbiased = "".join(e["content"] for e in stream_of(head, "/completion", {**body, "logit_bias": None}))
        assert re.search(" sea| rays", unbiased) and not re.search(" sea| rays", expected)
    for lost in ("worker", "head"):
        cluster.pace(20)
        conn = head.begin("/completion", body)
        text, last, n = "", "", 0
        try:
            for line in conn.getresponse():
                last = line.decode()[4:].strip() if line.startswith(b"id: ") else last
                if not line.startswith(b"data: "):
                    continue
                text, n = text + json.loads(line[6:])["content"], n + 1
                if n == 20:
                    busy = next(node for node in workers if head.computes(node))
                    workers.pop(busy).kill() if lost == "worker" else head.send(signal.SIGKILL)
                    cluster.pace(0)
        except OSError:
            assert lost == "head"
        conn.close()
        if lost == "head":
            head = cluster.head(port=head.port)
            head.wait_ready(actors=1)
            text += "".join(e["content"] for e in events_of(head.request("GET", f"/v1/streams/{last}")[2]))
        assert text == expected


def test_props_and_slots(cluster):
    """Given a head, what it knows of its first model; before there is one, 503."""
    head = cluster.head()
    assert head.request("GET", "/props")[0] == 503 and head.get("/slots") == []
    cluster.echo_worker(head, "echo:tokens=50,context=512", "--slots", 3)
    head.wait_ready(actors=1)
    props = head.get("/props")
    assert props["default_generation_settings"]["n_ctx"] == 512 and props["total_slots"] == 3 and props["model_alias"] == "echo"
    cluster.pace(200)
    conn = head.begin("/completion", {"prompt": "tell", "stream": True})
    wait_for("a busy slot", lambda: [s["is_processing"] for s in head.get("/slots")] == [True, False, False])
    cluster.pace(0)
    conn.close()
