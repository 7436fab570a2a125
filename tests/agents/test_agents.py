"""Coding agents as they come from their registry, on manta with a scripted engine: a task of six calls of tools, undisturbed, with its worker killed in a
call, and with the head replaced. `manta launch` sets them up, for pi's two other dialects docs/agents.md does. tests/agents/run gives them a network that has
nothing but manta."""

import json
import os
import pathlib
import re
import subprocess

import pytest

from cluster import PROGRAM, Beside, children, wait_for

PACKAGES = pathlib.Path(os.environ.get("MANTA_AGENTS", "none")) / "node_modules"
TASK = "Write a program that greets, try it, and keep notes of each step."
LAST = "The program greets."
NOTES = "one two three four five "
GREETING = "print('hi, manta')\n"


def shell(name, field, **more):
    """The calls of a task in which a shell does all: as (tool, arguments)."""
    commands = [f"printf '{word} ' >>notes" for word in ("one", "two")]
    commands += ["printf \"print('hi')\\n\" >greet.py; printf 'three ' >>notes", "sed -i \"s/hi/hi, manta/\" greet.py; printf 'four ' >>notes",
                 "python3 greet.py >said; printf 'five ' >>notes", "cat notes said"]
    return [(name, {field: c, **more}) for c in commands]


def with_files(bash, write, edit, read, path, old, new, edits=None, **more):
    """The same where an agent has tools for files, by the names of its tools and of their fields."""
    change = {old: "hi'", new: "hi, manta'"}
    return [(bash, {"command": "printf 'one ' >>notes", **more}), (write, {path: "greet.py", "content": "print('hi')\n"}),
            (bash, {"command": "printf 'two three ' >>notes", **more}), (read, {path: "greet.py"}),
            (edit, {path: "greet.py", **({edits: [change]} if edits else change)}),
            (bash, {"command": "python3 greet.py >said; printf 'four five ' >>notes; cat notes said", **more})]


def in_folder(calls, folder, path):
    """Some agents want absolute paths."""
    return [(name, {k: f"{folder}/{v}" if k == path else v for k, v in arguments.items()}) for name, arguments in calls]


class Agent:
    """One run: its home, the folder it works in, what it is asked, and its environment."""

    name, aside = "", 0  # aside: requests that it makes besides its turns

    def __init__(self, folder, head):
        self.home, self.work, self.head = folder / "home", folder / "work", head
        self.home.mkdir()
        self.work.mkdir()

    def put(self, path, text):
        path = self.home / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if isinstance(text, str) else json.dumps(text))

    def environment(self):
        return {}

    def program(self):
        """What is installed without running a line of the packages: for some agents the program of this kind of machine, and not what would look for it."""
        found = sorted(PACKAGES.glob(self.installed))
        assert found, f"{self.name}: no {self.installed} in {PACKAGES}"
        return found[0]

    def command(self):
        """`manta launch` finds the agent on the PATH."""
        folder = self.home / "bin"
        folder.mkdir()
        (folder / self.name).symlink_to(self.program())
        return [PROGRAM, "launch", self.name, "--head", self.head.address, "--", *self.asked()]

    def begin(self):
        env = {"PATH": f"{self.home / 'bin'}:{os.environ['MANTA_NODE']}:{os.environ['PATH']}", "HOME": str(self.home), "TMPDIR": str(self.home), "LANG": "C.UTF-8",
               "TERM": "dumb", **self.environment()}
        self.log = self.home / "log"
        user = ["unshare", "-U", "--map-user=1000", "--map-group=1000"]  # Claude Code does what it likes for anybody but root
        with open(self.log, "wb") as log:
            return subprocess.Popen([*user, *self.command()], cwd=self.work, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


class Pi(Agent):
    name, installed = "pi", ".bin/pi"

    def asked(self):
        return ["-p", "--no-session", TASK]

    def environment(self):
        return {"PI_OFFLINE": "1"}

    def calls(self):
        return with_files("bash", "write", "edit", "read", "path", "oldText", "newText", edits="edits")


class PiByHand(Pi):
    """With a provider of another dialect."""

    def command(self):
        model = {"id": "echo", "name": "echo", "reasoning": False, "input": ["text"], "contextWindow": 100000, "maxTokens": 1024,
                 "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0}}
        provider = {"baseUrl": self.head.url + self.base, "api": self.api, "apiKey": "none", "models": [model]}
        self.put(".pi/agent/models.json", {"providers": {"manta": provider}})
        return [str(self.program()), "--provider", "manta", "--model", "echo", *self.asked()]


class PiResponses(PiByHand):
    name, api, base = "pi (responses)", "openai-responses", "/v1"


class PiMessages(PiByHand):
    name, api, base = "pi (messages)", "anthropic-messages", ""


class Claude(Agent):
    name, installed = "claude", "@anthropic-ai/claude-code-*/claude"

    def asked(self):
        return ["-p", "--dangerously-skip-permissions", TASK]

    def calls(self):
        return in_folder(with_files("Bash", "Write", "Edit", "Read", "file_path", "old_string", "new_string", description="A step"), self.work, "file_path")


class Codex(Agent):
    name, installed = "codex", ".bin/codex"

    def asked(self):
        return ["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", TASK]

    def calls(self):
        return shell("exec_command", "cmd")


class Opencode(Agent):
    name, installed, aside = "opencode", "opencode-*/bin/opencode", 1  # for a title

    def asked(self):
        return ["run", TASK]

    def calls(self):
        return in_folder(with_files("bash", "write", "edit", "read", "filePath", "oldString", "newString", description="A step"), self.work, "filePath")


def script(calls):
    """Each turn of the assistant says a word and calls one tool; the last one ends."""
    turns = [f'Step {i + 1}. <tool_call>{json.dumps({"name": name, "arguments": arguments}, separators=(",", ":"))}</tool_call>'
             for i, (name, arguments) in enumerate(calls)]
    return "echo:context=262144,kv=4,script=" + "<next>".join([*turns, LAST])


def requests_of(head):
    """How many it was sent."""
    return int(re.search(r"^manta_calls_total (\d+)", head.request("GET", "/metrics")[2], re.M)[1])


@pytest.mark.parametrize("fault", ["none", "worker", "head"])
@pytest.mark.parametrize("kind", [Codex, Claude, Opencode, Pi, PiResponses, PiMessages], ids=lambda k: k.name)
def test_a_task(cluster, tmp_path, kind, fault):
    """Given a task of six calls; when nothing happens, when the worker is killed while it writes the third call or so, or the head is replaced then; the files
    are as they should be, each step was taken once, and the agent ends with the last answer and without an error."""
    head = cluster.head()
    agent = kind(tmp_path, head)
    workers = {node: cluster.echo_worker(head, script(agent.calls()), "--node", node) for node in ("ash", "fir")}
    head.wait_ready(actors=2)
    cluster.pace(0 if fault == "none" else 15)
    process, notes = agent.begin(), agent.work / "notes"

    def strike():
        wait_for("the second step", lambda: process.poll() is not None or (notes.exists() and "two" in notes.read_text()))
        assert process.poll() is None, agent.log.read_text()
        head.tokens(40)  # it writes the arguments
        if fault == "worker":
            next(w for node, w in workers.items() if head.computes(node)).kill()
            head.wait_event("job_resumed")
        else:
            cluster.head("--replace", port=head.port)
            assert head.wait() == 0 and head.events("handed_over")[0]["requests"] == "1", head.log
        cluster.pace(0)
    try:
        if fault != "none":
            with Beside(strike):
                process.wait(240)
        status = process.wait(240)
    finally:
        for pid in children(process.pid):
            os.kill(pid, 9)
        process.kill()
    said = agent.log.read_text(errors="replace")
    assert status == 0 and LAST in said and not re.search(r"\berror\b", said, re.I), said
    assert notes.read_text() == NOTES and (agent.work / "greet.py").read_text() == GREETING, said
    assert (agent.work / "said").read_text() == "hi, manta\n"
    assert {p.name for p in agent.work.iterdir()} == {"notes", "greet.py", "said"}
    assert fault == "head" or requests_of(head) == len(agent.calls()) + 1 + agent.aside
