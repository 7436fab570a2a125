"""Embeddings: what the openai client gets from embedding models, and that the vectors are the right ones."""

import base64
import concurrent.futures
import struct
import sys
import time

import openai
import pytest

import fixtures
import reference
import weights
from cluster import Beside, Cluster, wait_for

pytestmark = pytest.mark.model

TEXTS = [
    "kitten", "The cat sits on the mat.", "A feline rests upon a rug.", "The stock market fell by 3.7% on Tuesday.",
    "Žluťoučký kůň úpěl ďábelské ódy", "naïve café résumé", "def main():\n    return 42", "日本語のテキスト",
    "It's a test -- isn't it? (Yes; \"quite\" so!)", "word " * 40,
]
MODELS = {
    "all-minilm-l6-v2": (weights.minilm, "mean"),
    "distilbert-tiny": (weights.distilbert, "mean"),
    "bert-cls-tiny": (weights.distilbert, "cls"),
    "bert-long-tiny": (weights.bert_long, "mean"),
}
LAST = "gpt2-last-tiny"
MINILM = "all-minilm-l6-v2"


@pytest.fixture(scope="session")
def vectors(tmp_path_factory):
    """One head; three workers with an embedding model each, and one that generates text."""
    with Cluster(tmp_path_factory.mktemp("vectors"), "vectors") as c:
        head = c.head()
        for model in MODELS:
            exact = () if model == MINILM else ("--kv", "f32")  # without the rounding of flash attention
            c.worker(head, "--model", fixtures.file(model), "--slots", 4, "--threads", 1, "--node", model, *exact)
        c.worker(head, "--model", fixtures.file(LAST), "--threads", 1, "--kv", "f32")
        c.echo_worker(head, "echo:tokens=4")
        head.wait_ready(actors=len(MODELS) + 2)
        yield head


@pytest.fixture
def embedder(vectors):
    return openai.OpenAI(base_url=f"{vectors.url}/v1", api_key="none", max_retries=0, timeout=120)


def embed(head, status=200, **body):
    got, answer = head.post("/v1/embeddings", body)
    assert got == status, answer
    return answer if status == 200 else answer["error"]


def difference(a, b):
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


def product(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("model", MODELS)
def test_vectors_are_the_references(embedder, model):
    """Given an embedding model and ten texts; when the openai client asks for their vectors; then the token
    ids are those of the hub's tokenizer, and each vector is that of an independent forward pass: within 2e-4 of one that rounds
    GELU as ggml does, within 1e-3 of the model's own form."""
    checkpoint, pooling = MODELS[model]
    answer = embedder.embeddings.create(model=model, input=TEXTS, extra_body={"return_token_ids": True})
    assert [d.index for d in answer.data] == list(range(len(TEXTS)))
    worst = [0, 0]
    for text, item in zip(TEXTS, answer.data, strict=True):
        tokens = weights.bert_tokenizer().encode(text).ids
        assert item.prompt_token_ids == tokens
        for i, table in enumerate((True, False)):
            worst[i] = max(worst[i], difference(item.embedding, reference.bert_embedding(checkpoint(), tokens, pooling, table)))
    print(f"{model}: largest difference {worst[0]:.1e} (GELU as ggml), {worst[1]:.1e} (GELU as trained)", file=sys.stderr)
    assert worst[0] <= 2e-4 and worst[1] <= 1e-3
    assert answer.usage.prompt_tokens == sum(len(weights.bert_tokenizer().encode(t).ids) for t in TEXTS)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens


def test_vectors_of_the_last_token(embedder):
    """Given a decoder whose file says that the last token's state is the vector; when ten texts are sent together; then
    each is within 2e-4 of an independent forward pass."""
    answer = embedder.embeddings.create(model=LAST, input=TEXTS, extra_body={"return_token_ids": True})
    worst = max(difference(item.embedding, reference.gpt2_embedding(weights.gpt2(), item.prompt_token_ids)) for item in answer.data)
    print(f"{LAST}: largest difference {worst:.1e}", file=sys.stderr)
    assert worst <= 2e-4


def test_a_long_text_is_taken_whole(embedder):
    """Given a model whose file says 2,048 tokens of context; when a text of 1,602 tokens is sent between short ones; then
    its vector, and theirs, are those of an independent forward pass."""
    texts = ["kitten", "word " * 1600, "The cat sits on the mat."]
    answer = embedder.embeddings.create(model="bert-long-tiny", input=texts)
    for text, item in zip(texts, answer.data, strict=True):
        tokens = weights.bert_tokenizer().encode(text).ids
        assert difference(item.embedding, reference.bert_embedding(weights.bert_long(), tokens)) <= 2e-4
    assert answer.usage.prompt_tokens > 1600


def test_many_texts_share_a_call(cluster):
    """Given an engine that takes 500 ms for a call, whatever is in it; when 64 texts are sent in one request, and then 64 in
    as many requests; then both take less than half of 64 calls."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:embed=16", "--slots", 64)
    cluster.pace(500)
    head.wait_ready(actors=1)
    began = time.monotonic()
    assert len(embed(head, input=[f"text {i}" for i in range(64)])["data"]) == 64
    together = time.monotonic() - began
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        began = time.monotonic()
        assert all(len(a["data"]) == 1 for a in pool.map(lambda i: embed(head, input=f"text {i}"), range(64)))
        side_by_side = time.monotonic() - began
    assert together < 16 and side_by_side < 16, f"{together:.2f} s, {side_by_side:.2f} s"


def test_meaning_is_near(embedder):
    """Given the real MiniLM; when words are compared; then a kitten is near a cat and far from the stock market."""
    cat, kitten, market = (d.embedding for d in embedder.embeddings.create(
        model=MINILM, input=["cat", "kitten", "stock market"]).data)
    assert product(cat, kitten) == pytest.approx(0.788, abs=0.01)
    assert product(cat, market) < 0.2
    assert product(cat, cat) == pytest.approx(1, abs=1e-5)


def test_one_text_or_many_as_text_or_ids(vectors):
    """Given one text; when it is sent alone, in a list, as its token ids, or as a list of them; then the vector is the
    same, and ids cost what the text does."""
    ids = weights.bert_tokenizer().encode("kitten").ids
    answers = [embed(vectors, model=MINILM, input=form) for form in ("kitten", ["kitten"], ids, [ids])]
    assert all(a["data"] == answers[0]["data"] and a["usage"] == answers[0]["usage"] for a in answers)
    assert answers[0]["usage"] == {"prompt_tokens": len(ids), "total_tokens": len(ids)}
    assert answers[0]["model"] == MINILM and answers[0]["object"] == "list"


def test_many_inputs_come_in_their_order(vectors):
    """Given 300 short texts, more than go into one call; when they are sent together; then each index has the vector that
    the text has alone, but for the rounding of sums (test_llama_embed.c), and far from any other's."""
    answer = embed(vectors, model=MINILM, input=[f"text number {i % 7}" for i in range(300)])
    assert [d["index"] for d in answer["data"]] == list(range(300))
    for i in range(7):
        alone = embed(vectors, model=MINILM, input=f"text number {i}")["data"][0]["embedding"]
        assert all(difference(d["embedding"], alone) < 5e-4 for d in answer["data"][i::7])
        assert all(difference(d["embedding"], alone) > 5e-3 for d in answer["data"][i + 1::7])


def test_base64_is_the_same_numbers(vectors):
    """Given a text; when its vector is asked for as base64; then the bytes are the same floats, little-endian."""
    plain = embed(vectors, model=MINILM, input="kitten")["data"][0]["embedding"]
    coded = embed(vectors, model=MINILM, input="kitten", encoding_format="base64")["data"][0]["embedding"]
    floats = struct.unpack(f"<{len(plain)}f", base64.b64decode(coded, validate=True))
    assert difference(plain, floats) < 1e-7


@pytest.mark.parametrize("dimensions", [1, 100, 384])
def test_fewer_dimensions(vectors, dimensions):
    """Given a model of 384 dimensions; when fewer are asked for; then so many come, the first ones, of length 1."""
    whole = embed(vectors, model=MINILM, input="kitten")["data"][0]["embedding"][:dimensions]
    cut = embed(vectors, model=MINILM, input="kitten", dimensions=dimensions)["data"][0]["embedding"]
    length = product(whole, whole) ** 0.5
    assert len(cut) == dimensions and product(cut, cut) == pytest.approx(1, abs=1e-5)
    assert difference(cut, [x / length for x in whole]) < 1e-6


@pytest.mark.parametrize("wrong, param, said", [
    ({}, "input", "is missing"),
    ({"input": ""}, "input", "is empty"),
    ({"input": []}, "input", "is empty"),
    ({"input": ["a", ""]}, "input[1]", "is empty"),
    ({"input": [[]]}, "input[0]", "is empty"),
    ({"input": 5}, "input", "expected a string"),
    ({"input": {"text": "a"}}, "input", "expected a string"),
    ({"input": ["a", {}]}, "input[1]", "expected a string"),
    ({"input": [5, "a", {}]}, "input[2]", "a token id or a text"),
    ({"input": [-1]}, "input[0]", "out of range"),
    ({"input": [[1, 2], [1.5]]}, "input[1][0]", "an integer"),
    ({"input": ["a"] * 2049}, "input", "2049 texts, at most 2048"),
    ({"input": "a", "encoding_format": "hex"}, "encoding_format", "'hex'"),
    ({"input": "a", "dimensions": 0}, "dimensions", "out of range"),
    ({"input": "a", "dimensions": 385}, "dimensions", "385 were asked for, the model's vectors have 384"),
])
def test_wrong_values_are_named(vectors, wrong, param, said):
    """Given a request with one thing wrong; when it is sent; then it is refused with the field and what would be right."""
    error = embed(vectors, status=400, model=MINILM, **wrong)
    assert error["param"] == param and said in error["message"], error


def test_tokens_that_are_none(vectors):
    """Given a token id beyond the vocabulary; when its vector is asked for; then the error has both numbers."""
    assert "token 30522 is not one of this model's 30522" in embed(vectors, 400, model=MINILM, input=[101, 30522, 102])["message"]


def test_text_longer_than_the_model(vectors):
    """Given a model of 512 tokens; when one of several texts, or of token arrays, has more; then the whole request is
    refused with both numbers and the input's index, nothing is cut off silently, and the worker lives."""
    error = embed(vectors, 400, model=MINILM, input=["short", "word " * 600])
    assert error["code"] == "context_length_exceeded" and error["param"] == "input[1]"
    assert "602 tokens" in error["message"] and "512" in error["message"]
    assert (error["n_prompt_tokens"], error["n_ctx"]) == (602, 512)
    assert "513 tokens" in embed(vectors, 400, model=MINILM, input=[[101] * 513])["message"]
    assert len(embed(vectors, model=MINILM, input=["word " * 510])["data"]) == 1


def test_chat_with_an_embedding_model(vectors):
    """Given a model that makes embeddings; when a chat or a completion is asked of it; then it is refused, and the error
    names the models that generate text."""
    for path, body in (("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]}),
                       ("/v1/completions", {"prompt": "Hi"}), ("/manta/process_prompt", {"prompt": "Hi"})):
        status, answer = vectors.post(path, {"model": MINILM, **body})
        message = answer["error"]["message"]
        assert status == 400 and "makes embeddings" in message and "models for text: 'echo'" in message, answer


def test_embeddings_from_a_chat_model(vectors):
    """Given a model that generates text; when embeddings are asked of it; then it is refused, and the error names the
    embedding models there are."""
    message = embed(vectors, 400, model="echo", input="Hi")["message"]
    assert "makes no embeddings" in message and all(f"'{model}'" in message for model in [*MODELS, LAST]), message


def test_unknown_embedding_model(vectors):
    """Given no model of that name; when its embeddings are asked for; then it is not found, and those there are, are named."""
    error = embed(vectors, 404, model="ada", input="Hi")
    assert error["code"] == "model_not_found" and f"'{MINILM}'" in error["message"]


def test_worker_lost_in_the_middle(cluster):
    """Given two workers with an embedding model; when one is killed while 60 texts are on their way; then all vectors come,
    each the right one."""
    head = cluster.head()
    workers = [cluster.echo_worker(head, "echo:embed=16", "--node", n) for n in "ab"]
    head.wait_ready(actors=2)
    alone = [embed(head, input=f"text {i}")["data"][0]["embedding"] for i in range(3)]
    cluster.pace(600000)

    def strike():
        wait_for("a to have some of them", lambda: head.computes("a"))
        workers[0].kill()
        cluster.pace(0)
    with Beside(strike):
        answer = embed(head, model="echo", input=[f"text {i % 3}" for i in range(60)])
    assert [d["embedding"] for d in answer["data"]] == [alone[i % 3] for i in range(60)]
