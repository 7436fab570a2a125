"""Reranking: which of several texts answer a question, as Jina asks it and as TEI does; what a reranker says is what an independent forward pass says."""

import json

import pytest

import fixtures
import reference
import weights
from cluster import Cluster

pytestmark = pytest.mark.model

QUERY = "What is machine learning?"
DOCUMENTS = ["A machine is a physical system.", "Paris, capitale de la France", "Learning is the process of acquiring new understanding.", "word " * 30]
RANKER, EMBEDDER = "bert-rank-tiny", "distilbert-tiny"


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """One head; a worker with a reranker, one with a model for vectors, one that writes text."""
    with Cluster(tmp_path_factory.mktemp("ranks"), "ranks") as c:
        head = c.head()
        for model in RANKER, EMBEDDER:
            c.worker(head, "--model", fixtures.file(model), "--slots", 4, "--threads", 1, "--node", model, "--kv", "f32")
        c.echo_worker(head, "echo:tokens=4")
        head.wait_ready(actors=3)
        yield head


def pair(query, document):
    """[CLS] question [SEP] [SEP] text [SEP], as the fixture's file wants it."""
    ask = weights.bert_tokenizer().encode
    return [*ask(query).ids, ask(query).ids[-1], *ask(document).ids[1:]]


def rank(head, status=200, path="/v1/rerank", **body):
    got, answer = head.post(path, {"model": RANKER, "query": QUERY, "documents": DOCUMENTS, **body})
    assert got == status, answer
    return answer if status == 200 else answer["error"]


def test_scores_are_the_references(ranks):
    """Given a reranker and four texts, when they are asked about, each has the score of an independent forward pass, the best comes first, and
    the pairs' tokens are counted."""
    answer = rank(ranks)
    expected = [reference.bert_rank(weights.distilbert(), fixtures.rank_head(128), pair(QUERY, d)) for d in DOCUMENTS]
    results = answer["results"]
    assert [r["index"] for r in results] == sorted(range(4), key=lambda i: -expected[i])
    assert max(abs(r["relevance_score"] - expected[r["index"]]) for r in results) <= 5e-3, (results, expected)
    assert max(expected) - min(expected) > 0.5  # else anything would do
    tokens = sum(len(pair(QUERY, d)) for d in DOCUMENTS)
    assert answer["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    assert answer["object"] == "list" and answer["model"] == RANKER


def test_forms(ranks):
    """Given the paths and shapes of several servers, the same scores; top_n cuts them; TEI's answer is a bare list."""
    whole = rank(ranks)["results"]
    for path in "/rerank", "/v1/reranking", "/reranking", "/v2/rerank":
        assert [r["index"] for r in rank(ranks, path=path)["results"]] == [r["index"] for r in whole]
    assert [r["index"] for r in rank(ranks, top_n=2)["results"]] == [r["index"] for r in whole[:2]]
    assert len(rank(ranks, top_n=99)["results"]) == 4
    assert [r["index"] for r in rank(ranks, documents=[{"text": d} for d in DOCUMENTS])["results"]] == [r["index"] for r in whole]
    tei = rank(ranks, path="/rerank", documents=None, texts=DOCUMENTS, top_n=3)
    assert [t["index"] for t in tei] == [r["index"] for r in whole[:3]] and tei[0]["score"] == pytest.approx(whole[0]["relevance_score"], abs=1e-4)


def test_results_with_their_texts(ranks):
    """Given clients that ask for the texts beside the scores, each result has its own, in Jina's and Cohere's shape or in TEI's; without the
    question there are none."""
    plain = rank(ranks)["results"]
    without = rank(ranks, return_documents=False)["results"]
    assert all(set(r) == {"index", "relevance_score"} for r in plain + without) and [r["index"] for r in without] == [r["index"] for r in plain]
    for documents in DOCUMENTS, [{"text": d} for d in DOCUMENTS]:
        results = rank(ranks, documents=documents, return_documents=True, top_n=3)["results"]
        assert [(r["index"], r["document"]) for r in results] == [(r["index"], {"text": DOCUMENTS[r["index"]]}) for r in plain[:3]]
    tei = rank(ranks, path="/rerank", documents=None, texts=DOCUMENTS, return_text=True)
    assert [(t["index"], t["text"]) for t in tei] == [(r["index"], DOCUMENTS[r["index"]]) for r in plain]


def test_texts_outlive_their_head(cluster):
    """Given a request whose texts wait for a model that still has to come, when its head is replaced, the answer has them all the same."""
    head = cluster.head()
    conn = head.begin("/v1/rerank", {"model": RANKER, "query": QUERY, "documents": DOCUMENTS, "return_documents": True})
    head.wait_status(queued=len(DOCUMENTS))
    after = cluster.head("--replace", port=head.port)
    assert head.wait() == 0, head.log
    cluster.worker(after, "--model", fixtures.file(RANKER), "--slots", 4, "--threads", 1)
    results = json.loads(conn.getresponse().read())["results"]
    assert sorted(r["document"]["text"] for r in results) == sorted(DOCUMENTS)


def test_who_is_asked_without_a_name(ranks):
    """Given a reranker, a model for vectors and one for texts, when a request names none, it goes to the one that can answer it."""
    for _ in range(4):  # not by chance
        assert rank(ranks, model=None)["model"] == RANKER
        status, answer = ranks.post("/v1/embeddings", {"input": "a"})
        assert status == 200 and answer["model"] == EMBEDDER, answer
        status, answer = ranks.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}], "max_tokens": 2})
        assert status == 200 and answer["model"] == "echo", answer
    actors = {a["model"]: a["ranks"] for a in ranks.get("/manta/actors")["actor_list"]}
    assert actors == {RANKER: True, EMBEDDER: False, "echo": False}


def test_refusals(ranks):
    """Given what is no question, or a model that ranks nothing, an error that names it."""
    for body, param in (({"documents": []}, "documents"), ({"documents": None}, "documents"), ({"documents": [1]}, "documents[0]"), ({"query": None}, "query"),
                        ({"documents": 5}, "documents"), ({"top_n": 0}, "top_n"), ({"return_documents": 1}, "return_documents"), ({"truncate": True}, "truncate"),
                        ({"max_tokens_per_doc": 4096}, "max_tokens_per_doc"), ({"rank_fields": ["title"]}, "rank_fields"), ({"top_k": 2}, "top_k")):
        assert rank(ranks, 400, **body)["param"] == param, body
    assert "only a reranker can rank" in rank(ranks, 400, model=EMBEDDER)["message"]
    assert rank(ranks, 400, model="echo")["type"] in ("not_supported_error", "invalid_request_error")
    for path, body, model, said in (("/v1/rerank", {"query": "a", "documents": ["b"]}, "echo", f"generates text, it ranks no texts; models for ranking: '{RANKER}'"),
                                    ("/v1/rerank", {"query": "a", "documents": ["b"]}, "none", f"there is: '{RANKER}'"),
                                    ("/v1/embeddings", {"input": "a"}, "echo", f"it makes no embeddings; models for embeddings: '{EMBEDDER}'"),
                                    ("/v1/embeddings", {"input": "a"}, "none", f"there is: '{EMBEDDER}'"),
                                    ("/v1/completions", {"prompt": "a"}, RANKER, "ranks texts, it generates no text; models for text: 'echo'")):
        assert ranks.post(path, {**body, "model": model})[1]["error"]["message"].endswith(said), (path, model)
    status, answer = ranks.post("/v1/embeddings", {"model": RANKER, "input": "a"})
    assert status == 400 and "/v1/rerank" in answer["error"]["message"]
    assert rank(ranks, 400, documents=["word " * 2000])["type"] == "exceed_context_size_error"
