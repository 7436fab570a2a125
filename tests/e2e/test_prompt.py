"""`manta prompt`, the real-time client: at a terminal, in a pipe, and with its words as arguments."""

import json
import re
import signal
import subprocess

import pytest

from cluster import PROGRAM, alive, children, environment, free_port, wait_for
from terminal import CTRL_C, CTRL_D, ENTER, UP, Terminal, sizes_over_time


@pytest.fixture
def slow(cluster):
    """A head whose only actor says 100 words, one every 50 ms."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=100")
    head.wait_ready(actors=1)
    cluster.pace(50)
    return head


@pytest.fixture
def terminal(slow, tmp_path):
    """A person at the prompt of that head."""
    with Terminal("prompt", "--tags", "--head", slow.address, folder=tmp_path) as t:
        t.wait_text(r"\[PROMPT\] $")
        yield t


def test_answer_streams_to_the_terminal(terminal):
    """Given a person at the prompt; when a prompt is typed; then the text appears piece by piece while it is generated,
    and behind it who answered."""
    assert "Available inference actors: 1" in terminal.text() and "Commands: any prompt" in terminal.text()
    here = terminal.mark()
    terminal.press("tell me something" + ENTER)
    terminal.wait_text(r"\[SENDING\]", here)
    sizes = sizes_over_time(terminal.text, lambda: "[RESPONSE]" in terminal.text()[here:])
    assert len(set(sizes)) > 5, f"the text came at once: {sizes}"
    terminal.wait_text(r"\[RESPONSE\] received in \d.*(?s:.*)\[ANSWERED BY\] node: .*(?s:.*)\[FINAL RESPONSE\]", here)
    terminal.wait_text(r"\[PROMPT\] $", here)


def test_ctrl_c_cancels_the_answer(terminal, slow):
    """Given an answer that is coming; when Ctrl-C is pressed; then it stops, its slot is free, and the prompt is back and
    answers the next one; an empty line does nothing."""
    here = terminal.mark()
    terminal.press("a long story" + ENTER)
    wait_for("a running job", lambda: slow.status()["running"] == 1)
    terminal.wait_text(r"\[SENDING\].*\n.*\w", here)
    terminal.press(CTRL_C)
    terminal.wait_text(r"cancelled\s+\[PROMPT\] $", here)
    assert "[RESPONSE]" not in terminal.text()[here:]
    slow.wait_idle()
    here = terminal.mark()
    terminal.press(ENTER + "another one" + ENTER)
    terminal.wait_text(r"\[FINAL RESPONSE\]", here)


def test_ctrl_c_empties_the_line(terminal):
    """Given a line that is half typed; when Ctrl-C is pressed and another line typed; then only the second is sent."""
    here = terminal.mark()
    terminal.press("never mi" + CTRL_C + "actors" + ENTER)
    terminal.wait_text(r"\[ACTORS\] total 1 ready", here)
    assert "[SENDING]" not in terminal.text()[here:]


def test_history(terminal):
    """Given a command that was typed; when the up key and Enter are pressed; then it is run again."""
    here = terminal.mark()
    terminal.press("actors" + ENTER)
    terminal.wait_text(r"\[ACTORS\] total 1 ready(?s:.*)\[PROMPT\] $", here)
    here = terminal.mark()
    terminal.press(UP + ENTER)
    terminal.wait_text(r"\[ACTORS\] total 1 ready", here)


LETTERS = ["naïve café", "日本語で答えて", "привет мир", "שלום עולם", "emoji 🐎👩‍💻", "Ελληνικά ﬁ ß", "e\u0301 combined"]


@pytest.mark.parametrize("env", [{}, {"LANG": "C.UTF-8"}, {"LC_ALL": "C"}, {"LC_ALL": "xx_YY.ISO-8859-1"}, {"TERM": "dumb"}], ids=str)
def test_letters_of_all_scripts(echo, tmp_path, env):
    """Given a person at a terminal, whatever its environment says of languages; when prompts are typed in any script; then they are
    asked as typed, and the history has them, also the next day: the up key brings them back."""
    without = {"LANG", "LC_ALL", "LC_CTYPE", "LANGUAGE"} - set(env)

    def at_the_prompt(keys):
        with Terminal("prompt", "--tags", "--head", echo.address, folder=tmp_path, env=env, without=without) as t:
            t.wait_text(r"\[PROMPT\] ")
            for key in keys:
                here = t.mark()
                t.press(key + ENTER)
                t.wait_text(r"\[FINAL RESPONSE\]", here)
            t.press("quit" + ENTER)
            assert t.wait_end() == 0

    def history():
        raw = re.sub(rb"\\([0-7]{3})", lambda m: bytes([int(m[1], 8)]), (tmp_path / "manta/history").read_bytes())
        return raw.decode().split("\n")[1:-1]
    at_the_prompt(LETTERS)
    assert history() == [*LETTERS, "quit"]
    at_the_prompt([UP + UP])
    assert history()[-2:] == [LETTERS[-1], "quit"]


@pytest.mark.parametrize("term", ["dumb", "", None])
def test_a_terminal_that_knows_no_escapes(echo, tmp_path, term):
    """Given a terminal of which TERM says nothing, or that it knows no escape sequences; when one works there; then it gets none."""
    env = {"NO_COLOR": "", **({} if term is None else {"TERM": term})}
    with Terminal("prompt", "--tags", "--head", echo.address, folder=tmp_path, env=env, without=() if term is not None else {"TERM"}) as t:
        t.wait_text(r"\[PROMPT\] ")
        t.press("hi" + ENTER)
        t.wait_text(r"\[FINAL RESPONSE\]")
        t.press("status" + ENTER + "quit" + ENTER)
        t.wait_end()
        t.reader.join(30)
        assert b"\x1b" not in t.seen
    with Terminal("head", "--port", 0, folder=tmp_path, env=env, without=() if term is not None else {"TERM"}) as t:
        t.wait_text("CLUSTER RUNNING")
        assert b"\x1b" not in t.seen


@pytest.mark.parametrize("keys", ["quit" + ENTER, "exit" + ENTER, CTRL_D], ids=["quit", "exit", "ctrl-d"])
def test_leaving(terminal, keys):
    """Given a person at the prompt; when quit or exit is typed, or Ctrl-D pressed; then it ends with status 0."""
    terminal.press(keys)
    assert terminal.wait_end() == 0


def test_up_with_its_prompt(tmp_path, cluster):
    """Given a person who types `manta up` at a terminal; when the cluster is ready; then there is a prompt that answers;
    Ctrl-C cancels an answer without ending the cluster, and quit ends all of it with status 0."""
    with Terminal("up", "--port", free_port(), "--workers", 2, "--engine", "echo", "--model", "echo:tokens=100,decode_us=200000",
                  folder=tmp_path) as t:
        t.wait_text(r">>> $")
        pids = children(t.popen.pid)
        assert len(pids) == 4  # head, two workers, the prompt
        here = t.mark()
        t.press("hello" + ENTER)
        t.wait_text(r"hello\s+\S+\s+\S+", here)
        t.press(CTRL_C)
        t.wait_text(r"cancelled after [\d.]+ s\s+>>> $", here)
        here = t.mark()
        t.press("actors" + ENTER)
        t.wait_text(r"\[ACTORS\] total 2 ready(?s:.*)>>> $", here)
        t.press("quit" + ENTER)
        assert t.wait_end() == 0
        assert not any(map(alive, pids))


def test_killed_up_takes_its_prompt_along(tmp_path):
    """Given `manta up` at a terminal with its prompt; when it is killed with -9; then head, workers and prompt all end."""
    with Terminal("up", "--port", free_port(), "--workers", 1, "--engine", "echo", "--model", "echo", folder=tmp_path) as t:
        t.wait_text(r">>> $")
        pids = children(t.popen.pid)
        t.popen.kill()
        t.popen.wait()
        wait_for("the end of all children", lambda: len(pids) == 3 and not any(map(alive, pids)))


def test_in_a_pipe(run, echo):
    """Given commands and prompts in a pipe, some odd ones among them; when manta prompt reads them; then each is done, in
    order, and it ends with status 0."""
    lines = "test\n\n   \nstatus\nactors\nall How many are you?\nžluťoučký kůň 🐎\nhelp\nquit\nnever read\n"
    out = run("prompt", "--head", echo.address, stdin=lines)
    assert out.returncode == 0 and out.stderr == ""
    places = [out.stdout.index(words) for words in (
        "looking for prompt coordinator... found 'prompt_coordinator'".capitalize(), "[PROMPT] What is machine learning?",
        "[FINAL RESPONSE]", "[RESOURCES]", "[NODES] total 4", "[ACTORS] total 3", "[PROMPT] How many are you?",
        "successful responses 3", "[PROMPT] žluťoučký kůň 🐎")]
    assert places == sorted(places)
    assert "never read" not in out.stdout
    assert out.stdout.count("[FINAL RESPONSE]") == 3


def test_words_as_arguments(run, echo):
    """Given a prompt as arguments; when it is asked; then there is one answer and the end, also as JSON."""
    out = run("prompt", "--head", echo.address, "How", "are", "you?")
    assert out.returncode == 0 and "[PROMPT] How are you?" in out.stdout and "[FINAL RESPONSE]" in out.stdout
    answer = json.loads(run("prompt", "--head", echo.address, "-o", "json", "How", "are", "you?").stdout)
    assert answer["answered_by"]["node"] and answer["final_response"]


def test_without_an_actor(cluster, run):
    """Given a head without workers; when the prompt connects; then it says what to check, and quit still works."""
    head = cluster.head()
    out = run("prompt", "--head", head.address, stdin="status\nquit\n")
    assert out.returncode == 0
    assert "No actor is ready" in out.stdout and "have workers joined" in out.stdout and "[NODES] total 1" in out.stdout


def test_failed_prompt_is_told_to_scripts(cluster, run):
    """Given an actor that crashes in the middle of its answer, and nobody who continues in time; when a prompt comes through a
    pipe; then the error is on the standard error output and the exit status is not 0."""
    head = cluster.head("--queue-deadline-ms", 300)
    cluster.echo_worker(head, "echo:crash_at=5,decode_us=20000")
    head.wait_ready(actors=1)
    out = run("prompt", "--head", head.address, stdin="hello\n")
    assert out.returncode != 0 and "error:" in out.stderr


def test_sigint_without_a_terminal(slow, tmp_path):
    """Given an answer on its way to a script; when SIGINT comes; then the generation is cancelled and the status is 130."""
    asking = subprocess.Popen([PROGRAM, "prompt", "--head", slow.address, "a", "story"], env=environment(tmp_path),
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_for("a running job", lambda: slow.status()["running"] == 1)
    asking.send_signal(signal.SIGINT)
    assert asking.wait(120) == 130 and "cancelled" in asking.stderr.read()
    asking.stderr.close()
    slow.wait_idle()


def test_sigint_ends_a_script_of_prompts(slow, tmp_path):
    """Given two prompts through a pipe that stays open, the first on its way; when SIGINT comes; then the status is 130 and the second one
    is not asked."""
    asking = subprocess.Popen([PROGRAM, "prompt", "--head", slow.address], env=environment(tmp_path), stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    asking.stdin.write("a story\nanother story\n")
    asking.stdin.flush()
    wait_for("a running job", lambda: slow.status()["running"] == 1)
    asking.send_signal(signal.SIGINT)
    assert asking.wait(120) == 130
    assert "another" not in asking.stdout.read()
    asking.stdin.close()
    asking.stdout.close()
    slow.wait_idle()


def test_a_program_that_reads_each_answer_before_it_asks_again(cluster, tmp_path):
    """Given a prompt at both ends of pipes; when a program writes a command or a prompt and reads until it has what that line asks for,
    before it writes the next one; then each arrives, also a page that is smaller than a buffer."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=3")
    head.wait_ready(actors=1)
    talk = subprocess.Popen([PROGRAM, "prompt", "--head", head.address], env=environment(tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            text=True)
    said = talk.stdout
    for line, sign in (None, "Commands:"), ("help", "quit or exit"), ("status", "[NODES]"), ("actors", "echo"), ("a story", "[FINAL RESPONSE]"):
        if line is not None:
            talk.stdin.write(line + "\n")
            talk.stdin.flush()
        while sign not in (got := said.readline()):
            assert got, f"the prompt ended without {sign} for {line}"
    talk.stdin.close()
    assert talk.wait(120) == 0
    said.close()
