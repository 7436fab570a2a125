"""What answers a client is not a head, or not the head alone: other programs on its port, proxies in front of it. What it is given was written
elsewhere: by editors of other systems, for other clients."""

import json
import subprocess

import pytest

from between import Proxy, Stranger
from cluster import PATIENCE_S, PROGRAM, Head, environment, free_port, wait_for

COMMANDS = [("status",), ("status", "-o", "json"), ("actors",), ("requests",), ("health",), ("verify",), ("scale", "3"), ("drain", "oak"), ("cordon", "oak"),
            ("uncordon", "oak"), ("explain",), ("explain", "cmpl-1"), ("prompt", "hello"), ("prompt", "-q", "hello"), ("prompt", "hello", "-o", "json"),
            ("run", "smollm2", "hello"), ("top",), ("launch", "codex", "--print")]


@pytest.mark.parametrize("body", ['{"status":"ok"}', "[]", '{"head":1,"actor_list":{},"request_list":"","target":"x","worker":7,"data":0}',
                                  '{"error":"not here"}', "<html>It works!</html>"])
def test_another_program_is_not_taken_for_a_head(run, body):
    """Given a program on the port that answers everything with 200, be it JSON or a page; when any command asks there; then it fails, says that
    this is no head, and shows nothing as if one had answered."""
    with Stranger(body) as stranger:
        for command in COMMANDS:
            end = run(*command, "--head", stranger.address)
            assert end.returncode not in (0, 2), (command, end.stdout)
            shown = [line for line in end.stdout.splitlines() if not line.startswith(("[PROMPT]", "[SENDING]"))]
            assert "is it a manta head?" in end.stderr and shown == [], (command, end.stdout, end.stderr)
        report = json.loads(run("health", "-o", "json", "--head", stranger.address).stdout)
        assert report["ok"] is False and "is it a manta head?" in report["error"]


@pytest.mark.parametrize("quiet", [True, False])
def test_a_prompt_behind_a_proxy_outlives_its_head(cluster, quiet):
    """Given a prompt that is answered through a proxy; when the head is killed, so that the proxy ends the response in order and then answers
    with 502, until another head has its port; then the answer is whole."""
    port = free_port()
    head = cluster.head(port=port)
    cluster.echo_worker(head, "echo:tokens=160,seed=5")
    head.wait_ready(actors=1)
    with Proxy(port) as proxy:
        def ask():
            words = ("prompt", "--head", proxy.address, *(["-q"] if quiet else []), "tell me")
            return subprocess.Popen([PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(cluster.folder))

        def answer_of(text):
            return text if quiet else text[text.index("[FINAL RESPONSE]"):]
        whole, err = ask().communicate(timeout=PATIENCE_S)
        cluster.pace(100)
        asking = ask()
        head.tokens(3)
        head.kill()
        wait_for("the proxy's 502", lambda: proxy.refused > 0)
        again = cluster.head(port=port)
        again.wait_event("stream_resumed")
        cluster.pace(0)
        out, err = asking.communicate(timeout=PATIENCE_S)
        assert asking.returncode == 0, out + err
        assert len(answer_of(out)) > 300 and "[RECONNECTING]" in err, out + err


@pytest.mark.parametrize("status", ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"])
def test_a_gateway_without_a_head_is_passed_over(echo, run, status):
    """Given two addresses, the first of them a proxy whose head is gone; when a client asks both; then the second one answers."""
    with Stranger("<html></html>", status) as gateway:
        for command in ("status",), ("prompt", "-q", "hello"), ("health",):
            end = run(*command, "--head", f"{gateway.address},{echo.address}")
            assert end.returncode == 0, (command, end.stdout, end.stderr)


def test_a_prompt_that_waits_outlives_its_head(cluster, run):
    """Given a prompt that waits since the only worker is cordoned; when the head is killed and comes back, and the worker takes prompts again; then
    the prompt is answered."""
    port = free_port()
    head = cluster.head(port=port)
    cluster.echo_worker(head, "echo:tokens=20", "--node", "oak")
    head.wait_ready(actors=1)
    assert run("cordon", "oak", "--head", head.address).returncode == 0
    with Proxy(port) as proxy:
        asking = subprocess.Popen([PROGRAM, "prompt", "--head", proxy.address, "tell me"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  env=environment(cluster.folder))
        wait_for("a comment", lambda: b": manta queue=1" in proxy.passed)
        head.kill()
        again = cluster.head(port=port)
        again.wait_status(queued=1)
        again.wait_ready(actors=1)
        assert run("uncordon", "oak", "--head", again.address).returncode == 0
        out, err = asking.communicate(timeout=PATIENCE_S)
        assert asking.returncode == 0 and "[FINAL RESPONSE]" in out, out + err


MARK = b"\xef\xbb\xbf"  # the byte order mark that Windows' editors and shells write


def test_texts_with_a_byte_order_mark(cluster, run):
    """Given a file of keys, settings, prompts and a request that begin with a byte order mark and have lines of Windows; when they are used; then
    they mean what they mean without."""
    keys, settings, prompts = (cluster.folder / name for name in ("keys", "settings.yaml", "prompts"))
    port = free_port()
    keys.write_bytes(MARK + b"anna: secret\r\n")
    settings.write_bytes(MARK + f"join_token: t\r\nhead:\r\n  port: {port}\r\n  api_key_file: {keys}\r\n".encode())
    prompts.write_bytes(MARK + "hello\r\nworld\r\n".encode())
    head = cluster.add(Head, ["head", "--config", settings])
    head.port, head.key = port, "secret"
    cluster.echo_worker(head, "echo:tokens=5", "--join-token", "t")
    head.wait_ready(actors=1)
    status, answer = head.post("/manta/process_prompt", MARK + b'{"prompt":"hello"}')
    assert status == 200 and answer["final_response"]
    with Proxy(port) as proxy, open(prompts) as lines:
        end = subprocess.run([PROGRAM, "prompt", "--head", proxy.address], env=environment(cluster.folder, MANTA_API_KEY="secret"), stdin=lines,
                             capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert end.returncode == 0, end.stderr
        assert b'"prompt":"hello"' in proxy.asked and b'"prompt":"world"' in proxy.asked


@pytest.mark.parametrize("flags", [(), ("-q",)])
def test_a_prompt_with_a_null_byte_is_not_cut(echo, tmp_path, flags):
    """Given a pipe that brings a NUL byte, as text in UTF-16 has them; when it is a prompt; then it is refused, not sent in part."""
    with Proxy(echo.port) as proxy:
        end = subprocess.run([PROGRAM, "prompt", "--head", proxy.address, *flags], env=environment(tmp_path), input=b"hel\0lo\n", capture_output=True,
                             timeout=PATIENCE_S, check=False)
        assert end.returncode != 0 and b"NUL" in end.stderr and b'"hel' not in proxy.asked, end


def test_the_address_of_another_client_is_one(echo, run):
    """Given the base URL that OpenAI's clients are given for a cluster; when it is given as the head's address; then it is taken; another path
    is refused with what is right."""
    for url in (f"{echo.url}/v1", f"{echo.url}/v1/", f"{echo.address}/v1"):
        assert run("health", "--head", url).returncode == 0
    refused = run("health", "--head", f"{echo.url}/api")
    assert refused.returncode != 0 and "has a path, '/api'" in refused.stderr and f"http://{echo.address}" in refused.stderr
