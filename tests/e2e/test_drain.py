"""Workers that are asked to take no new prompts, and to leave: what runs there ends or continues elsewhere, and nothing is lost."""

import json
import re
import signal
import subprocess

import pytest

from cluster import PROGRAM, Beside, environment, manta, together, wait_for
from streams import Load, ask

SCRIPT = "echo:tokens=200"
STREAM = {"stream": True, "stream_options": {"include_usage": True}, "temperature": 1}


def bodies(n):
    return [{"prompt": f"{i}: tell me of rays", "seed": i, "max_tokens": 600, **STREAM} for i in range(n)]


@pytest.fixture
def two(cluster):
    """A head and two workers, a and b, of eight slots."""
    def start(script, *flags):
        head = cluster.head("--beat-ms", 100, "--lost-after-ms", 2000)
        workers = {node: cluster.echo_worker(head, script, "--slots", 8, "--node", node, *flags) for node in "ab"}
        head.wait_ready(actors=2)
        return head, workers
    return start


def undisturbed(cluster, script, asked):
    head = cluster.head()
    worker = cluster.echo_worker(head, script, "--slots", 16)
    head.wait_ready(actors=1)
    answers = [a.what() for a in together(len(asked), lambda i: ask(head, asked[i]))]
    worker.stop()
    head.stop()
    return answers


def begun(cluster, head, asked):
    """Streams that have begun, and that end only when the pace is set to 0."""
    cluster.pace(300)
    return Load(head, asked).wait(1, streams=len(asked))


def worker_of(head, node):
    return next((w for w in head.status()["worker_nodes"] if w["node"] == node), None)


def in_flight(head, node):
    return sum(a["in_flight"] for a in head.status()["actor_list"] if a["node"] == node)


@pytest.mark.parametrize("how", ["command", "signal"])
def test_a_drain_under_load_loses_nothing(cluster, two, run, how):
    """Given twelve streams on two workers; when one is asked to drain, by the command or by SIGTERM; then it is shown to drain,
    gets nothing new, ends what it has, leaves with status 0, and every answer is the undisturbed one, from where it began."""
    asked = bodies(12)
    expected = undisturbed(cluster, SCRIPT, asked)
    head, workers = two(SCRIPT, "--drain-grace", 3600)
    load = begun(cluster, head, asked)
    assert in_flight(head, "a") > 0
    if how == "command":
        command = Beside(run, "drain", "a", "--grace", 3600, "--head", head.address)
    else:
        workers["a"].send(signal.SIGTERM)
    wait_for("a to drain", lambda: (worker_of(head, "a") or {"availability": "gone"})["availability"] != "serving")
    shown = worker_of(head, "a")
    assert shown["state"] == "draining" and shown["reason"]
    late = [ask(head, {**asked[0], "max_tokens": 1, "prompt": f"late {i}"}) for i in range(3)]
    assert all(a.done for a in late)
    cluster.pace(0)
    assert workers["a"].wait() == 0
    if how == "command":
        drained = command.end()
        assert drained.returncode == 0 and "a has left after" in drained.stdout and "running" in drained.stdout, drained
    assert [a.what() for a in load.end()] == expected
    status = head.status()
    assert status["calls_failed"] == 0 and status["jobs_rerouted"] == 0 and workers["a"].events("drained", grace_over=0)


def test_answers_go_on_elsewhere_before_the_grace_time_is_over(cluster, two, run):
    """Given long streams on two workers; when one is to drain within two seconds; then its answers continue the other one after
    half of them, to the byte, and it leaves by then, with status 0."""
    asked = bodies(6)
    expected = undisturbed(cluster, SCRIPT, asked)
    head, workers = two(SCRIPT)
    load = begun(cluster, head, asked)
    cluster.pace(1000)  # an answer would take 200 s where it is
    assert run("drain", "a", "--grace", 2, "--head", head.address).returncode == 0
    assert workers["a"].wait() == 0
    cluster.pace(0)
    assert [a.what() for a in load.end()] == expected
    assert head.status()["jobs_resumed"] > 0 and head.status()["calls_failed"] == 0


def test_a_second_signal_does_not_wait(cluster, two):
    """Given a worker with a long stream that was asked to leave; when it is asked again, or interrupted; then it leaves at once."""
    for number in signal.SIGTERM, signal.SIGINT:
        head, workers = two("echo:tokens=2000", "--drain-grace", 3600)
        load = begun(cluster, head, bodies(4))
        workers["a"].send(signal.SIGTERM)
        wait_for("a to drain", lambda: worker_of(head, "a")["availability"] == "draining")
        assert workers["a"].stop(number) == 0
        head.stop(signal.SIGINT)
        load.end()


def test_cordon(cluster, two, run):
    """Given two workers; when one is cordoned; then it gets no prompts and says so everywhere, what runs there continues, prompts
    to all leave it out; when it is uncordoned, it gets prompts again."""
    head, _ = two(SCRIPT)
    asked = bodies(4)
    load = begun(cluster, head, asked)
    before = in_flight(head, "a")
    assert before > 0
    cordon = run("cordon", "a", "--head", head.address)
    assert cordon.returncode == 0 and "gets no new prompts" in cordon.stdout, cordon
    assert worker_of(head, "a")["state"] == "cordoned" and head.status()["actors_serving"] == 1
    assert 'manta_workers_in_state{state="cordoned"} 1' in head.request("GET", "/metrics")[2]
    assert {head.ask(f"who? {i}", max_tokens=1)["answered_by"]["node"] for i in range(4)} == {"b"}
    assert [r["node"] for r in head.ask("all?", actors="all", max_tokens=1)["responses"]] == ["b"]
    cluster.pace(0)
    assert all(a.done and a.error is None for a in load.end())
    status = run("status", "--head", head.address).stdout
    assert re.search(r"^  a +cordoned ", status, re.M), status
    assert run("cordon", "b", "--head", head.address, "-o", "json").returncode == 0
    code, _, text = head.request("GET", "/readyz")
    assert code == 503 and "cordoned" in text
    waiting = Beside(lambda: head.ask("is anybody there?", max_tokens=1))
    head.wait_status(queued=1)
    uncordon = run("uncordon", "a", "--head", head.address)
    assert uncordon.returncode == 0 and "gets prompts again" in uncordon.stdout, uncordon
    waiting.end()
    assert head.request("GET", "/readyz")[0] == 200


def test_a_cordon_outlives_the_link(cluster, two, run):
    """Given a cordoned worker; when its head is restarted; then the new head hears of the cordon before anything else."""
    head, workers = two(SCRIPT)
    assert run("cordon", "a", "--head", head.address).returncode == 0
    head.kill()
    again = cluster.head("--beat-ms", 100, "--lost-after-ms", 2000, port=head.port)
    again.wait_ready(actors=2)
    assert worker_of(again, "a")["availability"] == "cordoned" and worker_of(again, "b")["availability"] == "serving"


def test_wrong_names_and_bodies(two, run):
    """Given two workers; when somebody names another one, or asks in a wrong way; then the error says what there is, and what
    would be right."""
    head, _ = two(SCRIPT)
    unknown = run("drain", "c", "--head", head.address)
    assert unknown.returncode == 1 and re.search("there is no worker 'c'; there is: '[ab]', '[ab]'", unknown.stderr), unknown
    for path in "/manta/drain", "/manta/cordon", "/manta/uncordon":
        assert head.post(path, {"worker": "c"})[0] == 404
        code, answer = head.post(path, {"worker": 7})
        assert code == 400 and "worker: expected" in answer["error"]["message"]
        assert head.post(path, {})[0] == 400 and head.post(path, b"{")[0] == 400
    code, answer = head.post("/manta/drain", {"worker": "a", "grace_s": -1})
    assert code == 400 and "grace_s: expected seconds" in answer["error"]["message"]
    assert run("cordon", "--head", head.address).returncode == 2
    assert [w["availability"] for w in head.status()["worker_nodes"]] == ["serving", "serving"]


def test_a_head_that_is_asked_to_stop_ends_its_streams(cluster, two):
    """Given a stream; when the head gets SIGTERM; then it is not ready any more, takes no new prompt, and ends with status 0 when the
    stream has ended, whole; with nothing running it ends at once."""
    head, _ = two(SCRIPT)
    load = begun(cluster, head, bodies(2))
    head.send(signal.SIGTERM)
    wait_for("the head to say that it stops", lambda: head.request("GET", "/readyz")[0] == 503)
    code, answer = head.post("/v1/completions", {"prompt": "late"})
    assert code == 503 and "stopping" in answer["error"]["message"]
    cluster.pace(0)
    answers = load.end()
    assert all(a.done and a.error is None and a.usage["completion_tokens"] == 200 for a in answers)
    assert head.wait() == 0
    idle = cluster.head("--drain-grace", 3600)
    assert idle.stop() == 0


def test_a_surplus_worker_drains(cluster, run):
    """Given a cluster of `manta up` whose two workers have a long stream each; when it is scaled to one; then the stream of the one that
    leaves ends there, whole; and the whole cluster ends quickly although the other one runs."""
    up = cluster.up("--no-prompt", "--workers", 2, "--engine", "echo", "--model", SCRIPT)
    up.wait_ready(actors=2)
    wait_for("the launcher", lambda: up.status()["scale"]["launcher"])
    load = begun(cluster, up, bodies(4))
    assert in_flight(up, "worker-2") > 0
    assert run("scale", 1, "--head", up.address).returncode == 0
    wait_for("worker-2 to drain", lambda: worker_of(up, "worker-2")["availability"] != "serving")
    cluster.pace(0)
    up.wait_ready(actors=1)
    answers = load.end()
    assert all(a.done and a.error is None for a in answers)
    assert up.status()["jobs_rerouted"] == 0
    load = begun(cluster, up, [{**bodies(1)[0], "ignore_eos": True, "max_tokens": 1900}])  # 570 s
    assert up.stop() == 0
    load.end()


def test_the_drain_of_a_worker_that_is_kept_up_brings_a_fresh_one(cluster, run):
    """Given `manta up`, which keeps two workers up; when one is drained; then it leaves, and is started anew and serves."""
    up = cluster.up("--no-prompt", "--workers", 2, "--engine", "echo", "--model", SCRIPT)
    up.wait_ready(actors=2)
    pid = up.child("worker-2")
    drain = run("drain", "worker-2", "--head", up.address, "-o", "json")
    assert drain.returncode == 0 and json.loads(drain.stdout)["left"] is True, drain
    wait_for("a new worker-2", lambda: up.child("worker-2") != pid)
    up.wait_ready(actors=2)
    assert worker_of(up, "worker-2")["availability"] == "serving"


@pytest.mark.parametrize("words, stdin", [(("prompt", "hello"), ""), (("prompt", "-q", "hello"), ""), (("prompt",), "hello\n")])
def test_a_prompt_that_nobody_takes_says_so(cluster, words, stdin):
    """Given a head whose workers are all cordoned; when a prompt comes from a command line or a pipe; then it waits and says for whom, with what to do;
    after that has been done it is answered."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=5", "--node", "oak")
    head.wait_ready(actors=1)
    assert manta("cordon", "oak", "--head", head.address, folder=cluster.folder).returncode == 0
    with subprocess.Popen([PROGRAM, *words, "--head", head.address], env=environment(cluster.folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as asking:
        asking.stdin.write(stdin)
        asking.stdin.close()
        said = asking.stderr.readline()
        assert "no worker takes prompts" in said and "`manta uncordon WORKER`" in said, said
        assert manta("uncordon", "oak", "--head", head.address, folder=cluster.folder).returncode == 0
        assert asking.stdout.read().strip() and asking.wait(60) == 0
