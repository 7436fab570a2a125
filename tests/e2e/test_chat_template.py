"""A chat template of the user's in place of the one in a model's file."""

import pytest

import fixtures
from cluster import REAL, manta

pytestmark = pytest.mark.model

SHOUTING = "{% for m in messages %}<{{ m.role | upper }}> {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}<ASSISTANT>{% endif %}"
HELLO = [{"role": "user", "content": "Hello"}]
CHATML = "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture
def shouting(tmp_path):
    file = tmp_path / "shouting.jinja"
    file.write_text(SHOUTING)
    return file


def prompt(head, model, **more):
    status, answer = head.post("/apply-template", {"model": model, "messages": HELLO, **more})
    assert status == 200, answer
    return answer["prompt"]


def test_chats_are_rendered_with_it(cluster, shouting):
    """Given a worker with a template of the user's and one with the model's own, chats are rendered by each in its way, and no answer of the one
    may continue on the other: they are two models."""
    head = cluster.head()
    cluster.worker(head, *REAL, "--chat-template", shouting, "--node", "loud")
    head.wait_ready(actors=1)
    assert prompt(head, "smollm2") == "<USER> Hello\n<ASSISTANT>"
    assert prompt(head, "smollm2", add_generation_prompt=False) == "<USER> Hello\n"
    whole = head.post("/v1/chat/completions", {"model": "smollm2", "messages": HELLO, "max_tokens": 4, "temperature": 0})[1]
    raw = head.post("/v1/completions", {"model": "smollm2", "prompt": "<USER> Hello\n<ASSISTANT>", "max_tokens": 4, "temperature": 0})[1]
    assert whole["choices"][0]["message"]["content"] == raw["choices"][0]["text"] and whole["usage"]["prompt_tokens"] == raw["usage"]["prompt_tokens"]
    cluster.worker(head, *REAL, "--node", "plain")
    head.wait_ready(actors=2)
    names = sorted(m["id"] for m in head.get("/v1/models")["data"])
    assert len(names) == 2 and names[0] == "smollm2" and names[1].startswith("smollm2@"), names
    assert prompt(head, names[1]).endswith(CHATML) and prompt(head, "smollm2") == "<USER> Hello\n<ASSISTANT>"


def test_a_prompt_without_a_beginning(cluster):
    """Given a chat whose prompt shall end with its last message, the model continues that text, streamed and whole, as a completion of it."""
    head = cluster.head()
    cluster.worker(head, *REAL)
    head.wait_ready(actors=1)
    text = prompt(head, "smollm2", add_generation_prompt=False)
    assert text == prompt(head, "smollm2").removesuffix("<|im_start|>assistant\n")
    said = {"max_tokens": 8, "temperature": 0}
    whole = head.post("/v1/chat/completions", {"messages": HELLO, "add_generation_prompt": False, **said})[1]
    raw = head.post("/v1/completions", {"prompt": text, **said})[1]
    assert whole["choices"][0]["message"]["content"] == raw["choices"][0]["text"] and whole["usage"]["prompt_tokens"] == raw["usage"]["prompt_tokens"]


def test_counts_beyond_the_context(cluster):
    """Given a chat that is longer than the context, its tokens are counted and its prompt is told all the same; only an answer is refused."""
    head = cluster.head()
    cluster.worker(head, *REAL, "--context", 256, "--slots", 1)
    head.wait_ready(actors=1)
    long = {"messages": [{"role": "user", "content": "word " * 1000}], "max_tokens": 1}
    status, answer = head.post("/v1/messages/count_tokens", long)
    assert status == 200 and answer["input_tokens"] > 1000, answer
    assert head.post("/apply-template", long)[1]["prompt"].count("word") == 1000
    assert len(head.post("/tokenize", {"content": "word " * 1000})[1]["tokens"]) > 1000
    status, answer = head.post("/v1/chat/completions", long)
    assert status == 400 and answer["error"]["code"] == "context_length_exceeded", answer


def test_chatml(cluster):
    """Given a model whose file has no template, "chatml" gives it one that the engine knows."""
    head = cluster.head()
    cluster.worker(head, "--model", fixtures.file("gpt2-tiny"), "--chat-template", "chatml")
    head.wait_ready(actors=1)
    assert prompt(head, "gpt2-tiny") == CHATML


@pytest.mark.parametrize("content, complaint", [
    ("{{ (1 }}", "the chat template given for the model cannot be used"),
    ("", "it is empty"),
    (None, "No such file"),
    (1 << 20, "is not a text of at most 1048576 bytes"),
])
def test_what_cannot_be_used(tmp_path, content, complaint):
    """Given a file that is no template, a worker does not start, and says why."""
    file = tmp_path / "t.jinja"
    if content is not None:
        file.write_text(content if isinstance(content, str) else "a" * (content + 1))
    end = manta("worker", "--head", "127.0.0.1:1", *REAL, "--chat-template", file, folder=tmp_path)
    assert end.returncode != 0 and complaint in end.stderr, end.stderr


def test_the_echo_engine_has_none(tmp_path, shouting):
    end = manta("worker", "--head", "127.0.0.1:1", "--engine", "echo", "--model", "echo", "--chat-template", shouting, folder=tmp_path)
    assert end.returncode != 0 and "--chat-template: the echo engine has no templates" in end.stderr, end.stderr
