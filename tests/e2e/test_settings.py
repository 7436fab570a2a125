"""Commands, flags, environment and file: what is wrong is named, with the nearest right one."""

import json
import re
import socket

import pytest

COMMANDS = ["up", "head", "worker", "prompt", "status", "actors", "scale", "verify", "models"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(run, command):
    """Given any command; when --help is asked for; then it succeeds and shows flags and an example."""
    for page in run(command, "--help"), run(command, "-h"):
        assert page.returncode == 0 and f"example: manta {command}" in page.stdout and "--config" in page.stdout


def test_help_of_all(run):
    """Given manta; when it is asked for help; then every command is there; without any command the same page comes as
    an error."""
    assert "[catalogue|pull|show|rm NAME]" in run("models", "--help").stdout
    assert all(f"  {command} " in run("--help").stdout for command in COMMANDS)
    nothing = run()
    assert nothing.returncode == 2 and "usage:" in nothing.stderr
    assert run("--version").stdout.startswith("manta ")


@pytest.mark.parametrize("args, said", [
    (["stauts"], "did you mean 'status'?"),
    (["wroker", "--model", "x"], "did you mean 'worker'?"),
    (["frobnicate"], "unknown command 'frobnicate'"),
    (["head", "--prot", "1"], "--port"),
    (["worker", "--sluts=1"], "--slots"),
    (["status", "--hed", "x"], "--head"),
    (["head", "--model", "smollm2"], "--model"),
    (["status", "--port", "70000"], "70000"),
    (["head", "-x", "1"], "-x"),
    (["head", "--frobnicate"], "--frobnicate"),
    (["head", "--port"], "--port needs a value"),
    (["head", "--port", "70000"], "65535"),
    (["head", "--port", "-1"], "--port"),
    (["head", "--port", "eighty"], "eighty"),
    (["worker", "--slots", "0"], "--slots"),
    (["worker", "--kv", "q4_9"], "q8_0"),
    (["worker", "--memory", "2 potatoes"], "--memory"),
    (["worker", "--engine", "steam"], "llama"),
    (["status", "-o", "xml"], "json"),
    (["scale"], "scale takes N|auto|fixed"),
    (["scale", "3", "--max", "4"], "--max goes with"),
    (["scale", "fixed", "--min", "4"], "--min goes with"),
    (["scale", "auto", "--max", "0"], "--max"),
    (["head", "--scale", "often"], "auto"),
    (["head", "--scale", "auto", "--scale-min", "9"], "--scale-max"),
    (["scale", "many"], "many"),
    (["scale", "-3"], "-3"),
    (["scale", "1", "2"], "scale takes N|auto|fixed"),
    (["head", "now"], "takes no arguments"),
    (["head", "--host", ""], "--host: is empty"),
    (["head", "--api-key", ""], "--api-key: is empty: give it a value, or leave the flag out"),
    (["up", "--api-key-file="], "--api-key-file: is empty"),
    (["worker", "--join-token", ""], "--join-token: is empty"),
    (["worker", "--node="], "--node: is empty"),
    (["worker", "--chat-template", ""], "--chat-template: is empty"),
    (["down", "--cluster", ""], "--cluster: is empty"),
    (["status", "--head", ""], "--head: is empty"),
])
def test_wrong_usage_is_named(run, args, said):
    """Given a wrong command, flag or value; when it is used; then the exit status is 2 and one line says what was wrong
    and, where there is one, what is near."""
    result = run(*args)
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert said in result.stderr


@pytest.fixture
def config(tmp_path):
    def write(text):
        path = tmp_path / "manta.yaml"
        path.write_text(text)
        return path
    return write


@pytest.mark.parametrize("text, said", [
    ("head:\n  prot: 1\n", ["manta.yaml:2:", "head.prot", "head.port"]),
    ("worker:\n  model: x\n  slot: 2\n", ["manta.yaml:3:", "worker.slots"]),
    ("heads:\n  port: 1\n", ["manta.yaml:2:", "heads.port", "head.port"]),
    ("frobnicate: 1\n", ["manta.yaml:1:", "frobnicate"]),
    ("head:\n  port: eighty\n", ["manta.yaml:2", "head.port", "eighty"]),
    ("head:\n  port: [1, 2]\n", ["manta.yaml:2:", "list"]),
    ("head:\n  port:\n    deep: 1\n", ["manta.yaml:", "map"]),
    ("just words\n", ["manta.yaml:1:", "map"]),
    ("head: {port: 1\n", ["manta.yaml:"]),
    ("head:\n\tport: 1\n", ["manta.yaml:2:"]),
])
def test_wrong_file_is_named_with_its_line(run, config, text, said):
    """Given a settings file with a wrong key, value or form; when it is used; then the exit status is 2 and the error
    names file, line and, where there is one, the nearest key."""
    result = run("head", "--config", config(text))
    assert result.returncode == 2
    assert all(word in result.stderr for word in said), result.stderr


def test_missing_file(run, tmp_path):
    """Given no such file; when it is named as settings file; then the error names it."""
    result = run("head", "--config", tmp_path / "nowhere.yaml")
    assert result.returncode == 1 and "nowhere.yaml" in result.stderr


def test_flag_beats_environment_beats_file(cluster, config):
    """Given a file that sets three limits, an environment that sets two of them, and a flag for one; when a head runs
    with all of these; then each limit has the value of the strongest source."""
    path = config("head:\n  queue_jobs: 11\n  beat_ms: 111\n  lost_after_ms: 1111\nlog: warn\n")
    env = {"MANTA_CONFIG": str(path), "MANTA_BEAT_MS": "222", "MANTA_LOST_AFTER_MS": "2222", "MANTA_LOG": "info"}
    head = cluster.head("--lost-after-ms", 3333, env=env)
    limits = head.status()["limits"]
    assert [limits[name] for name in ("queue_jobs_max", "beat_ms", "lost_after_ms")] == [11, 222, 3333]


def test_wrong_environment_is_named(run):
    """Given an environment variable with a wrong value; when a command uses it; then the error names the variable."""
    result = run("head", env={"MANTA_PORT": "eighty"})
    assert result.returncode == 2 and "MANTA_PORT" in result.stderr and "eighty" in result.stderr


def test_cluster_from_a_file(cluster, config):
    """Given a file that describes a whole cluster; when `manta up` gets nothing else but a port; then it is that one."""
    path = config("worker:\n  engine: echo\n  model: 'echo:script=From the file.'\n  slots: 3\nup:\n  workers: 2\n  no_prompt: yes\n")
    up = cluster.up("--config", path)
    up.wait_event("up_ready")
    assert [a["slots"] for a in up.ready_actors()] == [3, 3]
    assert up.ask("where from?")["final_response"].strip() == "From the file."


@pytest.mark.parametrize("command", ["head", "up"])
def test_port_in_use(run, command):
    """Given a port that something else listens on; when a head or a whole cluster is to use it; then it ends with a
    status other than 0 and a line that names the port."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        flags = ["--engine", "echo", "--model", "echo", "--no-prompt"] if command == "up" else []
        result = run(command, "--port", port, *flags)
    assert result.returncode == 1
    assert f"{port}" in result.stderr and "in use" in result.stderr
    assert "error" in result.stderr.strip().splitlines()[-1]


def test_json_output_parses(run, echo):
    """Given a cluster; when status, actors, models and a prompt are asked for as JSON; then each is one JSON value and
    nothing else."""
    to = ["--head", echo.address, "-o", "json"]
    assert json.loads(run("status", *to).stdout)["workers"] == 3
    assert len(json.loads(run("actors", *to).stdout)["actor_list"]) == 3
    assert json.loads(run("models", *to).stdout)[0]["name"] == "smollm2"
    assert json.loads(run("prompt", *to, "hello").stdout)["final_response"]


def test_pages_for_people(run, echo):
    """Given a cluster; when status, actors and limits are shown; then every node, actor and limit is there."""
    to = ["--head", echo.address]
    status = run("status", "--limits", *to).stdout
    cpus = sum(w["cpus"] for w in echo.status()["worker_nodes"])
    for words in f"[RESOURCES] CPU: {cpus:.1f};", "[NODES] total 4", "prompt_coordinator", "[ACTORS] total 3", "queue_jobs_max":
        assert words in status, words
    assert re.search(r"^  ash +ready +echo +0/4 .* 127\.0\.0\.1 +1 ", status, re.M), status
    assert re.search(r"^  2 +echo +(ash|fir|yew) +ready ", run("actors", *to).stdout, re.M)
    models = run("models", *to).stdout
    assert "smollm2" in models and "3 actors ready" in models


def test_scale_without_a_launcher(run, echo):
    """Given a cluster whose workers were started by hand; when it is to be scaled; then the error says that nobody is
    there to start workers."""
    result = run("scale", "5", "--head", echo.address)
    assert result.returncode != 0 and "manta up" in result.stderr


@pytest.mark.parametrize("command", ["status", "actors", "verify", "prompt", "scale"])
def test_no_head_at_the_address(run, command):
    """Given an address where nothing listens; when a client command uses it; then it fails and names the address."""
    result = run(command, "--head", "127.0.0.1:1", *{"scale": ["2"], "prompt": ["hi"]}.get(command, []))
    assert result.returncode == (1 if command == "verify" else 4), result.stderr
    assert "127.0.0.1:1" in result.stderr
