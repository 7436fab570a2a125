"""100 streams for the stories on Kubernetes: tests/engines/load, started and read."""

import json
import os
import pathlib
import subprocess
import sys

from control_plane import wait_for

LOAD = pathlib.Path(__file__).parents[1] / "load"
STREAMS = 100


def start_load(head, key, *args):
    return subprocess.Popen([sys.executable, LOAD, "--head", head, "--streams", str(STREAMS), *map(str, args)], stdout=subprocess.PIPE, text=True,
                            env={**os.environ, "MANTA_API_KEY": key})


class Load:
    """100 streams, again and again, each compared with its undisturbed text."""

    def __init__(self, world):
        self.world, self.stop = world, world.folder / "stop"
        self.stop.unlink(missing_ok=True)
        self.process = world.load("--compare", world.reference, "--until", self.stop)
        wait_for("streams that run", lambda: world.status()["running"] >= STREAMS // 4)

    def end(self):
        self.stop.touch()
        told = json.loads(self.process.communicate(timeout=180)[0])
        assert told["same"] == told["streams"] >= STREAMS, told
        return f"{told['streams']} streams as undisturbed, gap p50 {told['gap_ms']['p50']} ms, longest {told['gap_ms']['max'] / 1000:.2f} s"
