"""The load test of examples/k6, run by k6 as it comes from its module (tests/sdks/k6/build)."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parent / name) for name in ("e2e", "fixtures")]

from cluster import Cluster  # noqa: E402

SCRIPT = HERE.parents[1] / "examples/k6/load.js"


@pytest.fixture(scope="module")
def k6():
    made = subprocess.run([HERE / "k6/build"], stdout=subprocess.PIPE, text=True, timeout=1800, check=False)
    if made.returncode == 77:
        pytest.skip("no Go compiler builds k6 here")
    assert made.returncode == 0
    return made.stdout.strip()


def run(k6, url, tmp_path, **env):
    """Its exit status, and the summary that it writes."""
    summary = tmp_path / "summary.json"
    env = {**{k: v for k, v in os.environ.items() if not k.startswith("MANTA")}, "MANTA_URL": url, "CLIENTS": "20", "DURATION": "3s", **env}
    done = subprocess.run([k6, "run", "--quiet", "--no-usage-report", "--summary-export", summary, SCRIPT], env=env, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, json.loads(summary.read_text())["metrics"]


@pytest.mark.parametrize("key", [None, "sesame"])
def test_the_load_test_holds(k6, tmp_path, key):
    """Given a head with two workers, with a key or without; when 20 clients ask for three seconds; then every stream was whole and the thresholds hold."""
    with Cluster(tmp_path) as c:
        head = c.head(*(["--api-key", key] if key else []))
        head.key = key
        for _ in range(2):
            c.echo_worker(head, "echo:tokens=32", "--slots", 16)
        head.wait_ready(actors=2)
        status, metrics = run(k6, head.url, tmp_path, **({"MANTA_API_KEY": key} if key else {}))
        assert status == 0 and metrics["checks"]["fails"] == 0 and metrics["iterations"]["count"] >= 20, metrics


def test_the_load_test_fails_where_it_should(k6, tmp_path):
    """Given a head that wants a key; when the clients have none; then the load test ends with k6's status for a threshold that was crossed."""
    with Cluster(tmp_path) as c:
        status, metrics = run(k6, c.head("--api-key", "sesame").url, tmp_path)
        assert status == 99 and metrics["http_req_failed"]["value"] == 1
