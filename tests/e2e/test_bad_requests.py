"""What a client can send that is wrong. Each gets an error that says what was wrong, and changes nothing."""

import json
import socket

import pytest

CHAT = "/v1/chat/completions"


@pytest.fixture(autouse=True)
def changes_nothing(echo):
    """After each wrong request the head has no job, counts no call, and answers the next question."""
    before = echo.status()
    yield
    after = echo.status()
    assert (after["calls_total"], after["running"], after["queued"]) == (before["calls_total"], 0, 0)
    assert after["actors"] == 3
    assert echo.ask("still there?")["final_response"]


def send(head, raw):
    """Bytes as they are, on a connection of their own; everything that comes back until the head closes it or has
    answered with one whole body."""
    with socket.create_connection(("127.0.0.1", head.port), timeout=120) as s:
        try:
            s.sendall(raw)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it need not read what it does not want
        answer = b""
        while not whole(answer):
            more = s.recv(65536)
            if not more:
                break
            answer += more
    return answer.decode()


def whole(answer):
    head, mark, body = answer.partition(b"\r\n\r\n")
    if not mark:
        return False
    length = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(length) and len(body) >= int(length[0])


def post(path, body, *headers):
    lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", "content-type: application/json", *headers]
    if not any(h.lower().startswith(("content-length", "transfer-encoding")) for h in headers):
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def error_of(answer):
    """(HTTP status, the error's members), from an answer as it came."""
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]


def refused(echo, path, body):
    status, error = error_of(send(echo, post(path, body)))
    assert status == 400 and error["type"] == "invalid_request_error"
    return error


@pytest.mark.parametrize("path", [CHAT, "/v1/completions", "/manta/process_prompt"])
@pytest.mark.parametrize("body, said", [
    (b'{"messages": [', "JSON"),
    (b"", "JSON"),
    (b"tell me a joke", "JSON"),
    (b'["prompt"]', "object"),
    (b'{"prompt": "a\x00b"}', "NUL"),
    (b'{"prompt": "a\\u0000b"}', "NUL"),
    (b'{"prompt": "\\ud800"}', "Unicode"),
    (b'{"prompt": "caf\xe9"}', "UTF-8"),
    (b'{"prompt": "' + b"\xed\xa0\x80" + b'"}', "UTF-8"),
    (b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}", "64"),
    (b'{"a": ' * 100 + b"1" + b"}" * 100, "64"),
], ids=["cut", "empty", "prose", "array", "NUL", "escaped-NUL", "half-a-pair", "latin-1", "surrogate", "deep-array", "deep-object"])
def test_what_is_not_a_request(echo, path, body, said):
    """Given a running cluster; when a body is no JSON object of UTF-8 text, or nested too deep; then it is refused, and
    the error says which of them."""
    assert said.lower() in refused(echo, path, body)["message"].lower()


@pytest.mark.parametrize("path, body, param", [
    (CHAT, {}, "messages"),
    (CHAT, {"messages": "hello"}, "messages"),
    (CHAT, {"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    (CHAT, {"messages": [{"content": "no role"}]}, "messages[0].role"),
    (CHAT, {"messages": [{"role": "user", "content": "x"}], "temperature": -1}, "temperature"),
    (CHAT, {"messages": [{"role": "user", "content": "x"}], "temperature": "hot"}, "temperature"),
    (CHAT, {"messages": [{"role": "user", "content": "x"}], "max_tokens": 1.5}, "max_tokens"),
    (CHAT, {"messages": [{"role": "user", "content": "x"}], "stream": "yes"}, "stream"),
    (CHAT, {"messages": [{"role": "user", "content": "x"}], "seed": 1e300}, "seed"),
    (CHAT, {"messages": [{"role": "user", "content": "x"}], "model": 7}, "model"),
    (CHAT, {"messages": [{"role": "user", "content": "x"}], "stop": ["a"] * 1000}, "stop"),
    ("/v1/completions", {"prompt": None}, "prompt"),
    ("/v1/completions", {"prompt": "x", "top_p": 2}, "top_p"),
    ("/v1/completions", {"prompt": "x", "n": 0}, "n"),
    ("/manta/process_prompt", {}, "prompt"),
    ("/manta/process_prompt", {"prompt": ["x"]}, "prompt"),
    ("/manta/process_prompt", {"prompt": "x", "actors": 0}, "actors"),
    ("/manta/process_prompt", {"prompt": "x", "actors": "some"}, "actors"),
    ("/manta/process_prompt", {"prompt": "x", "final": "worst"}, "final"),
    ("/manta/process_prompt", {"prompt": "x", "timeout_s": -3}, "timeout_s"),
])
def test_wrong_fields_are_named(echo, path, body, param):
    """Given a running cluster; when a field is missing, of the wrong type or out of range; then the error names it."""
    error = refused(echo, path, json.dumps(body).encode())
    assert error["param"] == param and param in error["message"]


def test_number_too_big_for_json(echo):
    """Given a number that no double can hold; when it is sent; then it is refused, not read as something else."""
    assert refused(echo, CHAT, b'{"messages": [{"role": "user", "content": "x"}], "temperature": 1e999}')["message"]


def test_ten_megabytes(echo):
    """Given a limit on bodies; when 10 MB are announced, or come in chunks without being announced; then the answer is
    413 and names the limit, without all of it being read."""
    body = b'{"prompt": "' + b"x" * 10_000_000 + b'"}'
    chunked = b"".join(b"%x\r\n" % len(part) + part + b"\r\n" for part in [body[:1 << 20]] * 10) + b"0\r\n\r\n"
    for raw in post(CHAT, body), post(CHAT, chunked, "transfer-encoding: chunked"):
        status, error = error_of(send(echo, raw))
        assert status == 413 and "4194304" in error["message"]
    for path, text in (("/api/chat", lambda e: e["error"]), ("/v1/messages", lambda e: e["error"]["message"] if e["type"] == "error" else "")):
        head, _, answer = send(echo, post(path, body)).partition("\r\n\r\n")
        assert " 413 " in head.splitlines()[0] and "4194304" in text(json.loads(answer))


def test_wrong_method_and_path(echo):
    """Given the paths of a head; when one is asked in the wrong way, or one that is not there; then 405 says which
    method there is, and 404 where to look."""
    status, headers, text = echo.request("GET", CHAT)
    assert (status, headers["allow"]) == (405, "POST") and "POST" in json.loads(text)["error"]["message"]
    assert echo.request("DELETE", "/v1/models")[0] == 405
    for path in "/v1/chat/completion", "/v2/models", "//", "/v1/models/../../etc/passwd", "/%00":
        status, _, text = echo.request("GET", path)
        assert (status, json.loads(text)["error"]["type"]) == (404, "not_found_error"), path


@pytest.mark.parametrize("method, path, allowed", [
    ("PUT", "/v1/responses/resp_1", {"GET", "HEAD", "POST", "DELETE"}),
    ("GET", "/v1/responses/input_tokens", {"POST"}),
    ("POST", "/api/tags", {"GET", "HEAD"}),
    ("PUT", "/api/chat", {"POST"}),
    ("POST", "/api/delete", {"DELETE"}),
    ("POST", "/v1/models", {"GET", "HEAD"}),
    ("DELETE", "/v1/models/echo", {"GET", "HEAD"}),
])
def test_all_methods_of_a_path_are_named(echo, method, path, allowed):
    """Given a path that takes other methods than the one it is asked with, of its own or with everything below another path; then the error and OPTIONS name
    each of them, once, and none that it would refuse."""
    status, headers, text = echo.request(method, path)
    assert status == 405 and sorted(headers["allow"].split(", ")) == sorted(allowed), (status, headers["allow"])
    error = json.loads(text)["error"]
    assert all(word in (error if isinstance(error, str) else error["message"]) for word in allowed), error
    assert sorted(echo.request("OPTIONS", path)[1]["allow"].split(", ")) == sorted({"OPTIONS", *allowed})


@pytest.mark.parametrize("raw, status", [
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), 400),
    (b"HELO example.org\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/3.0\r\nhost: 127.0.0.1\r\n\r\n", 505),
    (b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nlong: " + b"y" * 100_000 + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", 431),
    (b"POST /v1/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n", 400),
    (b"POST /v1/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: -5\r\n\r\n", 400),
], ids=["tls", "smtp", "no-host", "http3", "long-header", "many-headers", "smuggling", "negative-length"])
def test_what_is_not_http(echo, raw, status):
    """Given the head's port; when something else than proper HTTP/1.1 is spoken there; then an error comes back."""
    answer = send(echo, raw)
    assert answer.startswith(f"HTTP/1.1 {status} "), answer[:200]
