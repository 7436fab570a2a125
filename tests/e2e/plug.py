#!/usr/bin/env python3
"""An engine for `manta launcher --on plug`: workers are processes in sessions of their own, noted in a folder.

Usage: plug.py FOLDER. A plug that starts anew finds the workers of the one before: FOLDER/CLUSTER-worker-K has a pid and
its start time. FOLDER/starts has a line for each start, so that a test can count them. FOLDER/quota: at most so many.
"""
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

FOLDER = Path(sys.argv[1])
children = {}  # pid -> Popen: to be reaped
says = threading.Lock()


def say(**what):
    with says:
        print(json.dumps(what), flush=True)


def start_time(pid):
    """In ticks; None when there is no such process, or only what is left of it."""
    child = children.get(pid)
    if child is not None and child.poll() is not None:
        return None
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


class Engine:
    def __init__(self, told):
        self.told = told
        self.ending = set()

    def note(self, index):
        return FOLDER / f"{self.told['cluster']}-worker-{index}"

    def pid(self, index):
        try:
            pid, started = map(int, self.note(index).read_text().split())
        except (OSError, ValueError):
            return None
        if start_time(pid) == started:
            return pid
        self.note(index).unlink(missing_ok=True)
        self.ending.discard(index)
        return None

    def workers(self):
        indices = (int(path.name.rsplit("-", 1)[1]) for path in FOLDER.glob(f"{self.told['cluster']}-worker-*"))
        return {index: pid for index in sorted(indices) if (pid := self.pid(index)) is not None}

    def start(self, first, last):
        quota = FOLDER / "quota"
        for index in range(first, last + 1):
            if self.pid(index) is not None:
                continue
            if quota.exists() and len(self.workers()) >= int(quota.read_text()):
                raise RuntimeError(f"quota of {quota.read_text().strip()} workers exceeded: ask the administrator of this folder")
            log = open(FOLDER / f"worker-{index}.log", "ab")
            command = [self.told["program"], *self.told["worker_args"], "--node", f"worker-{index}"]
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
            children[child.pid] = child
            self.note(index).write_text(f"{child.pid} {start_time(child.pid)}")
            with open(FOLDER / "starts", "a") as starts:
                starts.write(f"{index}\n")
            threading.Thread(target=lambda child=child: (child.wait(), say(changed=True)), daemon=True).start()

    def stop(self, first, last):
        for index, pid in self.workers().items():
            if first <= index <= last:
                self.ending.add(index)
                os.kill(pid, signal.SIGTERM)

    def list(self):
        return [{"index": index, "state": "ending" if index in self.ending else "running", "id": str(pid), "place": os.uname().nodename}
                for index, pid in self.workers().items()]

    def down(self):
        for index, pid in self.workers().items():
            say(took=f"worker-{index}, pid {pid}")
            os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + 20
        while self.workers():
            for pid in self.workers().values():
                if time.monotonic() > end:
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)


def main():
    engine = None
    FOLDER.mkdir(exist_ok=True)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if asked["op"] == "open":
                engine = Engine(asked)
            elif asked["op"] == "start":
                engine.start(asked["first"], asked["last"])
            elif asked["op"] == "stop":
                engine.stop(asked["first"], asked["last"])
            elif asked["op"] == "down":
                engine.down()
            if asked["op"] == "list":
                say(id=asked["id"], workers=engine.list())
            else:
                say(id=asked["id"], done=True)
        except (OSError, RuntimeError) as error:
            say(id=asked["id"], error=str(error), kind="forbidden" if "quota" in str(error) else "failed")


if __name__ == "__main__":
    main()
