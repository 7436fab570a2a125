"""Terminals as they are: manta in tmux, at three widths, without colours, with five scripts, pastes, keys of the shell, and windows that are resized."""

import json
import os
import re
import signal
import unicodedata

import pytest

from cluster import Cluster, free_port, wait_for
from screen import Screen

SCRIPTS = "Zürich Привет 東京 שלום नमस्ते"


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """A head whose worker says 120 words."""
    with Cluster(tmp_path_factory.mktemp("long"), "long") as c:
        head = c.head()
        c.echo_worker(head, "echo:tokens=120,seed=5")
        head.wait_ready(actors=1)
        head.cluster = c
        yield head


@pytest.fixture
def slow(long):
    """The same, one word every 30 ms, so that things happen in the middle of an answer."""
    long.cluster.pace(30)
    yield long
    long.cluster.pace(0)


def chat(head, tmp_path, **options):
    return Screen("prompt", "--head", head.address, folder=tmp_path, **options)


def saved(s, tmp_path):
    """The messages of the conversation, as /save writes them."""
    path = tmp_path / "talk.json"
    s.type(f"/save {path}")
    s.press("Enter")
    s.wait("The conversation is in")
    return json.loads(path.read_text())["messages"]


def width(line):
    """Cells, as tmux counts them for what is shown here."""
    return sum(0 if unicodedata.combining(c) or unicodedata.category(c) == "Mn" else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_five_scripts_are_typed_and_shown(long, tmp_path, columns):
    """Given a chat in a window of some width; when letters of five scripts are typed, one of two cells is erased, and it is sent; then the line shows what
    was typed, the answer stands in lines that fit, and the model got every letter."""
    with chat(long, tmp_path, columns=columns) as s:
        s.wait(">>> ")
        s.type("京")
        s.wait(">>> 京")
        s.press("BSpace")
        s.type(SCRIPTS)
        s.wait(f"(?m)^>>> {SCRIPTS}$")
        s.press("Enter")
        s.wait(r"120 tokens, ")
        lines = s.lines(everything=True)
        assert all(width(line) <= columns for line in lines), lines
        asked, answered = saved(s, tmp_path)
        assert asked["content"] == SCRIPTS
        first = next(i for i, line in enumerate(lines) if SCRIPTS in line) + 1
        last = next(i for i, line in enumerate(lines) if line.startswith("120 tokens"))
        assert " ".join(lines[first:last]).split() == answered["content"].split()


@pytest.mark.parametrize("words", [("status",), ("actors",), ("models",), ("requests",), ("prompt", "hi"), ("verify",), ("up", "--help")], ids=" ".join)
@pytest.mark.parametrize("columns", [60, 80, 120])
def test_nothing_is_broken_by_the_edge(long, tmp_path, words, columns):
    """Given a window of some width; when a command prints; then no line of it, but for examples of help, is continued on the next one by the terminal."""
    with Screen(*words, *(["--head", long.address] if words[0] != "up" else []), folder=tmp_path, columns=columns, rows=60) as s:
        assert s.wait_end() == 0
        shown, joined = ("\n".join(lines).split("\nexample:")[0] for lines in (s.lines(everything=True), [line.rstrip() for line in s.text().rstrip().split("\n")]))
        assert shown == joined


@pytest.mark.parametrize("words", [("prompt", ""), ("scale", "many"), ("models", "forget"), ("up", "--model", "qwen3-4b"), ("explain", "no-such-request"), ("up", "2")],
                         ids=" ".join)
@pytest.mark.parametrize("columns", [60, 80])
def test_an_error_breaks_between_words(tmp_path, words, columns):
    """Given a narrow window; when a command is refused, by whichever part of the program; then the sentence is broken between words, and not by the terminal."""
    with Screen(*words, folder=tmp_path, columns=columns) as s:
        assert s.wait_end() != 0
        lines = s.lines(everything=True)
        assert lines[0].startswith("error: ") and lines == [line.rstrip() for line in s.text().rstrip().split("\n")]


def test_help_in_a_pager_fits_the_window(tmp_path):
    """Given a window of 60 columns; when help goes through a pipe to a pager there; then its lines fit."""
    with Screen(folder=tmp_path, columns=60, rows=60, shell=True) as s:
        s.wait(r"\$ ")
        s.type("manta logs --help | cat; echo done")
        s.press("Enter")
        s.wait("(?m)^done$")
        assert s.lines(everything=True) == [line.rstrip() for line in s.text().rstrip().split("\n")]


@pytest.mark.parametrize("columns", [60, 80])
def test_what_a_chat_says_breaks_between_words(long, tmp_path, columns):
    """Given a chat in a narrow window; when its commands are given, right and wrong; then what it says is broken between words, errors too."""
    with chat(long, tmp_path, columns=columns, rows=40) as s:
        s.wait(">>> ")
        for line, end in (("/set max_tokens 7", "from now on"), ("/set", "takes it back"), ("/set mood good", "repeat_penalty"),
                          ("/model no-such-model", "as before"), ("/all hi", "FINAL RESPONSE"), ("/help", "cancels an answer")):
            s.type(line)
            s.press("Enter")
            s.wait(end.replace(" ", r"\s+"))
        words = " ".join(s.lines(everything=True)).split()
        assert all(width(line) <= columns for line in s.lines(everything=True))
        answered, final = re.search(r"(?s)response:(.*)\[ANSWERED BY\].*?\[FINAL RESPONSE\](.*)>>> /help", s.text()).groups()
        assert answered.split() == final.split(), "no word of a model is broken either"
        for word in "min_p, max_tokens, seed, presence_penalty, frequency_penalty, 'mood'; no-such-model questions".split():
            assert any(word in w for w in words), (word, s.text())


@pytest.mark.parametrize("env, coloured", [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)], ids=["colours", "NO_COLOR", "dumb"])
@pytest.mark.parametrize("words", [("status",), ("requests",), ("prompt", "hi"), ("models",)], ids=" ".join)
def test_no_colour_where_none_is_wanted(long, tmp_path, words, env, coloured):
    """Given a terminal; when a command prints; then in colours, but none where NO_COLOR or TERM says so."""
    with Screen(*words, "--head", long.address, folder=tmp_path, env=env, without=() if "NO_COLOR" in env else ("NO_COLOR",)) as s:
        assert s.wait_end() == 0
        assert bool(s.colours()) == coloured, s.colours()


def test_several_lines_are_pasted(long, tmp_path):
    """Given a chat; when three lines are pasted as terminals paste, and then Enter is pressed; then nothing is sent before Enter, and they are one message."""
    with chat(long, tmp_path) as s:
        s.wait(">>> ")
        s.paste("def f():\n\treturn 1\n東京")
        s.wait("東京")
        s.type(" please")
        s.wait("東京 please")
        assert not re.search("tokens, ", s.text())
        s.press("Enter")
        s.wait("120 tokens, ")
        assert saved(s, tmp_path)[0]["content"] == "def f():\n\treturn 1\n東京 please"


def test_a_window_that_is_resized_in_mid_answer(slow, tmp_path):
    """Given an answer in its middle; when the window becomes narrower, and then wider; then the rest is broken for the new width, and no word is lost."""
    with chat(slow, tmp_path, columns=100, rows=20) as s:
        s.wait(">>> ")
        s.type("a long story")
        s.press("Enter")
        wait_for("the second line of the answer", lambda: len([line for line in s.lines() if line]) > 3)
        s.resize(50, 20)
        wait_for("lines for that", lambda: len([line for line in s.lines(everything=True) if line]) > 8)
        s.resize(90, 30)
        s.wait(r"120 tokens, ")
        text = " ".join(s.text().split())
        assert saved(s, tmp_path)[1]["content"].split() == text.split("a long story ")[1].split(" 120 tokens")[0].split()
        assert all(width(line) <= 90 for line in s.lines(everything=True))


def begin_a_story(s, slow):
    """Asks for a long answer, and waits until it has begun."""
    s.wait(">>> ")
    s.type("a long story")
    s.press("Enter")
    wait_for("an answer that has begun", lambda: any(r["tokens"] > 3 for r in slow.get("/manta/requests")["request_list"]))


def test_ctrl_c_in_mid_answer(slow, tmp_path):
    """Given an answer in its middle; when Ctrl-C is pressed; then it is cancelled, says so, and the chat answers the next question."""
    with chat(slow, tmp_path) as s:
        begin_a_story(s, slow)
        s.press("C-c")
        s.wait(r"cancelled after [\d.]+ s\n>>>")
        slow.wait_idle()
        slow.cluster.pace(0)
        with Screen("requests", "--head", slow.address, folder=tmp_path) as look:
            assert look.wait_end() == 0 and "499 cancelled" in look.text()
        s.type("another")
        s.press("Enter")
        s.wait("120 tokens, ")


def test_keys_typed_ahead_stand_behind_the_answer(slow, tmp_path):
    """Given an answer in its middle; when the next question is typed already; then the answer is not mixed with it, and it stands at the next prompt, to be edited and sent."""
    with chat(slow, tmp_path) as s:
        begin_a_story(s, slow)
        s.type("TYPED-AHEAD")
        s.wait(r"120 tokens, .*\n>>> TYPED-AHEAD")
        assert s.text().count("TYPED-AHEAD") == 1
        s.type(" and more")
        s.press("Enter")
        s.wait(r"TYPED-AHEAD and more\n(?s:.*)120 tokens, ")


def test_a_chat_that_is_ended_leaves_the_terminal_as_it_was(slow, tmp_path):
    """Given a chat that a script started, with an answer in its middle; when it is ended by a signal; then the script's terminal shows what is typed."""
    (tmp_path / "begin").write_text(f"echo $$ >{tmp_path}/pid; exec manta prompt --head {slow.address}")
    (tmp_path / "script").write_text(f"sh {tmp_path}/begin; echo; stty -a | tr ' ' '\\n' | grep echo$")
    with Screen(folder=tmp_path, shell=True) as s:
        s.wait_shell()
        s.type(f"sh {tmp_path}/script")
        s.press("Enter")
        begin_a_story(s, slow)
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
        s.wait(r"(?m)^-?echo$")
        assert "-echo" not in s.lines(everything=True)


def test_stopped_by_ctrl_z_and_resumed(slow, tmp_path):
    """Given a chat that a shell started, with an answer in its middle; when Ctrl-Z is pressed; then the shell has the terminal, as it was; `fg` resumes the
    answer to its end, and what is typed then is edited as before."""
    with Screen(folder=tmp_path, shell=True) as s:
        s.wait_shell()
        s.type(f"manta prompt --head {slow.address}")
        s.press("Enter")
        begin_a_story(s, slow)
        s.press("C-z")
        s.wait(r"Stopped")
        s.type("echo the shell is $((6 * 7))")
        s.press("Enter")
        s.wait("the shell is 42")
        s.type("fg")
        s.press("Enter")
        s.wait(r"120 tokens, .*\n>>>")
        s.type("wrng")
        s.press("BSpace", "BSpace", "BSpace")
        s.type("rong")
        s.wait(r">>> wrong")
        s.press("C-c", "C-d")
        s.wait_shell()


def test_what_begins_at_a_shell_ends_there(long, tmp_path):
    """Given a shell; when `manta top` is opened in it and left; then the screen is as it was."""
    with Screen(folder=tmp_path, shell=True) as s:
        s.wait_shell()
        s.type("echo before")
        s.press("Enter")
        s.wait(r"(?m)^before$")
        s.type(f"manta top --head {long.address}")
        s.press("Enter")
        s.wait("q quits")
        assert "before" not in "\n".join(s.lines())
        s.press("q")
        s.wait(r"(?m)^before$")
        assert "q quits" not in s.text()


@pytest.mark.parametrize("columns, rows", [(60, 20), (80, 24), (120, 40)])
def test_top_with_forty_workers(cluster, tmp_path, columns, rows):
    """Given forty workers; when top is open in a window that has not room for all, and the window becomes smaller; then each screen is whole: as many
    workers as fit, no line broken, the keys in the last line; j reaches the last worker."""
    head = cluster.head()
    for i in range(1, 41):
        cluster.echo_worker(head, "echo", "--node", f"worker-{i}", "--threads", 1)
    head.wait_ready(actors=40)
    with Screen("top", "--head", head.address, folder=tmp_path, columns=columns, rows=rows) as s:
        def whole(rows, worker):
            lines = s.lines()
            return len(lines) == rows and "q quits" in lines[-1] and any(f" {worker} " in f" {line} " for line in lines)
        wait_for("the first screen", lambda: whole(rows, "worker-1"))
        title, slots, *lines = s.lines()
        assert not any("worker-40" in line for line in lines)
        assert re.fullmatch(r"manta \S+ at \S+   workers 40(   actors 40 ready(   up \S+(   head \S+)?)?)?", title), title  # nothing is cut in its middle
        assert re.fullmatch(r"slots +\[ +\] 0 of 160   queue 0   0 tokens/s(   0 requests so far(, 0 failed(, 0 moved)?)?)?", slots), slots
        s.resize(columns - 10, rows - 4)
        wait_for("a smaller screen", lambda: whole(rows - 4, "worker-1"))
        s.type("j" * 40)
        wait_for("the last worker", lambda: whole(rows - 4, "worker-40"))
        s.press("q")
        assert s.wait_end() == 0


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_start_in_a_window(tmp_path, columns):
    """Given a window of some width; when a cluster is started; then the line of progress is gone, the box has whole lines, the prompt stands below it, and
    all of it is on one screen of 24 lines."""
    port = free_port()
    with Screen("up", "--port", port, "--workers", 2, "--engine", "echo", "--model", "echo:tokens=20", folder=tmp_path, columns=columns, rows=24) as s:
        s.wait(r"(?m)^>>> *$")
        lines = s.lines()
        assert len(lines) <= 13 and lines[0].startswith("── manta") and f"http://127.0.0.1:{port}/v1" in "\n".join(lines), lines
        assert all(width(line) <= columns for line in lines) and not re.search(r"workers \d/\d", "\n".join(lines))
        s.type("/bye")
        s.press("Enter")
        assert s.wait_end() == 0
