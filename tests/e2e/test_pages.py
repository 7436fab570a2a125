"""Web pages in a browser on this machine: whose may use a head, what they may read, and names that lead to it without being its own."""

import json
import re
import socket

import pytest

SILENT = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "empty"}
FOREIGN = [{"Origin": "https://shop.example", **SILENT, "Content-Type": "text/plain;charset=UTF-8"},
           {"Origin": "https://shop.example"},
           {"Origin": "null", "Content-Type": "application/x-www-form-urlencoded"},
           {"Origin": "http://127.0.0.1.shop.example:3000", **SILENT},
           SILENT, {**SILENT, "Sec-Fetch-Site": "same-site"}]
CHAT = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 4}
CHANGES = [("/manta/scale?workers=0", b""), ("/manta/scale", b'{"workers":64}'), ("/manta/drain", b'{"worker":"w","grace_s":0}'),
           ("/manta/cordon", b'{"worker":"w"}'), ("/manta/uncordon", b'{"worker":"w"}'),
           ("/v1/chat/completions", json.dumps(CHAT).encode()), ("/v1/completions", b'{"prompt":"hi","max_tokens":4}'),
           ("/v1/embeddings", b'{"input":"hi"}'), ("/manta/process_prompt", b'{"prompt":"hi"}')]
READS = ["/manta/status", "/manta/actors", "/manta/requests", "/manta/requests/x", "/metrics", "/v1/models", "/v1/models/echo", "/v1/streams/x", "/"]


def talk(port, data):
    """Raw bytes there, all that comes until the end back."""
    with socket.create_connection(("127.0.0.1", port), timeout=120) as s:
        s.sendall(data)
        answer = b""
        while piece := s.recv(65536):
            answer += piece
    return answer.decode()


def head_of(text):
    """(status, headers) of a raw answer."""
    first, *lines = text.split("\r\n\r\n", 1)[0].split("\r\n")
    return int(first.split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}


@pytest.fixture
def head(cluster):
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=8", "--node", "w")
    head.wait_ready(actors=1)
    return head


@pytest.mark.parametrize("page", FOREIGN, ids=lambda page: "-".join(page.values())[:40])
def test_a_foreign_page_changes_and_learns_nothing(head, page):
    """Given a head on loopback without keys; when the page of another site sends it requests, as browsers let any page
    without asking; then each is refused with 403 and a reason, nothing has changed, and no answer is readable to the page."""
    for path, body in CHANGES:
        status, headers, text = head.request("POST", path, body, page)
        assert status == 403 and "--allow-origin" in json.loads(text)["error"]["message"], path
        assert "access-control-allow-origin" not in headers and headers["vary"] == "Origin"
    for path in READS:
        status, headers, text = head.request("GET", path, headers=page)
        assert status == 403 and "access-control-allow-origin" not in headers, path
    state = head.status()
    assert state["workers"] == 1 and state["worker_nodes"][0]["state"] == "ok"
    assert sum(a["in_flight"] for a in state["actor_list"]) == 0 and len(head.get("/manta/requests")["request_list"]) == 0


@pytest.mark.parametrize("name", ["rebound.example", "Rebound.example.:{port}", "localhost.rebound.example:{port}", "127.0.0.1.nip.io",
                                  "user@127.0.0.1:{port}", "127.0.0.1:{port}@rebound.example", "[::1].example", "[rebound.example]:{port}"])
@pytest.mark.parametrize("how", ["header", "target"])
def test_another_name_for_this_machine(head, name, how):
    """Given a head without keys; when a browser believes that it asks a site of a stranger (DNS rebinding), so that the
    page's origin and the Host agree; then nothing is read and nothing done, but health checks are answered by any name."""
    name = name.format(port=head.port)

    def send(method, path, body=b""):
        target = f"http://{name}{path}" if how == "target" else path
        host = f"127.0.0.1:{head.port}" if how == "target" else name
        lines = [f"{method} {target} HTTP/1.1", f"host: {host}", f"origin: http://{name}", "sec-fetch-site: same-origin", "connection: close",
                 f"content-length: {len(body)}", "", ""]
        return talk(head.port, "\r\n".join(lines).encode() + body)
    for path in READS:
        assert head_of(send("GET", path))[0] == 403, path
    for path, body in CHANGES:
        assert head_of(send("POST", path, body))[0] == 403, path
    only_host = talk(head.port, f"GET /manta/status HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n".encode())
    assert head_of(only_host)[0] == 403 and "--allow-host" in only_host
    assert head_of(talk(head.port, f"GET /readyz HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n".encode()))[0] == 200


@pytest.mark.parametrize("start", ["GET /manta/status HTTP/1.0\r\n", "GET /manta/status HTTP/1.0\r\nhost: localhost\r\n",
                                   "GET /manta/status HTTP/1.1\r\nhost:\r\n", "GET /manta/status HTTP/1.1\r\nhost: LOCALHOST.:{port}\r\n",
                                   "GET http://127.0.0.1:{port}/manta/status HTTP/1.1\r\nhost: localhost\r\n",
                                   "GET /manta/status HTTP/1.1\r\nhost: [::1]:{port}\r\n", "GET /manta/status HTTP/1.1\r\nhost: {host}:{port}\r\n"])
def test_names_of_this_machine(head, start):
    """Given a head without keys; when it is asked by an address, as localhost, by this machine's name, or without a Host as
    before HTTP/1.1; then it answers."""
    data = start.format(port=head.port, host=socket.gethostname()) + "connection: close\r\n\r\n"
    assert head_of(talk(head.port, data.encode()))[0] == 200


def test_names_that_were_allowed(cluster):
    """Given a head with --allow-host; when it is asked by those names; then it answers, and by another one it does not. One with
    an API key answers by any name to those who have the key."""
    head = cluster.head("--allow-host", "manta.home.example", "--allow-host=llm")
    for name, status in ("manta.home.example", 200), ("MANTA.home.example.:80", 200), ("llm:8470", 200), ("home.example", 403), ("llm.example", 403):
        assert head.request("GET", "/manta/status", headers={"host": name})[0] == status, name
    keyed = cluster.head(env={"MANTA_API_KEY": "k", "MANTA_ALLOW_HOST": "a,b"})
    assert keyed.request("GET", "/manta/status", headers={"host": "manta-head.llm.svc:8470", "authorization": "Bearer k"})[0] == 200
    assert keyed.request("GET", "/manta/status", headers={"host": "manta-head.llm.svc:8470"})[0] == 401


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1:8080", "https://[::1]:5173", "http://ui.localhost"])
def test_a_local_page_chats(head, origin):
    """Given a web interface on another port of this machine; when its page asks, streams, and makes mistakes; then the browser
    may show it each answer, with the headers it needs, and errors as well."""
    def readable(headers):
        assert headers["access-control-allow-origin"] == origin and headers["vary"] == "Origin"
        assert {"x-request-id", "retry-after"} <= set(headers["access-control-expose-headers"].split(", "))
    page = {"Origin": origin, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Content-Type": "application/json"}
    for body, status in (CHAT, 200), ({**CHAT, "stream": True}, 200), ({**CHAT, "temperature": "hot"}, 400), ({**CHAT, "model": "none"}, 404):
        got, headers, text = head.request("POST", "/v1/chat/completions", json.dumps(body), page)
        assert got == status, text
        readable(headers)
        assert not body.get("stream") or ("text/event-stream" in headers["content-type"] and text.endswith("data: [DONE]\n\n"))
    for path, status in ("/v1/models", 200), ("/manta/status", 200), ("/metrics", 200), ("/health", 200), ("/nothing", 404), ("/manta/scale", 405):
        got, headers, _ = head.request("GET", path, headers=page)
        assert got == status
        readable(headers)


@pytest.mark.parametrize("wrong, status", [("content-length: 5000000", 413), ("transfer-encoding: gzip", 501), ("transfer-encoding: chunked\r\n\r\nzz", 400),
                                           ("expect: cake\r\ncontent-length: 1", 417)], ids=lambda w: str(w)[:20])
@pytest.mark.parametrize("origin, readable", [("http://localhost:3000", True), ("https://shop.example", False)])
def test_errors_of_the_door(head, wrong, status, origin, readable):
    """Given what is wrong with a request before anything of it is done; when a local page sent it; then it may read the error, and a
    foreign one may not."""
    got, headers = head_of(talk(head.port, f"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\norigin: {origin}\r\n{wrong}\r\n\r\n".encode()))
    assert got in ((status,) if readable else (status, 403))
    assert headers.get("access-control-allow-origin") == (origin if readable else None)


def test_a_wrong_key_is_told_to_a_page(cluster):
    """Given a head with an API key; when a local page sends a long prompt with a wrong one; then the browser may show it the 401."""
    head = cluster.head(env={"MANTA_API_KEY": "open sesame"})
    page = {"Origin": "http://localhost:3000", "Authorization": "Bearer close"}
    for body in "{}", json.dumps({"prompt": "x" * 1_000_000}):
        status, headers, _ = head.request("POST", "/v1/completions", body, page)
        assert status == 401 and headers["access-control-allow-origin"] == "http://localhost:3000"


@pytest.mark.parametrize("key", [None, "open sesame"])
def test_preflight(cluster, key):
    """Given a head, with or without an API key; when a browser asks on behalf of a local page whether it may send a prompt with
    its key; then it may, for a while; asked for a foreign page, it may not. The key itself cannot come with such a question."""
    head = cluster.head(env={"MANTA_API_KEY": key} if key else {})
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type,x-stainless-lang",
            "Access-Control-Request-Private-Network": "true"}
    status, headers, text = head.request("OPTIONS", "/v1/chat/completions", headers={"Origin": "http://localhost:3000", **asks})
    assert (status, text) == (200, "")
    assert headers["access-control-allow-origin"] == "http://localhost:3000" and headers["vary"] == "Origin"
    assert "POST" in headers["access-control-allow-methods"]
    allowed = set(re.split(", *", headers["access-control-allow-headers"]))
    assert {"authorization", "content-type", "x-api-key", "last-event-id", "x-session-id", "x-request-id", "x-stainless-lang"} <= allowed
    assert int(headers["access-control-max-age"]) > 0 and headers["access-control-allow-private-network"] == "true"
    status, headers, _ = head.request("OPTIONS", "/v1/chat/completions", headers={"Origin": "https://shop.example", **asks})
    assert status == 403 and not any(name.lower().startswith("access-control") for name in headers)
    status, headers, _ = head.request("OPTIONS", "/v1/chat/completions")
    assert status == 200 and set(headers["allow"].split(", ")) == {"OPTIONS", "POST"}
    assert head.request("OPTIONS", "/nothing")[0] == 404


def test_allowed_origins(cluster):
    """Given heads that are told which pages may use them; then those may, others may not, and a wrong origin is no start."""
    listed = cluster.head("--allow-origin", "https://chat.example", "--allow-origin", "null")
    for origin, status in ("https://chat.example", 200), ("null", 200), ("http://localhost:1", 200), ("http://chat.example", 403), ("https://x.chat.example", 403):
        got, headers, _ = listed.request("GET", "/v1/models", headers={"Origin": origin})
        assert got == status and headers.get("access-control-allow-origin") == (origin if status == 200 else None), origin
    everyone = cluster.head("--allow-origin", "*")
    assert everyone.request("GET", "/v1/models", headers={"Origin": "https://shop.example", **SILENT})[1]["access-control-allow-origin"] == "*"
    everyone.wait_line("warning: --allow-origin.* event=open_to_all_origins")
    nobody = cluster.head(env={"MANTA_ALLOW_ORIGIN": "none"})
    assert nobody.request("GET", "/v1/models", headers={"Origin": "http://localhost:3000"})[0] == 403
    assert nobody.request("GET", "/v1/models")[0] == 200


def test_a_page_whose_head_is_replaced(cluster):
    """Given a local page that waits for a worker; when another head takes the place of the one it asked, and a worker comes; then
    the browser may show it the answer."""
    old = cluster.head()
    text = json.dumps({**CHAT, "max_tokens": 8})
    with socket.create_connection(("127.0.0.1", old.port), timeout=120) as s:
        s.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost:3000\r\nconnection: close\r\n"
                  f"content-length: {len(text)}\r\n\r\n{text}".encode())
        old.wait_status(queued=1)
        new = cluster.head("--port", old.port, "--replace")
        old.wait()
        cluster.echo_worker(new, "echo:tokens=8")
        answer = b""
        while piece := s.recv(65536):
            answer += piece
    status, headers = head_of(answer.decode())
    assert status == 200 and headers["access-control-allow-origin"] == "http://localhost:3000"
