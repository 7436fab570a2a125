"""Who waits, for how long, and what can be seen of it: tenants, priorities, /manta/requests, when to come back."""

import json
import re
import time

import pytest

from cluster import SANITIZED, Beside, together, wait_for

KEYS = "# of the house\nanna: first-secret\n\nben: second-secret\nben: third-secret\n"
MIB = 1 << 20


class Asking:
    """Requests that are asked in the background; what came back, and when, in the order in which it came."""

    def __init__(self, head):
        self.head = head
        self.done = []
        self.asked = []

    def ask(self, name, headers=None, **fields):
        def one():
            body = json.dumps({"prompt": f"{name} asks", "max_tokens": 1000, **fields})
            status, answered, text = self.head.request("POST", "/v1/completions", body, headers or {})
            self.done.append((name, status, answered, text, time.monotonic()))
        self.asked.append(Beside(one))

    def many(self, n, name, headers=None, **fields):
        for _ in range(n):
            self.ask(name, headers, **fields)

    def names(self):
        return [name for name, *_ in self.done]

    def join(self):
        for asked in self.asked:
            asked.end()
        assert all(status == 200 for _, status, *_ in self.done), [d[:2] for d in self.done]


def one_slot(cluster, *flags, pace_ms=0, tokens=20, **options):
    """A head with one actor that answers one prompt after the other."""
    head = cluster.head(*flags, **options)
    cluster.echo_worker(head, f"echo:tokens={tokens}", "--slots", 1)
    wait_for("a ready actor", lambda: '"status":"ready"' in head.request("GET", "/readyz")[2])
    cluster.pace(pace_ms)
    return head


HELD = 600000  # a pace at which nothing is answered


def bearer(key):
    return {"authorization": f"Bearer {key}"}


def test_a_key_that_floods_does_not_hold_up_another(cluster, tmp_path):
    """Given a head with a file of keys; when one key has thirty prompts waiting and another asks once, then again with its
    second key; then each of the two is answered after two of the thirty at most, and neither status nor metrics nor the
    list of requests says more of a key than its name."""
    (tmp_path / "keys").write_text(KEYS)
    head = one_slot(cluster, "--api-key-file", tmp_path / "keys", pace_ms=HELD)
    anna, ben, also_ben = (bearer(k) for k in ("first-secret", "second-secret", "third-secret"))
    asking = Asking(head)
    asking.many(31, "anna", anna)
    wait_for("thirty that wait", lambda: head.get("/manta/status", headers=anna)["queued"] == 30)
    for headers in ben, also_ben:
        cluster.pace(HELD)
        before = len(asking.done)
        asking.ask("ben", headers)
        wait_for("ben to wait", lambda: any(t["name"] == "ben" and t["queued"] for t in head.get("/manta/status", headers=ben)["tenants"]))
        cluster.pace(50)  # a second for an answer: who reads it is not overtaken by who reads the next
        wait_for("ben's answer", lambda: "ben" in asking.names()[before:])
        assert asking.names()[before:].index("ben") <= 3, asking.names()[before:]
    texts = [head.request("GET", path, headers=ben)[2] for path in ("/manta/status", "/manta/requests", "/metrics")]
    assert all("anna" not in text and "secret" not in text for text in texts), texts
    tenants = {t["name"]: t for who in (ben, anna) for t in head.get("/manta/status", headers=who)["tenants"]}
    assert tenants["ben"]["calls_total"] == 2 and tenants["anna"]["calls_total"] == 31
    assert 'manta_tenant_jobs_queued{tenant="ben"} ' in texts[2]
    assert head.request("GET", "/manta/status", headers=bearer("fourth-secret"))[0] == 401
    cluster.pace(0)
    asking.join()


def test_keys_with_commas(cluster, run):
    """Given two keys on the command line; when a client has either, then it is let in, and they are two tenants; a command
    that is given both takes the admin's."""
    head = one_slot(cluster, env={"MANTA_API_KEY": "one,carla[admin]: two"})
    for key in "one", "two":
        assert head.post("/v1/completions", {"prompt": "x"}, headers=bearer(key))[0] == 200
    assert head.request("GET", "/manta/status", headers=bearer("one,two"))[0] == 401
    out = run("status", "--head", head.address, env={"MANTA_API_KEY": "one,carla[admin]: two"})
    assert out.returncode == 0 and re.search(r"\[TENANTS\] known 3\n.*\n? *key-1: .* 1 prompts so far.*\n *carla: ", out.stdout), out.stdout


@pytest.mark.parametrize("text, says", [
    ("anna: one\nben: one\n", "keys 1 and 2 are the same"),
    ("anna: one\nben\n", "line 2 of"),
    ("anna: one\nben: a,b\n", "line 2 of"),
    ("a/b: one\nben: two\n", "the name of key 1"),
    ("# nobody\n", "there is no key"),
])
def test_bad_files_of_keys(run, tmp_path, text, says):
    """Given a file of keys with something wrong in it; then the head does not start, says what, and shows no key."""
    (tmp_path / "keys").write_text(text)
    out = run("head", "--port", 0, "--api-key-file", tmp_path / "keys")
    assert out.returncode == 2 and says in out.stderr and "one" not in out.stderr.replace(str(tmp_path), ""), out.stderr


@pytest.mark.parametrize("header", ["x-tenant-id", "x-llm-d-inference-fairness-id"])
def test_tenants_by_header(cluster, header):
    """Given a head without keys; when a header says whose a request is, then a tenant that asks once does not wait for the
    twenty of another; a name that is none is refused."""
    head = one_slot(cluster, pace_ms=HELD)
    asking = Asking(head)
    asking.many(21, "crowd", {header: "crowd"})
    head.wait_status(queued=20)
    before = len(asking.done)
    asking.ask("one", {header: "somebody"})
    head.wait_status(queued=21)
    cluster.pace(50)
    wait_for("the answer", lambda: "one" in asking.names())
    assert asking.names()[before:].index("one") <= 3
    cluster.pace(0)
    asking.join()
    status, answer = head.post("/v1/completions", {"prompt": "x"}, headers={header: "n" * 65})
    assert status == 400 and header in answer["error"]["message"]


def test_priority(cluster):
    """Given a queue; when a prompt says a lower number than those before it, then it is answered first; when it says a higher
    one, last; a number out of range is refused with the range."""
    head = one_slot(cluster, pace_ms=HELD)
    asking = Asking(head)
    asking.ask("runs")
    head.wait_status(running=1)
    for name, priority, queued in ("patient", 3, 1), ("plain", 0, 2), ("urgent", -3, 3):
        asking.ask(name, priority=priority)
        head.wait_status(queued=queued)
    cluster.pace(50)
    asking.join()
    assert asking.names() == ["runs", "urgent", "plain", "patient"]
    status, answer = head.post("/v1/completions", {"prompt": "x", "priority": 101})
    assert status == 400 and answer["error"]["param"] == "priority" and "-100" in answer["error"]["message"]


def test_a_request_can_be_watched(cluster):
    """Given a prompt that does not stream and brings an X-Request-Id; when one asks for that id, then it is told no worker
    is there, how far the model has loaded, its place and time, its actor and tokens; and when it has ended, that it is
    not here."""
    head = cluster.head()
    asking = Asking(head)
    asking.ask("first", {"x-request-id": "my first", "x-tenant-id": "me"})
    watch = "/manta/requests/my%20first"

    def state(path=watch):
        status, _, text = head.request("GET", path)
        return json.loads(text) if status == 200 else {"state": status}
    wait_for("its entry", lambda: state()["state"] == "no worker yet")
    cluster.pace(200)
    cluster.echo_worker(head, "echo:tokens=60,load_ms=1500", "--slots", 1)
    wait_for("its model's loading", lambda: state()["state"] == "loading" and 0 <= state()["loading"] <= 1)
    wait_for("its tokens", lambda: state()["state"] == "running" and state()["tokens"] > 3)
    seen = state()
    assert seen["actor"] == 0 and seen["tenant"] == "me" and seen["model"] == "echo" and not seen["stream"] and seen["age_s"] > 1.5
    asking.ask("second", {"x-request-id": "second"}, priority=7)
    head.wait_status(queued=1)
    seen = state("/manta/requests/second")
    assert seen["state"] == "queued" and seen["place"] == 1 and seen["priority"] == 7 and "actor" not in seen
    listed = head.get("/manta/requests")
    assert [r["client_id"] for r in listed["request_list"]] == ["my first", "second"] and listed["running"] == 1
    assert state(f"/manta/requests/{listed['request_list'][1]['id']}")["client_id"] == "second"
    cluster.pace(0)
    asking.join()
    ids = {name: answered["x-manta-request-id"] for name, _, answered, *_ in asking.done}
    assert [r["id"] for r in listed["request_list"]] == [ids["first"], ids["second"]]
    assert state()["state"] == 404


def test_when_to_come_back_is_true(cluster):
    """Given a queue that two tenants fill, one of them with far more; when either is turned away, then Retry-After is the time
    after which its own part of the queue has been answered, to within a factor of two; and what a request is told of its
    own time while it waits is as true."""
    head = one_slot(cluster, "--queue-jobs", 40, pace_ms=200, tokens=3)
    many, few = {"x-tenant-id": "many"}, {"x-tenant-id": "few"}
    asking = Asking(head)
    asking.many(6, "warm up")  # so that there is a pace to go by
    asking.join()
    asking.many(31, "many", many)
    wait_for("many that wait", lambda: head.status()["queued"] >= 29)
    for i in range(6):  # one after the other, so that the last of them is the last to be answered
        asking.ask(f"few {i}", {**few, "x-request-id": f"few-{i}"})
        wait_for(f"few {i}", lambda: head.request("GET", f"/manta/requests/few-{i}")[0] == 200)
    seen = head.get("/manta/requests/few-5")
    told = {"few 5": (time.monotonic(), seen["eta_s"])}
    status, headers, text = head.request("POST", "/v1/completions", '{"prompt": "x"}', many)
    assert status == 429 and "are kept for others" in text, text
    told["many"] = (time.monotonic(), int(headers["retry-after"]))
    asking.join()
    for name, (at, said_s) in told.items():
        true_s = max(end for who, *_, end in asking.done if who == name) - at
        assert true_s / 2 <= said_s <= true_s * 2, (name, said_s, true_s)
    assert seen["place"] <= 14, "a tenant with six does not wait for all of thirty"


def test_when_to_come_back_with_several_slots(cluster):
    """Given an actor with four slots whose answers end together; when the queue is full, then Retry-After counts four at a
    time."""
    head = cluster.head("--queue-jobs", 32)
    cluster.echo_worker(head, "echo:tokens=4", "--slots", 4)
    cluster.pace(300)
    head.wait_ready(actors=1)
    asking = Asking(head)
    asking.many(20, "warm up")
    asking.join()
    asking.many(36, "many")
    head.wait_status(queued=32)
    at = time.monotonic()
    status, headers, _ = head.request("POST", "/v1/completions", '{"prompt": "x"}')
    assert status == 429
    asking.join()
    true_s = max(end for *_, end in asking.done) - at
    assert true_s / 2 <= int(headers["retry-after"]) <= true_s * 2, (headers["retry-after"], true_s)


@pytest.mark.skipif(SANITIZED, reason="sanitizers take memory of their own")
def test_a_flood_of_names_does_not_grow_the_head(cluster):
    """Given a head that has met as many tenants as it remembers; when three thousand more come, each with an id of its own, then
    it has not grown by more than a megabyte, and its metrics have no more series than before."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=1", "--slots", 8)
    head.wait_ready(actors=1)

    def flood(name, n):
        def some(part):
            for i in range(part, n, 4):
                who = {"x-tenant-id": f"{name}-{i}", "x-request-id": f"{name} {i} " + "i" * 100}
                assert head.request("POST", "/v1/completions", '{"prompt": "x", "max_tokens": 1}', who)[0] == 200
            return True
        assert all(together(4, some))
    flood("first", 1500)
    rss, series = head.rss_bytes(), head.request("GET", "/metrics")[2].count("\n")
    flood("second", 3000)
    status = head.status()
    assert status["tenants_known"] == status["limits"]["tenants_max"] and len(status["tenants"]) == status["limits"]["tenant_labels"]
    assert head.request("GET", "/metrics")[2].count("\n") == series
    assert not head.has_grown(rss, MIB), f"{head.rss_bytes() - rss} bytes more"
