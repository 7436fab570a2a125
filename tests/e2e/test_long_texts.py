"""Prompts that take long to become tokens, or cannot become any: streams beside them continue, and the reason reaches the client."""

import json
import struct

import pytest

from cluster import REAL, smollm2, together, wait_for
from streams import Load, ask

HELD = "echo:tokens=40,decode_us=1000,context=65536,slow=molasses"  # a prompt with that word takes an hour to tokenize


def in_flight(head):
    return sum(a["in_flight"] for a in head.status()["actor_list"])


@pytest.mark.parametrize("words", ["molasses", "molasses " + "and a long text " * 4000], ids=["short", "long"])
def test_streams_beside_a_prompt_that_never_becomes_tokens(cluster, words):
    """Given a prompt whose tokens take an hour; when others ask the same actor; then they are answered as if it were not
    there, and when its client goes, its slot is free again."""
    head = cluster.head()
    cluster.echo_worker(head, HELD, "--slots", 3)
    head.wait_ready(actors=1)
    body = {"prompt": "tell me of rays", "seed": 3, "stream": True}
    alone = ask(head, body).what()
    held = head.begin("/v1/completions", {"prompt": words})
    wait_for("the held prompt to be at the actor", lambda: in_flight(head) == 1)
    assert [a.what() for a in together(2, lambda i: ask(head, body))] == [alone, alone]
    assert in_flight(head) == 1
    held.close()
    head.wait_idle()
    assert ask(head, body).what() == alone


def test_a_worker_ends_with_a_prompt_that_never_becomes_tokens(cluster):
    """Given such prompts in both lanes; when the worker is to end at once; then it does."""
    head = cluster.head()
    worker = cluster.echo_worker(head, HELD, "--slots", 3)
    head.wait_ready(actors=1)
    held = [head.begin("/v1/completions", {"prompt": words}) for words in ("molasses", "molasses " * 8000)]
    wait_for("both at the actor", lambda: in_flight(head) == 2)
    assert worker.stop(2) == 0
    for conn in held:
        conn.close()


KINDS = {
    "spaces": " ", "letters": "a", "words": "hello ", "characters": "水", "control tokens": "<|im_end|>", "marks": "e\u0301\u0302",
}


@pytest.mark.model
def test_megabytes_beside_a_stream(cluster):
    """Given a stream of the real model; when texts of 4 MB of several kinds come as completions and as chats; then each is refused
    for its length, the stream has the tokens it has alone, and the worker does not grow by what such texts take to tokenize."""
    head = cluster.head()
    worker = cluster.worker(head, *REAL)
    head.wait_ready(actors=1)
    body = {"prompt": "Once upon a time", "temperature": 0, "max_tokens": 300, "ignore_eos": True, "stream": True}
    alone = ask(head, body).what()
    before, stream = worker.rss_bytes(), Load(head, [body])
    for piece in KINDS.values():
        text = piece * (4_000_000 // len(piece.encode()))
        for path, extra in (("/v1/completions", {"prompt": text}), ("/v1/chat/completions", {"messages": [{"role": "user", "content": text}]})):
            status, answer = head.post(path, json.dumps({"max_tokens": 1, **extra}, ensure_ascii=False).encode())
            assert (status, answer["error"]["type"]) == (400, "exceed_context_size_error"), answer
            assert "this model's maximum context length is 1,024 tokens" in answer["error"]["message"]
    assert stream.what() == [alone]
    assert not worker.has_grown(before, 64 << 20)


def with_template(path, source):
    """The real model with another chat template, which is filled up with spaces to the length of its own."""
    data = bytearray(smollm2().read_bytes())
    at = data.index(b"tokenizer.chat_template") + len(b"tokenizer.chat_template") + 4
    n = struct.unpack_from("<Q", data, at)[0]
    data[at + 8:at + 8 + n] = source.encode().ljust(n)
    path.write_bytes(data)
    return path


@pytest.mark.model
@pytest.mark.timeout(1800)
def test_what_a_template_says_reaches_the_client(cluster):
    """Given a template that refuses some words with a reason of several lines, and computes without an end for others; when such
    chats come; then the client has the reason on one line, or that the template has no end, and other chats are answered."""
    reason = "Conversation roles must alternate: user, assistant, user; " + "please " * 30 + "see the model's card"
    template = ("{% if messages[0]['content'] == 'no' %}{{ raise_exception('" + reason.replace("'", "\\'").replace("; ", ";\\n") + "') }}{% endif %}"
                "{% if messages[0]['content'] == 'spin' %}{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}{% endif %}"
                "{{ messages[0]['content'] }}")
    template = template.replace("please " * 30, "please " * 3)
    reason = reason.replace("please " * 30, "please " * 3)
    head = cluster.head()
    cluster.worker(head, "--model", with_template(cluster.folder / "odd.gguf", template), "--context", 256, "--slots", 2, "--threads", 1)
    head.wait_ready(actors=1)

    def chat(words):  # what is stopped at ten seconds of processor time, behind all others on the machine, takes long on a busy one
        status, answer = head.post("/v1/chat/completions", {"messages": [{"role": "user", "content": words}], "max_tokens": 2}, timeout_s=3600)
        return status, answer.get("error", {}).get("message")
    assert chat("no") == (400, f"the model's chat template refuses these messages: {reason}")
    status, message = chat("spin")
    assert status == 400 and message.startswith("the model's chat template cannot be used for these messages: it "), message
    assert chat("Hello")[0] == 200


@pytest.mark.model
def test_a_model_that_ends_every_text(cluster):
    """Given a file that wants an end-of-text token behind every text; when an answer continues after its worker was killed; then it is
    the answer of the file without that wish."""
    data = bytearray(smollm2().read_bytes())
    at = data.index(b"tokenizer.ggml.add_bos_token")
    data[at:at + 28], data[at + 32] = b"tokenizer.ggml.add_eos_token", 1
    odd = cluster.folder / "odd.gguf"
    odd.write_bytes(data)
    head = cluster.head()
    cluster.worker(head, *REAL, "--exact")
    body = {"prompt": "One, two, three,", "temperature": 0, "max_tokens": 80, "ignore_eos": True, "stream": True}
    head.wait_ready(actors=1)
    alone = ask(head, {**body, "model": "smollm2"}).what()
    workers = {name: cluster.worker(head, "--node", name, "--model", odd, *REAL[2:], "--exact") for name in "ab"}
    head.wait_ready(actors=3)
    killed = []

    def on_event(answer):
        if len(answer.times) == 5 and not killed:
            killed.append(next(a["node"] for a in head.status()["actor_list"] if a["in_flight"]))
            workers[killed[0]].kill()
    assert ask(head, {**body, "model": "odd"}, on_event=on_event).what() == alone
    assert killed
