"""Conversations that take turns on fewer slots: what they lost comes back from the worker's memory."""

import pytest

from cluster import REAL, wait_for

TALKS = 4


def story(who, turn, words):
    """Words of that conversation's turn, which no other has."""
    return " ".join(f"{who}{chr(97 + (who * 5 + turn * 3 + i * (who + 2)) % 26)}{i}" for i in range(words))


class Talk:
    """A conversation: each turn has all that was said before."""

    def __init__(self, head, who, **fields):
        self.head, self.who, self.fields, self.turn, self.messages = head, who, fields, 0, []

    def say(self, words, headers=None):
        """Says so many words more; (prompt tokens that were computed, cached ones, the answer)."""
        self.messages.append({"role": "user", "content": story(self.who, self.turn, words)})
        status, answer = self.head.post("/v1/chat/completions", {"messages": self.messages, "temperature": 0, "max_tokens": 6, **self.fields}, headers)
        assert status == 200, answer
        self.turn += 1
        self.messages.append({"role": "assistant", "content": answer["choices"][0]["message"]["content"]})
        cached = answer["usage"]["prompt_tokens_details"]["cached_tokens"]
        return answer["usage"]["prompt_tokens"] - cached, cached, self.messages[-1]["content"]


def actor_of(head):
    return head.ready_actors()[0]


@pytest.mark.model
@pytest.mark.parametrize("flags", [(), ("--exact",)], ids=["fast", "exact"])
def test_what_lost_its_slot_is_not_computed_again(cluster, flags):
    """Given four conversations, a worker with two slots, and one of another head with no memory beside them; when all take turns; then the first
    computes what is new and the second everything, their exact answers are the same, and the numbers are shown everywhere."""
    heads = cluster.head(), cluster.head()
    cluster.worker(heads[0], *REAL, *flags)
    cluster.worker(heads[1], *REAL, *flags, "--prefix-cache", "0")
    said = []
    for head in heads:
        head.wait_ready(1)
        talks = [Talk(head, i) for i in range(TALKS)]
        first = [t.say(25) for t in talks]
        said.append([first, [t.say(5) for t in talks]])
    (first, kept), (_, lost) = said
    for before, with_it, without in zip(first, kept, lost):
        assert with_it[1] > before[0] and with_it[0] < before[0] / 3, (before, with_it)
        assert without[0] > before[0], without
        assert flags == () or with_it[2] == without[2]
    assert actor_of(heads[1])["prefix_bytes_max"] == 0

    def shown():
        a = actor_of(heads[0])
        return a["prefixes"] == TALKS - 2 and a["prefixes_restored"] == TALKS and a["tokens_restored"] > sum(f[0] for f in first) and a
    a = wait_for("the numbers of the worker", shown)
    assert 0 < a["prefix_bytes"] <= a["prefix_bytes_max"]
    metrics = heads[0].request("GET", "/metrics")[2]
    assert "manta_actor_prefixes{" in metrics and f"}} {a['tokens_restored']}\n" in metrics


def test_a_tenant_finds_its_own_alone(cluster):
    """Given two tenants, one slot, and others' prompts in between; when both ask the same; then neither finds the other's, and each its own. With
    --share-prefix both do."""
    keys = "anna: a-key-of-anna,ben: a-key-of-ben"
    for flags, found in (((), False), (("--share-prefix",), True)):
        head = cluster.head("--api-key", keys, *flags)
        head.key = "a-key-of-anna"
        cluster.echo_worker(head, "echo:tokens=6,prefill_us=500", "--slots", "1")
        head.wait_ready(1)
        ben = {"authorization": "Bearer a-key-of-ben"}
        Talk(head, 1).say(30)
        Talk(head, 2).say(30)
        assert (Talk(head, 1).say(30, ben)[1] > 100) == found
        Talk(head, 2).say(30, ben)
        assert Talk(head, 1).say(30)[1] > 100


def test_it_has_what_the_models_leave(cluster):
    """Given a limit of memory; then the cache beside the slots has no more than the models leave of it, and less than was asked for."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=6,weights=100000000,kv=1000,context=65536", "--slots", "1", "--memory", "256m", "--prefix-cache", "4g", "--node", "little")
    head.wait_ready(1)
    a = actor_of(head)
    assert 8 << 20 < a["prefix_bytes_max"] < (256 << 20) - a["weights_bytes"] - a["kv_bytes"]


def test_conversations_return_to_the_worker_that_keeps_them(cluster):
    """Given three workers with a slot each; when seven conversations take turns; then each finds what it said, at whichever worker it said it."""
    head = cluster.head()
    for i in range(3):
        cluster.echo_worker(head, "echo:tokens=6,prefill_us=200", "--slots", "1", "--node", f"w{i}")
    head.wait_ready(3)
    talks = [Talk(head, i) for i in range(7)]
    first = [t.say(60) for t in talks]  # 300 tokens of text
    for _ in range(2):
        for t, (computed, _, _) in zip(talks, first):
            again, cached, _ = t.say(3)
            assert cached > computed * 0.9 and again < computed / 2, (again, cached, computed)


def test_an_agents_line_for_the_bill_hides_no_prefix(cluster):
    """Given an agent whose system prompt begins with a line that changes with each request; when it asks again; then its prompt is found in the cache, by
    a head that was not told to keep the line."""
    for flags, found in ((), True), (("--billing-line", "keep"), False):
        head = cluster.head(*flags)
        cluster.echo_worker(head, "echo:tokens=6")
        head.wait_ready(1)
        answers = []
        for cch in "a5145", "0bc1d":
            body = {"model": "echo", "max_tokens": 4, "system": [{"type": "text", "text": f"x-anthropic-billing-header: cc_version=2.1.1; cch={cch};"},
                    {"type": "text", "text": story(1, 0, 20)}], "messages": [{"role": "user", "content": "go on"}]}
            status, answer = head.post("/v1/messages", body)
            assert status == 200, answer
            answers.append(answer["usage"]["cache_read_input_tokens"])
        assert (answers[1] > 80) == found, answers
