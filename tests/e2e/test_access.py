"""Keys and tokens: who may ask, who may join, and what a head never does without them."""

import os
import pathlib
import re
import shlex
import socket
import subprocess
import sys

import openai
import pytest

import wire
from cluster import TEST_TIMEOUT_S, Head, Up, free_port, wait_for


@pytest.fixture
def head(cluster):
    return cluster.head(env={"MANTA_API_KEY": "open sesame", "MANTA_JOIN_TOKEN": "one of us"})


def test_a_worker_is_healthy_without_a_clients_key(head, cluster, run):
    """Given a head with keys, and a worker, whose container has none of clients; when its health is asked for where it runs; then it is told
    without the head: not there, ready, and after a kill not there. A name that is none of this host's is asked of the head, as before."""
    def health(node):
        end = run("health", "worker", "--node", node, "--head", head.address)
        return end.returncode, end.stdout + end.stderr
    code, words = health("oak")
    assert code == 1 and "API key" in words
    worker = cluster.echo_worker(head, "echo:tokens=20", "--node", "oak", env={"MANTA_JOIN_TOKEN": "one of us"})
    wait_for("a healthy worker", lambda: health("oak")[0] == 0)
    assert health("oak")[1] == "ok: oak has joined and is ready\n"
    worker.kill()
    assert health("oak")[0] == 1


def test_api_key(head, cluster):
    """Given a head with an API key; when a client has none or a wrong one; then it is refused with 401 and told what to
    send; with the right one it is served. Health checks need none."""
    worker = cluster.echo_worker(head, env={"MANTA_JOIN_TOKEN": "one of us"})
    worker.wait_event("worker_ready")
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
    assert worker.says("--join-token")
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


def join_token(folder):
    return pathlib.Path(folder) / "manta/join.token"


@pytest.mark.parametrize("said", ["", "0" * 64, "guess"])
def test_a_stranger_cannot_join_on_loopback(cluster, said):
    """Given a head that nobody gave a token; when somebody on this machine dials it without the one of its user; then it is refused
    for good, as worker and as launcher; with that token it is welcomed."""
    head = cluster.head()
    for role in 1, 2:
        with wire.Link(head.port) as link:
            link.send(wire.hello(token=said, role=role))
            sentence, final = link.refusal()
            assert final and "join token" in sentence
        with wire.Link(head.port) as link:
            link.send(wire.hello(token=join_token(cluster.folder).read_text(), role=role))
            assert link.receive()[0] == wire.WELCOME


def test_the_users_own_workers_find_the_token(cluster, tmp_path):
    """Given two heads that nobody gave a token; when a worker of the same user joins both with no flag for it, then it is welcome, and
    again when a head was started anew; the token is in a file of that user's alone. One with another state folder is refused, and
    told what to do."""
    heads = [cluster.head(), cluster.head()]
    worker = cluster.echo_worker(",".join(h.address for h in heads))
    for head in heads:
        head.wait_ready(actors=1)
    path = join_token(cluster.folder)
    token = path.read_text()
    assert re.fullmatch("[0-9a-f]{64}", token) and path.stat().st_mode & 0o777 == 0o600
    stranger = cluster.echo_worker(heads[0], env={"XDG_STATE_HOME": str(tmp_path / "other")})
    assert stranger.wait() == 3 and stranger.says("--join-token")
    heads[0].kill()
    again = cluster.head(port=heads[0].port)
    again.wait_ready(actors=1)
    assert worker.running() and path.read_text() == token


@pytest.mark.parametrize("spoil", ["open to others", "a link", "not a token", "no folder"])
def test_a_token_that_others_may_know_is_not_used(cluster, tmp_path, spoil):
    """Given a state folder whose token others can read, is somewhere else, is none, or that cannot be made; when a head starts, then it
    runs, says so, and takes no worker that brings what lies there; with a token that both are given, workers join."""
    state = tmp_path / "state"
    path = join_token(state)
    path.parent.mkdir(parents=True)
    path.write_text("not a token" if spoil == "not a token" else "ab" * 32)
    path.chmod(0o644 if spoil == "open to others" else 0o600)
    if spoil == "a link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    env = {"XDG_STATE_HOME": "/proc/none" if spoil == "no folder" else str(state)}
    head = cluster.head(env=env)
    assert head.events("no_join_token")
    worker = cluster.echo_worker(head, env={**env, "MANTA_JOIN_TOKEN": "ab" * 32})
    assert worker.wait() == 3
    told = cluster.head(env={**env, "MANTA_JOIN_TOKEN": "both know"})
    cluster.echo_worker(told, env={**env, "MANTA_JOIN_TOKEN": "both know"})
    told.wait_ready(actors=1)


def test_a_token_of_this_machine_is_not_told_to_others(cluster):
    """Given the token of this user's heads, and another host's head; when a worker dials that one by a name or address beyond loopback;
    then its hello has no token."""
    cluster.head()
    assert join_token(cluster.folder).exists()
    own = next((a[4][0] for a in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET) if not a[4][0].startswith("127.")), None)
    if own is None:
        pytest.skip("this machine has no address but loopback")
    with wire.FakeHead(b"", host=own) as far:
        cluster.echo_worker(far.address)
        wait_for("a hello", lambda: len(far.heard) > 40)
        assert join_token(cluster.folder).read_text().encode() not in bytes(far.heard)


SQUATTER = """
import os, socket, sys
os.setuid(65534)
s = socket.create_server((sys.argv[1], 0), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, dualstack_ipv6=sys.argv[1] == "::")
print(s.getsockname()[1], flush=True)
c, heard = s.accept()[0], b""
while b"\\r\\n\\r\\n" not in heard:
    heard += c.recv(65536)
c.sendall(b"HTTP/1.1 101 Switching Protocols\\r\\nconnection: Upgrade\\r\\nupgrade: manta\\r\\n\\r\\n")
hello = b""
while len(hello) < 40:
    hello += c.recv(65536)
print(hello.hex(), flush=True)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
@pytest.mark.parametrize("host, dialled", [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("::", "127.0.0.1")])
def test_a_token_is_not_told_to_another_users_head(cluster, host, dialled):
    """Given the token of this user's heads; when another user listens where a worker dials; then its hello has no token, and the log
    says why; a head of the same user is told it."""
    head = cluster.head()
    squatter = subprocess.Popen([sys.executable, "-c", SQUATTER, host], stdout=subprocess.PIPE, text=True)
    worker = cluster.echo_worker(f"{dialled}:{int(squatter.stdout.readline())},{head.address}")
    hello = bytes.fromhex(squatter.stdout.readline())
    assert b"worker-" in hello and join_token(cluster.folder).read_text().encode() not in hello
    assert squatter.wait(TEST_TIMEOUT_S) == 0
    worker.wait_event("head_of_another_user", uid=65534)
    head.wait_event("worker_joined")


@pytest.mark.parametrize("env", [{}, {"MANTA_API_KEY": "k"}, {"MANTA_JOIN_TOKEN": "t"}])
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_open_to_others_only_with_keys(run, host, env):
    """Given no key, or only one of the two; when a head is to listen on other than loopback; then it does not start, and
    says what is missing."""
    head = run("head", "--host", host, "--port", 0, env=env)
    assert head.returncode == 2
    assert "--api-key" in head.stderr and "--join-token" in head.stderr


def test_a_head_of_root_is_warned_of(cluster):
    """Given root on a machine, root in a container, and another user; when each starts a head; then the first one's log has a warning."""
    # the machine's folders under a root without the file by which a container is known, should this be one; -n: others may hold the lock of
    # the machine's table of mounts, and a folder of theirs may be gone by now
    bare = ["unshare", "-m", "sh", "-c", f'cd {shlex.quote(str(cluster.folder))} && mkdir -p root && mount -n -t tmpfs none root && for d in /*/; do '
            'mkdir -p "root$d" && mount -n --rbind "$d" "root$d" || [ ! -d "$d" ] || exit 1; done && exec chroot root "$@"', "sh"]
    if os.path.exists("/run/.containerenv") or subprocess.run([*bare, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs root: a root folder of its own")
    plain = {"container": "", "XDG_RUNTIME_DIR": str(cluster.folder)}
    assert cluster.head(env=plain, through=["env", "-u", "KUBERNETES_SERVICE_HOST", *bare]).events("runs_as_root")
    assert not cluster.head(env={**plain, "container": "podman"}, through=bare).events("runs_as_root")
    cluster.folder.chmod(0o777)
    assert not cluster.head(env=plain, through=[*bare, "setpriv", "--reuid=65534", "--clear-groups"]).events("runs_as_root")


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
    assert head.says(re.escape(f"{host} ({address})")) and not head.events("head_started")
    up = cluster.add(Up, ["up", "--no-prompt", "--host", host, "--port", free_port(), "--engine", "echo", "--model", "echo"], through=through)
    assert up.wait() != 0
    assert up.says(re.escape(address)) and not up.events("head_started")


def test_a_name_for_loopback(cluster, names):
    """Given a name of which nobody would think so that stands for a loopback address; when a head listens there; then it needs no
    keys, and answers by that name."""
    head = cluster.add(Head, ["head", "--host", "llm.example", "--port", 0], through=names(llm_example="127.0.0.1"))
    head.port = int(head.wait_event("head_started")["address"].rsplit(":", 1)[1])
    assert head.request("GET", "/manta/status", headers={"host": f"llm.example:{head.port}"})[0] == 200
    assert head.request("GET", "/manta/status", headers={"host": f"llm2.example:{head.port}"})[0] == 403


def test_the_listener_of_another_address_is_not_taken_over(cluster, names):
    """Given a head with keys that listens on all addresses by a name; when that name stands for loopback by now, and a head without
    keys is to take its place; then it gets nothing, and the one with keys serves."""
    keys = {"MANTA_API_KEY": "k", "MANTA_JOIN_TOKEN": "t"}
    head = cluster.add(Head, ["head", "--host", "llm.example", "--port", 0], through=names(llm_example="0.0.0.0"), env=keys)
    head.port = int(head.wait_event("head_started")["address"].rsplit(":", 1)[1])
    other = cluster.add(Head, ["head", "--host", "llm.example", "--port", head.port, "--replace"], through=names(llm_example="127.0.0.1"))
    assert other.wait() == 2 and other.says(r"llm\.example \(0\.0\.0\.0\)")
    assert head.request("GET", "/manta/status", headers={"authorization": "Bearer k"})[0] == 200


def test_secrets_are_not_on_command_lines(cluster):
    """Given `manta up` with keys in its environment; when its children run; then no command line shows a key, which
    every user of the machine could read."""
    up = cluster.up("--no-prompt", "--workers", 1, "--engine", "echo", "--model", "echo",
                    env={"MANTA_API_KEY": "open sesame", "MANTA_JOIN_TOKEN": "one of us"})
    up.wait_event("up_ready")
    lines = [open(f"/proc/{up.child(name)}/cmdline", encoding="utf-8").read() for name in ("head", "worker-1")]
    assert all(line and "sesame" not in line and "one of us" not in line for line in lines)


def environment_of(pid):
    return dict(e.split("=", 1) for e in pathlib.Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in e)


@pytest.mark.parametrize("given", ["environment", "files", "flags"])
def test_each_child_has_the_secrets_that_it_needs(cluster, tmp_path, given):
    """Given `manta up` with keys of clients and a token of the hub, by whatever way; when its children run; then workers have no key of
    a client's, the head no token of the hub's, no command line shows any, and a worker started by hand joins, too."""
    (tmp_path / "keys").write_text("ops[admin]: open sesame\nanna: of-anna\n")
    env, flags = {"HF_TOKEN": "hub-secret"}, ()
    if given == "environment":
        env["MANTA_API_KEY"] = "ops[admin]: open sesame,anna: of-anna"
    elif given == "files":
        env["MANTA_API_KEY_FILE"] = str(tmp_path / "keys")
    else:
        flags = ("--api-key", "ops[admin]: open sesame,anna: of-anna")
    up = cluster.up("--no-prompt", "--workers", 1, "--engine", "echo", "--model", "echo", *flags, env=env)
    up.wait_event("up_ready")
    head, worker = (environment_of(up.child(name)) for name in ("head", "worker-1"))
    assert "HF_TOKEN" not in head and worker["HF_TOKEN"] == "hub-secret"
    assert not any("sesame" in value or "of-anna" in value or "keys" in value for value in worker.values())
    for pid in (up.pid, up.child("head"), up.child("worker-1")):
        line = pathlib.Path(f"/proc/{pid}/cmdline").read_text()
        assert line and not any(secret in line for secret in ("sesame", "of-anna", "hub-secret", join_token(cluster.folder).read_text()))
    up.key = "open sesame"
    cluster.echo_worker(up.address, "echo", "--node", "by-hand")
    up.wait_ready(actors=2)


@pytest.mark.parametrize("form", ["{} {}", "{}={}"])
def test_keys_given_as_flags_are_hidden(cluster, form):
    """Given keys on the command lines of a head and a worker; when others look at the list of processes, then they are not there; they
    count all the same, and the log says how to give them better."""
    flags = [*form.format("--api-key", "s3same").split(), *form.format("--join-token", "0neofus").split()]
    head = cluster.head(*flags)
    worker = cluster.echo_worker(head, "echo", *flags[-len(flags) // 2:])
    head.key = "s3same"
    head.wait_ready(actors=1)
    assert head.request("GET", "/manta/status", headers={"authorization": "Bearer x"})[0] == 401
    for process in head, worker:
        line = pathlib.Path(f"/proc/{process.pid}/cmdline").read_text()
        assert "--join-token" in line and "s3same" not in line and "0neofus" not in line
        assert process.says("MANTA_JOIN_TOKEN") and not process.says("s3same|0neofus")
