"""The attacks of `make attack`, each for a moment."""

import sys
from pathlib import Path

import pytest

from cluster import SANITIZED

sys.path.insert(0, str(Path(__file__).parents[1] / "attack"))

import attacks


@pytest.mark.timeout(600)
def test_attacks_beside_streams(tmp_path):
    """Given 50 streams and a head with keys; when it is flooded, smuggled to, asked for hundreds of pages and told by strangers what to do, then
    each stream is as if undisturbed, health checks are answered, no turn of the loop is long, and memory is within the budget."""
    told = []
    _, failed = attacks.run(tmp_path, many=400, tokens=60, step_us=20000, tell=told.append)
    wrong = [line for line in told if line.startswith("FAILED") and not (SANITIZED and ("turn" in line or "memory" in line))]
    assert len(told) == len(attacks.ATTACKS) + 4
    assert not wrong, "\n".join(told)
