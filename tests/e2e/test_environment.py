"""What a process may be started in: descriptors, limits, disks, signals, variables and addresses that are not as usual."""

import json
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess

import pytest

from cluster import PROGRAM, SANITIZED, SLOWED, Api, Beside, Head, Process, Up, alive, children, environment, free_port, wait_for
from terminal import CTRL_D, Terminal

ECHO = ("--engine", "echo", "--model", "echo:tokens=20")
NO_HEAD = ("--head", "127.0.0.1:1")


def closed(*descriptors):
    """For preexec_fn."""
    def close():
        for fd in descriptors:
            os.close(fd)
    return close


# ---- descriptors ----

@pytest.mark.parametrize("descriptors", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)])
def test_a_service_without_standard_files(cluster, descriptors):
    """Given a starter that closed some of standard input, output and error; when a head, a worker and a whole cluster run, answer and
    get SIGTERM; then all of them end with status 0: no connection was taken for an output."""
    port = free_port()
    head = cluster.add(Head, ["head", "--port", port], preexec_fn=closed(*descriptors))
    head.port = port
    wait_for("the head", head.answers)
    worker = cluster.echo_worker(head, "echo:tokens=20", preexec_fn=closed(*descriptors))
    head.wait_ready(actors=1)
    assert head.ask("hello")["responses"][0]["tokens"] == 20
    assert worker.stop() == 0 and head.stop() == 0
    up = cluster.up("--no-prompt", "--workers", 1, *ECHO, preexec_fn=closed(*descriptors))
    wait_for("the cluster", up.answers)
    up.wait_ready(actors=1)
    assert up.stop() == 0


@pytest.mark.parametrize("descriptors", [(0,), (1,), (2,), (0, 1, 2)])
@pytest.mark.parametrize("command, status", [(("status", *NO_HEAD), 4), (("health", *NO_HEAD), 1), (("prompt", "hi", *NO_HEAD), 4), (("verify", *NO_HEAD), 1),
                                             (("models", "catalogue"), 0), (("--version",), 0), (("scale", "x"), 2)])
def test_a_command_without_standard_files(tmp_path, descriptors, command, status):
    """Given closed standard files; when a command runs; then its status is the usual one."""
    end = subprocess.run([PROGRAM, *command], env=environment(tmp_path), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         preexec_fn=closed(*descriptors), timeout=120, check=False)
    assert end.returncode == status


@pytest.mark.parametrize("command", [("status",), ("status", "-o", "json"), ("status", "--limits"), ("actors",), ("health",), ("verify",), ("prompt", "hi"),
                                     ("prompt", "hi", "-o", "json"), ("models",), ("models", "-o", "json"), ("models", "catalogue"), ("cordon", "ash"),
                                     ("uncordon", "ash"), ("--help",), ("--version",), ("up", "--help")])
def test_an_output_that_is_full(echo, tmp_path, command):
    """Given a standard output without room; when a command prints; then it ends with an error that says so."""
    target = [] if command[0].startswith("--") or "--help" in command else ["--head", echo.address]
    with open("/dev/full", "w") as full:
        end = subprocess.run([PROGRAM, *command, *target], env=environment(tmp_path), stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
                             text=True, timeout=120, check=False)
    assert end.returncode != 0
    assert "error: cannot write the output: " in end.stderr


@pytest.mark.parametrize("command", [("prompt", "-q", "tell me"), ("prompt", "tell me")])
def test_an_output_whose_reader_leaves(cluster, command):
    """Given an answer that takes minutes, and a reader of it that has seen enough (`| head -1`); when the next words come; then the command ends
    without a word, and the answer is cancelled."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=2000")
    head.wait_ready(actors=1)
    cluster.pace(100)
    with subprocess.Popen([PROGRAM, *command, "--head", head.address], env=environment(cluster.folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as asking:
        head.tokens(3)
        assert asking.stdout.read(1)
        asking.stdout.close()
        assert asking.stderr.read() == b""
    head.wait_idle()


@pytest.mark.parametrize("files", [4, 8, 12, 19, 32, 40])
@pytest.mark.parametrize("command", [("head", "--port", "0"), ("worker", *NO_HEAD, *ECHO), ("up", "--no-prompt", "--workers", "3", *ECHO), ("status", *NO_HEAD)])
def test_few_open_files(cluster, command, files):
    """Given a hard limit on open files; when a command is started; then it does its work, or says at once that the limit is too low."""
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))}
    port = ["--port", free_port()] if command[0] == "up" else []
    p = cluster.add(Process, [*command, *port], **limit)
    works = {"head": "event=head_ready", "worker": "event=redialling", "up": "event=up_ready", "status": "refused"}[command[0]]
    found = p.wait_line(rf"({works})|(\b{files} files\b.* \d+)")
    if files >= 32:
        assert found[1], p.log
    if found[2]:
        assert p.wait() == 2
        assert len(p.log.splitlines()) == 1, p.log
    assert not p.crashed()


def test_few_open_files_under_a_flood(cluster):
    """Given a cluster that may have few files open, whose workers' links take a part; when idle connections take all that is left; then health checks,
    prompts and another worker are served still."""
    few = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))}
    head = cluster.head(**few)
    for _ in range(12):
        cluster.echo_worker(head, "echo:tokens=5")
    head.wait_ready(actors=12)
    idle = [socket.create_connection(("127.0.0.1", head.port)) for _ in range(150)]
    for _ in range(5):
        assert head.get("/health")["status"] == "ok" and head.ask("hi")["responses"]
    cluster.echo_worker(head, "echo:tokens=5")
    head.wait_ready(actors=13)
    for connection in idle:
        connection.close()


def test_a_soft_limit_is_raised(cluster):
    """Given a soft limit on open files that is low and a hard one that is not; when a cluster of many workers is started; then it runs."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    up = cluster.up("--no-prompt", "--workers", 4, *ECHO, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (10, hard)))
    up.wait_event("up_ready")
    assert up.stop() == 0


WRITES = "ThreadSanitizer writes to a file before the program begins"
LITTLE = {  # a limit, and what of it is too little for a server; None: everything works with nothing
    "stack": (resource.RLIMIT_STACK, (64 << 10, 200 << 10), r"the stack may take only \d+ KiB, and manta needs"),
    "threads": (resource.RLIMIT_NPROC, (1,), r"only \d+ more threads may run, and manta \w+ needs \d+"),
    "address space": (resource.RLIMIT_AS, (20 << 20, 40 << 20), r"too little memory is allowed, and manta \w+ needs \d+ MiB"),
    "data": (resource.RLIMIT_DATA, (4 << 20, 30 << 20), r"too little memory is allowed, and manta \w+ needs \d+ MiB"),
    "file size": (resource.RLIMIT_FSIZE, (0,), None),
    "locked memory": (resource.RLIMIT_MEMLOCK, (0,), None),
    "core": (resource.RLIMIT_CORE, (0,), None),
    "pending signals": (resource.RLIMIT_SIGPENDING, (0,), None),
}


@pytest.mark.parametrize("what", LITTLE)
@pytest.mark.parametrize("command", [("head", "--port", "0"), ("worker", *NO_HEAD, *ECHO), ("up", "--no-prompt", "--workers", "1", *ECHO), ("status", *NO_HEAD)])
def test_little_of_anything(tmp_path, command, what):
    """Given a hard limit on what a process may have; when a command is started; then it does its work, or says in one line that the limit is
    too low, and which."""
    which, limits, says = LITTLE[what]
    if SANITIZED and what in ("address space", "data", "stack", "threads"):
        pytest.skip("a sanitizer needs more than any limit here")
    if what == "file size" and SLOWED:
        pytest.skip(WRITES)
    if what == "threads" and os.geteuid() != 0:
        pytest.skip("of one's own user nobody knows how many threads there are")
    words = {"head": "ready for worker nodes", "worker": "redialling", "up": r"up \| ready", "status": "connection refused"}[command[0]]
    other = {"user": 65534, "cwd": "/"} if what == "threads" else {}  # root has as many as it likes
    for limit in limits:
        args = [*command, "--port", str(free_port())] if command[0] == "up" else command
        with subprocess.Popen([PROGRAM, *args], env=environment(tmp_path), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, preexec_fn=lambda n=limit: resource.setrlimit(which, (n, n)), **other) as p:
            text = ""
            while not re.search(words, text) and (line := p.stdout.readline()):
                text += line
            p.terminate()
            text += p.stdout.read()
        if says and re.search(says, text):
            assert p.returncode == 2 and text.count("\n") == 1, text
        else:
            assert re.search(words, text) and "crash report" not in text, text
            assert command[0] == "status" or not says, text


@pytest.mark.skipif(os.geteuid() != 0, reason="of one's own user nobody knows how many threads there are")
def test_a_user_who_has_no_more_threads(cluster):
    """Given a head that runs, and then no thread is left to its user; when a prompt comes that is so long that the head reads it on another thread; then
    it is answered as ever."""
    head = cluster.head("--join-token", "t", user=65534, cwd="/")
    cluster.echo_worker(head, "echo:tokens=5", "--join-token", "t")
    head.wait_ready(actors=1)
    subprocess.run(["prlimit", f"--pid={head.pid}", "--nproc=1:1"], user=65534, cwd="/", check=True)
    status, answer = head.post("/v1/completions", {"model": "echo", "prompt": "a b " * 750_000})
    assert status == 400 and "maximum context length" in answer["error"]["message"], answer
    assert head.ask("hello")["responses"] and not head.crashed()


@pytest.mark.skipif(subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0, reason="no mount namespace here")
@pytest.mark.parametrize("place, command, says", [
    ("/proc", ("up", "--no-prompt", *ECHO), "/proc is not mounted"), ("/proc", ("launcher", *NO_HEAD, *ECHO), "/proc is not mounted"),
    ("/proc", ("chaos",), "/proc is not mounted"), ("/dev", ("up", "--no-prompt", *ECHO), "/dev/null cannot be opened")])
def test_a_root_without_its_file_systems(tmp_path, place, command, says):
    """Given a root in which /proc or /dev is an empty folder, as a plain chroot has it; when a command is started that starts others; then it says in one
    line what is missing and how to bring it."""
    end = subprocess.run(["unshare", "--mount", "sh", "-c", f'mount -t tmpfs none {place} && exec "$@"', "x", PROGRAM, *command], env=environment(tmp_path),
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    assert end.returncode == 2 and says in end.stderr and "mount" in end.stderr and end.stderr.count("\n") == 1, end.stderr


@pytest.mark.skipif(subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode != 0, reason="no network namespace here")
def test_a_host_whose_loopback_is_down(cluster):
    """Given a network in which loopback is down; when a cluster is started there; then it says that its head is not reached, why, and what to do; once
    loopback is up it becomes ready."""
    up = cluster.add(Up, ["up", "--no-prompt", "--workers", 1, "--port", free_port(), *ECHO], through=("unshare", "--net"))
    assert "network is unreachable" in up.wait_event("head_not_reached")["why"]
    subprocess.run(["nsenter", f"--target={up.pid}", "--net", "ip", "link", "set", "lo", "up"], check=True)
    up.wait_event("up_ready")
    assert up.stop() == 0


def test_a_soft_limit_of_the_stack_is_raised(cluster):
    """Given a soft limit of the stack that is low and a hard one that is not; when a cluster is started; then it runs."""
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    up = cluster.up("--no-prompt", "--workers", 1, *ECHO, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_STACK, (64 << 10, hard)))
    up.wait_event("up_ready")
    assert up.ask("hello")["final_response"]
    assert up.stop() == 0


# ---- signals ----

def ignore_hangup():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def test_a_hang_up_ends_in_order(cluster):
    """Given a head with a worker in the middle of an answer; when both get a hang-up, twice, as a shell and the kernel send it; then
    the answer comes whole before they end with status 0."""
    head = cluster.head("--drain-grace", 60)
    worker = cluster.echo_worker(head, "echo:tokens=40", "--drain-grace", 60)
    head.wait_ready(actors=1)
    cluster.pace(1000)
    asking = Beside(head.ask, "hello")
    head.wait_status(running=1)
    for p in (head, worker, head, worker):
        p.send(signal.SIGHUP)
    wait_for("both to drain", lambda: head.events("head_drains", signal=1) and worker.says("SIGHUP"))
    cluster.pace(0)
    assert asking.end()["responses"][0]["tokens"] == 40
    assert head.wait() == 0 and worker.wait() == 0


@pytest.mark.parametrize("part", ["head", "worker", "up"])
def test_nohup(cluster, part):
    """Given a head, a worker or a cluster that was started with hang-ups ignored, as nohup does; when the hang-up comes, also to all its
    children; then it runs on, and ends with SIGTERM."""
    if part == "head":
        p = head = cluster.head(preexec_fn=ignore_hangup)
    elif part == "worker":
        head = cluster.head()
        p = cluster.echo_worker(head, "echo:tokens=20", preexec_fn=ignore_hangup)
        head.wait_ready(actors=1)
    else:
        p = head = cluster.up("--no-prompt", "--workers", 2, *ECHO, preexec_fn=ignore_hangup)
        p.wait_event("up_ready")
    pids = [p.pid, *children(p.pid)]
    for pid in pids:
        os.kill(pid, signal.SIGHUP)
    if part == "up":
        assert head.ask("hello")["responses"][0]["tokens"] == 20
    else:
        cluster.echo_worker(head, "echo:tokens=20", "--node", "later")
        wait_for("one that joins later", lambda: any(w["node"] == "later" for w in head.status()["worker_nodes"]))
    assert all(map(alive, pids)) and [p.pid, *children(p.pid)] == pids
    assert p.stop() == 0


# ---- disks ----

def no_growth():
    """No file may grow: what a full disk or a quota is, without being root."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


def a_file(folder):
    path = folder / "file"
    path.write_text("")
    return path


@pytest.mark.parametrize("case", ["no growth", "state is a file", "state is nowhere", "state is read-only", "no home", "home is a file", "runtime is too long",
                                  "no cache", "folder is gone"])
def test_a_cluster_without_a_place_to_write(cluster, tmp_path, case):
    """Given a state folder that is full, no folder, read-only or not known, a home or a cache that is none; when a cluster is started
    there; then it serves, and says at most that there is no log."""
    if case == "no growth" and SLOWED:
        pytest.skip(WRITES)
    gone = tmp_path / "gone"
    gone.mkdir()
    env, options = {
        "no growth": ({}, {"preexec_fn": no_growth}),
        "state is a file": ({"XDG_STATE_HOME": str(a_file(tmp_path))}, {}),
        "state is nowhere": ({"XDG_STATE_HOME": "/nowhere/at/all"}, {}),
        "state is read-only": ({"XDG_STATE_HOME": "/proc/self"}, {}),
        "no home": ({"XDG_STATE_HOME": "", "HOME": "", "XDG_RUNTIME_DIR": ""}, {}),
        "home is a file": ({"XDG_STATE_HOME": "", "XDG_CACHE_HOME": "", "HOME": str(a_file(tmp_path))}, {}),
        "runtime is too long": ({"XDG_RUNTIME_DIR": "/tmp/" + "x" * 200}, {}),
        "no cache": ({"XDG_CACHE_HOME": "/dev/null", "MANTA_MODELS_DIR": "/dev/null/models"}, {}),
        "folder is gone": ({}, {"cwd": gone, "preexec_fn": lambda: os.rmdir(gone)}),
    }[case]
    port = free_port()
    command = ["up", "--no-prompt", "--workers", "2", "--port", str(port), *ECHO]
    up = subprocess.Popen([PROGRAM, *command], env=environment(tmp_path, **env), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, **options)
    try:
        head = Up.__new__(Up)
        head.port = port
        head.wait_ready(actors=2)
        assert len(head.ask("hello", actors="all")["responses"]) == 2
        os.kill(children(up.pid)[-1], signal.SIGKILL)
        head.wait_ready(actors=2)
        up.terminate()
        _, text = up.communicate(timeout=120)
        assert up.returncode == 0, text
        assert "crash report" not in text and "signal 7" not in text
    finally:
        up.kill()
        up.wait(10)


@pytest.mark.parametrize("case", ["full", "nowhere", "a file"])
def test_a_cluster_in_the_background_that_cannot_be_noted(cluster, tmp_path, case):
    """Given a state folder that takes no note; when a cluster is started in the background there; then it says how it can be stopped, and
    what it says stops it: `manta down` would not find it."""
    if case == "full" and SLOWED:
        pytest.skip(WRITES)
    env = {"full": {}, "nowhere": {"XDG_STATE_HOME": "/proc/self"}, "a file": {"XDG_STATE_HOME": str(a_file(tmp_path))}}[case]
    port = free_port()
    start = subprocess.run([PROGRAM, "up", "-d", "--workers", "1", "--port", str(port), *ECHO], env=environment(tmp_path, **env), stdin=subprocess.DEVNULL,
                           capture_output=True, text=True, timeout=120, check=False, preexec_fn=no_growth if case == "full" else None)
    head = Api()
    head.port = port
    up = int(pathlib.Path(f"/proc/{head.status()['head']['pid']}/stat").read_text().rsplit(")", 1)[1].split()[1])  # the head's parent
    try:
        text = start.stdout + start.stderr
        assert start.returncode == 0 and f"`kill {up}` stops it" in text and "`manta down` stops it" not in text, text
    finally:
        os.kill(up, signal.SIGTERM)
    wait_for("its end", lambda: not alive(up))
    assert not head.answers()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
def test_a_disk_that_is_full(cluster, tmp_path):
    """Given a state folder on a file system without a free block, where a worker's record exists already; when a worker runs there; then
    it joins, answers and ends; what it could not write is not missed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    fill = 'mount -t tmpfs -o size=64k tmpfs "$1" && mkdir "$1/manta" && : >"$1/manta/run-oak" && { dd if=/dev/zero of="$1/fill" bs=1k count=200 2>/dev/null; shift; exec "$@"; }'
    probe = subprocess.run(["unshare", "-m", "sh", "-c", fill, "x", disk, "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip("no mount namespace here")
    head = cluster.head("--join-token", "token")
    worker = cluster.add(Process, ["worker", "--head", head.address, "--node", "oak", "--join-token", "token", *ECHO], through=("unshare", "-m", "sh", "-c", fill, "x", str(disk)),
                         env={"XDG_STATE_HOME": str(disk)})
    head.wait_ready(actors=1)
    assert head.ask("hello")["responses"][0]["tokens"] == 20
    assert worker.stop() == 0, worker.log


def test_a_history_that_cannot_be_written(echo, tmp_path):
    """Given a history of the prompt; when a session ends that may not write; then the old history is whole."""
    if SLOWED:
        pytest.skip(WRITES)
    for limit in "unlimited", "0":
        with Terminal("prompt", "--tags", "--head", echo.address, folder=tmp_path, through=("prlimit", f"--fsize={limit}")) as t:
            t.wait_text(r"\[PROMPT\] $")
            t.press(f"help\rstatus of {limit}\r")
            t.wait_text(r"FINAL RESPONSE[^\n]*\n\[PROMPT\] $")
            t.press(CTRL_D)
            assert t.wait_end() == 0
        history = (tmp_path / "manta/history").read_text()
        assert "help" in history and "unlimited" in history and "of\\0400" not in history
    assert [p.name for p in (tmp_path / "manta").glob("history*")] == ["history"]


# ---- addresses ----

def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_a_cluster_on_ipv6(cluster, run, host):
    """Given a cluster on the IPv6 loopback, written with and without brackets; when it runs; then its workers join, every client command
    reaches it, and its address is printed as it can be used."""
    port = free_port()
    up = cluster.add(Process, ["up", "--no-prompt", "--host", host, "--port", port, "--workers", "1", *ECHO])
    up.wait_event("up_ready", address=f"[::1]:{port}")
    for address in (f"[::1]:{port}", f"http://[::1]:{port}/"):
        for command in ("status", "actors", "health", "verify", "prompt hello"):
            end = run(*command.split(), "--head", address)
            assert end.returncode == 0, (command, end.stdout, end.stderr)
    second = run("up", "--host", host, "--port", port, *ECHO)
    assert second.returncode == 1 and f"`manta prompt --head [::1]:{port}`" in second.stderr
    worker = cluster.worker(f"127.0.0.1:1,[::1]:{port}", *ECHO, "--node", "oak")
    wait_for("a worker of two heads", lambda: "oak" in run("status", "--head", f"[::1]:{port}").stdout)
    assert worker.stop() == 0 and up.stop() == 0


def test_a_wildcard_is_reached_on_loopback(cluster, run):
    """Given a cluster that listens on all addresses, by a name of that which is seldom used; when it runs; then workers and clients of this
    machine reach it."""
    port = free_port()
    keys = {"MANTA_API_KEY": "key", "MANTA_JOIN_TOKEN": "token"}
    up = cluster.add(Process, ["up", "--no-prompt", "--host", "0", "--port", port, "--workers", "1", *ECHO], env=keys)
    up.wait_event("up_ready", address=f"127.0.0.1:{port}")
    assert run("health", "--port", port, env=keys).returncode == 0
    assert up.stop() == 0


def test_a_port_names_a_head_of_this_machine(echo, run):
    """Given a head; when a client is told a port only; then it asks this machine."""
    for flags in (("--port", echo.port), ("-p", echo.port), (f"--port={echo.port}",), ("--head", echo.port), ("--head", f"1,{echo.port}")):
        end = run("health", *flags)
        assert end.returncode == 0, (flags, end.stderr)
    assert "is not a port" in run("status", "--port", "70000").stderr


# ---- variables ----

def test_variables_of_a_kubernetes_pod(cluster, run):
    """Given the variables that Kubernetes puts into each pod beside a service called manta; when a head runs, and clients and a worker are
    told where; then they take no notice, but for a word of the head's."""
    links = {"MANTA_SERVICE_HOST": "10.96.0.12", "MANTA_SERVICE_PORT": "8470", "MANTA_PORT": "tcp://10.96.0.12:8470",
             "MANTA_PORT_8470_TCP": "tcp://10.96.0.12:8470", "MANTA_PORT_8470_TCP_ADDR": "10.96.0.12", "MANTA_PORT_8470_TCP_PROTO": "tcp"}
    head = cluster.head(env=links)
    cluster.echo_worker(head, "echo:tokens=20", env=links)
    head.wait_ready(actors=1)
    assert not head.says("warning: ")  # --port was given
    for command in ("status", "health", "actors", "verify"):
        end = run(command, "--head", head.address, env=links)
        assert end.returncode == 0 and end.stderr == "", end.stderr


def test_a_measurement_leaves_no_trace(run, tmp_path):
    """Given variables for a person's own cluster; when `manta chaos` kills workers; then those do not steer it, and the state folder in
    which real workers of the same names look is empty afterwards."""
    env = {"MANTA_API_KEY": "key", "MANTA_HOST": "192.0.2.1", "MANTA_JOIN_TOKEN": "t", "TMPDIR": str(tmp_path)}
    end = run("chaos", "--streams", 6, "--faults", 2, "--kinds", "kill", "-o", "json", env=env, timeout_s=120)
    assert end.returncode == 0, end.stderr
    json.loads(end.stdout)
    assert list(pathlib.Path(tmp_path).rglob("*")) == []
