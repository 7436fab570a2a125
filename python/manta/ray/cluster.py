"""up, scale, down, status: which actors there are to be, in the Ray cluster that this process is connected to.

Everything is asked for by name with get_if_exists, so each step can be done again, by whoever comes next. The arguments of the cluster
travel with the head's actor ("spec"): who scales it later needs to know nothing.
"""
import re
import secrets
import time

import ray
from ray.util import list_named_actors

from manta.client import MantaError
from manta.ray import placement
from manta.ray.actors import COORDINATOR, HEAD, MantaHead, MantaWorker, PromptCoordinator, worker_name

WORKERS_MAX = 256
DETACHED = {"lifetime": "detached", "get_if_exists": True, "max_restarts": -1}
LOOK_S = 1.0    # an actor that says nothing for so long is pending, or coming back
CALL_S = 30.0
LOOK_EVERY_S = 2.0
PATIENT_S = 15.0


def new_spec(cluster="manta", workers=3, models=(), engine="llama", cpus=1, memory="2g", gpus=0, labels=(), port=8470, head="", head_args=(), worker_args=(), env=None, ahead=False):
    """What a cluster is made of; plain data, since it is the argument of actors."""
    return {
        "cluster": cluster,
        "workers": workers,
        "models": list(models) or (["echo:tokens=20"] if engine == "echo" else []),
        "engine": engine,
        "cpus": cpus,
        "memory": placement.parse_size(memory),
        "gpus": gpus,
        "labels": labels if isinstance(labels, dict) else placement.parse_labels(labels),
        "port": port,
        "head": head,
        "head_args": list(head_args),
        "worker_args": list(worker_args),
        "env": dict(env or {}),
        "ahead": ahead,
    }


def find(name, cluster):
    """The actor, or None."""
    try:
        return ray.get_actor(name, namespace=cluster)
    except ValueError:
        return None


def named(cluster):
    """Names of the cluster's actors."""
    return {a["name"] for a in list_named_actors(all_namespaces=True) if a["namespace"] == cluster}


def workers_of(cluster):
    """Indices of the workers there are, rising; pending ones among them."""
    return sorted(int(n[7:]) for n in named(cluster) if n.startswith("worker-") and n[7:].isdigit())


def start_workers(indices, spec, keys, cluster, head=""):
    """Asks for those that are not there."""
    actor = ray.remote(MantaWorker)
    options = placement.of_worker(spec)
    return {i: actor.options(name=worker_name(i), namespace=cluster, **DETACHED, **options).remote(i, spec, keys, head) for i in indices}


def stop_workers(indices, cluster, drain=True):
    """Asks them to end, waits for that, and takes the actors away. One that is pending, or does not answer, goes at once."""
    handles = {i: h for i in indices if (h := find(worker_name(i), cluster)) is not None}
    there = [i for i, about in look(handles).items() if about is not None]
    asked = [handles[i].stop.remote(drain) for i in there]
    if asked:
        ray.wait(asked, num_returns=len(asked), timeout=CALL_S)
    for handle in handles.values():
        ray.kill(handle, no_restart=True)
    _wait_gone([worker_name(i) for i in handles], cluster)


def look(handles):
    """{index: info, or None for one that is pending or coming back}."""
    asked = {i: h.info.remote() for i, h in handles.items()}
    if not asked:
        return {}
    ready, _ = ray.wait(list(asked.values()), num_returns=len(asked), timeout=LOOK_S)
    ready = set(ready)
    found = {}
    for i, ref in asked.items():
        try:
            found[i] = ray.get(ref) if ref in ready else None
        except ray.exceptions.RayError:
            found[i] = None
    return found


def look_at_workers(cluster):
    return look({i: h for i in workers_of(cluster) if (h := find(worker_name(i), cluster)) is not None})


def _wait_gone(names, cluster, patience_s=15.0):
    until = time.monotonic() + patience_s
    while named(cluster) & set(names) and time.monotonic() < until:
        time.sleep(0.02)


def up(workers=3, cluster="manta", wait_s=120.0, ahead=False, api_key="", join_token="", say=lambda text: None, **what):
    """Starts a head, a coordinator and workers, or what of them is not there, and waits until they serve.

    Returns the status; raises MantaError. `ahead`: asks Ray's autoscaler for the room of all workers at once, until they are there. `what`: see new_spec().
    """
    if not 0 <= workers <= WORKERS_MAX:
        raise MantaError(f"{workers} workers: 0 to {WORKERS_MAX} can be")
    spec = new_spec(cluster=cluster, workers=workers, ahead=ahead, **what)
    if spec["head"] and not join_token:
        raise MantaError("an existing head (--head) lets nobody join without its join token: MANTA_JOIN_TOKEN, and MANTA_API_KEY for the coordinator")
    keys = {"api_key": api_key or secrets.token_hex(24), "join_token": join_token or secrets.token_hex(24)}
    there = find(HEAD, cluster)
    if there is not None:  # its keys and its spec are those of the cluster
        where = ray.get(there.where.remote(), timeout=CALL_S)
        keys, spec = {k: where[k] for k in keys}, ray.get(there.get_spec.remote(), timeout=CALL_S)
        say(f"cluster '{cluster}' is there: its head at {where['address']} stays as it is")
    beside = placement.beside_rays_head()
    head = there or ray.remote(MantaHead).options(name=HEAD, namespace=cluster, **DETACHED, **beside).remote(spec, keys)
    coordinator = ray.remote(PromptCoordinator).options(name=COORDINATOR, namespace=cluster, **DETACHED, **beside).remote(spec, keys)
    start_workers(range(1, workers + 1), spec, keys, cluster)
    if ahead:
        request_room(spec, workers)
    try:
        return _wait_up(head, coordinator, workers, cluster, wait_s, say)
    finally:
        if ahead:
            take_back_room()


def request_room(spec, workers):
    from ray.autoscaler.sdk import request_resources

    request_resources(bundles=[placement.demand(spec)] * workers)


def take_back_room():
    """A request stays until another one takes its place: nothing wanted is a request, too."""
    from ray.autoscaler.sdk import request_resources

    request_resources(bundles=[])


def _wait_up(head, coordinator, workers, cluster, wait_s, say):
    until, patient_until, said = time.monotonic() + wait_s, time.monotonic() + PATIENT_S, set()
    ref = coordinator.wait_ready.remote(workers, wait_s)
    while True:
        try:
            ready, _ = ray.wait([ref], timeout=min(LOOK_EVERY_S, max(0.0, until - time.monotonic())) + 0.5)
            status = ray.get(ref) if ready else {"workers": 0, "actors": 0}
        except ray.exceptions.RayActorError as e:
            _explain_lost_coordinator(e)
            ready, status, ref = [], {"workers": 0, "actors": 0}, coordinator.wait_ready.remote(workers, max(0.0, until - time.monotonic()))
        if ready:
            break
        about = look({0: head})[0]
        if about is not None and about["failed"]:
            raise MantaError(f"the head does not start: {about['last_words'] or about['last_end']}")
        troubles = _troubles(cluster)
        if time.monotonic() > patient_until:  # a start takes a few seconds: until then it is no trouble
            for text, _ in troubles:
                if text not in said:
                    say(text)
                said.add(text)
        if time.monotonic() >= until or (workers > 0 and len(troubles) >= workers and all(hopeless for _, hopeless in troubles)):
            break
    if not ready:
        status = _status_now(coordinator) or status
    if status["workers"] < workers or (workers > 0 and not status["actors"]):
        reasons = "; ".join(text for text, _ in _troubles(cluster))
        raise MantaError(f"{status['workers']} of {workers} workers joined, {status['actors']} actors ready: " +
                         (reasons or status.get("error") or "see `ray logs` and `ray status`"))
    return status


def _status_now(coordinator):
    try:
        return ray.get(coordinator.status.remote(), timeout=LOOK_S)
    except (MantaError, ray.exceptions.RayError):
        return None


def _explain_lost_coordinator(error):
    """An actor whose package is not on its node dies while it is made, again and again: Ray says only that it is away."""
    import importlib.util

    def is_there():
        return importlib.util.find_spec("manta") is not None

    is_there.__module__ = "__main__"  # sent by value: on that node there may be no manta to take it from
    try:
        there = ray.get(ray.remote(is_there).options(**placement.beside_rays_head()).remote(), timeout=CALL_S)
    except ray.exceptions.RayError:
        return
    if not there:
        raise MantaError("the nodes of this Ray cluster have no package manta: `--ship always` sends it, or install manta-llm on each node. "
                         "Take away what has begun with `python -m manta.ray down`") from error


def _troubles(cluster):
    """[(what holds a worker up, is it hopeless)]."""
    found = []
    for i, about in look_at_workers(cluster).items():
        if about is None:
            found.append((f"{worker_name(i)} is pending: no node has room for it yet, or it is coming back (`ray status` shows the demand)", False))
        elif about["failed"] or not about["pid"]:
            words = re.sub(r"^[0-9:.]+ (\[[A-Z ]+\] )?", "", about["last_words"])  # as it stands in the log, without time and tag
            found.append((f"{worker_name(i)} on {about['node']}: {words or about['last_end']}", about["failed"]))
    return found


def scale(workers, cluster="manta", wait_s=120.0, say=lambda text: None):
    """Through the head where it has a launcher, which then does it; else at once. Waits until so many serve."""
    if not 0 <= workers <= WORKERS_MAX:
        raise MantaError(f"{workers} workers: 0 to {WORKERS_MAX} can be")
    coordinator, head = find(COORDINATOR, cluster), find(HEAD, cluster)
    if coordinator is None or head is None:
        raise MantaError(f"there is no cluster '{cluster}' here: `python -m manta.ray up` makes one")
    status = ray.get(coordinator.status.remote(), timeout=CALL_S)
    if status["scale"]["launcher"]:
        ray.get(coordinator.scale.remote(workers), timeout=CALL_S)
    else:
        set_workers(workers, cluster)
    until = time.monotonic() + wait_s
    status = _wait_up(head, coordinator, workers, cluster, wait_s, say)
    while status["workers"] > workers and time.monotonic() < until:  # those that are too many end what they have first
        time.sleep(LOOK_S / 4)
        status = ray.get(coordinator.status.remote(), timeout=CALL_S)
    return status


def set_workers(workers, cluster):
    """Starts the lowest indices that lack, drains those that are too many."""
    head = find(HEAD, cluster)
    spec, where = ray.get([head.get_spec.remote(), head.where.remote()], timeout=CALL_S)
    keys = {k: where[k] for k in ("api_key", "join_token")}
    have = workers_of(cluster)
    lacking = [i for i in range(1, workers + 1) if i not in have]
    surplus = [i for i in have if i > workers]
    start_workers(lacking, spec, keys, cluster)
    if surplus:
        stop_workers(surplus, cluster)


def down(cluster="manta", took=lambda name: None):
    """Takes away what `up` made, and nothing else; `took` is told each. Returns how many actors that were."""
    head, coordinator = find(HEAD, cluster), find(COORDINATOR, cluster)
    indices = workers_of(cluster)
    asked_ahead = False
    if head is not None:
        try:  # its launcher ends with it, so that it does not bring back what goes now
            asked_ahead = ray.get(head.get_spec.remote(), timeout=CALL_S).get("ahead", False)
            ray.get(head.stop.remote(), timeout=CALL_S)
        except ray.exceptions.RayError:
            pass
        ray.kill(head, no_restart=True)
    stop_workers(indices, cluster, drain=False)
    if coordinator is not None:
        ray.kill(coordinator, no_restart=True)
    _wait_gone([HEAD, COORDINATOR], cluster)
    if asked_ahead:
        take_back_room()  # `up` does so itself, unless it was killed
    gone = [worker_name(i) for i in indices] + [COORDINATOR] * (coordinator is not None) + [HEAD] * (head is not None)
    for name in gone:
        took(name)
    return len(gone)


def status(cluster="manta"):
    """Ray's side of it: {"head": info, "workers": {index: info or None}, "where": address and keys}."""
    head = find(HEAD, cluster)
    if head is None:
        raise MantaError(f"there is no cluster '{cluster}' here: `python -m manta.ray up` makes one")
    return {"head": look({0: head})[0], "workers": look_at_workers(cluster), "where": ray.get(head.where.remote(), timeout=CALL_S)}
