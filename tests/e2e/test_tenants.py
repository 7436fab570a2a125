"""Several tenants on one head: what is one's own, what one sees of others (nothing), and who may change the cluster."""

import http.client
import json

import pytest

from cluster import wait_for

KEYS = "anna: key-of-anna\nben: key-of-ben\nops[admin]: key-of-ops\n"
AGAIN = "# the same, in another order\nops[admin]: key-of-ops\nben: key-of-ben\nanna: key-of-anna\n"
ANNA, BEN, OPS = ({"authorization": f"Bearer key-of-{name}"} for name in ("anna", "ben", "ops"))
SCRIPT = "echo:tokens=300,decode_us=4000"
STORY = {"prompt": "a secret of anna's", "max_tokens": 300, "stream": True, "temperature": 1, "seed": 5}
NOBODYS = "00000000deadbeef"


def keys(folder, text=KEYS, name="keys"):
    path = folder / name
    path.write_text(text)
    return "--api-key-file", path


def wait_for_actors(head, actors, headers=OPS):
    wait_for(f"{actors} ready actors", lambda: head.get("/manta/actors", headers=headers)["actors"] == actors)


class Stream:
    """A stream that its client reads as far as it wants to."""

    def __init__(self, head, headers, body=None, path="/v1/completions", method="POST"):
        self.conn = http.client.HTTPConnection("127.0.0.1", head.port, timeout=120)
        self.conn.request(method, path, body and json.dumps(body), {"content-type": "application/json", **headers})
        self.reply = self.conn.getresponse()
        self.status = self.reply.status
        self.name = self.reply.headers["x-request-id"]
        self.text, self.last, self.done, self.error = "", None, False, None

    def read(self, events=None):
        """So many events, or to the end."""
        seen = 0
        for line in self.reply:
            line = line.decode().rstrip()
            if line.startswith("id: "):
                self.last = line[4:]
            elif line == "data: [DONE]":
                self.done = True
            elif line.startswith("data: "):
                event = json.loads(line[6:])
                self.error = event.get("error", self.error)
                self.text += "".join(c.get("text") or "" for c in event.get("choices", []))
                seen += 1
                if seen == events:
                    break
        return self


def undisturbed(cluster):
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=300")
    head.wait_ready(actors=1)
    return Stream(head, {}, STORY).read().text


def as_if_it_were_not(head, headers, stream):
    """What somebody is told of a stream in all the ways in which one can ask for it, without its name."""
    name = stream.last.split("-")[0]
    told = []
    for this in (stream.last, stream.name, name + "-1", NOBODYS + "-1"):
        for path, more in ((f"/v1/streams/{this}", {}), (f"/v1/streams/{NOBODYS}-1", {"last-event-id": this}), (f"/manta/requests/{this}", {})):
            status, _, text = head.request("GET", path, headers={**headers, **more})
            told.append((path.replace(this, "ID"), status, text.replace(this, "ID")))
    return told


def test_nobody_else_reads_a_stream_or_cuts_it_off(cluster, tmp_path):
    """Given anna's stream; when ben, and an admin, ask for it in every way; then each is told what is told of a stream that never
    was, and anna's continues whole; and she herself can continue it, while it runs and when it has ended."""
    text = undisturbed(cluster)
    head = cluster.head(*keys(tmp_path))
    cluster.echo_worker(head, SCRIPT)
    wait_for_actors(head, 1)
    anna = Stream(head, ANNA, STORY).read(3)
    for who in BEN, OPS:
        told = as_if_it_were_not(head, who, anna)
        requests = [t for t in told if "/manta/requests" in t[0] and who is not OPS]
        streams = {t[1:] for t in told if "/v1/" in t[0]}
        own = [Stream(head, {**who, "last-event-id": f"{name}-1"}, {**STORY, "prompt": "mine", "max_tokens": 9}).read()
               for name in (anna.name.split("-")[1], NOBODYS)]
        assert own[0].status == own[1].status and own[0].text == own[1].text and own[0].done == own[1].done
        assert len(streams) == 1 and streams.pop()[0] == 404, told
        assert all(t[1] == 404 for t in requests), requests
    anna.read()
    assert anna.done and anna.text == text
    again = Stream(head, ANNA, path=f"/v1/streams/{anna.name}", method="GET").read()
    assert again.status == 200 and again.text == text
    bens = Stream(head, BEN, path=f"/v1/streams/{anna.name}", method="GET").read()
    assert bens.text != text and bens.text.endswith(own[0].text), "what he computed under that name is his own"


def test_a_name_that_is_another_ones_begins_a_stream_of_ones_own(cluster, tmp_path):
    """Given anna's stream; when ben sends a request with its id as the last that he has, and nothing had; then he gets an answer of
    his own, and hers is the same as ever."""
    text = undisturbed(cluster)
    head = cluster.head(*keys(tmp_path))
    cluster.echo_worker(head, SCRIPT)
    wait_for_actors(head, 1)
    anna = Stream(head, ANNA, STORY).read(2)
    name = anna.last.split("-")[0]
    own = {**STORY, "prompt": "what ben asks", "max_tokens": 7}
    ben = Stream(head, {**BEN, "last-event-id": f"{name}-0"}, own).read()
    assert ben.status == 200 and ben.done and ben.text != text[:len(ben.text)]
    mine = Stream(head, BEN, path=f"/v1/streams/{name}", method="GET").read()
    assert mine.text == ben.text
    anna.read()
    assert anna.done and anna.text == text
    assert Stream(head, ANNA, path=f"/v1/streams/{name}", method="GET").read().text == text


def test_a_stream_that_lost_its_head_is_still_its_tenants(cluster, tmp_path):
    """Given two heads with the same keys, and one where anna has another key; when the head of anna's stream is killed; then neither
    ben nor that other anna finds it at the heads that are left, and anna continues to the last byte."""
    text = undisturbed(cluster)
    first = cluster.head(*keys(tmp_path))
    second = cluster.head(*keys(tmp_path, AGAIN, "again"))
    third = cluster.head(*keys(tmp_path, "anna: another-key\nben: key-of-ben\n", "third"))
    cluster.echo_worker(",".join(h.address for h in (first, second, third)), SCRIPT)
    wait_for_actors(first, 1)
    wait_for_actors(second, 1)
    wait_for_actors(third, 1, BEN)
    anna = Stream(first, ANNA, STORY).read(5)
    first.kill()
    for head, who in ((second, BEN), (second, OPS), (third, BEN), (third, {"authorization": "Bearer another-key"})):
        assert Stream(head, who, path=f"/v1/streams/{anna.last}", method="GET").status == 404
    rest = Stream(second, ANNA, path=f"/v1/streams/{anna.last}", method="GET").read()
    assert rest.status == 200 and rest.done and anna.text + rest.text == text


def test_a_head_that_is_replaced_keeps_whose_a_stream_is(cluster, tmp_path):
    """Given streams of anna and of ben; when a new head takes the place of theirs; then both continue, each is listed for its own
    tenant, none finds the other's, and each may ask for its own."""
    text = undisturbed(cluster)
    old = cluster.head(*keys(tmp_path))
    cluster.echo_worker(old, SCRIPT, "--slots", 4)
    wait_for_actors(old, 1)
    anna, ben = Stream(old, ANNA, STORY).read(2), Stream(old, BEN, STORY).read(2)
    head = cluster.head("--replace", *keys(tmp_path, AGAIN, "again"), port=old.port)
    assert old.wait() == 0
    for mine, other, who in ((anna, ben, ANNA), (ben, anna, BEN)):
        listed = head.get("/manta/requests", headers=who)["request_list"]
        assert {r["id"] for r in listed} <= {mine.name}
        assert head.request("GET", f"/manta/requests/{other.name}", headers=who)[0] == 404
        assert Stream(head, who, path=f"/v1/streams/{other.last}", method="GET").status == 404
    for stream in anna, ben:
        stream.read()
        assert stream.done and stream.text == text and stream.error is None
    again = Stream(head, ANNA, path=f"/v1/streams/{anna.name}", method="GET").read()
    assert again.status == 200 and again.text == text


@pytest.mark.parametrize("flags", [(), ("--api-key", "only")])
def test_tenants_that_a_gateway_names_are_kept_apart(cluster, flags):
    """Given a head with one key, or none, and a gateway that says whose a request is; when another one, or one without a name, asks
    for a stream; then it is not there; for its own tenant it is."""
    text = undisturbed(cluster)
    head = cluster.head(*flags)
    head.key = "only" if flags else None
    cluster.echo_worker(head, SCRIPT)
    head.wait_ready(actors=1)
    key = head.authorization()
    anna = Stream(head, {**key, "x-tenant-id": "anna"}, STORY).read(2)
    for who in ({"x-tenant-id": "ben"}, {}, {"x-llm-d-inference-fairness-id": "ann"}):
        assert Stream(head, {**key, **who}, path=f"/v1/streams/{anna.last}", method="GET").status == 404
    anna.read()
    assert anna.text == text
    for header in "x-tenant-id", "x-llm-d-inference-fairness-id":
        assert Stream(head, {**key, header: "anna"}, path=f"/v1/streams/{anna.name}", method="GET").read().text == text


ASKED = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "/v1/completions": {"prompt": "hi", "stream": True},
    "/v1/embeddings": {"input": ["hi", "ho"]},
    "/manta/process_prompt": {"prompt": "hi", "actors": "all"},
}


@pytest.mark.parametrize("path", ASKED)
def test_lists_show_ones_own(cluster, tmp_path, path):
    """Given requests of anna and ben that wait for a worker, under the same X-Request-Id; when each looks; then it sees its own, by
    either id and in the list, and nothing of the other; the admin sees both."""
    head = cluster.head(*keys(tmp_path))
    waiting = []
    for who in ANNA, BEN:
        client = http.client.HTTPConnection("127.0.0.1", head.port, timeout=120)
        client.request("POST", path, json.dumps(ASKED[path]), {**who, "x-request-id": "job"})
        waiting.append(client)
    listed = wait_for("both", lambda: len(found := head.get("/manta/requests", headers=OPS)["request_list"]) == 2 and found)
    ids = {r["tenant"]: r["id"] for r in listed}
    assert set(ids) == {"anna", "ben"} and ids["anna"] != ids["ben"]
    for name, who, other in (("anna", ANNA, "ben"), ("ben", BEN, "anna")):
        mine = head.get("/manta/requests", headers=who)
        assert [r["id"] for r in mine["request_list"]] == [ids[name]] and mine["requests"] == 1, mine
        assert other not in json.dumps(mine)
        assert head.get("/manta/requests/job", headers=who)["id"] == ids[name]
        assert head.get(f"/manta/requests/{ids[name]}", headers=who)["client_id"] == "job"
        seen, unknown = (head.request("GET", f"/manta/requests/{i}", headers=who) for i in (ids[other], "cmpl-" + NOBODYS))
        assert seen[0] == unknown[0] == 404
        assert seen[2].replace(ids[other], "ID") == unknown[2].replace("cmpl-" + NOBODYS, "ID")
    assert head.get(f"/manta/requests/{ids['anna']}", headers=OPS)["tenant"] == "anna"


COMMANDS = {"/manta/scale": {"workers": 3}, "/manta/drain": {"worker": "oak", "grace_s": 0}, "/manta/cordon": {"worker": "oak"},
          "/manta/uncordon": {"worker": "oak"}}


def test_only_an_admin_changes_the_cluster(cluster, run, tmp_path):
    """Given keys of several tenants; when one without the admin scope is to change the cluster; then it gets 403 and the remedy, nothing
    changes, and the command ends with status 3; with a key of that scope it is done."""
    flags = keys(tmp_path)
    head = cluster.head(*flags)
    cluster.echo_worker(head, SCRIPT, "--node", "oak")
    wait_for_actors(head, 1)
    for path, body in COMMANDS.items():
        for who in ANNA, BEN:
            status, answer = head.post(path, body, headers=who)
            assert status == 403 and answer["error"]["type"] == "permission_error", answer
            assert "NAME[admin]: KEY" in answer["error"]["message"] and path in answer["error"]["message"]
        assert head.post(path, body)[0] == 401
    assert head.get("/manta/status", headers=OPS)["worker_nodes"][0]["availability"] == "serving"
    refused = run("cordon", "oak", "--head", head.address, env={"MANTA_API_KEY": "key-of-anna"})
    assert refused.returncode == 3 and "[admin]" in refused.stderr
    assert run("cordon", "oak", "--head", head.address, *flags).returncode == 0, "of a file of keys a command takes the admin's"
    assert head.get("/manta/status", headers=OPS)["worker_nodes"][0]["availability"] == "cordoned"
    assert head.post("/manta/uncordon", {"worker": "oak"}, headers=OPS)[0] == 200


@pytest.mark.parametrize("given", [{}, {"MANTA_API_KEY": "mine"}, {"MANTA_API_KEY": "me: mine,me: also-mine"}])
def test_who_is_alone_is_the_admin(cluster, run, given):
    """Given no key, one, or several of one tenant; then whoever is let in may change the cluster, as ever."""
    head = cluster.head(env=given)
    head.key = "mine"
    cluster.echo_worker(head, SCRIPT, "--node", "oak")
    head.wait_ready(actors=1)
    for path in "/manta/cordon", "/manta/uncordon":
        assert head.post(path, {"worker": "oak"})[0] == 200
    assert run("drain", "oak", "--head", head.address, env=given).returncode == 0


def test_what_a_tenant_sees_of_the_cluster(cluster, tmp_path):
    """Given a tenant without the admin scope; when it looks at status, actors, metrics and answers; then it sees models and load,
    and no other tenant's name, no worker's address or process."""
    head = cluster.head(*keys(tmp_path))
    cluster.echo_worker(head, "echo:tokens=5", "--node", "oak")
    wait_for_actors(head, 1)
    for who in ANNA, BEN:
        assert head.post("/v1/completions", {"prompt": "hi"}, headers=who)[0] == 200
    seen = {path: head.request("GET", path, headers=ANNA)[2] for path in ("/manta/status", "/manta/actors", "/metrics")}
    everything = {path: head.request("GET", path, headers=OPS)[2] for path in seen}
    assert all("ben" not in text and "127.0.0.1" not in text and text.count('"pid"') <= 1 for text in seen.values())
    assert "ben" in everything["/manta/status"] and "127.0.0.1" in everything["/manta/actors"] and 'tenant="ben"' in everything["/metrics"]
    status = json.loads(seen["/manta/status"])
    assert [t["name"] for t in status["tenants"]] == ["anna"] and status["worker_nodes"][0]["node"] == "oak"
    answers = [head.post("/manta/process_prompt", {"prompt": "hi"}, headers=who)[1]["responses"][0] for who in (ANNA, OPS)]
    assert answers[0]["node"] == answers[1]["node"] == "oak" and answers[0]["address"] == "" and "127.0.0.1" in answers[1]["address"]


def test_up_with_keys_of_several_tenants(cluster):
    """Given `manta up` with keys of several tenants, none of them an admin's; when it asks its test prompt with the first; then it is
    answered, and all ends with 0."""
    up = cluster.up("--test", "--workers", 1, "--engine", "echo", "--model", "echo:tokens=5", env={"MANTA_API_KEY": "anna: one,ben: two"})
    assert up.wait() == 0 and up.says(r"\[RESPONSE\]"), up.log


def cached(head, who, prompt):
    status, answer = head.post("/v1/completions", {"prompt": prompt, "max_tokens": 2}, headers=who)
    assert status == 200, answer
    return answer["usage"]["prompt_tokens_details"]["cached_tokens"], answer["usage"]["prompt_tokens"]


@pytest.mark.parametrize("share", [False, True])
def test_cached_prompts_are_a_tenants_own(cluster, tmp_path, share):
    """Given a long prompt that anna has asked; when she asks again, it is in the cache; when ben asks it, it is not, nor does what he
    asks help her; with --share-prefix it is."""
    head = cluster.head(*keys(tmp_path), *(("--share-prefix",) if share else ()))
    cluster.echo_worker(head, "echo:tokens=3", "--slots", 4)
    wait_for_actors(head, 1)
    for prompt in ("anna knows " + "of a ship " * 100, "a system prompt " * 60 + "and a question"):
        assert cached(head, ANNA, prompt)[0] == 0
        got, all_of_it = cached(head, ANNA, prompt)
        assert got == all_of_it - 1
        assert cached(head, BEN, prompt)[0] == (all_of_it - 1 if share else 0)
        assert cached(head, BEN, prompt)[0] == all_of_it - 1
        assert cached(head, OPS, prompt)[0] == (all_of_it - 1 if share else 0)


def test_a_tenants_cache_is_its_own_at_every_head(cluster, tmp_path):
    """Given two heads with the same keys; when anna asks at one what she asked at the other; then it is in the cache, for ben not;
    and the same where a gateway names them."""
    heads = [cluster.head(*keys(tmp_path)), cluster.head(*keys(tmp_path, AGAIN, "again")), cluster.head()]
    cluster.echo_worker(",".join(h.address for h in heads), "echo:tokens=3", "--slots", 8)
    for head in heads:
        wait_for_actors(head, 1)
    prompt = "what was asked before " * 50
    assert cached(heads[0], ANNA, prompt)[0] == 0
    assert cached(heads[1], BEN, prompt)[0] == 0
    assert cached(heads[1], ANNA, prompt)[0] > 0
    assert cached(heads[2], {"x-tenant-id": "anna"}, prompt)[0] == 0
    assert cached(heads[2], {"x-tenant-id": "ben"}, prompt)[0] == 0
    assert cached(heads[2], {"x-tenant-id": "anna"}, prompt)[0] > 0
