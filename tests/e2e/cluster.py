"""Real manta processes for a test: started, waited for, ended by their pid, with everything they printed.

    with Cluster(folder) as c:
        head = c.head()
        c.worker(head, "--engine", "echo", "--model", "echo:tokens=20")
        c.wait_ready(head, actors=1)
        head.get("/manta/status")
"""

import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

from ports import free_port

PROGRAM = os.environ.get("MANTA", str(pathlib.Path(__file__).parents[2] / "build/release/manta"))
REAL = ("--model", "smollm2", "--context", "1024", "--slots", "2", "--threads", "1",
        "--load-stall-s", "900")  # on a machine that has ten times as much to do, loading and proving itself exact may stand still for minutes
TEST_TIMEOUT_S = 120  # of waiting for an event; generous, since only a failing test waits that long
QUICK = int(os.environ.get("MANTA_TEST_QUICK", "1"))  # how many times faster the echo engine is than the scripts of the tests say
SANITIZER_REPORT = re.compile("Sanitizer: |runtime error: ")
SANITIZED = re.search(b"__[at]san_init", pathlib.Path(PROGRAM).read_bytes())  # its memory says nothing about manta's
LEAKS = pathlib.Path(__file__).with_name("leaks.txt")  # of libraries, which LeakSanitizer is not to count
RACES = LEAKS.with_name("races.txt")
SLOWED = SANITIZED and SANITIZED[0] == b"__tsan_init"  # so much that moving takes longer than computing

open_clusters = []  # of all running tests; conftest.py prints their logs when one fails


def smollm2():
    """Path of the default model, where scripts/fetch puts it."""
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(os.environ.get("MANTA_MODELS_DIR") or pathlib.Path(cache) / "manta/models") / "SmolLM2-135M-Instruct.Q4_1.gguf"


def wait_for(what, condition, timeout_s=TEST_TIMEOUT_S):
    """Asks `condition` until it gives something true, and returns that. `what` completes: 'waited in vain for ...'."""
    end = time.monotonic() + timeout_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout_s} s in vain for {what}")
        time.sleep(0.02)


PATIENCE_S = 2 * TEST_TIMEOUT_S  # of waiting for answers, which themselves may wait for events


class Beside:
    """A call that runs beside the test on a thread of its own: a client that waits, or a strike that comes in a moment it waits for.
    What it raises is raised where the test awaits it: by end(), or at the end of the block.

        with Beside(lambda: (head.wait_status(running=4), head.kill())):
            answers = together(...)"""

    def __init__(self, call, *args):
        self.result, self.raised = None, None
        self.thread = threading.Thread(target=self._run, args=(call, args), daemon=True)
        self.thread.start()

    def _run(self, call, args):
        try:
            self.result = call(*args)
        except BaseException as e:
            self.raised = e

    def running(self):
        return self.thread.is_alive()

    def end(self, timeout_s=PATIENCE_S):
        self.thread.join(timeout_s)
        if self.raised:
            raise self.raised
        assert not self.running(), f"it has not ended after {timeout_s} s"
        return self.result

    def __enter__(self):
        return self

    def __exit__(self, failed, *exc):
        if not failed or self.raised:
            self.end()


def together(n, ask):
    """Runs ask(0) ... ask(n-1) at the same time; their results in order."""
    calls = [Beside(ask, i) for i in range(n)]
    return [c.end() for c in calls]


def own_token():
    """What a head that was given no token asks of workers, for those that speak its link by hand: of the newest cluster with such a head."""
    for c in reversed(open_clusters):
        path = c.folder / "manta/join.token"
        if path.exists():
            return path.read_text()
    return ""


def alive(pid):
    """A zombie is not alive: it only waits for its parent to look."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def children(pid):
    """Pids of the living children of a process."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found += [int(word) for word in task.read_text().split()]
    return [child for child in found if alive(child)]


def environment(folder, **more):
    """Ours without what would steer manta or the clients (but where its engines are), and with a place of its own for logs, history and settings."""
    env = {k: v for k, v in os.environ.items() if k == "MANTA_ENGINE_DIR" or not k.startswith(("MANTA", "OPENAI_", "XDG_STATE"))}
    return {**env, "XDG_STATE_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "NO_COLOR": "1", "LSAN_OPTIONS": f"suppressions={LEAKS}:print_suppressions=0",
            "TSAN_OPTIONS": f"suppressions={RACES}:print_suppressions=0", **more}


def pace_file(folder, name="pace"):
    """Where engines read how long each of their calls takes at least; Cluster.pace() writes it."""
    return str(pathlib.Path(folder) / name)


def quicker(arg):
    """A command-line argument; in the script of an echo engine, times are divided by QUICK: no outcome may depend on them."""
    return re.sub(r"(?<=_us=)\d+", lambda n: str(int(n[0]) // QUICK), str(arg))


def events_of(log, name=None, **fields):
    """The events of a log's lines, as in Process.events()."""
    found = []
    for text in re.findall(r" (event=.*)", log):
        event = {key: json.loads(value) if value.startswith('"') else value for key, value in re.findall(r'(\w+)=("(?:\\.|[^"\\])*"|\S*)', text)}
        if name in (None, event["event"]) and all(event.get(key) == str(value) for key, value in fields.items()):
            found.append(event)
    return found


class Process:
    """One manta process; its output goes to a file."""

    def __init__(self, name, args, folder, env=None, through=(), **popen):
        """`through`: a command that becomes this one, such as nsenter."""
        self.name = name
        if args[0] in ("worker", "up") and "--debug-pace" not in args:
            args = [*args, "--debug-pace", pace_file(folder)]
        self.log_path = pathlib.Path(folder) / f"{name}.log"
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen(
                [*through, PROGRAM, *map(quicker, args)], stdin=popen.pop("stdin", subprocess.DEVNULL), stdout=log, stderr=log,
                env=environment(folder, **(env or {})), **popen)
        self.pid = self.popen.pid

    @property
    def log(self):
        """The whole lines it has printed."""
        text = self.log_path.read_text(errors="replace")
        return text if not self.running() else text[:text.rfind("\n") + 1]

    def running(self):
        return self.popen.poll() is None

    def send(self, number):
        if self.running():
            os.kill(self.pid, number)

    def kill(self):
        """kill -9, and it is gone when this returns."""
        self.send(signal.SIGKILL)
        return self.popen.wait(TEST_TIMEOUT_S)

    def stop(self, number=signal.SIGTERM, timeout_s=TEST_TIMEOUT_S):
        """Asks it to end; returns its exit status."""
        self.send(number)
        return self.popen.wait(timeout_s)

    def wait(self, timeout_s=TEST_TIMEOUT_S):
        return self.popen.wait(timeout_s)

    def wait_line(self, pattern, timeout_s=TEST_TIMEOUT_S):
        """The match of a line that it has printed or will print."""
        def look():
            found = re.search(pattern, self.log)
            assert found or self.running() or re.search(pattern, self.log), \
                f"{self.name} ended with status {self.popen.returncode} without the line /{pattern}/"
            return found
        return wait_for(f"/{pattern}/ from {self.name}", look, timeout_s)

    def says(self, pattern):
        """Has it printed that? For what must be said however it is worded: a flag, a name, a number."""
        return re.search(pattern, self.log)

    def crashed(self):
        return self.says("manta crash report")

    def events(self, name=None, **fields):
        """What its log lines report: each event as a dict of texts, its name under "event"."""
        return events_of(self.log, name, **fields)

    def wait_event(self, name, **fields):
        """The last event of that name and with these fields that it has printed, or the first that it will print."""
        def look():
            running, found = self.running(), self.events(name, **fields)
            assert found or running, f"{self.name} ended with status {self.popen.returncode} without event={name} {fields}"
            return found and found[-1]
        return wait_for(f"event={name} {fields} from {self.name}", look)

    def rss_bytes(self):
        return int(re.search(r"VmRSS:\s+(\d+) kB", pathlib.Path(f"/proc/{self.pid}/status").read_text())[1]) * 1024

    def has_grown(self, since_bytes, limit_bytes):
        """More than a limit allows, since rss_bytes() was `since_bytes`?"""
        return not SANITIZED and self.rss_bytes() - since_bytes > limit_bytes

    def maps(self):
        return pathlib.Path(f"/proc/{self.pid}/maps").read_text()


class Api:
    """What can be asked of a head that listens on self.port."""

    port = 0
    key = None  # its API key, where it has one

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"http://{self.address}"

    def authorization(self):
        return {"authorization": f"Bearer {self.key}"} if self.key else {}

    def request(self, method, path, body=None, headers=None, timeout_s=PATIENCE_S):
        """One request on a connection of its own: (status, headers, text)."""
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            conn.request(method, path, body, {**self.authorization(), **(headers or {})})
            answer = conn.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            conn.close()

    def get(self, path, **options):
        """The JSON of a GET that must succeed."""
        status, _, text = self.request("GET", path, **options)
        assert status == 200, f"GET {path}: {status} {text}"
        return json.loads(text)

    def post(self, path, body, headers=None, **options):
        """(status, JSON) of a POST; `body` is a value, or bytes as they are."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, _, text = self.request("POST", path, raw, {"content-type": "application/json", **(headers or {})}, **options)
        return status, json.loads(text)

    def begin(self, path, body, headers=None):
        """The connection of a request whose answer nobody waits for; to be closed."""
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        conn.request("POST", path, json.dumps(body), {"content-type": "application/json", **self.authorization(), **(headers or {})})
        return conn

    def ask(self, prompt, **fields):
        """process_prompt that must succeed."""
        status, answer = self.post("/manta/process_prompt", {"prompt": prompt, **fields})
        assert status == 200, f"process_prompt: {status} {answer}"
        return answer

    def status(self):
        return self.get("/manta/status")

    def answers(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.request("GET", "/livez", timeout_s=5)[0] == 200

    def ready_actors(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return [a for a in self.get("/manta/actors", timeout_s=5)["actor_list"] if a["state"] == "ready"]
        return []

    def wait_ready(self, actors, timeout_s=TEST_TIMEOUT_S):
        wait_for(f"{actors} ready actors at {self.address}", lambda: len(self.ready_actors()) == actors, timeout_s)

    def wait_status(self, **wanted):
        """Waits until these members of the status have these values: wait_status(queued=2)."""
        wait_for(f"status {wanted}", lambda: all(self.status()[name] == value for name, value in wanted.items()))

    def computes(self, node):
        """Has that worker a job? In the status of a worker that was killed a job still runs until the head has heard of its end."""
        return any(a["node"] == node and a["in_flight"] > 0 for a in self.status()["actor_list"])

    def tokens(self, n):
        """Waits until n tokens of the oldest request that runs have come; for requests that are not streamed."""
        def come():
            running = [r for r in self.get("/manta/requests")["request_list"] if r["state"] == "running"]
            return running and running[0]["tokens"] >= n
        wait_for(f"{n} tokens", come)

    def kill_answering(self, tokens):
        """kill -9 to the worker of an answer once that has more than so many tokens; returns the worker's node."""
        busy = wait_for("an answer that has begun", lambda: [r for r in self.get("/manta/requests")["request_list"] if r["tokens"] > tokens])
        victim = busy[0]["node"]
        os.kill(next(w["pid"] for w in self.status()["worker_nodes"] if w["node"] == victim), signal.SIGKILL)
        return victim

    def wait_idle(self, timeout_s=TEST_TIMEOUT_S):
        def idle():
            s = self.status()
            return s["running"] == 0 and s["queued"] == 0 and all(a["in_flight"] == 0 for a in s["actor_list"])
        wait_for("no running and no queued job", idle, timeout_s)


class Head(Process, Api):
    pass


class Up(Process, Api):
    def child(self, name):
        """Pid of 'head' or 'worker-2', as its last 'started' line says."""
        return int(self.events("child_started", part=name)[-1]["pid"])


class Cluster:
    """The processes of one test. Leaving it ends those that still run."""

    def __init__(self, folder, fixture="cluster"):
        self.fixture = fixture  # whose it is: its logs are shown when a test with that fixture fails
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.processes = []

    def __enter__(self):
        open_clusters.append(self)
        return self

    def __exit__(self, failed, *exc):
        if failed:
            print(self.logs())
        self.end()
        for p in self.processes:
            assert not SANITIZER_REPORT.search(p.log), p.log

    def end(self):
        for p in reversed(self.processes):
            p.send(signal.SIGCONT)
            p.send(signal.SIGTERM if isinstance(p, Up) else signal.SIGINT)  # what runs there is not waited for
        for p in self.processes:
            try:
                p.popen.wait(30)
            except subprocess.TimeoutExpired:
                p.kill()
        open_clusters.remove(self)

    def pace(self, ms, name="pace"):
        """From now on each call of an engine takes `ms` at least; 0: as fast as it can. So an answer stays in its middle until the
        test has done there what it wants to, on a quick machine as on a slow one. Workers with a `name` have a pace of their own."""
        new = pathlib.Path(pace_file(self.folder, f"{name}.new"))
        new.write_text(str(ms))
        new.replace(pace_file(self.folder, name))

    def add(self, kind, args, **options):
        name = f"{args[0]}-{len(self.processes)}"
        process = kind(name, args, self.folder, **options)
        self.processes.append(process)
        return process

    def head(self, *flags, port=None, **options):
        """A head that listens on `port`, or on one that stays its own when it ends, for the one that comes after it."""
        head = self.add(Head, ["head", "--port", port or free_port(), *flags], **options)
        head.port = int(head.wait_event("head_started")["address"].rsplit(":", 1)[1])
        return head

    def worker(self, head, *flags, **options):
        """A worker of that head, or of the address `head`; it may not have joined yet."""
        address = head if isinstance(head, str) else head.address
        return self.add(Process, ["worker", "--head", address, *flags], **options)

    def echo_worker(self, head, script="echo:tokens=20", *flags, **options):
        return self.worker(head, "--engine", "echo", "--model", script, *flags, **options)

    def up(self, *flags, **options):
        port = free_port()
        up = self.add(Up, ["up", "--port", port, *flags], **options)
        up.port = port
        return up

    def logs(self):
        return "\n".join(f"---- {p.name} (pid {p.pid}, status {p.popen.poll()}) ----\n{p.log[-8000:]}" for p in self.processes)


def manta(*args, folder, env=None, stdin="", timeout_s=PATIENCE_S):
    """Runs a manta command to its end: .returncode, .stdout, .stderr."""
    end = subprocess.run([PROGRAM, *map(str, args)], input=stdin, capture_output=True, text=True, timeout=timeout_s,
                         env=environment(folder, **(env or {})), check=False)
    assert not SANITIZER_REPORT.search(end.stderr), end.stderr
    return end
