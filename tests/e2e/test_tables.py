"""Tables for people: workers, actors, models, requests, and why a request went where it went; at any width, again and again, as JSON and YAML."""

import json
import re

import pytest

from cluster import wait_for
from terminal import CTRL_C, Terminal


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("command", ["status", "actors", "models", "requests", "explain"])
def test_tables_fit_the_terminal(echo, tmp_path, command, columns):
    """Given a terminal of some width; when a table is shown there; then no line is longer, its header is there, and it has no colours that nobody wants."""
    echo.ask("one for the list")
    with Terminal(command, "--head", echo.address, folder=tmp_path, columns=columns) as t:
        assert t.wait_end() == 0
        t.reader.join(30)
        lines = t.text().splitlines()
    header = {"status": "WORKER +STATE", "actors": "ACTOR +MODEL", "models": "MODEL +SIZE", "requests": "REQUEST +STATE", "explain": "CANDIDATE +COST"}[command]
    assert any(re.search(header, line) for line in lines), lines
    assert all(len(line) <= columns for line in lines), [line for line in lines if len(line) > columns]
    assert b"\x1b" not in t.seen


def test_wide_has_every_column(echo, run):
    narrow, wide = (run("actors", "--head", echo.address, *more).stdout for more in ((), ("-o", "wide")))
    assert "SHA-256" not in narrow and "SHA-256" in wide and "not exact:" in wide


def test_what_was_not_measured_says_so(cluster, run):
    """Given an actor that has not answered yet; when actors are shown; then its speed is not called 0; after an answer it is a number."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=8")
    head.wait_ready(actors=1)
    assert "not measured yet" in run("actors", "--head", head.address).stdout
    head.ask("measure this")
    wait_for("a measured speed", lambda: "not measured yet" not in run("actors", "--head", head.address).stdout)


def test_workers_are_in_the_order_of_their_names(cluster, run):
    head = cluster.head()
    for node in "worker-10", "worker-2", "worker-1":
        cluster.echo_worker(head, "echo", "--node", node)
    head.wait_ready(actors=3)
    assert re.findall(r"^  (worker-\d+) ", run("status", "--head", head.address).stdout, re.M) == ["worker-1", "worker-2", "worker-10"]


@pytest.mark.parametrize("command", ["status", "actors", "models", "requests", "explain"])
def test_yaml_says_what_json_says(echo, run, command):
    yaml = pytest.importorskip("yaml")
    echo.ask("one for the list")
    as_json, as_yaml = (run(command, "--head", echo.address, "-o", form) for form in ("json", "yaml"))
    assert as_json.returncode == as_yaml.returncode == 0

    def shape(value):
        if isinstance(value, dict):
            return {key: shape(inner) for key, inner in value.items()}
        return [shape(inner) for inner in value] if isinstance(value, list) else type(value)
    assert shape(yaml.safe_load(as_yaml.stdout)) == shape(json.loads(as_json.stdout))


def test_yaml_quotes_words_that_yaml_takes_for_other_values(cluster, run):
    """Given a worker named No; when its status is printed as YAML; then the name is quoted, because YAML 1.1 reads No as false."""
    head = cluster.head()
    cluster.echo_worker(head, "echo", "--node", "No")
    head.wait_ready(actors=1)
    printed = run("actors", "--head", head.address, "-o", "yaml").stdout
    assert '"No"' in printed and not re.search(r": No$", printed, re.M), printed


def test_every_command_takes_yaml(run):
    """Given a command that prints one JSON object; when YAML is asked for; then that object is printed, which is YAML, and no text."""
    printed = run("down", "--cluster", "nothing-here", "-o", "yaml").stdout
    assert json.loads(printed) == {"engine": "local", "cluster": "nothing-here", "took": []}


@pytest.mark.parametrize("command", [("down", "--cluster", 'say "no"'), ("down", "--cluster", "back\\slash"),
                                     ("chaos", "--streams", "2", "--faults", "0", "--model", 'echo:tokens=3,script=say "no"')])
def test_words_of_the_user_are_quoted(run, command):
    """Given a name with quotes or a backslash in it; when a command says it in its JSON, then that is JSON still."""
    end = run(*command, "-o", "json")
    assert command[-1] in json.loads(end.stdout).values(), end


def test_watch(echo, tmp_path):
    """Given somebody who watches the requests; when another one is answered; then the list has it, in place; Ctrl-C ends it."""
    with Terminal("requests", "--watch", "--head", echo.address, folder=tmp_path) as t:
        t.wait_text(r"every 2 s; Ctrl-C ends it")
        assert echo.request("POST", "/v1/completions", '{"prompt":"x"}', headers={"x-request-id": "watched-1"})[0] == 200
        t.wait_text("watched-1")
        t.press(CTRL_C)
        t.wait_end()
