"""`manta bench` against a cluster that runs."""

import json
import re

from cluster import free_port
from terminal import Terminal


def test_the_running_cluster_is_measured(echo, run):
    """Given a cluster; when it is measured with four clients; then there is a line each for one, two and four, and as JSON."""
    out = run("bench", "--head", echo.address, "--streams", 4)
    assert out.returncode == 0, out.stderr
    assert re.findall(r"^ +(\d+) +(\d+) +[\d.]+ +[\d.]+ ", out.stdout, re.M) == [("1", "4"), ("2", "8"), ("4", "16")], out.stdout
    told = json.loads(run("bench", "--head", echo.address, "--streams", 2, "--calls", 6, "-o", "json").stdout)
    assert [r["clients"] for r in told["results"]] == [1, 2] and all(r["calls"] == 6 and r["tokens_per_s"] > 0 for r in told["results"])


def test_at_a_terminal(echo, tmp_path):
    """Given a terminal that is narrower than the first sentence; when the cluster is measured there; then the sentence is broken between words."""
    with Terminal("bench", "--head", echo.address, "--streams", 1, folder=tmp_path, columns=70) as t:
        assert t.wait_end() == 0
        t.reader.join(30)
        lines = t.text().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("The cluster at "))
    assert " ".join(line.strip() for line in lines[first:first + 2]).endswith("answers of 48 to 64 tokens; times in ms"), lines
    assert all(len(line) <= 70 for line in lines if "\r" not in line), lines


def test_without_a_cluster(run):
    out = run("bench", "--port", free_port())
    assert out.returncode != 0 and "error:" in out.stderr
