"""`manta bench` against a cluster that runs."""

import json
import re

from cluster import free_port


def test_the_running_cluster_is_measured(echo, run):
    """Given a cluster; when it is measured with four clients; then there is a line each for one, two and four, and as JSON."""
    out = run("bench", "--head", echo.address, "--streams", 4)
    assert out.returncode == 0, out.stderr
    assert re.findall(r"^ +(\d+) +(\d+) +[\d.]+ +[\d.]+ ", out.stdout, re.M) == [("1", "4"), ("2", "8"), ("4", "16")], out.stdout
    told = json.loads(run("bench", "--head", echo.address, "--streams", 2, "--calls", 6, "-o", "json").stdout)
    assert [r["clients"] for r in told["results"]] == [1, 2] and all(r["calls"] == 6 and r["tokens_per_s"] > 0 for r in told["results"])


def test_without_a_cluster(run):
    out = run("bench", "--port", free_port())
    assert out.returncode != 0 and "error:" in out.stderr
