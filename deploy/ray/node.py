#!/usr/bin/env python3
"""What a container of docker-compose.laptop.yml runs: one Ray node, with its part of manta on it.

    node.py head      Ray's head, a coordinator only; then manta's head and 'prompt_coordinator' as actors on it
    node.py worker    a Ray node that joins the head; then one worker of manta more, if there are fewer of them than nodes
    node.py enlist    (called by `worker`)

laptop_config.yaml says how much each takes. The happy path: `ray start` leaves its daemons with this process -> `python -m manta.ray
up`, or `enlist` -> the lines of the native processes, which Ray writes to files, are printed, so `docker logs` has them. It can fail
by: a daemon of Ray ends, or a step does (this process ends with 1, and the container's restart policy makes a new node); a
worker's container that comes back finds its worker's actor waiting for it at Ray.

This process stays small and without a connection to Ray: a Python that has one takes 100 MB, and the head's container has 1 GB.
"""
import glob
import os
import signal
import socket
import subprocess
import sys
import time

CONFIG = os.path.join(os.path.dirname(os.path.abspath(__file__)), "laptop_config.yaml")
HEAD, PORT = "ray-head", 6379
API_KEY = "/keys/api_key"  # made by the service `setup`, so clients keep it when the head's container is made anew
LOGS = "/tmp/ray/session_latest/logs/worker-*.out"
DAEMONS = ("gcs_server", "raylet")
LOOK_S = 0.2
HEAD_PATIENCE_S = 120
MARKS = (":job_id:", ":actor_name:", ":task_name:")  # Ray's own, for its log monitor
READ_BYTES_MAX = 1 << 20


def say(text):
    print(f"ray | {text}", flush=True)


def config(path=CONFIG):
    """The file's content. Exits with one clear line where a key is missing or is no positive number."""
    import yaml

    with open(path, encoding="utf-8") as f:
        found = yaml.safe_load(f)
    for key in ("ray.head.object_store_memory", "ray.head.num_cpus", "ray.worker.object_store_memory", "ray.worker.num_cpus",
                "resources.head_memory", "resources.worker_memory"):
        value = found
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
            sys.exit(f"error: {path}: {key} is {value!r}: a number above 0 is wanted")
    return found


def ray_start(role, found, *where):
    """Starts Ray's daemons, which stay as children of this process."""
    own = found["ray"][role]
    words = ["ray", "start", *where, "--node-ip-address", socket.gethostbyname(socket.gethostname()), "--num-cpus", str(own["num_cpus"]),
             "--memory", str(found["resources"][f"{role}_memory"]), "--object-store-memory", str(own["object_store_memory"]),
             "--labels", f"tier={role}", "--disable-usage-stats"]
    say(" ".join(words))
    step(words, show=False)


def step(words, show=True):
    """Runs one step to its end. What it printed is shown, or at least when it failed; then this process ends, too."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=None if show else subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        print(done.stdout or "", end="")
        sys.exit(f"error: `{' '.join(words[:4])} ...` ended with status {done.returncode}")


def up_words(found):
    """The command that makes manta's head and the coordinator. Workers come with their nodes, each as large as its node."""
    manta = found.get("manta") or {}
    words = [sys.executable, "-m", "manta.ray", "up", "--workers", "0", "--model", str(manta.get("model", "smollm2")),
             "--engine", str(manta.get("engine", "llama")), "--cpus", str(found["ray"]["worker"]["num_cpus"]),
             "--memory", str(found["resources"]["worker_memory"]), "--label", "tier=worker"]
    return words + [f"--worker-arg=--{key}={manta[key]}" for key in ("slots", "context", "kv") if key in manta]


def enlist():
    """One worker of manta for each node that is there for them: asks for one more where this node's is the one that lacks."""
    import ray

    from manta.client import MantaError
    from manta.ray import cluster, placement

    ray.init(address="auto", namespace="manta", log_to_driver=False, logging_level="error")
    until = time.monotonic() + HEAD_PATIENCE_S
    while cluster.find(cluster.COORDINATOR, "manta") is None:  # Ray's head was made anew, and manta's is still being started
        if time.monotonic() > until:
            sys.exit(f"error: no '{cluster.COORDINATOR}' for {HEAD_PATIENCE_S} s: docker logs ray-cluster-head-laptop says why")
        time.sleep(LOOK_S)
    # By address: a node that died a moment ago and came back is listed twice for some seconds.
    nodes = {n["NodeManagerAddress"] for n in placement.nodes() if n.get("Labels", {}).get("tier") == "worker"}
    try:
        if len(cluster.workers_of("manta")) < len(nodes):
            cluster.scale(len(nodes), say=say)
    except MantaError as e:  # it loads longer than that, or has no room: the native lines say more, and the node stays
        say(str(e))


class Followed:
    """Prints what is appended to the files of a pattern, whole lines."""

    def __init__(self, pattern):
        self.pattern, self.offsets = pattern, {}

    def read(self):
        for path in sorted(glob.glob(self.pattern)):
            try:
                with open(path, "rb") as f:
                    f.seek(self.offsets.get(path, 0))
                    whole, newline, _ = f.read(READ_BYTES_MAX).rpartition(b"\n")
            except OSError:
                continue
            self.offsets[path] = self.offsets.get(path, 0) + len(whole) + len(newline)
            for line in whole.decode(errors="replace").splitlines():
                if line and not line.startswith(MARKS):
                    print(line, flush=True)


def daemons():
    """{pid: name} of Ray's own processes in this container."""
    found = {}
    for path in glob.glob("/proc/[0-9]*/comm"):
        try:
            with open(path, encoding="utf-8") as f:
                name = f.read().strip()
        except OSError:
            continue
        if name in DAEMONS:
            found[int(path.split("/")[2])] = name
    return found


def watch(steps, environment=None):
    """Prints the lines of the native processes while `steps` runs and after it, until Ray ends. This is process 1: it also takes up whoever ends."""
    lines, ours = Followed(LOGS), daemons()
    child = subprocess.Popen(steps, stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
    while True:
        lines.read()
        pid, status = ended()
        if pid in ours:
            lines.read()
            sys.exit(f"error: {ours[pid]} of Ray ended with status {os.waitstatus_to_exitcode(status)}: this node is made anew")
        if pid == child.pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode != 0:
                sys.exit(f"error: `{' '.join(steps[:4])} ...` ended with status {child.returncode}")
        if pid == 0:
            time.sleep(LOOK_S)


def ended():
    """(pid, status) of a child that has ended, (0, 0) while all run."""
    try:
        return os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return 0, 0


def leave(signum, frame):
    """Asked to stop: Ray's daemons first, which end their actors and with them the native processes."""
    say("stopping")
    subprocess.run(["ray", "stop", "--grace-period", "15"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os._exit(0)


def main():
    role = sys.argv[1] if len(sys.argv) == 2 else ""
    if role not in ("head", "worker", "enlist"):
        sys.exit("usage: node.py head|worker    (example: docker-compose run ray-worker-1 worker)")
    if role == "enlist":
        return enlist()
    signal.signal(signal.SIGTERM, leave)
    found = config()
    if role == "head":
        ray_start("head", found, "--head", "--port", str(PORT), "--dashboard-host", "0.0.0.0")
        say("Ray's head is up: a coordinator, no models here")
        with open(API_KEY, encoding="utf-8") as f:
            watch(up_words(found), {"MANTA_API_KEY": f.readline().strip()})
    else:
        ray_start("worker", found, "--address", f"{HEAD}:{PORT}")
        say(f"joined Ray at {HEAD}:{PORT}")
        watch([sys.executable, os.path.abspath(__file__), "enlist"])


if __name__ == "__main__":
    main()
