"""`manta launch`: what a coding agent is told, by an agent that says what it was told, and how it ends. tests/agents does it with the real ones."""

import json
import os
import subprocess

import pytest

from cluster import free_port

AGENT = """#!/bin/sh
for name in MANTA_KEY ANTHROPIC_BASE_URL ANTHROPIC_AUTH_TOKEN ANTHROPIC_API_KEY CLAUDE_CODE_SUBAGENT_MODEL OPENCODE_CONFIG_CONTENT; do
    eval "[ -z \\"\\${$name+set}\\" ] || echo \\"$name=\\$$name\\""
done
for arg in "$@"; do echo "arg $arg"; done
read -r line && echo "read $line"
exit 7
"""
NAMES = ["codex", "claude", "opencode", "pi"]


@pytest.fixture
def agents(tmp_path):
    """A PATH with programs of all names, and a key that is a person's own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_text(AGENT)
        (folder / name).chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}", "ANTHROPIC_API_KEY": "own", "HOME": str(tmp_path / "home")}


@pytest.mark.parametrize("name", NAMES)
def test_an_agent_is_told(words, run, agents, tmp_path, name):
    """Given an agent on the PATH, it is started with the cluster's address and model before the person's own words, reads the person's input, and its exit
    status is the command's; nothing is written beside manta's own folder."""
    end = run("launch", name, "--head", words.address, "--", "-p", "it's a task", env=agents, stdin="hello\n")
    lines = end.stdout.splitlines()
    assert end.returncode == 7 and lines[-3:] == ["arg -p", "arg it's a task", "read hello"], end.stderr
    told = dict(line.split("=", 1) for line in lines if not line.startswith("arg ") and "=" in line)
    args = [line.removeprefix("arg ") for line in lines if line.startswith("arg ")]
    if name == "codex":
        settings = dict(s.split("=", 1) for flag, s in zip(args, args[1:]) if flag == "-c")
        assert settings["model"] == '"echo"' and settings["model_providers.manta.base_url"] == f'"{words.url}/v1"' and told["MANTA_KEY"] == "none"
        assert settings["model_context_window"] == "2048" and settings["model_providers.manta.wire_api"] == '"responses"'
    elif name == "claude":
        assert told == {"ANTHROPIC_BASE_URL": words.url, "ANTHROPIC_AUTH_TOKEN": "none", "CLAUDE_CODE_SUBAGENT_MODEL": "echo"} and args[:2] == ["--model", "echo"]
    elif name == "opencode":
        config = json.loads(told["OPENCODE_CONFIG_CONTENT"])
        assert config["model"] == "manta/echo" and config["provider"]["manta"]["options"] == {"baseURL": f"{words.url}/v1", "apiKey": "none"}
        assert config["provider"]["manta"]["models"]["echo"]["limit"] == {"context": 2048, "output": 512}
    else:
        assert args[2:6] == ["--provider", "manta", "--model", "echo"] and args[0] == "--extension"
        text = open(args[1]).read()
        assert f'"baseUrl": "{words.url}/v1"' in text and '"id": "echo"' in text and args[1].startswith(str(tmp_path / "manta/agents/pi"))
    assert not (tmp_path / "home").exists()
    assert name == "pi" or "note: " in end.stderr and "room for 2048 tokens" in end.stderr


@pytest.mark.parametrize("name", NAMES)
def test_what_would_be_told(words, run, agents, name, tmp_path):
    """Given --print or -o json, nothing is started or written, and what is shown as JSON is what an agent gets; what is printed is for a shell, which makes the
    same of it."""
    shown = json.loads(run("launch", name, "--head", words.address, "-o", "json", "--", "a b", env=agents).stdout)
    assert shown["agent"] == name and shown["args"][-1] == "a b" and shown["package"]
    end = run("launch", name, "--head", words.address, "--print", "--", "a b", env=agents)
    assert end.returncode == 0 and not (tmp_path / "manta/agents" / name / "manta.js").exists()
    script = end.stdout[end.stdout.rindex("});") + 3 if "});" in end.stdout else 0:]  # behind the file of pi's
    by_hand = subprocess.run(["sh", "-c", script], env={**os.environ, **agents}, input="", capture_output=True, text=True, check=False)
    assert by_hand.stdout == run("launch", name, "--head", words.address, "--", "a b", env=agents).stdout and by_hand.returncode == 7


def test_what_is_in_the_way(cluster, run, agents, tmp_path):
    """Given an agent that is not installed or not known, no head, no model, or none of that name, the error says what to do."""
    head = cluster.head("--api-key", "sesame")
    head.key = "sesame"
    cluster.echo_worker(head)
    head.wait_ready(actors=1)
    asked = ("--head", head.address, "--api-key", "sesame")
    bare = {"PATH": str(tmp_path / "nothing")}
    for name, package in (("codex", "@openai/codex"), ("claude", "@anthropic-ai/claude-code"), ("opencode", "opencode-ai"), ("pi", "@mariozechner/pi-coding-agent")):
        end = run("launch", name, *asked, env=bare)
        assert end.returncode == 127 and end.stderr.startswith(f"error: {name} is not installed") and end.stderr.endswith(f"npm install -g {package}\n")
    end = run("launch", "aider", *asked)
    assert end.returncode == 2 and "codex, claude, opencode, pi" in end.stderr
    end = run("launch", "codex", *asked, "--model", "none")
    assert end.returncode == 1 and "no model 'none'" in end.stderr
    end = run("launch", "codex", "--head", head.address)
    assert end.returncode == 3 and "wants an API key" in end.stderr
    end = run("launch", "codex", "--head", f"127.0.0.1:{free_port()}", env=agents)
    assert end.returncode == 4 and "connection refused" in end.stderr
    end = run("launch", "codex", *asked, env=agents)
    assert "MANTA_KEY=sesame" in end.stdout.splitlines() and end.returncode == 7
    cluster.echo_worker(head, "echo:name=other", "--node", "other")
    head.wait_ready(actors=2)
    assert "note: echo is used; the cluster also has other: --model names one" in run("launch", "codex", *asked, env=agents).stderr
    end = run("launch", "codex", *asked, "--model", "other", env=agents)
    assert "is used" not in end.stderr and 'arg model="other"' in end.stdout.splitlines()
    empty = cluster.head()
    end = run("launch", "codex", "--head", empty.address)
    assert end.returncode == 4 and "no model that is ready" in end.stderr
    assert run("launch").returncode == 2 and "manta launch codex" in run("launch", "--help").stdout


def test_the_cluster_that_runs_here(cluster, run, agents):
    """Given a cluster that `manta up` started, it is found without a word."""
    up = cluster.up("--no-prompt", "--engine", "echo", "--model", "echo:tokens=5", "--workers", 1)
    up.wait_event("up_ready")
    end = run("launch", "claude", env=agents)
    assert f"ANTHROPIC_BASE_URL=http://127.0.0.1:{up.port}" in end.stdout.splitlines(), end.stdout + end.stderr
