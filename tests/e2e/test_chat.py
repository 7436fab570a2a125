"""The chat: `manta prompt` at a terminal remembers, obeys what begins with a slash, takes several lines, and shows what happens to an answer;
`manta prompt -q` and `manta run` in scripts."""

import json
import re
import subprocess

import pytest

from cluster import PROGRAM, Beside, environment, free_port, wait_for
from terminal import CTRL_C, CTRL_D, CTRL_Z, ENTER, Terminal

BEGIN_PASTE, END_PASTE = "\x1b[200~", "\x1b[201~"


def at(head, tmp_path, *flags, **options):
    return Terminal("prompt", "--head", head.address, *flags, folder=tmp_path, **options)


def begun(head):
    """An answer is in its middle."""
    wait_for("an answer that has begun", lambda: any(r["tokens"] > 3 for r in head.get("/manta/requests")["request_list"]))


def say(t, text, until=r"tokens?, .*\n>>> $"):
    here = t.mark()
    t.press(text + ENTER)
    t.wait_text(until, here)
    return t.text()[here:]


def saved(t, tmp_path):
    """The messages of the conversation, as /save writes them."""
    path = tmp_path / "talk.json"
    say(t, f"/save {path}", r"The conversation is in .*\n>>> $")
    return json.loads(path.read_text())


def test_it_remembers(echo, tmp_path):
    """Given a chat; when two things are said, then /new and a third; then each request has what was said before it, but not what was before /new."""
    with at(echo, tmp_path) as t:
        t.wait_text(r"3 actors at .*\n>>> $")
        say(t, "my name is Anna")
        say(t, "what is my name?")
        told = [(m["role"], m["content"]) for m in saved(t, tmp_path)["messages"]]
        assert [role for role, _ in told] == ["user", "assistant"] * 2 and told[0][1] == "my name is Anna" and told[2][1] == "what is my name?"
        prompts = [r["prompt_tokens"] for r in echo.get("/manta/requests")["ended_list"][:2]]
        assert prompts[0] > prompts[1] + 12  # the second question came with the first and its answer
        say(t, "/new", r"new conversation.*\n>>> $")
        say(t, "hello")
        assert [m["content"] for m in saved(t, tmp_path)["messages"]][0] == "hello"


def test_what_begins_with_a_slash_is_never_sent(echo, tmp_path):
    """Given a chat; when commands are given, a wrong one and a path among them; then none of them reaches a model."""
    with at(echo, tmp_path) as t:
        t.wait_text(">>> $")
        before = echo.get("/manta/requests")["ended_list"][:1]
        assert "did you mean '/help'" in say(t, "/hlep", r"error:.*\n>>> $")
        assert "nothing was sent" in say(t, "/etc/passwd what is it", r"error:.*\n>>> $")
        assert "/model" in say(t, "/help", r"Ctrl-C cancels.*\n>>> $")
        assert "/new takes no arguments" in say(t, "/new chat about tides", r"error:(?s:.*)\n>>> $")
        assert "/bye takes no arguments" in say(t, "/bye for now", r"error:(?s:.*)\n>>> $")
        assert "not a number" in say(t, "/set temperature warm", r"error:.*\n>>> $")
        assert "echo" in say(t, "/model", r"The cluster has.*(?s:.*)\n>>> $")
        assert "the cluster has no model 'nope' (/model lists those it has); questions go to any model as before" in " ".join(say(t, "/model nope", r"as\s+before\s+>>> $").split())
        assert "Nothing is set." in say(t, "/set", r"takes\s+it\s+back\.\s+>>> $")
        say(t, "/actors", r"\[ACTORS\](?s:.*)\n>>> $")
        assert echo.get("/manta/requests")["ended_list"][:1] == before
        t.press("/bye" + ENTER)
        assert t.wait_end() == 0


def test_settings_go_along(echo, tmp_path):
    """Given a chat; when model, system text and settings are set; then requests have them; an answer that was cut says so and what to do."""
    with at(echo, tmp_path) as t:
        t.wait_text(">>> $")
        t.press("/model echo" + ENTER + "/system Be brief." + ENTER + "/set temperature 0.5" + ENTER + "/set max_tokens 3" + ENTER)
        assert "cut at 3 tokens (/set max_tokens N" in say(t, "hi", r"cut at.*\n>>> $")
        body = saved(t, tmp_path)
        assert "  temperature 0.5\n  max_tokens 3\n" in say(t, "/set", r"takes\s+it\s+back\.\s+>>> $").replace("\r", "")
        assert body["model"] == "echo" and body["temperature"] == 0.5 and body["max_tokens"] == 3
        assert body["messages"][0] == {"role": "system", "content": "Be brief."}
        text = " ".join(say(t, "/all hi", r"FINAL RESPONSE(?s:.*)\n>>> $").split())
        assert text.count("3 tokens, cut there") == 3 and "cut at 3 tokens (finish: length): more with" in text, text
        assert "cut" not in say(t, "/set max_tokens default" + ENTER + "hi")


def test_a_setting_that_the_api_would_refuse_is_refused_at_once(echo, tmp_path):
    """Given a chat; when a setting is set to the last value within its bounds and to the first one beyond them; then the chat takes and refuses what the API takes and
    refuses, and says the bounds."""
    bounds = {"temperature": (0, 5), "top_p": (0, 1), "min_p": (0, 1), "presence_penalty": (-2, 2), "frequency_penalty": (-2, 2), "repeat_penalty": (0.01, 10),
              "top_k": (-1, 2**31 - 1), "max_tokens": (1, 2**31 - 1)}

    def api(name, value):
        return echo.request("POST", "/v1/chat/completions", json.dumps({"messages": [{"role": "user", "content": "hi"}], name: value}).encode())[0]
    with at(echo, tmp_path) as t:
        t.wait_text(">>> $")
        for name, (low, high) in bounds.items():
            for value, beyond in ((low, low - 1), (high, high + 1)):
                assert api(name, value) == 200 and api(name, beyond) == 400, name
                say(t, f"/set {name} {value}", r"from now on\.\s+>>> $")
                assert "is not between" in say(t, f"/set {name} {beyond}", r"error:.*\n>>> $")
        assert "is not a whole number" in say(t, "/set max_tokens 1.5", r"error:.*\n>>> $")
        say(t, "/set default", r"Nothing is set\.\s+>>> $")
        assert saved(t, tmp_path).keys() == {"messages"}


def test_near_misses_of_names(echo, tmp_path):
    """Given a chat; when a setting, a model or a command is given by half of its name, in capitals or mistyped; then the right one is named, or meant; a slash alone is a
    question for help."""
    with at(echo, tmp_path) as t:
        t.wait_text(">>> $")
        for typed in ("/set temp", "/set temp 0.5", "/set temprature 0.5"):
            assert "did you mean 'temperature'?" in say(t, typed, r"error:.*\n>>> $")
        assert "needs a value" in say(t, "/set temperature", r"error:.*\n>>> $")
        assert "did you mean 'echo'?" in say(t, "/model ehco", r"error:.*\n>>> $")
        say(t, "/HELP", r"Ctrl-C cancels.*\n>>> $")
        say(t, "/", r"Ctrl-C cancels.*\n>>> $")
        assert "between \"\"\" it is a message" in " ".join(say(t, "/usr/bin is what?", r"error:(?s:.*)message\s+>>> $").split())


def test_messages_of_several_lines(echo, tmp_path):
    """Given a chat; when lines come between triple quotes, and when lines are pasted; then each is one message, with its line ends and tabs; a
    command within quotes is a message."""
    with at(echo, tmp_path) as t:
        t.wait_text(">>> $")
        say(t, '"""one' + ENTER + "two" + ENTER + 'three"""')
        t.press(BEGIN_PASTE + "def f():\r\treturn 1\rend" + END_PASTE)
        say(t, " please")
        say(t, '"""/help"""')
        assert [m["content"] for m in saved(t, tmp_path)["messages"] if m["role"] == "user"] == ["one\ntwo\nthree", "def f():\n\treturn 1\nend please", "/help"]


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_answers_are_broken_between_words(cluster, tmp_path, columns):
    """Given a terminal of some width; when an answer of many words comes; then no line is longer, and none begins or ends within a word; it is the
    whole answer."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=150,seed=5")
    head.wait_ready(actors=1)
    with at(head, tmp_path, columns=columns, without=("NO_COLOR",)) as t:
        t.wait_text(">>> $")
        shown = say(t, "a long story").split("\n")[1:]
        told = saved(t, tmp_path)["messages"][1]["content"]
    end = next(i for i, line in enumerate(shown) if re.match(r"150 tokens, ", line))
    assert all(len(line) <= columns for line in shown)
    assert " ".join(shown[:end]).split() == told.split()
    assert end > len(told) / columns


def test_a_failover_is_shown(cluster, tmp_path):
    """Given an answer in its middle; when its worker is killed; then the terminal says so, and behind the whole answer which worker was lost at which
    token and who resumed it."""
    head = cluster.head()
    for node in "oak", "elm":
        cluster.echo_worker(head, "echo:tokens=40", "--node", node)
    head.wait_ready(actors=2)
    cluster.pace(50)
    with at(head, tmp_path) as t, Beside(head.kill_answering, 5) as killing:
        t.wait_text(">>> $")
        text = say(t, "a story")
    victim = killing.result
    other, = {"oak", "elm"} - {victim}
    assert re.search(rf"{victim} was lost at token \d+: another worker resumes", text)
    assert re.search(rf"40 tokens, .*, {other} \(echo\); {victim} was lost at token \d+; {other} resumed the answer", re.sub(r"\s+", " ", text)), text


def test_what_is_waited_for_is_shown(cluster, tmp_path):
    """Given one actor with one slot that is taken; when somebody asks at a terminal; then the place in the queue is shown, and taken away when
    the answer comes."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=100", "--slots", 1)
    head.wait_ready(actors=1)
    cluster.pace(100)
    with Beside(head.post, "/v1/completions", {"prompt": "first", "max_tokens": 100}), at(head, tmp_path) as t:
        t.wait_text(">>> $")
        here = t.mark()
        t.press("second" + ENTER)
        t.wait_text(r"place 1 in the queue", here)
        cluster.pace(0)
        t.wait_text(r"100 tokens, .*\n>>> $", here)


def test_ctrl_c(cluster, tmp_path):
    """Given a chat; when Ctrl-C is pressed on an empty line; then it says how to leave; during an answer it cancels that, and what came is
    remembered."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=100")
    head.wait_ready(actors=1)
    cluster.pace(100)
    with at(head, tmp_path) as t:
        t.wait_text(">>> $")
        t.press(CTRL_C)
        t.wait_text(r"\(Ctrl-D or /bye leaves\)\s+>>> $")
        here = t.mark()
        t.press("go" + ENTER)
        begun(head)
        t.press(CTRL_C)
        t.wait_text(r"cancelled after .*\n>>> $", here)
        cluster.pace(0)
        assert [m["role"] for m in saved(t, tmp_path)["messages"]] == ["user", "assistant"]
        t.press(CTRL_D)
        assert t.wait_end() == 0


def test_ctrl_z(echo, tmp_path):
    """Given a chat that a shell started; when Ctrl-Z is pressed in the middle of a line; then the shell is back; fg brings the line back."""
    with at(echo, tmp_path, through=("bash", "--norc", "-mc", '"$@"; echo stopped with $?; fg', "bash")) as t:
        t.wait_text(">>> $")
        t.press("half a li" + CTRL_Z)
        t.wait_text(r"stopped with 148")
        t.wait_text(r"stopped with 148(?s:.*)>>> half a li$")
        say(t, "ne")
        assert saved(t, tmp_path)["messages"][0]["content"] == "half a line"


def test_a_window_that_is_resized(cluster, tmp_path):
    """Given an answer in its middle; when the window becomes narrower; then the lines that follow fit it."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=80,seed=3")
    head.wait_ready(actors=1)
    cluster.pace(50)
    with at(head, tmp_path, columns=120) as t:
        t.wait_text(">>> $")
        here = t.mark()
        t.press("go" + ENTER)
        begun(head)
        t.resize(40)
        cluster.pace(20)
        t.wait_text(r"80 tokens, (?s:.*)\n>>> $", here)
        lines = t.text()[here:].split("\n")
        assert all(len(line) <= 40 for line in lines[3:]), lines


def test_a_long_conversation_leaves_out_its_beginning(cluster, tmp_path):
    """Given a model with a small context; when a conversation becomes longer than that; then the oldest exchanges are left out, it says so, and
    the answers continue."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=20", "--context", 256)
    head.wait_ready(actors=1)
    with at(head, tmp_path) as t:
        t.wait_text(">>> $")
        for i in range(6):
            text = say(t, f"{i} " + "word " * 12, r"(tokens?, .*|left out\))\n>>> $")
        assert "left out" in text
        kept = [m["content"] for m in saved(t, tmp_path)["messages"] if m["role"] == "user"]
        assert 0 < len(kept) < 6 and kept[-1].startswith("5 ")


# ---- scripts ----

def test_only_the_answer(run, echo, tmp_path):
    """Given a script; when it asks with -q, with its words, with text in a pipe, and with both; then it gets the answer alone, to the byte."""
    whole = run("prompt", "-q", "--head", echo.address, "Say", "hi.")
    assert whole.returncode == 0 and whole.stderr == "" and "[" not in whole.stdout and whole.stdout.strip()
    for words, stdin in ((), "hello\n"), (("Summarise",), "a long text\n"):
        out = run("prompt", "-q", "--head", echo.address, *words, stdin=stdin)
        assert out.returncode == 0 and "[" not in out.stdout
    tagged = run("prompt", "--head", echo.address, "Summarise", stdin="a long text\n").stdout
    assert "[PROMPT] Summarise  a long text" in tagged and "[FINAL RESPONSE]" in tagged
    nothing = run("prompt", "-q", "--head", echo.address)
    assert nothing.returncode == 2 and "nothing to ask" in nothing.stderr


def test_run_starts_a_cluster_where_none_is(run, tmp_path):
    """Given no cluster; when `manta run MODEL PROMPT` is typed; then one is started in the background and answers; a second run uses it; a model
    it does not have is refused with what to do."""
    port = free_port()
    env = {"MANTA_PORT": str(port)}
    try:
        out = subprocess.run([PROGRAM, "run", "--engine", "echo", "echo:tokens=9", "Say hi"], env=environment(tmp_path, **env), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             timeout=120, check=False)
        assert out.returncode == 0 and out.stdout.strip() and "[" not in out.stdout, out.stderr
        again = run("run", "echo", "Say hi", env=env)
        assert again.returncode == 0 and again.stdout.strip()
        other = run("run", "qwen3-4b", "Say hi", env=env)
        assert other.returncode != 0 and "has echo, not 'qwen3-4b'" in other.stderr and "manta up --model qwen3-4b" in other.stderr
        wrong = run("run", "qwen3-4bb", "Say hi", env=env)
        assert wrong.returncode != 0 and "no model 'qwen3-4bb': did you mean 'qwen3-4b'?" in wrong.stderr and "manta up" not in wrong.stderr
    finally:
        run("down", env={})


@pytest.mark.parametrize("word, hint", [("serve", "manta up"), ("ps", "manta actors"), ("ls", "manta models"), ("list", "manta models"), ("rm", "manta models"),
                                        ("pull", "manta models pull"), ("show", "manta models"), ("stop", "manta down")])
def test_words_of_others(run, word, hint):
    out = run(word, "x")
    assert out.returncode == 2 and hint in out.stderr
