"""Keys and tokens: who may ask, who may join, and what a head never does without them."""

import subprocess

import openai
import pytest

import wire
from cluster import Head, Up, free_port


@pytest.fixture
def head(cluster):
    return cluster.head(env={"MANTA_API_KEY": "open sesame", "MANTA_JOIN_TOKEN": "one of us"})


def test_api_key(head, cluster):
    """Given a head with an API key; when a client has none or a wrong one; then it is refused with 401 and told what to
    send; with the right one it is served. Health checks need none."""
    worker = cluster.echo_worker(head, env={"MANTA_JOIN_TOKEN": "one of us"})
    worker.wait_line("WORKER NODE READY")
    for path in "/v1/models", "/manta/status", "/manta/actors", "/metrics":
        status, _, text = head.request("GET", path)
        assert status == 401 and "Authorization: Bearer" in text, path
        for wrong in "Bearer open sesam", "Bearer open sesame!", "Bearer ", "open sesame", "Basic b3Blbg==":
            assert head.request("GET", path, headers={"authorization": wrong})[0] == 401, wrong
        assert head.request("GET", path, headers={"authorization": "Bearer open sesame"})[0] == 200
        assert head.request("GET", path, headers={"x-api-key": "open sesame"})[0] == 200
    for path in "/", "/health", "/healthz", "/livez", "/readyz":
        assert head.request("GET", path)[0] in (200, 503)

    def ask(key):
        client = openai.OpenAI(base_url=f"{head.url}/v1", api_key=key, max_retries=0)
        return client.chat.completions.create(model="echo", messages=[{"role": "user", "content": "hello"}])
    with pytest.raises(openai.AuthenticationError):
        ask("wrong")
    assert ask("open sesame").choices[0].message.content


def test_commands_bring_the_key(head, run):
    """Given a head with an API key; when `manta status` has none; then it fails with status 3 and says why; with the key
    in its environment it works."""
    without = run("status", "--head", head.address)
    assert without.returncode == 3 and "API key" in without.stderr
    assert run("status", "--head", head.address, env={"MANTA_API_KEY": "open sesame"}).returncode == 0


@pytest.mark.parametrize("token", ["", "wrong"])
def test_join_token(head, cluster, token):
    """Given a head with a join token; when a worker brings none or a wrong one; then it ends with status 3 and the
    head's reason, and nothing has joined."""
    worker = cluster.echo_worker(head, env={"MANTA_JOIN_TOKEN": token} if token else {})
    assert worker.wait() == 3
    assert "join token" in worker.log
    assert '"workers":0' in head.request("GET", "/readyz")[2]


def test_join_token_by_hand(head):
    """Given a head with a join token; when a hello comes with the token, or with one that only begins like it; then the
    first is welcomed and the second refused for good."""
    with wire.Link(head.port) as link:
        link.send(wire.hello(token="one of us"))
        assert link.receive()[0] == wire.WELCOME
    with wire.Link(head.port) as link:
        link.send(wire.hello(token="one of u"))
        assert link.refusal()[1]


@pytest.mark.parametrize("env", [{}, {"MANTA_API_KEY": "k"}, {"MANTA_JOIN_TOKEN": "t"}])
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_open_to_others_only_with_keys(run, host, env):
    """Given no key, or only one of the two; when a head is to listen on other than loopback; then it does not start, and
    says what is missing."""
    head = run("head", "--host", host, "--port", 0, env=env)
    assert head.returncode == 2
    assert "--api-key" in head.stderr and "--join-token" in head.stderr


@pytest.fixture
def names(tmp_path):
    """Words before a command that give it a hosts file in which those names have those addresses; root only."""
    def through(**addresses):
        hosts = tmp_path / "hosts"
        hosts.write_text("".join(f"{address} {name.replace('_', '.')}\n" for name, address in addresses.items()))
        words = ["unshare", "-m", "sh", "-c", f'mount --bind "{hosts}" /etc/hosts && exec "$@"', "sh"]
        if subprocess.run([*words, "true"], capture_output=True, check=False).returncode != 0:
            pytest.skip("needs root: a hosts file of its own")
        return words
    return through


@pytest.mark.parametrize("host, address", [("localhost", "0.0.0.0"), ("127.home.example", "0.0.0.0"), ("localhost", "::"), ("127.0.0.1.example", "192.0.2.1")])
def test_what_counts_is_the_address(cluster, names, host, address):
    """Given a name that looks like loopback and stands for another address; when a head without keys is to listen there, by itself
    or of `manta up`; then it does not start, and says which address that is."""
    through = names(**{host.replace(".", "_"): address})
    head = cluster.add(Head, ["head", "--host", host, "--port", 0], through=through)
    assert head.wait() == 2
    assert f"{host} ({address}) opens the head" in head.log and "cluster started" not in head.log
    up = cluster.add(Up, ["up", "--no-prompt", "--host", host, "--port", free_port(), "--engine", "echo", "--model", "echo"], through=through)
    assert up.wait() != 0
    assert "opens the head" in up.log and "cluster started" not in up.log


def test_a_name_for_loopback(cluster, names):
    """Given a name of which nobody would think so that stands for a loopback address; when a head listens there; then it needs no
    keys, and answers by that name."""
    head = cluster.add(Head, ["head", "--host", "llm.example", "--port", 0], through=names(llm_example="127.0.0.1"))
    head.port = int(head.wait_line(r"cluster started on http://\S+?:(\d+)")[1])
    assert head.request("GET", "/manta/status", headers={"host": f"llm.example:{head.port}"})[0] == 200
    assert head.request("GET", "/manta/status", headers={"host": f"llm2.example:{head.port}"})[0] == 403


def test_the_listener_of_another_address_is_not_taken_over(cluster, names):
    """Given a head with keys that listens on all addresses by a name; when that name stands for loopback by now, and a head without
    keys is to take its place; then it gets nothing, and the one with keys serves."""
    keys = {"MANTA_API_KEY": "k", "MANTA_JOIN_TOKEN": "t"}
    head = cluster.add(Head, ["head", "--host", "llm.example", "--port", 0], through=names(llm_example="0.0.0.0"), env=keys)
    head.port = int(head.wait_line(r"cluster started on http://\S+?:(\d+)")[1])
    other = cluster.add(Head, ["head", "--host", "llm.example", "--port", head.port, "--replace"], through=names(llm_example="127.0.0.1"))
    assert other.wait() == 2 and "llm.example (0.0.0.0) opens the head" in other.log
    assert head.request("GET", "/manta/status", headers={"authorization": "Bearer k"})[0] == 200


def test_secrets_are_not_on_command_lines(cluster):
    """Given `manta up` with keys in its environment; when its children run; then no command line shows a key, which
    every user of the machine could read."""
    up = cluster.up("--no-prompt", "--workers", 1, "--engine", "echo", "--model", "echo",
                    env={"MANTA_API_KEY": "open sesame", "MANTA_JOIN_TOKEN": "one of us"})
    up.wait_line(r"up \| ready")
    lines = [open(f"/proc/{up.child(name)}/cmdline", encoding="utf-8").read() for name in ("head", "worker-1")]
    assert all(line and "sesame" not in line and "one of us" not in line for line in lines)
