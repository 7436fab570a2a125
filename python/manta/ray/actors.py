"""The three actors: MantaHead, MantaWorker, PromptCoordinator. Each of the first two keeps one native process up.

All are detached, named, and come back when they die (max_restarts=-1, see cluster.py): in one namespace, 'manta' unless --cluster says
otherwise, they are called 'head', 'worker-1', ..., 'prompt_coordinator'. A restarted actor gets the same arguments, so the keys of a cluster
live as long as its actors. The addresses of a head may change, when its node is lost: workers and the coordinator ask for them.
"""
import asyncio
import json
import os
import shlex
import signal
import sys
import threading
import time

import ray

from manta.client import MantaError, error_of
from manta.program import program
from manta.ray.http import Gone, HttpClient
from manta.ray.launcher import Listener, Plug
from manta.ray.metrics import Gauges
from manta.ray.native import Native
from manta.ray.placement import own_address

HEAD, COORDINATOR = "head", "prompt_coordinator"
FOLLOW_S = 5.0          # how often a worker asks whether the head has moved
HEAD_PATIENCE_S = 30.0  # for how long a prompt waits for a head that is away
RETRY_S = 0.1


def worker_name(index):
    return f"worker-{index}"


class MantaHead:
    """Keeps `manta head` up: registry, routing, queue, OpenAI's API. Loads no model."""

    def __init__(self, spec, keys):
        """`spec`: see cluster.new_spec(); `keys`: {"api_key", "join_token"}. With spec["head"] the head is somebody else's, and nothing runs here."""
        self.spec, self.keys = spec, keys
        self.own = spec["head"] == ""
        self.address = f"{own_address()}:{spec['port']}" if self.own else spec["head"]
        self.native = None
        if self.own:
            environment = {"MANTA_API_KEY": keys["api_key"], "MANTA_JOIN_TOKEN": keys["join_token"], "HF_TOKEN": None}
            self.native = Native(HEAD, self._command, environment)
            self.native.start()
        self._start_launcher()

    def _start_launcher(self):
        """`manta launcher` tells the head how many workers there are and does what it wants; a relay connects it with this actor, which knows Ray."""
        self.plug = Listener(Plug(self.spec, self.keys))
        relay = shlex.join([sys.executable, "-S", "-m", "manta.ray.launcher", "--socket", self.plug.path])
        command = [program(), "launcher", "--on", "plug", "--set", f"command={relay}", "--cluster", self.spec["cluster"],
                   "--head", self.address, "--workers", str(self.spec["workers"])]
        environment = {"MANTA_JOIN_TOKEN": self.keys["join_token"], "MANTA_API_KEY": None, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        self.launcher = Native("launcher", command, environment)
        self.launcher.start()

    def __repr__(self):
        return HEAD

    def _command(self):
        host = self.address.rpartition(":")[0]
        return [program(), "head", "--host", host, "--port", str(self.spec["port"]), *self.spec["head_args"]]

    async def where(self):
        """What is needed to reach the head. Whoever may use this Ray cluster may run programs on it anyway."""
        return {"address": self.address, **self.keys}

    async def get_spec(self):
        return self.spec

    async def info(self):
        native = self.native
        return {
            "name": HEAD,
            "address": self.address,
            "actor_pid": os.getpid(),
            "pid": native.pid if native else 0,
            "starts": native.starts if native else 0,
            "last_end": native.last_end if native else "",
            "last_words": native.last_words if native else "",
            "failed": native.failed if native else False,
        }

    async def stop(self):
        """The launcher first, so that it does not bring back what goes now."""
        await asyncio.to_thread(self.launcher.stop, signal.SIGTERM, 5)
        self.plug.close()
        if self.native is not None:
            await asyncio.to_thread(self.native.stop, signal.SIGINT, 5)


class MantaWorker:
    """Keeps one `manta worker` up. The native process is killed with this one; prompts in it continue at another worker."""

    def __init__(self, index, spec, keys, head=""):
        """`head`: where it was when this actor was asked for; empty: to be asked."""
        self.name, self.spec, self.keys = worker_name(index), spec, keys
        self.namespace = spec["cluster"]  # that of the runtime context is the driver's
        self.node, self.node_id = own_address(), ray.get_runtime_context().get_node_id()
        self.head = spec["head"] or head
        environment = {"MANTA_JOIN_TOKEN": keys["join_token"], "MANTA_API_KEY": None, **spec["env"]}
        self.native = Native(self.name, self._command, environment)
        self.native.start()
        if not spec["head"]:
            threading.Thread(target=self._follow_head, name="follow-head", daemon=True).start()
        threading.Thread(target=self._register, name="register", daemon=True).start()

    def __repr__(self):
        return self.name

    def _where(self):
        return ray.get(ray.get_actor(HEAD, namespace=self.namespace).where.remote(), timeout=30)["address"]

    def _command(self):
        if not self.head:
            self.head = self._where()
        spec = self.spec
        models = [word for model in spec["models"] for word in ("--model", model)]
        threads = ["--threads", str(max(1, int(spec["cpus"])))] if spec["cpus"] else []
        memory = ["--memory", str(spec["memory"])] if spec["memory"] else []
        return [program(), "worker", "--head", self.head, "--node", self.name, "--engine", spec["engine"], *models, *threads, *memory, *spec["worker_args"]]

    def _follow_head(self):
        """A head that lost its node comes back on another one: a worker that dials the old address would never find it."""
        while True:
            time.sleep(FOLLOW_S)
            try:
                now = self._where()
            except Exception:  # it is away at the moment
                continue
            if self.head and now != self.head:
                self.native.say(f"the head has moved from {self.head} to {now}: following it")
                self.head = now
                self.native.restart()

    def _register(self):
        """Tells the coordinator which Ray actor this worker is. It can be done again at any time, and nothing depends on it being done first."""
        context = ray.get_runtime_context()
        about = {"ray_actor": context.get_actor_id(), "ray_node": self.node_id, "address": self.node, "actor_pid": os.getpid()}
        for _ in range(20):
            try:
                coordinator = ray.get_actor(COORDINATOR, namespace=self.namespace)
                ray.get(coordinator.register_actor.remote(self.name, **about), timeout=30)
                return
            except Exception:  # not there yet
                time.sleep(1)

    async def info(self):
        native = self.native
        return {
            "name": self.name,
            "node": self.node,
            "node_id": self.node_id,
            "actor_pid": os.getpid(),
            "pid": native.pid,
            "starts": native.starts,
            "running_s": round(time.time() - native.started_at, 3) if native.pid else 0,
            "last_end": native.last_end,
            "last_words": native.last_words,
            "failed": native.failed and not native.pid,
        }

    async def stop(self, drain=True):
        """Ends the native worker: with drain, prompts in it end or move first (--drain-grace)."""
        await asyncio.to_thread(self.native.stop, signal.SIGTERM if drain else signal.SIGINT, 20 if drain else 5)


class PromptCoordinator:
    """A thin client of the head, under the name that Ray users know. It holds no state that the head would miss."""

    def __init__(self, spec, keys):
        head = spec["head"]
        self.keys = keys
        self.namespace = spec["cluster"]
        self.registered = {}
        self.fixed = head
        self.client = HttpClient(head, keys["api_key"]) if head else None
        self.gauges = Gauges(self._address_for_gauges, keys["api_key"])

    def __repr__(self):
        return COORDINATOR

    # ---- the head ----

    def _address_for_gauges(self):
        return self.client.head if self.client is not None else ""

    async def _find_head(self):
        where = await ray.get_actor(HEAD, namespace=self.namespace).where.remote()
        if self.client is None or self.client.head != where["address"]:
            self.client = HttpClient(where["address"], self.keys["api_key"])

    async def _ask(self, method, path, body=b""):
        """The parsed answer. A head that is away, or has moved, is waited for: what it was asked is asked again."""
        until = None
        while True:
            try:
                if self.client is None:
                    await self._find_head()
                status, text = await self.client.call(method, path, body)
                break
            except (Gone, ValueError, ray.exceptions.RayError) as e:
                now = time.monotonic()
                until = until or now + HEAD_PATIENCE_S
                if now >= until:
                    raise MantaError(f"no answer from the manta head for {HEAD_PATIENCE_S:.0f} s: {e}") from None
                await asyncio.sleep(RETRY_S)
                if not self.fixed:
                    self.client = None  # it may have moved
        if status >= 400:
            raise error_of(status, text)
        return json.loads(text)

    # ---- what it offers ----

    async def register_actor(self, worker, **about):
        """Says which Ray actor the worker of that name is; returns the ids of the inference actors it has at the head now."""
        self.registered[worker] = about
        try:
            return [a["id"] for a in (await self._actors()) if a.get("node") == worker]
        except MantaError:
            return []

    async def _actors(self):
        return (await self._ask("GET", "/manta/actors"))["actor_list"]

    async def get_actor_count(self):
        """Inference actors that are ready now."""
        return (await self._ask("GET", "/manta/status"))["actors"]

    async def get_actor_info(self):
        """Each inference actor as the head sees it now, with the Ray actor that keeps its worker up under "ray"."""
        return [{**a, "ray": self.registered.get(a.get("node"), {})} for a in await self._actors()]

    async def process_prompt(self, prompt, **options):
        """Finds the actors of this moment, and returns every response and the final one.

        Options: actors=1 | N | "all", final="first" | "best" | "vote", model, max_tokens, temperature, ... as in POST /manta/process_prompt. The result has
        responses (actor_id, model, node, address, processing_time_s, response, ...), final_response, answered_by and
        cluster_info (total_nodes, total_actors, successful_responses). Raises MantaError in the head's own words.
        """
        return await self._ask("POST", "/manta/process_prompt", json.dumps({"prompt": prompt, **options}).encode())

    async def status(self):
        """The cluster: nodes, resources, actors, queue; worker_nodes has each worker."""
        return await self._ask("GET", "/manta/status")

    async def scale(self, workers):
        """Asks the head for this many workers."""
        return await self._ask("POST", "/manta/scale", json.dumps({"workers": workers}).encode())

    async def wait_ready(self, workers, timeout_s):
        """Returns the status once so many workers are there and none of their actors is loading, or when the time is over."""
        until = time.monotonic() + timeout_s
        while True:
            try:
                status = await self._ask("GET", "/manta/status")
                actors = status["actor_list"]  # a worker that has just joined has none yet
                settled = len({a["node"] for a in actors}) >= workers and all(a["state"] in ("ready", "failed") for a in actors)
                if status["workers"] >= workers and (workers == 0 or (settled and status["actors"] > 0)):
                    return status
            except MantaError as e:
                status = {"workers": 0, "actors": 0, "error": str(e)}
            if time.monotonic() >= until:
                return status
            await asyncio.sleep(0.02 if time.monotonic() < until - timeout_s + 5 else 0.2)

    async def where(self):
        if self.client is None:
            await self._find_head()
        return {"address": self.client.head, **self.keys}
