"""Workers on an engine: a launcher that keeps as many up there as the head wants, whoever dies; and `manta down`. The engine is plug.py."""

import collections
import json
import os
import pathlib
import re
import shlex
import signal
import sys

import pytest

from cluster import Process, Up, alive, children, free_port, pace_file, wait_for
from streams import Load

PLUG = pathlib.Path(__file__).with_name("plug.py")
STREAM = {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": 600}


class Engine:
    """plug.py with a folder of this test's own."""

    def __init__(self, cluster, run):
        self.cluster, self.run = cluster, run
        self.folder = cluster.folder / "engine"
        self.folder.mkdir()
        self.on = ["--on", "plug", "--set", f"command={shlex.join([sys.executable, str(PLUG), str(self.folder)])}"]

    def launcher(self, head, workers, *flags, slots=16):
        return self.cluster.add(Process, ["launcher", *self.on, "--head", head.address, "--workers", workers, "--engine", "echo",
                                          "--model", "echo:tokens=200", "--slots", slots, "--debug-pace", pace_file(self.cluster.folder), *flags])

    def pids(self):
        """Of the workers that live, by index."""
        found = {}
        for note in self.folder.glob("manta-worker-*"):
            words = note.read_text().split()
            if words and alive(int(words[0])):
                found[int(note.name.rsplit("-", 1)[1])] = int(words[0])
        return found

    def starts(self):
        """How often each was started, ever."""
        path = self.folder / "starts"
        return collections.Counter(map(int, path.read_text().split())) if path.exists() else {}

    def down(self):
        return self.run("down", *self.on, "-o", "json")


@pytest.fixture
def engine(cluster, run):
    e = Engine(cluster, run)
    yield e
    cluster.pace(0)
    end = e.down()
    assert end.returncode == 0, end.stderr
    assert not e.pids()


def names(head):
    return sorted(w["node"] for w in head.status()["worker_nodes"])


def test_whoever_dies_it_converges(cluster, run, engine):
    """Given a launcher with two workers and twelve streams; when the launcher is killed, a worker is killed while there is none, a new launcher comes,
    the size is 3, a worker is killed, the size is 1; then there are as many as wanted each time, none was started twice, and every stream
    has come to its end, complete."""
    head = cluster.head("--beat-ms", 100, "--lost-after-ms", 2000)
    launcher = engine.launcher(head, 2)
    head.wait_ready(actors=2)
    cluster.pace(30)
    load = Load(head, [{"prompt": f"{i}: tell me of rays", "seed": i, **STREAM} for i in range(12)]).wait(1, streams=12)

    launcher.kill()
    os.kill(engine.pids()[1], signal.SIGKILL)
    load.wait_more(20)
    assert engine.starts() == {1: 1, 2: 1}
    launcher = engine.launcher(head, 2)
    wait_for("the killed worker to be back", lambda: engine.starts() == {1: 2, 2: 1})
    head.wait_ready(actors=2)

    assert run("scale", 3, "--head", head.address).returncode == 0
    head.wait_ready(actors=3)
    os.kill(engine.pids()[3], signal.SIGKILL)
    wait_for("the killed worker to be back", lambda: engine.starts() == {1: 2, 2: 1, 3: 2})
    head.wait_ready(actors=3)

    assert run("scale", 1, "--head", head.address).returncode == 0
    cluster.pace(0)
    answers = load.end()
    wait_for("one worker", lambda: names(head) == ["worker-1"] and list(engine.pids()) == [1])
    assert engine.starts() == {1: 2, 2: 1, 3: 2}
    for answer in answers:
        assert answer.done and answer.error is None and answer.finish == {0: "length"} or answer.finish == {0: "stop"}, answer.what()
        assert answer.usage["completion_tokens"] == 200


def test_a_new_head_learns_the_number(cluster, run, engine):
    """Given a size of 2 that was told to a head; when that is killed and another one comes in its place, the workers join that one, and nothing is
    started or ended."""
    head = cluster.head()
    launcher = engine.launcher(head, 1)
    head.wait_ready(actors=1)
    assert run("scale", 2, "--head", head.address).returncode == 0
    head.wait_ready(actors=2)
    before = engine.pids()
    head.kill()
    launcher.wait_event("head_lost")
    fresh = cluster.head(port=head.port)
    fresh.wait_ready(actors=2)
    fresh.wait_event("workers_run", running=2, target=2, launcher="plug/manta")
    assert engine.pids() == before
    assert engine.starts() == {1: 1, 2: 1}
    assert launcher.stop() == 0
    assert engine.pids() == before  # a launcher that is told to end touches nothing


def test_no_worker_goes_before_the_head_is_heard(cluster, run, engine):
    """Given three workers that a head wants, a launcher that was killed, and a head that does not answer; then a new launcher that was told of one worker
    ends none: the head knows better, and says so when it answers again."""
    head = cluster.head()
    launcher = engine.launcher(head, 1)
    head.wait_ready(actors=1)
    assert run("scale", 3, "--head", head.address).returncode == 0
    head.wait_ready(actors=3)
    launcher.kill()
    before = engine.pids()
    head.send(signal.SIGSTOP)
    launcher = engine.launcher(head, 1)
    launcher.wait_event("workers_run", running=1, target=1)
    assert not launcher.events("ending") and engine.pids() == before
    head.send(signal.SIGCONT)
    launcher.wait_event("keeping_up", workers=3)
    launcher.wait_event("workers_run", running=3, target=3)
    assert not launcher.events("ending") and engine.pids() == before


def test_by_the_load(cluster, run, engine):
    """Given a head that decides by its load between 1 and 3 workers of two slots, and twenty streams at once; then the launcher brings three, every stream
    ends complete, and when nobody asks any more, one worker is left."""
    head = cluster.head("--scale", "auto", "--scale-min", 1, "--scale-max", 3, "--scale-idle", 3)
    engine.launcher(head, 1, slots=2)
    head.wait_ready(actors=1)
    cluster.pace(40)
    load = Load(head, [{"prompt": f"{i}: tell me of rays", "seed": i, **STREAM} for i in range(20)])
    head.wait_ready(actors=3)
    cluster.pace(0)
    assert all(answer.done and answer.usage["completion_tokens"] == 200 for answer in load.end())
    wait_for("one worker", lambda: list(engine.pids()) == [1])
    assert engine.starts() == {1: 1, 2: 1, 3: 1}


def test_a_launcher_without_the_token_is_refused(cluster, run, engine):
    """Given a head with a join token, a launcher that brings another one ends with the head's words and the status of a wrong key; it has started nothing."""
    head = cluster.head(env={"MANTA_JOIN_TOKEN": "open sesame"})
    end = run("launcher", *engine.on, "--head", head.address, env={"MANTA_JOIN_TOKEN": "sesame"})
    assert end.returncode == 3
    assert end.stderr.strip().splitlines()[-1].startswith("error: the head refused the launcher: ")
    assert engine.starts() == {}


def test_the_second_of_two_heads(cluster, run, engine):
    """Given two heads of which one is there, workers join that one and the launcher takes its orders."""
    head = cluster.head()
    heads = f"127.0.0.1:{free_port()},{head.address}"
    cluster.add(Process, ["launcher", *engine.on, "--head", heads, "--workers", 1, "--engine", "echo", "--model", "echo:tokens=5"])
    head.wait_ready(actors=1)
    head.wait_event("workers_run", target=1, launcher="plug/manta")
    assert run("scale", 2, "--head", head.address).returncode == 0
    head.wait_ready(actors=2)


def test_scale_finds_the_head_that_has_a_launcher(cluster, run, engine):
    """Given two heads, and a launcher that joined the second; `manta scale` with both finds that one, and the other one alone says that it has none."""
    other, head = cluster.head(), cluster.head()
    engine.launcher(head, 1)
    head.wait_ready(actors=1)
    end = run("scale", 2, "--head", other.address)
    assert end.returncode != 0 and "this head has no launcher" in end.stderr and "--head A,B" in end.stderr
    assert run("scale", 2, "--head", f"{other.address},{head.address}").returncode == 0
    head.wait_ready(actors=2)


def test_the_engines_words_reach_people(cluster, run, engine):
    """Given a quota of one, and two workers wanted; the launcher and the head say what the engine said, and one worker serves."""
    (engine.folder / "quota").write_text("1")
    head = cluster.head()
    launcher = engine.launcher(head, 2)
    launcher.wait_line(r"\bquota\b.* event=engine_says")
    head.wait_line(r"\bquota\b.* event=workers_run")
    head.wait_ready(actors=1)
    assert engine.starts() == {1: 1}
    (engine.folder / "quota").unlink()
    assert run("scale", 3, "--head", head.address).returncode == 0  # a new order is a new chance
    head.wait_ready(actors=3)


def test_a_plug_that_dies(cluster, engine):
    """Given a plug that is killed, the launcher starts it anew, and that finds the workers."""
    head = cluster.head()
    launcher = engine.launcher(head, 2)
    head.wait_ready(actors=2)
    [plug] = children(launcher.pid)
    os.kill(plug, signal.SIGKILL)
    wait_for("another plug", lambda: children(launcher.pid) not in ([], [plug]))
    os.kill(engine.pids()[2], signal.SIGKILL)
    wait_for("the killed worker to be back", lambda: engine.starts() == {1: 1, 2: 2})
    head.wait_ready(actors=2)


def test_up_on_an_engine(cluster, engine):
    """Given `manta up --on plug`, the head is its child and the workers are the engine's; an end in order takes all of it away."""
    port = free_port()
    up = cluster.add(Up, ["up", *engine.on, "--port", port, "--workers", 2, "--engine", "echo", "--model", "echo:tokens=5", "--no-prompt"])
    up.port = port
    up.wait_event("up_ready", address=f"127.0.0.1:{port}")
    assert names(up) == ["worker-1", "worker-2"]
    [head] = [pid for pid in children(up.pid) if b"head" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]
    up.ask("hello")
    assert up.stop() == 0
    assert not engine.pids() and not alive(head)


def test_up_on_an_engine_needs_its_port(cluster, run, engine):
    """Given a port that somebody else's head has, `manta up --on plug` says so and starts no worker: it would join that one."""
    head = cluster.head()
    end = run("up", *engine.on, "--port", head.port, "--workers", 2, "--engine", "echo", "--model", "echo:tokens=5", "--no-prompt")
    assert end.returncode == 1
    assert f"port {head.port}" in end.stderr.strip().splitlines()[-1]
    assert engine.starts() == {}


def test_one_launcher_of_a_name(cluster, run, engine):
    """Given a launcher, another one of the same name on the same engine is refused: each would take the other's workers for its own."""
    head = cluster.head()
    launcher = engine.launcher(head, 1)
    head.wait_ready(actors=1)
    end = run("launcher", *engine.on, "--head", head.address)
    assert end.returncode == 1
    assert f"the cluster 'manta' on plug is run by process {launcher.pid} (manta launcher) already" in end.stderr
    assert engine.starts() == {1: 1}


def test_two_launchers_of_a_name_on_two_machines(cluster, run, engine):
    """Given a launcher, and another one of its name on a machine that does not know of it; the head refuses that one, which says so once and touches nothing; when
    the first one is killed the second takes over, with the number that is wanted by then."""
    token = {"MANTA_JOIN_TOKEN": "one of us"}
    head = cluster.head(env=token)
    words = ["launcher", *engine.on, "--head", head.address, "--engine", "echo", "--model", "echo:tokens=5"]
    first = cluster.add(Process, [*words, "--workers", 1], env=token)
    head.wait_ready(actors=1)
    second = cluster.add(Process, [*words, "--workers", 3], env={**token, "XDG_STATE_HOME": str(cluster.folder / "elsewhere")})
    second.wait_line(r"'plug/manta'.* 127\.0\.0\.1:\d+.* event=launcher_refused")
    assert run("scale", 2, "--head", head.address).returncode == 0
    head.wait_ready(actors=2)
    first.kill()
    second.wait_event("workers_run", running=2, target=2)
    assert engine.starts() == {1: 1, 2: 1} and len(second.events("launcher_refused")) == 1


def test_local_workers_for_a_head_elsewhere(cluster, run):
    """Given `manta launcher` without --on, its workers are its children; one that is killed is back, and all go with it."""
    head = cluster.head()
    launcher = cluster.add(Process, ["launcher", "--head", head.address, "--workers", 2, "--engine", "echo", "--model", "echo:tokens=5"])
    head.wait_ready(actors=2)
    first = children(launcher.pid)
    os.kill(first[0], signal.SIGKILL)
    wait_for("another one in its place", lambda: len(children(launcher.pid)) == 2 and first[0] not in children(launcher.pid))
    head.wait_ready(actors=2)
    assert run("scale", 1, "--head", head.address).returncode == 0
    wait_for("one worker", lambda: names(head) == ["worker-1"])
    left = children(launcher.pid)
    assert launcher.stop() == 0
    assert not any(map(alive, left))


def test_down_ends_what_runs_here_and_nothing_else(cluster, run):
    """Given two clusters here; `manta down` asks which one, ends that one in order, and says so when there is nothing."""
    ups = [cluster.up("--workers", 1, "--engine", "echo", "--model", "echo:tokens=5", "--no-prompt") for _ in range(2)]
    for up in ups:
        up.wait_event("up_ready")
    which = run("down")
    assert which.returncode == 2
    assert re.search(r"2 clusters of the name 'manta' run here: say which one, --port \d+, --port \d+", which.stderr)
    kids = children(ups[0].pid)
    end = run("down", "--port", ups[0].port, "-o", "json")
    assert (end.returncode, end.stderr) == (0, "")
    assert json.loads(end.stdout) == {"engine": "local", "cluster": "manta",
                                      "took": [f"manta up, pid {ups[0].pid}, head at 127.0.0.1:{ups[0].port}"]}
    assert ups[0].wait() == 0 and not any(map(alive, kids))
    ups[1].ask("still there?")
    assert run("down", "--cluster", "other").stdout == "down | nothing of the cluster 'other' is there on local\n"
    assert ups[1].running()
    assert run("down").returncode == 0
    assert ups[1].wait() == 0
    assert run("down").stdout == "down | nothing of the cluster 'manta' is there on local\n"


def test_a_note_of_somebody_elses_process_is_not_believed(cluster, run):
    """Given a note whose pid belongs to another process by now, that one is left alone, and the note is gone."""
    notes = cluster.folder / "manta/running"
    notes.mkdir(parents=True)
    namespace = os.readlink("/proc/self/ns/pid")
    (notes / str(os.getpid())).write_text(f"{os.getpid()} 1 {namespace} up local manta 8470 127.0.0.1\n")
    (notes / "1").write_text(f"1 1 {namespace} up local manta 8470 127.0.0.1\n")
    (notes / "x").write_text("nonsense")
    assert run("down").stdout == "down | nothing of the cluster 'manta' is there on local\n"
    assert not (notes / str(os.getpid())).exists()


@pytest.mark.parametrize("flags, status, words", [
    (["launcher", "--on", "slurp"], 2, "there is no engine 'slurp': --on takes local, "),
    (["up", "--on", "slurp"], 2, "there is no engine 'slurp': --on takes local, "),
    (["down", "--on", "slurp"], 2, "there is no engine 'slurp': --on takes local, "),
    (["launcher", "--on", "plug"], 2, "--on plug needs --set command=PROGRAM"),
    (["launcher", "--on", "plug", "--set", "comand=x"], 2, "plug has no such option: did you mean 'command'?"),
    (["launcher", "--on", "plug", "--set", "command=/no/such/plug"], 1, "/no/such/plug: not found"),
    (["launcher", "--cluster", "My Cluster"], 2, "--cluster 'My Cluster' is not a name that every engine takes"),
    (["launcher", "--head", "nowhere:what"], 2, "nowhere:what"),
])
def test_what_cannot_be(run, flags, status, words):
    """One clear line, the status of wrong usage, nothing started."""
    end = run(*flags)
    assert end.returncode == status, end.stderr
    assert words in end.stderr
    assert end.stderr.strip().splitlines()[-1].startswith("error: ")


def test_the_engines_are_listed(run):
    end = run("up", "--on", "help")
    assert end.returncode == 0
    assert re.search(r"(?m)^local +child processes", end.stdout) and re.search(r"(?m)^    --set command= ", end.stdout)


def test_an_engine_by_its_address(run):
    """Given an engine that is asked over the network, `--address` says where, and wins over --set; given one that is not, or an address that cannot
    be one, the error says so and nothing is asked."""
    port = free_port()
    away = run("up", "--on", "ray", "--set", "address=http://127.0.0.1:1", "--address", f"http://127.0.0.1:{port}", "--port", free_port())
    assert away.returncode == 4 and f"cannot use Ray's dashboard: http://127.0.0.1:{port}: " in away.stderr
    slurm = run("down", "--on", "slurm", "--address", "here")
    assert slurm.returncode == 2 and "slurm has no such option" in slurm.stderr
    long = run("down", "--on", "ray", "--address", "h" * 600)
    assert long.returncode == 2 and "--address: 'hhh" in long.stderr and "has at most" in long.stderr
