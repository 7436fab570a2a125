"""`manta top`, `manta config` and the help pages, as a person meets them."""

import json
import re

import pytest

from cluster import PATIENCE_S, wait_for
from terminal import CTRL_C, Terminal


def screen(t):
    """The lines of the last screen that was drawn whole."""
    drawn = ["", *(part for part in t.seen.decode(errors="replace").split("\x1b[H") if "q quits" in part)][-1]
    return [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).rstrip() for line in drawn.replace("\r\n", "\n").split("\n")]


@pytest.mark.parametrize("columns, rows", [(60, 24), (80, 24), (120, 50)])
def test_top_with_forty_workers(cluster, tmp_path, columns, rows):
    """Given forty workers and a terminal that has not room for all; when top is opened; then it shows those that fit, and j and k reach the others; a
    window that becomes smaller gets fewer; q gives the screen back."""
    head = cluster.head()
    cluster.swarm = [cluster.echo_worker(head, "echo", "--node", f"worker-{i}", "--threads", 1) for i in range(1, 41)]
    head.wait_ready(actors=40)
    with Terminal("top", "--head", head.address, folder=tmp_path, columns=columns, rows=rows) as t:
        wait_for("the first screen", lambda: any(" worker-1 " in line for line in screen(t)))
        lines = screen(t)
        assert len(lines) <= rows and all(len(line) <= columns for line in lines), lines
        assert "q quits" in lines[-1] and any(re.match(r"slots +\[ +\] 0 of 160", line) for line in lines)
        assert not any(" worker-40 " in line for line in lines) or rows > 45
        t.press("j" * 40)
        wait_for("the last worker", lambda: any(" worker-40 " in line for line in screen(t)))
        t.press("k" * 40)
        wait_for("the first worker", lambda: any(" worker-1 " in line for line in screen(t)))
        t.resize(50, 16)
        wait_for("a smaller screen", lambda: len(screen(t)) == 16 and all(len(line) <= 50 for line in screen(t)))
        t.press("q")
        assert t.wait_end() == 0
        t.reader.join(30)
    assert t.seen.endswith(b"\x1b[?1049l")


def test_top_shows_what_runs(cluster, tmp_path):
    """Given an answer on its way; when top is open; then it has the request, its worker, and how fast tokens come; Ctrl-C leaves."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=2000", "--node", "oak")
    head.wait_ready(actors=1)
    cluster.pace(20)
    with Terminal("top", "--head", head.address, folder=tmp_path) as t:
        asked = head.begin("/v1/completions", {"prompt": "x", "max_tokens": 2000, "stream": True})
        wait_for("the request", lambda: any(re.match(r"cmpl-\S+ +running .* oak ", line) for line in screen(t)))
        wait_for("a speed", lambda: any(re.match(r"[1-9]\d* +oak +ready +echo +1/4 ", line) for line in screen(t)))
        t.press(CTRL_C)
        assert t.wait_end() == 0
    asked.close()


@pytest.mark.parametrize("columns", [60, 120])
def test_top_shows_kept_prompts(cluster, tmp_path, columns):
    """Given a worker with one slot; when two conversations take turns there; then top shows, beside the memory, the prompts that are kept and, where
    there is room, what was restored of them; before that it shows nothing of it."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=6,prefill_us=200", "--slots", 1, "--node", "oak")
    head.wait_ready(actors=1)

    def memory(t):
        return next((line for line in screen(t) if line.startswith("memory")), "")
    with Terminal("top", "--head", head.address, folder=tmp_path, columns=columns) as t:
        assert "kept" not in wait_for("the first screen", lambda: memory(t))
        for start in "the first story ", "another one ", "the first story ":
            head.ask(start * 40)
        a = wait_for("a kept prompt", lambda: next((a for a in head.ready_actors() if a["prefixes"] and a["tokens_restored"]), None))
        line = wait_for("the kept prompts", lambda: re.search(r"   kept prompts [1-9].*", memory(t)))[0]
        assert (f"{a['tokens_restored']:.0f} tokens restored" in line) == (columns == 120)
        assert re.search(r"kept prompts \d+, [\d.]+[KMG]", line) and all(len(row) <= columns for row in screen(t))
        t.press("q")
        assert t.wait_end() == 0


def test_top_without_a_terminal_is_the_status(run, echo):
    assert "[NODES] total 4" in run("top", "--head", echo.address).stdout


def test_config_tells_where_settings_come_from(run, tmp_path):
    """Given a file, a variable and a flag; when the settings are shown; then each with its source, secrets not at all, also as JSON."""
    (tmp_path / "c.yaml").write_text("head:\n  queue_jobs: 9\n  api_key: sesame\n")
    args = ("config", "--config", tmp_path / "c.yaml", "--workers", 2)
    out = run(*args, env={"MANTA_SLOTS": "3"})
    assert out.returncode == 0 and "sesame" not in out.stdout
    for line in r"--queue-jobs +9 +\S*c.yaml:2:\S* ?.*", r"--api-key +\(set\) +", r"--slots +3 +MANTA_SLOTS", r"--workers +2 +--workers", r"--context +0 +default":
        assert re.search(rf"^{line}", out.stdout, re.M), (line, out.stdout)
    told = json.loads(run(*args, "-o", "json").stdout)
    assert told["workers"] == {"value": "2", "from": "--workers", "key": "up.workers"} and told["api-key"]["value"] == "(set)"


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("words", [("--help",), ("up", "--help"), ("up", "--help", "all"), ("prompt", "--help"), ("help", "worker")], ids=" ".join)
def test_help_fits_the_terminal(tmp_path, words, columns):
    """Given a terminal of some width; when a page of help is shown; then no line is longer, but for examples."""
    with Terminal(*words, folder=tmp_path, columns=columns) as t:
        assert t.wait_end(PATIENCE_S) == 0
        t.reader.join(30)
        lines = t.text().split("\nexample:")[0].splitlines()
    assert all(len(line) <= columns for line in lines), [n for n in lines if len(n) > columns]


def test_common_flags_first(run):
    """Given a command with many flags; then its help shows those that people need, and says how to see the others, which are in groups."""
    few, every = (run("up", "--help", *more).stdout for more in ((), ("all",)))
    assert "--workers" in few and "--model" in few and "--help all" in few and "--token-stall-ms" not in few and len(few.splitlines()) < 40
    assert "--token-stall-ms" in every and re.search(r"^workers:$", every, re.M)
