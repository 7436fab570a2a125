"""The first hour: docs/first-hour.md is the walk of a newcomer. What it says is typed comes as it says, and each of its points has a test."""

import os
import pathlib
import re
import subprocess

import pytest

from cluster import PROGRAM, Cluster, environment, free_port, wait_for

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "first-hour.md").read_text()
WHEREABOUTS = re.compile(r"9250|8470")  # the ports of the page: the test has its own


def rows(title):
    """The cells of a table of the page, row by row."""
    part = PAGE.split(f"## {title}")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", re.sub(r"``[^`](?:.*?)``|`[^`]*`", lambda code: code[0].replace("|", "\0"), line))[1:-1]]
            for line in lines[2:]]


def code(cell):
    """What stands between backquotes, one or two."""
    return re.sub(r"^(`+)(.*)\1$", r"\2", cell).replace("\0", "|")


MISTAKES = [(given, code(typed), code(printed), now) for given, typed, printed, _, now in rows("Fifteen mistakes")]


def pattern(printed, port):
    """What is printed, as an expression: … is anything, any run of blanks is one."""
    text = WHEREABOUTS.sub(str(port), printed)
    return r"[\s\S]*?".join(r"\s+".join(map(re.escape, part.split(" "))) for part in text.split("…"))


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A cluster of `manta up` for the rows that change nothing."""
    with Cluster(tmp_path_factory.mktemp("busy"), "busy") as c:
        up = c.up("--no-prompt", "--workers", 3, "--engine", "echo", "--model", "echo:tokens=12")
        up.wait_event("up_ready")
        yield up


@pytest.fixture
def given(request, cluster, tmp_path):
    """(port, environment) of what a row has in its first column."""
    def prepare(what):
        env = {"HF_ENDPOINT": "http://127.0.0.1:1", "HF_HOME": str(tmp_path), "no_proxy": "127.0.0.1"}
        if what == "a cluster on port 9250":
            busy = request.getfixturevalue("busy")
            return busy.port, {**env, "XDG_STATE_HOME": str(busy.log_path.parent)}  # the same user's
        if what == "a head with a key":
            return cluster.head("--api-key", "sesame").port, env
        if what == "a head without workers":
            return cluster.head().port, env
        if what == "no Docker":
            bin_ = tmp_path / "bin"
            bin_.mkdir()
            for name in "bash", "env", "cat", "dirname", "sed", "grep":
                (bin_ / name).symlink_to(f"/bin/{name}" if os.path.exists(f"/bin/{name}") else f"/usr/bin/{name}")
            return free_port(), {**env, "PATH": str(bin_)}
        if " in " in what:
            (tmp_path / what.split(" in ")[1]).write_text(code(what.split(" in ")[0]) + "\n" if what.startswith("`") else "head:\n  port: 9250\n prot: 3\n")
        if what != "the default model":
            env["MANTA_MODELS_DIR"] = str(tmp_path / "models")
        return free_port(), env
    return prepare


@pytest.mark.parametrize("what, typed, printed, now", MISTAKES, ids=[typed[:40] for _, typed, _, _ in MISTAKES])
def test_a_mistake(given, tmp_path, what, typed, printed, now):
    """Given what the page says; when that is typed; then what it shows is printed, an error once and as the last line."""
    if what == "the default model" and not pathlib.Path(os.environ.get("MANTA_TEST_MODEL", pathlib.Path.home() / ".cache/manta/models/SmolLM2-135M-Instruct.Q4_1.gguf")).exists():
        pytest.skip("the default model is not here")
    port, env = given(what)
    command = WHEREABOUTS.sub(str(port), typed).replace("manta ", f"{PROGRAM} ", 1)
    server = re.search(r"\bup\b|\bhead\b", typed) and "--port" not in typed and "--prot" not in typed
    env = {**env, "MANTA_HEAD": f"127.0.0.1:{port}", **({"MANTA_PORT": str(port)} if server else {})}
    end = subprocess.Popen(["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
                           cwd=ROOT if typed.startswith("./") else tmp_path, env=environment(tmp_path, **env))
    said = until_it_is_said(end, pattern(printed, port))
    assert re.search(pattern(printed, port), said), said
    if printed.startswith("error:"):
        assert re.search(pattern(printed, port), said.strip().splitlines()[-1]) and len(re.findall(r"(?m)^error: ", said)) <= 2, said
    assert now == "A"


def until_it_is_said(process, wanted):
    """What a command prints until that is among it, or to its end; one that would wait for more is ended then."""
    said = ""
    for line in process.stdout:
        said += line
        if "waits" in wanted and re.search(wanted, said):
            os.killpg(process.pid, 2)
    process.wait(60)
    return said


POINTS = rows("Point by point")


@pytest.mark.parametrize("point", POINTS, ids=[cells[0] for cells in POINTS])
def test_a_point_has_its_test(point):
    """Given a point of the page; then it is not below B, not below its anchor unless it says why, and the test that holds it is there."""
    name, _, anchor, _, now, there, held = point
    assert now in ("A", "B") and (now <= anchor or "nothing is published" in there), name
    path, _, function = held.partition("::")
    assert (ROOT / path).exists(), held
    assert not function or f"def {function}(" in (ROOT / path).read_text(), held


def test_a_request_leaves_a_line(cluster):
    """Given a head; when a chat is answered; then its log has one line of it: status, API, model, worker, tokens, times."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=7", "--node", "oak")
    head.wait_ready(actors=1)
    assert head.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]})[0] == 200
    head.wait_line(r"\[REQUEST\] 200 chat\S* echo on oak: \d+\+7 tokens, the first after \d+\.\d+ s, \d+\.\d+ s in all event=request ")


def test_a_settings_file_at_its_usual_place(run, tmp_path):
    """Given a settings file where it is looked for; when a command starts; then it counts, `manta config` says where it came from, and a file that is
    named, or none, takes its place; a wrong one is an error with its path."""
    usual, other = tmp_path / "manta.yaml", tmp_path / "other.yaml"
    assert f"{usual} would be, if it were there" in run("config").stdout
    usual.write_text("head:\n  port: 9123\n")
    other.write_text("head:\n  queue_jobs: 9\n")
    told = run("config").stdout
    assert re.search(rf"--port +9123 +{usual}:2: head.port", told) and f"Read: {usual}" in told
    assert "9123" not in run("config", "--config", other).stdout and "9123" not in run("config", "--config=").stdout
    home = run("config", env={"XDG_CONFIG_HOME": "", "HOME": str(tmp_path / "home")}).stdout
    assert f"{tmp_path}/home/.config/manta.yaml would be" in home
    usual.write_text("head:\n  prot: 9123\n")
    end = run("status")
    assert end.returncode == 2 and f"{usual}:2:9: unknown key 'head.prot': did you mean 'head.port'" in end.stderr


def test_a_settings_file_reaches_the_parts_of_a_cluster_once(cluster, tmp_path):
    """Given a settings file at its usual place that names a model of the scripted engine; when a cluster is started with another one; then its workers
    have that one, and what else the file says."""
    (tmp_path / "manta.yaml").write_text("worker:\n  engine: echo\n  model: [echo:tokens=3]\n  slots: 3\nup:\n  workers: 1\n")
    up = cluster.up("--no-prompt", "--model", "echo:tokens=9")
    up.wait_event("up_ready")
    assert up.ask("hi")["responses"][0]["tokens"] == 9 and up.status()["actor_list"][0]["slots"] == 3


def test_as_many_workers_as_there_are(cluster, run):
    """Given three workers; when three are asked for again; then it says that they run, and not that it scales."""
    up = cluster.up("--no-prompt", "--workers", 3, "--engine", "echo", "--model", "echo:tokens=3")
    up.wait_event("up_ready")
    wait_for("the launcher to have told", lambda: up.status()["scale"].get("running") == 3)
    assert "3 workers run already" in run("scale", 3, "--head", up.address).stdout
    assert "scaling to 2 workers" in run("scale", 2, "--head", up.address).stdout
