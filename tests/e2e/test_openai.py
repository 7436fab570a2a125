"""The real openai client, unchanged, with the real model."""

import re

import openai
import pytest

from cluster import together

pytestmark = pytest.mark.model

MODEL = "smollm2"
ACTORS = 2  # of the cluster that `smol` makes
QUESTION = [{"role": "user", "content": "Name three colours."}]


def chat(client, **options):
    return client.chat.completions.create(**{"model": MODEL, "messages": QUESTION, "max_tokens": 16, "temperature": 0, **options})


def test_chat_is_answered(client):
    """Given a cluster; when a client asks a question; then it gets a text, its reason to stop and what it cost."""
    answer = chat(client)
    choice = answer.choices[0]
    assert answer.object == "chat.completion" and answer.id.startswith("chatcmpl-") and answer.model == MODEL
    assert choice.message.role == "assistant" and choice.message.content.strip()
    assert choice.finish_reason in ("stop", "length")
    assert 0 < answer.usage.completion_tokens <= 16
    assert answer._request_id == answer.id, "what a person quotes when something went wrong"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_stream_is_the_plain_answer_in_pieces(client):
    """Given one question with temperature 0; when it is asked plain and streaming; then the pieces add up to the plain
    answer, the last piece has the reason to stop, and the usage comes once, behind all choices."""
    plain = chat(client)
    chunks = list(chat(client, stream=True, stream_options={"include_usage": True}))
    pieces = [c for c in chunks if c.choices]
    assert "".join(c.choices[0].delta.content or "" for c in pieces) == plain.choices[0].message.content
    assert len(pieces) > 3
    first = pieces[0].choices[0].delta
    assert (first.role, first.content) == ("assistant", None) and not any(c.choices[0].delta.role for c in pieces[1:])
    assert [c.choices[0].finish_reason for c in pieces[:-1]] == [None] * (len(pieces) - 1)
    assert pieces[-1].choices[0].finish_reason == plain.choices[0].finish_reason
    assert [c.usage is not None for c in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].usage.completion_tokens == plain.usage.completion_tokens
    assert len({c.id for c in chunks}) == 1


def test_stop_string_ends_the_answer_before_it(client):
    """Given an answer; when it is asked for again with a word of its middle as stop string; then it ends just before
    that word, plain and streaming alike."""
    whole = chat(client, max_tokens=24).choices[0].message.content
    word = whole.split()[len(whole.split()) // 2]
    expected = whole[:whole.index(word)]
    cut = chat(client, max_tokens=24, stop=[word, "never said"])
    assert (cut.choices[0].message.content, cut.choices[0].finish_reason) == (expected, "stop")
    stream = chat(client, max_tokens=24, stop=word, stream=True)
    assert "".join(c.choices[0].delta.content or "" for c in stream) == expected


def test_max_tokens_is_a_limit(client):
    """Given a question with a long answer; when it may have 5 tokens; then it has 5, and says that it was cut."""
    answer = chat(client, messages=[{"role": "user", "content": "Tell a long story."}], max_tokens=5)
    assert (answer.usage.completion_tokens, answer.choices[0].finish_reason) == (5, "length")


def test_same_seed_same_text(client):
    """Given two workers in exact mode; when a question is asked several times with one seed, alone and beside others;
    then the same seed gives the same text wherever and beside whatever it is answered, and another seed another one."""
    def draw(seed):
        return chat(client, temperature=1.5, seed=seed, max_tokens=16).choices[0].message.content
    alone = draw(7)
    crowd = together(6, lambda i: draw(7 if i % 2 == 0 else 100 + i))
    assert crowd[::2] == [alone] * 3
    assert alone not in crowd[1::2]


def test_logit_bias_decides(client):
    """Given a question; when one token of the vocabulary gets a bias of 100; then nothing else is said; and when the
    first token of the usual answer is found so and gets -100, the answer begins otherwise."""
    forced = chat(client, max_tokens=3, logit_bias={"5000": 100}).choices[0].message.content
    piece = forced[:len(forced) // 3]
    assert piece and forced == piece * 3
    assert chat(client, max_tokens=3, logit_bias={"5000": -100}) != forced


def test_n_answers_one_prompt(client):
    """Given a question; when two answers are wanted; then both come, numbered, and the prompt is paid for once."""
    one = chat(client)
    answer = chat(client, n=2, temperature=1.2, seed=3)
    assert sorted(c.index for c in answer.choices) == [0, 1]
    assert answer.choices[0].message.content != answer.choices[1].message.content
    assert answer.usage.prompt_tokens == one.usage.prompt_tokens


def test_n_streams_are_told_apart(client):
    """Given n=2; when it streams; then each piece names its answer, and both end."""
    texts, ends = {0: "", 1: ""}, set()
    for chunk in chat(client, n=2, temperature=1.2, seed=3, stream=True):
        choice = chunk.choices[0]
        texts[choice.index] += choice.delta.content or ""
        if choice.finish_reason:
            ends.add(choice.index)
    assert ends == {0, 1} and texts[0] and texts[1] and texts[0] != texts[1]


def test_logprobs_of_each_token(client):
    """Given logprobs are asked for; when the answer comes; then every token has one, and none is above 0."""
    answer = chat(client, logprobs=True)
    tokens = answer.choices[0].logprobs.content
    assert len(tokens) == answer.usage.completion_tokens
    assert all(t.logprob <= 0 for t in tokens)


def complete_with_tokens(client, stop=None, stream=False):
    """Text, tokens as text, and their log-probabilities of a completion."""
    answer = client.completions.create(model=MODEL, prompt="One, two, three, four, five,", max_tokens=24, temperature=0, logprobs=1,
                                       stop=stop, stream=stream)
    choices = [c.choices[0] for c in (answer if stream else [answer])]
    tokens = [t for c in choices if c.logprobs for t in zip(c.logprobs.tokens, c.logprobs.token_logprobs)]
    return "".join(c.text for c in choices), tokens


def chat_with_tokens(client, stop=None, stream=False):
    """The same of a chat."""
    answer = chat(client, max_tokens=24, logprobs=True, top_logprobs=2, stop=stop, stream=stream)
    choices = [c.choices[0] for c in (answer if stream else [answer])]
    text = "".join((c.delta if stream else c.message).content or "" for c in choices)
    return text, [(t.token, t.logprob) for c in choices if c.logprobs for t in c.logprobs.content]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("with_tokens", [complete_with_tokens, chat_with_tokens])
def test_a_stop_string_is_cut_from_the_tokens_too(client, with_tokens, stream):
    """Given an answer with log-probabilities; when it is asked for again with one to three of its tokens as stop string; then
    it has the tokens before them and no others, with the same log-probabilities; with a stop string that begins within a
    token, that token is the last one."""
    whole, tokens = with_tokens(client)
    assert "".join(t for t, _ in tokens) == whole
    tried = 0
    for k, n in ((3, 1), (5, 2), (7, 3), (10, 2)):
        before, stop = "".join(t for t, _ in tokens[:k]), "".join(t for t, _ in tokens[k:k + n])
        if whole.index(stop) != len(before):
            continue
        assert with_tokens(client, stop, stream) == (before, tokens[:k])
        tried += 1
        inside = stop[1:]
        if len(tokens[k][0]) > 1 and whole.index(inside) == len(before) + 1:
            assert with_tokens(client, inside, stream) == (before + stop[0], tokens[:k + 1])
    assert tried > 0
    false_start = tokens[4][0] + "never said"
    assert with_tokens(client, false_start, stream) == (whole, tokens)


def test_completions_go_on_from_the_text(client):
    """Given a text that everybody knows; when it is completed; then it continues as everybody knows, plain and
    streaming alike."""
    request = {"model": MODEL, "prompt": "One, two, three, four,", "max_tokens": 8, "temperature": 0}
    answer = client.completions.create(**request)
    assert answer.object == "text_completion" and answer.id.startswith("cmpl-")
    assert "five" in answer.choices[0].text
    stream = client.completions.create(**request, stream=True)
    assert "".join(c.choices[0].text for c in stream if c.choices) == answer.choices[0].text


def test_conversation_is_remembered_by_the_prompt(client):
    """Given a conversation of several turns; when it continues; then what was said before counts as prompt and, asked
    again, is taken from the prefix cache."""
    turns = [{"role": "system", "content": "You are brief."}, *QUESTION, {"role": "assistant", "content": "Red, green, blue."},
             {"role": "user", "content": [{"type": "text", "text": "And one more?"}]}]
    first = chat(client, messages=turns)
    assert first.usage.prompt_tokens > chat(client).usage.prompt_tokens
    # Each time it may go to an actor that has not seen it; there are fewer actors than times.
    again = [chat(client, messages=turns) for _ in range(ACTORS)]
    assert {a.choices[0].message.content for a in again} == {first.choices[0].message.content}
    assert any(a.usage.prompt_tokens_details.cached_tokens > 0 for a in again)


def test_models_are_listed_and_found(client):
    """Given a cluster with one model; when models are listed or one is fetched; then it is there, once."""
    assert [m.id for m in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).object == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")


def test_unknown_model_names_those_there_are(client):
    """Given a cluster with smollm2; when another model is asked for; then it is not found, and the error says what
    there is."""
    with pytest.raises(openai.NotFoundError) as error:
        chat(client, model="gpt-9")
    assert error.value.code == "model_not_found"
    assert "gpt-9" in error.value.message and MODEL in error.value.message


@pytest.mark.parametrize("wrong, named", [
    ({"temperature": 7}, "temperature"),
    ({"top_p": "much"}, "top_p"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"n": 17}, "n"),
    ({"stop": [5]}, "stop[0]"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": []}, "messages"),
    ({"logit_bias": {"-1": 1}}, "logit_bias"),
])
def test_wrong_values_are_named(client, wrong, named):
    """Given a question with one wrong field; when it is asked; then the client raises BadRequestError with the field."""
    with pytest.raises(openai.BadRequestError) as error:
        chat(client, **wrong)
    assert error.value.param == named
    assert named in error.value.message


def test_prompt_longer_than_the_context(client):
    """Given actors with 1024 tokens of context; when a prompt has more; then it is refused with both numbers, and the
    next question is answered."""
    with pytest.raises(openai.BadRequestError) as error:
        chat(client, messages=[{"role": "user", "content": "word " * 3000}])
    assert error.value.code == "context_length_exceeded"
    assert re.search(r"the prompt has 3,0\d\d tokens, .*exceeds the available context size; .*maximum context length is 1,024 tokens", error.value.message)
    tokens = int(re.search(r"has ([\d,]+) tokens", error.value.message)[1].replace(",", ""))
    assert (error.value.body["n_prompt_tokens"], error.value.body["n_ctx"]) == (tokens, 1024)
    assert chat(client).choices[0].message.content


def test_utf8_is_never_split(client):
    """Given a prompt with letters of several bytes; when the answer streams; then each piece is whole text (the client
    would raise otherwise) and together they are the plain answer."""
    request = {"messages": [{"role": "user", "content": "Repeat: žluťoučký kůň 🐎 日本語"}], "max_tokens": 32}
    text = "".join(c.choices[0].delta.content or "" for c in chat(client, **request, stream=True))
    assert text == chat(client, **request).choices[0].message.content
    assert "\ufffd" not in text
