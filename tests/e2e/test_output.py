"""What commands print: JSON where it is offered, answers that were cut, and defaults that are true."""

import json
import re

import pytest

from cluster import free_port


@pytest.mark.parametrize("command", [("status",), ("actors",), ("health",), ("health", "worker", "--node", "fir"), ("verify",), ("prompt", "hi"), ("models",),
                                     ("models", "catalogue"), ("cordon", "yew"), ("uncordon", "yew")])
def test_json_is_json_and_nothing_else(echo, run, command):
    """Given a cluster; when a command that offers -o json is given it; then standard output is one JSON value, and status 0."""
    assert "--output" in run(command[0], "--help").stdout
    end = run(*command, "--head", echo.address, "-o", "json")
    assert end.returncode == 0, end.stderr
    assert json.loads(end.stdout) and end.stderr == ""


def test_json_of_checks_says_what_is_wrong(run, cluster):
    """Given no head, then one without workers; when health and verify are asked for JSON; then it says what is missing, and the status is 1."""
    nowhere = f"127.0.0.1:{free_port()}"
    for command, verdict, reasons in (("health", "ok", "error"), ("verify", "verified", "failed")):
        end = run(command, "-o", "json", "--head", nowhere)
        answer = json.loads(end.stdout)
        assert end.returncode == 1 and answer[verdict] is False and "connection refused" in str(answer[reasons])
    head = cluster.head()
    answer = json.loads(run("verify", "-o", "json", "--head", head.address).stdout)
    assert answer["verified"] is False and answer["actors"] == 0 and any("no worker has joined" in reason for reason in answer["failed"])
    answer = json.loads(run("health", "worker", "--node", "oak", "-o", "json", "--head", head.address).stdout)
    assert answer == {"ok": False, "worker": "oak", "workers": 0, "actors": 0, "error": "oak has not joined the head"}
    cluster.echo_worker(head, "echo:tokens=1", "--node", "elm")
    head.wait_ready(actors=1)
    assert "oak has not joined the head; elm has, for example: --node names another worker" in run("health", "worker", "--node", "oak", "--head", head.address).stderr


def test_half_of_a_command_says_the_other_half(run):
    """Given words that lack a name, or are no command of `manta models`; when they are typed; then the error says how to complete the command, with an example."""
    assert "manta models pull takes NAME...; example: manta models pull qwen3-4b" in run("models", "pull").stderr
    assert "manta models show takes one NAME" in run("models", "show", "a", "b").stderr
    assert "'forget' is unknown; there are" in run("models", "forget").stderr
    assert "unknown agent 'emacs'; there are codex, claude, opencode, pi" in run("launch", "emacs").stderr


def test_help_lists_flags_that_do_something(run):
    """Given commands that show a cluster; when their help is asked for; then it has none of a worker's flags, which are refused there as well."""
    for command in ("status", "actors", "requests", "top", "explain", "scale", "drain", "verify", "models"):
        assert not {"--node", "--model"} & set(run(command, "--help").stdout.split()), command
        assert ("--limits" in run(command, "--help").stdout) is (command == "status"), command
        assert "unknown flag '--node'" in run(command, "--node", "oak").stderr, command


def test_an_answer_that_was_cut_says_so(cluster, run):
    """Given a model that would say 600 tokens; when it is asked with the default, with more, with enough and with more than its context
    holds; then each answer that was cut says where, and what to do; the whole one does not."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=600,name=long")
    cluster.echo_worker(head, "echo:tokens=600,name=short", "--context", 128, "--node", "small")
    head.wait_ready(actors=2)

    def received(*flags):
        end = run("prompt", "tell me", "--head", head.address, *flags)
        assert end.returncode == 0, end.stderr
        return re.search(r"\[RESPONSE\] received in [\d.]+ s(.*)", end.stdout)[1], end.stdout
    assert received("--model", "long")[0] == "; cut at 256 tokens (finish: length): more with --max-tokens N"
    assert received("--model", "long", "--max-tokens", "300")[0] == "; cut at 300 tokens (finish: length): more with --max-tokens N"
    assert received("--model", "long", "--max-tokens", "5000") [0] == ""
    told, text = received("--model", "short", "--max-tokens", "5000")
    assert re.fullmatch(r"; cut at \d+ tokens \(finish: length\): its context is full, workers with a larger --context have more", told)
    assert "tokens, cut there (finish: length); response:" in text


@pytest.mark.model
def test_a_failed_start_ends_with_its_remedy(run):
    """Given a limit of memory that the model does not fit into; when a cluster is started; then the last line is one sentence, from what failed
    to what would fit."""
    end = run("up", "--no-prompt", "--memory", "100m", "--workers", 1, "--port", free_port(), "--model", "smollm2")
    assert end.returncode != 0
    last = end.stderr.splitlines()[-1]
    assert re.match(r"error: worker-1 ended with status \d+: [^\d\[]", last), last
    assert re.search(r"what would fit: --memory \d+m\b", last), last


@pytest.mark.model
def test_a_context_that_is_rounded_is_told(cluster):
    """Given a context that the engine does not give; when a worker loads its model; then it says what each stream has."""
    worker = cluster.worker("127.0.0.1:1", "--model", "smollm2", "--context", 96, "--threads", 1)
    worker.wait_line(r"warning: .* 256 .* 96 \(--context\).* event=context_rounded model=smollm2 context=256")


def test_help_tells_true_defaults(run):
    """Given the help of each command; then a switch that is on says so and how it is turned off; measurements, which run the scripted engine
    unless a model is named, do not claim another; and every number that is named as a default is taken."""
    for command in ("bench", "chaos"):
        text = run(command, "--help", "all").stdout
        assert "[smollm2]" not in text and "[llama]" not in text and re.search(r"--engine WORD .*auto: llama with a --model, else echo.*\[auto\]", text)
    head = run("head", "--help", "all").stdout
    assert "[on; --rebalance=off]" in head
    assert "256" in re.search(r"--max-tokens.*", run("prompt", "--help").stdout)[0]
    for flag, default in re.findall(r"^  --([a-z-]+) (?:N|SIZE) .*\[(\S+)\]$", head, re.M):
        assert "is not a" not in run("head", f"--{flag}", default, "--help").stderr


@pytest.mark.parametrize("flag", ["-v", "-V", "--version", "version"])
def test_version(run, flag):
    assert re.fullmatch(r"manta \d+\.\d+\.\d+\n", run(flag).stdout)
