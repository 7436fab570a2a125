"""Reasoning apart from the answer, and vectors, by frameworks. tests/sdks/run sets them up."""

import asyncio

import pytest

from test_calls import QUESTION, langchain, litellm_ask, llama_index, openai_agent, pydantic_ai
from test_sdks import Cluster, of

THOUGHT = "Paris, so France."


# ---- a framework: the reasoning of an answer, whole and gathered from its stream ----

def langchain_thinks(head, way):
    def thought(message):
        return "".join(b.get("reasoning", "") for b in message.content_blocks if b["type"] == "reasoning")
    model, gathered = langchain(head, way), None
    for chunk in model.stream(QUESTION):
        gathered = chunk if gathered is None else gathered + chunk
    return thought(model.invoke(QUESTION)), thought(gathered)


def pydantic_ai_thinks(head, way):
    def thought(run):
        """By responses the whole thought is apart from what would be a summary of it."""
        parts = [p for m in run.all_messages() for p in m.parts if p.part_kind == "thinking"]
        return "".join(p.content or "".join(p.provider_details["raw_content"]) for p in parts)

    async def streamed():
        async with pydantic_ai(head, way).iter(QUESTION) as run:
            async for node in run:
                if hasattr(node, "stream"):
                    async with node.stream(run.ctx) as stream:
                        async for _ in stream:
                            pass
        return run.result
    return thought(pydantic_ai(head, way).run_sync(QUESTION)), thought(asyncio.run(streamed()))


def openai_agents_think(head, way):
    import agents

    def thought(run):
        items = [i.raw_item for i in run.new_items if i.type == "reasoning_item"]
        return "".join(part.text for i in items for part in i.content or i.summary)

    async def streamed():
        run = agents.Runner.run_streamed(openai_agent(head, way), QUESTION)
        async for _ in run.stream_events():
            pass
        return run
    return thought(agents.Runner.run_sync(openai_agent(head, way), QUESTION)), thought(asyncio.run(streamed()))


def litellm_thinks(head, provider):
    pieces = [c.choices[0].delta for c in litellm_ask(head, provider, stream=True)]
    return (litellm_ask(head, provider).choices[0].message.reasoning_content,
            "".join(getattr(d, "reasoning_content", None) or "" for d in pieces))


def llama_index_thinks(head, way):
    from llama_index.core.llms import ChatMessage

    def thought(answer):
        return "".join(b.content for b in answer.message.blocks if b.block_type == "thinking")
    model, asked = llama_index(head, way), [ChatMessage(role="user", content=QUESTION)]
    *_, last = model.stream_chat(asked)
    return thought(model.chat(asked)), thought(last)


THINKS = {"langchain": (langchain_thinks, ["anthropic"]), "pydantic-ai": (pydantic_ai_thinks, ["chat", "responses"]),
          "openai-agents": (openai_agents_think, ["chat", "responses"]), "litellm": (litellm_thinks, ["openai", "hosted_vllm", "anthropic", "ollama_chat"]),
          "llama-index": (llama_index_thinks, ["chat", "responses"])}


@pytest.mark.parametrize("framework, way", [(framework, way) for framework, (_, ways) in THINKS.items() for way in ways])
def test_reasoning_is_apart(both, framework, way):
    """Given a model that thinks before it talks, the framework has its thought apart from its words, whole and streamed."""
    assert THINKS[framework][0](both, way) == (THOUGHT, THOUGHT)


# ---- vectors ----

@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("vectors")) as c:
        head = c.head()
        c.echo_worker(head, "echo:embed=8")
        head.wait_ready(actors=1)
        yield head


def pydantic_ai_vectors(head, texts):
    import openai
    from pydantic_ai import Embedder
    from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
    from pydantic_ai.providers.openai import OpenAIProvider
    embedder = Embedder(OpenAIEmbeddingModel("echo", provider=OpenAIProvider(openai_client=openai.AsyncOpenAI(**of(head)))))
    return [list(v) for v in embedder.embed_documents_sync(texts).embeddings]


def llama_index_vectors(head, texts):
    from llama_index.embeddings.openai import OpenAIEmbedding
    model = OpenAIEmbedding(model_name="echo", api_base=f"{head.url}/v1", api_key="none", max_retries=0)
    assert model.get_query_embedding(texts[0]) == model.get_text_embedding(texts[0])
    return model.get_text_embedding_batch(texts)


@pytest.mark.parametrize("embed", [pydantic_ai_vectors, llama_index_vectors])
def test_vectors(vectors, embed):
    """Given several texts, the framework has the vectors that the head gives, in their order."""
    texts = ["the sea", "a hill", "the sky"]
    wanted = [d["embedding"] for d in vectors.post("/v1/embeddings", {"model": "echo", "input": texts})[1]["data"]]
    assert embed(vectors, texts) == [pytest.approx(v, abs=1e-6) for v in wanted] and wanted[0] != wanted[1]
