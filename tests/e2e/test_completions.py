"""/v1/completions with the real openai client: several prompts, token ids, prompts that are repeated and scored, the best of several answers, and
samplers that narrow down what may be drawn; also when the worker is killed in their middle."""

import json
import math
import signal

import openai
import pytest

from cluster import REAL, Beside

ASK = {"model": "smollm2", "max_tokens": 12, "temperature": 0}


def of(head):
    return openai.OpenAI(base_url=f"{head.url}/v1", api_key="none", max_retries=0, timeout=600)


def texts(answer):
    return [c.text for c in answer.choices]


def tokens_of(head, text):
    return head.post("/v1/completions", {"prompt": text, "max_tokens": 1, "return_token_ids": True})[1]["prompt_token_ids"]


@pytest.mark.model
def test_several_prompts(smol):
    """Given a list of prompts, texts and token ids among them, there is an answer to each, in their order, the one that it has alone; with n, n of each."""
    prompts = ["The sea is", "Two and two", "Once"]
    alone = [of(smol).completions.create(prompt=p, **ASK) for p in prompts]
    ids = [tokens_of(smol, p) for p in prompts]
    for listed in (prompts, ids):
        together = of(smol).completions.create(prompt=listed, **ASK)
        assert texts(together) == [a.choices[0].text for a in alone] and [c.index for c in together.choices] == [0, 1, 2]
        assert together.usage.prompt_tokens == sum(a.usage.prompt_tokens for a in alone)
        assert together.usage.completion_tokens == sum(a.usage.completion_tokens for a in alone)
    assert texts(of(smol).completions.create(prompt=ids[0], **ASK)) == texts(alone[0])
    assert texts(of(smol).completions.create(prompt=[prompts[1]], **ASK)) == texts(alone[1])
    pairs = of(smol).completions.create(prompt=prompts, n=2, **ASK)
    assert texts(pairs) == [t for a in alone for t in texts(a) * 2] and pairs.usage.prompt_tokens == sum(a.usage.prompt_tokens for a in alone)
    streamed = ["", "", ""]
    for chunk in of(smol).completions.create(prompt=prompts, stream=True, **ASK):
        for choice in chunk.choices:
            streamed[choice.index] += choice.text
    assert streamed == [a.choices[0].text for a in alone]
    with pytest.raises(openai.BadRequestError, match="prompt: 65 answers were asked for, at most 64 can be in one request"):
        of(smol).completions.create(prompt=["x"] * 13, n=5, model="smollm2")
    with pytest.raises(openai.BadRequestError, match="token 9999999 is not one of this model's"):
        of(smol).completions.create(prompt=[1, 9999999], model="smollm2")


@pytest.mark.model
def test_a_prompt_is_repeated_and_scored(smol):
    """Given echo, the prompt stands before its answer; with logprobs each of its tokens has the log-probability that it has as an answer, but the first."""
    prompt = "The capital of France is"
    ids = tokens_of(smol, prompt)
    answer = of(smol).completions.create(prompt=prompt, echo=True, **ASK)
    plain = of(smol).completions.create(prompt=prompt, logprobs=2, **ASK)
    assert answer.choices[0].text == prompt + plain.choices[0].text and answer.choices[0].logprobs is None
    scored = of(smol).completions.create(prompt=prompt, echo=True, logprobs=2, **ASK)
    told = scored.choices[0].logprobs
    n = len(ids)
    assert scored.choices[0].text == answer.choices[0].text and "".join(told.tokens) == answer.choices[0].text
    assert told.token_logprobs[0] is None and told.top_logprobs[0] is None and all(len(t) == 2 for t in told.top_logprobs[1:])
    assert [answer.choices[0].text[o:o + len(t)] for t, o in zip(told.tokens, told.text_offset)] == told.tokens
    assert told.tokens[n:] == plain.choices[0].logprobs.tokens
    assert told.token_logprobs[n:] == pytest.approx(plain.choices[0].logprobs.token_logprobs, abs=0.05)
    for i in range(1, n):  # the token, forced as an answer to what comes before it
        forced = of(smol).completions.create(model="smollm2", prompt=ids[:i], max_tokens=1, logprobs=1, logit_bias={str(ids[i]): 100}).choices[0].logprobs
        assert forced.tokens == [told.tokens[i]] and forced.token_logprobs[0] == pytest.approx(told.token_logprobs[i], abs=0.05)
    only = of(smol).completions.create(model="smollm2", prompt=[prompt, ids[:3]], echo=True, logprobs=0, max_tokens=0)
    assert [c.finish_reason for c in only.choices] == ["length", "length"] and only.usage.completion_tokens == 0
    assert only.choices[0].text == prompt and len(only.choices[1].logprobs.tokens) == 3
    assert only.choices[0].logprobs.token_logprobs[1:] == pytest.approx(told.token_logprobs[1:n], abs=0.05)
    nothing = of(smol).completions.create(model="smollm2", prompt=prompt, max_tokens=0)
    assert texts(nothing) == [""] and nothing.choices[0].finish_reason == "length"
    with pytest.raises(openai.BadRequestError, match="echo: is only for answers that do not stream"):
        of(smol).completions.create(prompt=prompt, echo=True, stream=True, model="smollm2")


@pytest.mark.model
def test_the_best_of_several(smol):
    """Given best_of, the answers with the greatest mean log-probability come, the best first or not, and all are counted."""
    ask = {"model": "smollm2", "prompt": "A poem:", "max_tokens": 6, "temperature": 2, "seed": 7, "logprobs": 0}
    all_of_them = of(smol).completions.create(n=6, **ask)
    mean = {c.text: sum(c.logprobs.token_logprobs) / len(c.logprobs.token_logprobs) for c in all_of_them.choices}
    best = of(smol).completions.create(n=2, best_of=6, **ask)
    assert sorted(texts(best)) == sorted(sorted(mean, key=mean.get)[-2:]) and [c.index for c in best.choices] == [0, 1]
    assert best.usage.completion_tokens == all_of_them.usage.completion_tokens
    silent = of(smol).completions.create(n=2, best_of=6, **{k: v for k, v in ask.items() if k != "logprobs"})
    assert texts(silent) == texts(best) and silent.choices[0].logprobs is None
    with pytest.raises(openai.BadRequestError, match="best_of: 2 answers to choose 3 from"):
        of(smol).completions.create(n=3, best_of=2, **ask)
    with pytest.raises(openai.BadRequestError, match="best_of: is only for answers that do not stream"):
        of(smol).completions.create(best_of=2, stream=True, **ask)


def strike(cluster, head, workers, lost):
    """Once five tokens of some answer are there, kills a worker that computes, or puts a head in the place of the one that is there."""
    head.tokens(5)
    if lost == "worker":
        next(w for node, w in workers.items() if head.computes(node)).kill()
    else:
        cluster.head("--replace", port=head.port)
        assert head.wait() == 0, head.log
    cluster.pace(0)


@pytest.mark.parametrize("lost", ["worker", "head"])
@pytest.mark.parametrize("fields", [{"stream": True}, {"echo": True, "logprobs": 3}, {"best_of": 3, "n": 2}])
def test_they_live_on(cluster, lost, fields):
    """Given answers to several prompts, streamed, with their prompts, or the best of several; when a worker is killed or the head is replaced in their
    middle; then they are as undisturbed."""
    head = cluster.head()
    workers = {node: cluster.echo_worker(head, "echo:tokens=60", "--node", node, "--slots", 12) for node in ("ash", "fir")}
    head.wait_ready(actors=2)
    ask = {"model": "echo", "prompt": ["tell of rays", [3, 70, 80, 90], "more"], "max_tokens": 50, "seed": 5, **fields}

    def answers():
        answer = of(head).completions.create(**ask)
        if not fields.get("stream"):
            return answer.model_dump()["choices"], answer.usage.completion_tokens, answer.usage.prompt_tokens
        streamed = {}
        for chunk in answer:
            for c in chunk.choices:
                text, _ = streamed.get(c.index, ("", None))
                streamed[c.index] = (text + c.text, c.finish_reason)
        return streamed
    expected = answers()
    cluster.pace(25)
    with Beside(strike, cluster, head, workers, lost):
        disturbed = answers()
    assert disturbed == expected


def test_a_stream_of_several_ends_with_its_head(cluster):
    """Given a stream of answers to several prompts, when its client comes back to another head with its last event, it is told that it has to ask anew."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=200")
    head.wait_ready(actors=1)
    body = {"model": "echo", "prompt": ["a", "b"], "max_tokens": 150, "stream": True}
    cluster.pace(20)
    conn = head.begin("/v1/completions", body)
    last = next(line.decode()[4:].strip() for line in conn.getresponse() if line.startswith(b"id: "))
    head.send(signal.SIGKILL)
    conn.close()
    cluster.pace(0)
    again = cluster.head(port=head.port)
    again.wait_ready(actors=1)
    status, answer = again.post("/v1/completions", body, {"last-event-id": last})
    assert status == 404 and "ask again without last-event-id" in answer["error"]["message"]
    assert again.request("GET", f"/v1/streams/{last}")[0] == 404


# ---- samplers ----

SAMPLE = {"model": "smollm2", "messages": [{"role": "user", "content": "Tell me of the sea."}], "max_tokens": 40, "seed": 11}
SAMPLERS = [
    {"typical_p": 0.3}, {"top_n_sigma": 0.5}, {"xtc_probability": 1.0, "xtc_threshold": 0.02}, {"dynatemp_range": 0.5, "temperature": 1.2},
    {"dry_multiplier": 2.0, "dry_allowed_length": 1, "dry_sequence_breakers": ["\n"]}, {"samplers": ["temperature", "top_k", "penalties"], "temperature": 3, "top_k": 5},
    {"samplers": "t"}, {"samplers": []}, {"mirostat": 1}, {"mirostat": 2}, {"mirostat": 2, "mirostat_tau": 2, "temperature": 1.4}, {"min_keep": 3, "top_p": 0.01},
]


def windows(text):
    """How many different beginnings of eight characters it has: few, where it repeats itself."""
    return len({text[i:i + 8] for i in range(len(text) - 8)}) / (len(text) - 8)


def say(head, **fields):
    status, answer = head.post("/v1/chat/completions", {**SAMPLE, **fields})
    assert status == 200, answer
    return answer["choices"][0]["message"]["content"]


@pytest.mark.model
@pytest.mark.parametrize("fields", SAMPLERS, ids=json.dumps)
def test_samplers_change_what_is_drawn(smol, fields):
    """Given llama-server's samplers, an answer is another one than without them, and the same again with the same seed."""
    plain = say(smol, **{k: v for k, v in fields.items() if k in ("temperature", "top_k", "top_p")})
    asked = say(smol, **fields)
    assert asked != plain and say(smol, **fields) == asked


@pytest.mark.model
def test_samplers_do_what_they_are_named_for(smol):
    """Given one candidate, an answer is the greedy one, whatever the order; without the best token by XTC it is another one; DRY breaks a repetition."""
    greedy = say(smol, temperature=0)
    assert say(smol, samplers=["top_k", "temperature"], top_k=1, temperature=2) == greedy
    assert say(smol, top_n_sigma=0.0001, temperature=2) == greedy
    assert say(smol, temperature=0, min_keep=5) == greedy
    assert say(smol, temperature=0, xtc_probability=1, xtc_threshold=0.001) != greedy
    loop = {"prompt": "one two one two one two one two", "max_tokens": 24, "temperature": 0}
    looped = smol.post("/v1/completions", loop)[1]["choices"][0]["text"]
    broken = smol.post("/v1/completions", {**loop, "dry_multiplier": 5})[1]["choices"][0]["text"]
    assert windows(looped) < 0.8 * windows(broken)
    for wrong in ({"samplers": ["top_q"]}, {"mirostat": 3}, {"samplers": "kz"}):
        status, answer = smol.post("/v1/chat/completions", {**SAMPLE, **wrong})
        assert status == 400 and answer["error"]["param"] == next(iter(wrong)), answer
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
    assert math.isfinite(json.loads(say(smol, xtc_probability=0.5, dry_multiplier=1, json_schema=schema, temperature=1.5))["n"])


SHAPED = {"filters": {"dry_multiplier": 1.5, "xtc_probability": 0.5, "repeat_penalty": 1.3, "typical_p": 0.8, "temperature": 1.3, "min_keep": 2},
          "mirostat": {"mirostat": 2, "mirostat_tau": 3, "mirostat_eta": 0.3, "temperature": 1.2}}


@pytest.mark.model
@pytest.mark.parametrize("fields", SHAPED.values(), ids=SHAPED)
def test_sampled_answers_survive_their_worker(cluster, fields):
    """Given an answer that DRY, XTC and penalties shape, or Mirostat, which needs to know how likely each token was; on exact
    workers; when its worker is killed in its middle; then it is the undisturbed one."""
    head = cluster.head()
    workers = {name: cluster.worker(head, *REAL, "--exact", "--node", name) for name in ("oak", "elm")}
    head.wait_ready(actors=2)
    expected = say(head, **fields)
    cluster.pace(25)
    with Beside(strike, cluster, head, workers, "worker"):
        disturbed = say(head, **fields)
    assert disturbed == expected
