"""The plug of `manta launcher --on plug`: what the head wants, done with actors of Ray. JSON, one object a line.

    {"op": "open", "id": 0, ...}                                  -> {"id": 0, "done": true}
    {"op": "start", "id": 7, "first": 2, "last": 3}               -> {"id": 7, "done": true}   or {"id": 7, "error": "..."}
    {"op": "stop", "id": 8, "first": 3, "last": 3, "drain": true} -> {"id": 8, "done": true}
    {"op": "list", "id": 9}      -> {"id": 9, "workers": [{"index": 1, "state": "running", "id": "worker-1", "place": "10.0.0.7", "reason": ""}]}
    {"op": "down", "id": 10}     -> {"took": "actor worker-1"} for each worker, {"id": 10, "done": true}
    unasked, when a list would tell something new: {"changed": true}

src/launch/README.md has the protocol. By itself (`python -m manta.ray.launcher`) this is a program of its own in the Ray cluster. Beside a head it is a
relay of a few MB (`--socket PATH`): the head's actor is connected to Ray already and answers at the other end.
"""
import argparse
import json
import os
import socket
import sys
import tempfile
import threading
import time

WATCH_S = 2.0
ALIVE_S, TRIES, RETRY_S = 0.5, 500, 0.02  # to tell an actor that lives from one that dies


class Plug:
    """Answers questions about the workers of one cluster. Any thread, one question at a time."""

    def __init__(self, spec, keys):
        self.spec, self.keys = spec, keys

    def answer(self, question, tell):
        """Answers one question; `tell` takes what is to be said before."""
        try:
            answer = self._do(question.get("op"), question, tell)
        except Exception as e:  # Ray's own words; the launcher waits and asks again
            words = str(e).strip()
            answer = {"error": words.splitlines()[-1] if words else type(e).__name__, "kind": "unavailable"}
        return {"id": question.get("id", -1), **answer}

    def _do(self, op, question, tell):
        from manta.ray import cluster

        name = self.spec["cluster"]
        if op == "list":
            return {"workers": self.workers()}
        if op == "start":
            cluster.start_workers(range(question["first"], question["last"] + 1), self.spec, self.keys, name)
        elif op == "stop":
            cluster.stop_workers(range(question["first"], question["last"] + 1), name, question.get("drain", True))
        elif op == "down":
            indices = cluster.workers_of(name)
            cluster.stop_workers(indices, name, drain=False)
            for i in indices:
                tell({"took": f"actor worker-{i}"})
        elif op != "open":
            return {"error": f"'{op}' is no operation of a plug", "kind": "usage"}
        return {"done": True}

    def workers(self):
        from manta.ray import cluster

        name = self.spec["cluster"]
        return [self._worker(i, about) for i, about in cluster.look_at_workers(name).items()]

    @staticmethod
    def _worker(index, about):
        """A native worker that ended is tried again by its actor: that is pending, with the reason."""
        if about is None:
            return {"index": index, "state": "pending", "id": f"worker-{index}", "place": "", "reason": "no node has room for it yet, or its actor is coming back"}
        running = bool(about["pid"])
        reason = "" if running else about["last_words"] or about["last_end"]
        return {"index": index, "state": "running" if running else "pending", "id": f"worker-{index}", "place": about["node"], "reason": reason[:250]}


def serve(plug, lines, send):
    """Answers each line; `send` takes an object. Says {"changed": true} by itself. Returns when the lines end."""
    lock, over = threading.Lock(), threading.Event()

    def tell(what):
        with lock:
            send(json.dumps(what) + "\n")

    def watch():
        last = None
        while not over.wait(WATCH_S):
            try:
                now = [(w["index"], w["state"]) for w in plug.workers()]
            except Exception:  # Ray is away: the next question says so
                continue
            if last is not None and now != last:
                tell({"changed": True})
            last = now

    threading.Thread(target=watch, name="watch-workers", daemon=True).start()
    try:
        for line in lines:
            try:
                question = json.loads(line)
            except ValueError:
                question = {}
            tell(plug.answer(question if isinstance(question, dict) else {}, tell))
    except (BrokenPipeError, ConnectionError):
        pass
    finally:
        over.set()


class Listener:
    """Answers relays at a unix socket that only our user reaches."""

    def __init__(self, plug):
        self.plug = plug
        self.path = os.path.join(tempfile.mkdtemp(prefix="manta-plug-"), "socket")
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        self.socket.listen(4)
        threading.Thread(target=self._accept, name="plug", daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), name="plug-relay", daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("r", encoding="utf-8") as lines:
            serve(self.plug, lines, lambda text: connection.sendall(text.encode()))

    def close(self):
        self.socket.close()
        remove_socket(self.path)


def relay(path):
    """stdin and stdout are the socket's. Ends the process with either: 0 when the launcher ended, 1 when the actor did."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    ending = threading.Lock()

    def pass_on(read, write, status):
        try:
            while piece := read(65536):
                write(piece)
        except OSError:  # an actor that is killed with questions unread resets the connection
            pass
        with ending:  # kept for good: the process must not end while the other thread has removed the socket and not yet its folder
            remove_if_dead(path)
            os._exit(status)

    threading.Thread(target=pass_on, args=(connection.recv, lambda piece: write_all(1, piece), 1), daemon=True).start()
    pass_on(lambda most: os.read(0, most), connection.sendall, 0)


def write_all(fd, piece):
    """A pipe may take a part only."""
    while piece:
        piece = piece[os.write(fd, piece):]


def remove_if_dead(path):
    """Takes the socket of an actor away that was killed and could not do so itself. One that is about to die still lets connections come, and then
    breaks them; one that lives waits for a question on them."""
    for _ in range(TRIES):
        try:
            with socket.socket(socket.AF_UNIX) as asks:
                asks.settimeout(ALIVE_S)
                asks.connect(path)
                if asks.recv(1):
                    return
        except ConnectionRefusedError:
            remove_socket(path)
            return
        except ConnectionResetError:
            pass
        except OSError:  # it lives, or the socket is not there any more
            return
        time.sleep(RETRY_S)


def remove_socket(path):
    """The socket and its folder."""
    for remove, what in ((os.unlink, path), (os.rmdir, os.path.dirname(path))):
        try:
            remove(what)
        except OSError:
            pass


def main():
    p = argparse.ArgumentParser(prog="python -m manta.ray.launcher", description="the plug of `manta launcher --on plug` for Ray; JSON lines on standard input and output",
                                epilog="example: manta launcher --on plug --head 10.0.0.7:8470 --set command='python -m manta.ray.launcher'")
    p.add_argument("--cluster", default="manta", help="name of the cluster: its Ray namespace (manta)")
    p.add_argument("--socket", help="be a relay to the actor that answers there")
    args = p.parse_args()
    if args.socket:
        return relay(args.socket)
    import ray

    from manta.ray import cluster

    ray.init(address="auto", namespace=args.cluster, log_to_driver=False, logging_level="error")
    head = cluster.find("head", args.cluster)
    if head is None:
        print(json.dumps({"error": f"there is no cluster '{args.cluster}' here: `python -m manta.ray up` makes one"}), flush=True)
        return 1
    spec, where = ray.get([head.get_spec.remote(), head.where.remote()])

    def send(text):
        sys.stdout.write(text)
        sys.stdout.flush()

    serve(Plug(spec, {k: where[k] for k in ("api_key", "join_token")}), sys.stdin, send)
    return 0


if __name__ == "__main__":
    sys.exit(main())
