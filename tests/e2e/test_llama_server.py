"""llama-server's own endpoints, as its clients call them: texts made tokens and back, chats made prompts, /completion whole and in events, /props, /slots."""

import json
import signal

import pytest

from cluster import wait_for

QUESTION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why is the sea blue?"}]


def events_of(text):
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


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
    assert raw.decode() == text.replace("<|im_end|>", "")
    ids = smol.post("/tokenize", {"content": "One, two."})[1]["tokens"]
    assert smol.post("/detokenize", {"tokens": ids}) == (200, {"content": "One, two."})
    assert sum(a["tokens"] for a in smol.status()["actor_list"]) == computed
    for path, body, param in (("/tokenize", {}, "content"), ("/detokenize", {}, "tokens"), ("/detokenize", {"tokens": ["a"]}, "tokens"),
                              ("/tokenize", {"content": "a", "parse_special": False}, "parse_special")):
        status, answer = smol.post(path, body)
        assert status == 400 and answer["error"]["param"].startswith(param), answer


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
    assert [e["stop"] for e in events] == [False] * (len(events) - 1) + [True] and events[-1]["stop_type"] == "limit"
    word = whole["content"].split()[2]
    ended = complete(smol, stop=[word])
    assert ended["stop_type"] == "word" and ended["stopping_word"] == word and word not in ended["content"]
    several = complete(smol, prompt=["The sea is", "One"])
    assert [a["index"] for a in several] == [0, 1] and several[0]["content"] == whole["content"]
    scored = complete(smol, n_probs=3, n_predict=2)["completion_probabilities"]
    assert len(scored) == 2 and len(scored[0]["top_logprobs"]) == 3 and scored[0]["id"] == scored[0]["top_logprobs"][0]["id"]
    assert complete(smol, grammar='root ::= "yes"')["content"] == "yes"
    assert smol.post("/completion", {})[0] == 400


def test_a_completion_lives_on(cluster):
    """Given llama-server's events in their middle, when the worker is killed, or the head, the rest is what it would have been."""
    head = cluster.head()
    workers = {node: cluster.echo_worker(head, "echo:tokens=80", "--node", node) for node in ("ash", "fir")}
    head.wait_ready(actors=2)
    body = {"prompt": "tell", "n_predict": 70, "seed": 4, "stream": True}
    expected = "".join(e["content"] for e in events_of(head.request("POST", "/completion", json.dumps(body))[2]))
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
