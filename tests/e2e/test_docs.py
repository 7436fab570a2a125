"""The documents tell the truth."""

import os
import pathlib
import re
import subprocess
import sys

from cluster import PROGRAM

ROOT = pathlib.Path(__file__).parents[2]


def test_the_walk_through_shows_what_is_printed():
    """Given docs/laptop.md with the transcripts of a real run; when its commands run now, with the scripted engine; then they print
    the same, but for numbers, names and the model's words."""
    end = subprocess.run([sys.executable, ROOT / "scripts" / "transcripts", "--check"], env={**os.environ, "MANTA": PROGRAM},
                         capture_output=True, text=True, timeout=110, check=False)
    assert end.returncode == 0, end.stdout + end.stderr


def test_the_laptop_file_and_compose_agree():
    """Given the settings file and the Compose file; then both tell the same limits."""
    compose = (ROOT / "docker-compose.laptop.yml").read_text()
    laptop = (ROOT / "config" / "laptop.yaml").read_text()
    assert re.findall(r'limits: \{cpus: "(\d+)\.0", memory: (\d+g)\}', compose) == \
        [tuple(reversed(pair)) for pair in re.findall(r"limit_memory: (\d+g).*\n  limit_cpus: (\d+)", laptop)]
