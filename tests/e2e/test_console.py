"""The console without a browser: the page's files, and the events that it is made of. tests/page has the browser."""

import gzip
import http.client
import json
import re
import selectors
import socket
import time

import pytest

from cluster import SANITIZED, wait_for

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Encoding": "gzip, deflate, br"}


def fetch(head, path, **headers):
    """(status, headers, bytes) of a GET; the key of the head goes along."""
    conn = http.client.HTTPConnection("127.0.0.1", head.port, timeout=60)
    conn.request("GET", path, headers={**head.authorization(), **headers})
    answer = conn.getresponse()
    found = answer.status, answer.headers, answer.read()
    conn.close()
    return found


def files_of(head):
    """Path and text of the page and of all that it asks for."""
    found, wanted = {}, ["/"]
    while wanted:
        path = wanted.pop()
        status, headers, body = fetch(head, path, **(BROWSER if path == "/" else {}))
        assert status == 200, path
        found[path] = (gzip.decompress(body) if headers["content-encoding"] == "gzip" else body).decode()
        named = {f"/console/{name}" for name in re.findall(r'"(?:\./|/console/)([a-z]+\.(?:js|css|svg))"', found[path])}
        wanted += sorted(named - found.keys() - set(wanted))
    return found


class Watch:
    """Follows /manta/events."""

    def __init__(self, head, **headers):
        self.sock = socket.create_connection(("127.0.0.1", head.port), timeout=120)
        lines = "".join(f"{name}: {value}\r\n" for name, value in {**head.authorization(), **headers}.items())
        self.sock.sendall(f"GET /manta/events HTTP/1.1\r\nhost: 127.0.0.1\r\n{lines}\r\n".encode())
        self.response = http.client.HTTPResponse(self.sock, method="GET")
        self.response.begin()
        self.seen = set()  # names of events

    def next(self, name):
        """The value of the next event of that name."""
        event = ""
        while True:
            line = self.response.readline().decode().rstrip("\n")
            if line.startswith("event: "):
                event = line[7:]
                self.seen.add(event)
            elif line.startswith("data: ") and event == name:
                return json.loads(line[6:])

    def until(self, condition):
        """The first state for which that is true."""
        while not condition(state := self.next("state")):
            pass
        return state

    def ends(self):
        """Waits for its end, which must be an orderly one."""
        self.response.read()
        return True

    def close(self):
        self.sock.close()


def test_browsers_get_a_page_and_programs_get_text(echo):
    """Given a head; when a browser and curl ask for its address; then one gets the page and the other the list of paths, and a cache tells them apart."""
    status, headers, body = fetch(echo, "/", **BROWSER)
    assert status == 200 and headers["content-type"].startswith("text/html") and headers["content-encoding"] == "gzip" and len(body) < 4096
    assert "Accept" in headers.get_all("vary")[-1]
    status, headers, body = fetch(echo, "/", Accept="*/*")
    assert headers["content-type"].startswith("text/plain") and b"/v1/chat/completions" in body and "Accept" in headers.get_all("vary")[-1]


def test_the_page_is_whole_small_and_asks_nobody_else(echo):
    """Given the page and the files that it names; then each is there, all of them compressed are below 40 kB, none has anything inline or names another host,
    and each answer forbids what the page does not need."""
    files = files_of(echo)
    assert len(files) > 10 and sum(len(gzip.compress(text.encode())) for text in files.values()) < 40_000
    for path, text in files.items():
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|\bstyle=\"|<script>|<style|\bon[a-z]+=\"|\beval\(|innerHTML|insertAdjacentHTML", text), path
        _, headers, _ = fetch(echo, path, **(BROWSER if path == "/" else {}))
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"


def test_a_page_that_is_known_is_not_sent_again(echo):
    """Given a browser that has a file; when it asks whether it is still the same; then it is told so in a few bytes, and one without gzip gets another tag."""
    _, headers, packed = fetch(echo, "/console/style.css", **{"Accept-Encoding": "gzip"})
    status, again, body = fetch(echo, "/console/style.css", **{"Accept-Encoding": "gzip", "If-None-Match": headers["etag"]})
    assert status == 304 and body == b"" and again["etag"] == headers["etag"]
    status, plain, text = fetch(echo, "/console/style.css", **{"If-None-Match": headers["etag"]})
    assert status == 200 and plain["etag"] != headers["etag"] and gzip.decompress(packed) == text
    assert fetch(echo, "/console/none.js")[0] == 404


def test_a_watcher_is_told_what_status_shows(cluster):
    """Given a watcher; when a worker joins, answers and leaves; then the states tell it with the names and values of the status, and the log's lines come along."""
    head = cluster.head()
    watch = Watch(head)
    assert watch.response.headers["content-type"].startswith("text/event-stream")
    assert all(len(sample) == 4 for sample in watch.next("history")["samples"])
    assert watch.next("state")["worker_nodes"] == []
    worker = cluster.echo_worker(head, "echo:tokens=12", "--node", "ash")
    state = watch.until(lambda s: s["actors"] == 1)
    status = head.status()
    assert set(state) - {"tokens_per_s", "admin", "sees_all", "requests"} == set(status) - {"limits", "memory"}
    assert state["worker_nodes"][0].keys() == status["worker_nodes"][0].keys() and state["actor_list"][0].keys() == status["actor_list"][0].keys()
    assert state["admin"] and state["sees_all"] and state["requests"] == head.get("/manta/requests")
    head.ask("hi")
    watch.until(lambda s: s["tokens_per_s"] > 0)
    worker.kill()
    line = watch.next("log")
    while line["event"] != "worker_left":
        line = watch.next("log")
    assert line["node"] == "ash" and line["text"]
    assert watch.until(lambda s: s["workers"] == 0)["actor_list"] == []
    late = Watch(head)
    while late.next("log")["event"] != "worker_joined":
        pass
    watch.close(), late.close()


def test_a_tenant_watches_its_own(cluster):
    """Given two tenants' keys, one of an admin; when both watch while the other one asks; then the tenant sees no request, address or log line of others."""
    keys = cluster.folder / "keys"
    keys.write_text("ops[admin]: key-of-the-operators\nanna: the-key-of-anna-1\nben: the-key-of-ben-12\n")
    head = cluster.head("--api-key-file", keys)
    head.key = "key-of-the-operators"
    assert head.request("GET", "/manta/events", headers={"authorization": "Bearer wrong"})[0] == 401
    assert fetch(head, "/", **BROWSER, Authorization="")[0] == 200
    cluster.echo_worker(head, "echo:tokens=100000,decode_us=1000")
    head.wait_ready(actors=1)
    anna = {"authorization": "Bearer the-key-of-anna-1"}
    asked = head.begin("/v1/completions", {"prompt": "x", "max_tokens": 100000, "stream": True})
    operator, tenant = Watch(head), Watch(head, **anna)
    state = operator.until(lambda s: s["requests"]["request_list"])
    assert state["requests"]["request_list"][0]["tenant"] == "ops" and "address" in state["worker_nodes"][0]
    state = tenant.until(lambda s: s["actor_list"][0]["in_flight"] == 1)
    assert state["requests"]["request_list"] == [] and not state["admin"] and "address" not in state["worker_nodes"][0]
    assert [t["name"] for t in state["tenants"]] == [] or state["tenants"][0]["name"] == "anna"
    for _ in range(2):
        tenant.next("state"), operator.next("state")
    assert "log" in operator.seen and "log" not in tenant.seen
    asked.close(), operator.close(), tenant.close()


def test_the_number_of_watchers_is_bounded(cluster):
    """Given as many watchers as there may be; then the next one is refused with a reason, and when one leaves there is room again."""
    head = cluster.head()
    most = head.status()["limits"]["watchers_max"]
    watchers = [Watch(head) for _ in range(most)]
    status, _, text = head.request("GET", "/manta/events")
    assert status == 503 and str(most) in json.loads(text)["error"]["message"]
    assert head.request("HEAD", "/manta/events")[0] == 503
    watchers.pop().close()
    wait_for("room for a watcher", lambda: Watch(head).response.status == 200)
    for watch in watchers:
        watch.close()


def test_a_watcher_that_does_not_read_costs_nobody_anything(cluster):
    """Given a watcher that reads nothing and one that does; when many states have been told; then the second has them all, and the head has not grown."""
    head = cluster.head()
    cluster.echo_worker(head)
    head.wait_ready(actors=1)
    idle, awake = Watch(head), Watch(head)
    awake.next("state")
    before = head.rss_bytes()
    for _ in range(5):
        awake.next("state")
    assert not head.has_grown(before, 2 << 20)
    idle.close(), awake.close()


def drain(socks, rounds):
    """Reads all sockets until the first one has received `rounds` states; returns the number of bytes received."""
    total, states = 0, 0
    with selectors.DefaultSelector() as s:
        for sock in socks:
            s.register(sock, selectors.EVENT_READ)
        while states < rounds:
            for key, _ in s.select(60):
                data = key.fileobj.recv(1 << 20)
                assert data, "a watcher was cut off"
                total += len(data)
                if key.fileobj is socks[0]:
                    states += data.count(b"event: state")
    return total


def test_all_watchers_together_get_four_mebibytes_a_second(cluster):
    """Given 160 watchers of a head whose state is large, for 250 requests wait; when several states have been told; then they came no faster than the
    bound for all of them allows, however quick the machine is."""
    head = cluster.head()
    waiting = [head.begin("/v1/completions", {"prompt": f"{i}", "stream": True}) for i in range(250)]
    head.wait_status(queued=250)
    alone = Watch(head)
    size = len(json.dumps(alone.next("state")))
    alone.sock.setblocking(False)
    begun = time.monotonic()  # of what is counted nothing was sent before: not of the first byte's coming, which a slow reader sees late
    rounds, watchers = 4, [Watch(head) for _ in range(160)]
    for watch in watchers:
        watch.sock.setblocking(False)
    total = drain([alone.sock, *(watch.sock for watch in watchers)], rounds)
    took = time.monotonic() - begun
    per_round = size * (1 + len(watchers))
    assert per_round > 6 << 20, "the story wants a state that does not fit into a second"
    assert took >= (rounds - 1) * per_round * 0.8 / (4 << 20), (took, size, total)
    for watch in watchers:
        watch.close()
    for conn in waiting:
        conn.close()
    alone.close()


@pytest.mark.skipif(SANITIZED, reason="sanitizers take memory of their own")
def test_a_hundred_pages_take_little(cluster):
    """Given a head with three workers; when 100 watchers have been told some states; then it has grown by less than 4 MiB."""
    head = cluster.head()
    for _ in range(3):
        cluster.echo_worker(head)
    head.wait_ready(actors=3)
    before = head.rss_bytes()
    watchers = [Watch(head) for _ in range(100)]
    for _ in range(3):
        for watch in watchers:
            watch.next("state")
    assert not head.has_grown(before, 4 << 20)
    for watch in watchers:
        watch.close()


@pytest.mark.parametrize("page", [{"Origin": "https://shop.example"}, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}])
def test_a_foreign_page_may_not_use_the_console(echo, page):
    """Given a page of another site; when it asks for the events or the console's files; then it is refused."""
    for path in ("/manta/events", "/console/main.js", "/"):
        assert fetch(echo, path, **page)[0] == 403, path


def test_watchers_do_not_hold_up_a_new_head(cluster):
    """Given a head that is watched; when another takes its place; then the watcher's stream ends in good order, and the new head can be watched."""
    old = cluster.head()
    watch = Watch(old)
    watch.next("state")
    new = cluster.head("--replace", port=old.port)
    assert old.wait() == 0 and watch.ends()
    again = Watch(new)
    assert again.next("state")["head"]["pid"] == new.pid
    watch.close(), again.close()
