"""python -m manta.ray up|scale|down|status|env|verify|prompt: manta on the Ray cluster that RAY_ADDRESS names, or of this machine."""
import argparse
import json
import os
import shlex
import socket
import subprocess
import sys
import time

KNOCK_S = 5.0
EXAMPLES = """examples:
  python -m manta.ray up --workers 3 --model smollm2
  python -m manta.ray up --workers 8 --cpus 4 --memory 8g --label tier=worker
  ray job submit --address http://127.0.0.1:8265 -- python -m manta.ray up --workers 3
  python -m manta.ray up --head 10.0.0.7:8470 --workers 2     # join token in MANTA_JOIN_TOKEN
  python -m manta.ray scale 5
  python -m manta.ray verify
  eval "$(python -m manta.ray env)"; manta prompt             # MANTA_HEAD and MANTA_API_KEY
  python -m manta.ray down
"""


def parser():
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--address", default="auto", help="Ray's address; default: RAY_ADDRESS, else the cluster of this machine")
    common.add_argument("--cluster", default="manta", help="name of the cluster: its Ray namespace (manta)")
    common.add_argument("-o", "--output", choices=("text", "json"), default="text", help="form of the output")
    p = argparse.ArgumentParser(prog="python -m manta.ray", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = p.add_subparsers(dest="command", required=True, metavar="COMMAND")

    up = commands.add_parser("up", parents=[common], help="a head, workers and the coordinator, or what of them is not there")
    up.add_argument("--workers", type=int, default=3, help="workers (3)")
    up.add_argument("--model", action="append", default=[], help="model, as for `manta worker`; several: each by its own --model")
    up.add_argument("--engine", choices=("llama", "echo"), default="llama", help="inference engine (echo: scripted fake)")
    up.add_argument("--cpus", type=float, default=1, help="processors of a worker: what Ray reserves, and its threads (1)")
    up.add_argument("--memory", default="2g", help="memory of a worker: what Ray reserves, and its limit (2g)")
    up.add_argument("--gpus", type=float, default=0, help="GPUs of a worker (0)")
    up.add_argument("--label", action="append", default=[], metavar="KEY=VALUE", help="only nodes with that label: VALUE, !VALUE or in(A,B)")
    up.add_argument("--port", type=int, default=8470, help="port of the head, on the address of its node (8470)")
    up.add_argument("--head", default="", help="a head that is there already, host:port; MANTA_JOIN_TOKEN and MANTA_API_KEY are its")
    up.add_argument("--head-arg", action="append", default=[], metavar="ARG", help="further argument of `manta head`: --head-arg=--balance=predicted")
    up.add_argument("--worker-arg", action="append", default=[], metavar="ARG", help="further argument of `manta worker`: --worker-arg=--slots=8")
    up.add_argument("--ahead", action="store_true", help="ask Ray's autoscaler for the room of all workers at once; taken back when they are there")
    up.add_argument("--ship", choices=("auto", "always", "never"), default="auto",
                    help="send this package to the nodes; auto: unless it is installed, or Ray brought it here")
    up.add_argument("--wait", type=float, default=120, help="seconds to wait until all serve (120)")

    scale = commands.add_parser("scale", parents=[common], help="so many workers")
    scale.add_argument("workers", type=int)
    scale.add_argument("--wait", type=float, default=120, help="seconds to wait until all serve (120)")
    commands.add_parser("down", parents=[common], help="take away what up made")
    commands.add_parser("status", parents=[common], help="actors of Ray, then the cluster as `manta status` shows it")
    commands.add_parser("env", parents=[common], help="MANTA_HEAD and MANTA_API_KEY for manta's own commands")
    commands.add_parser("verify", parents=[common], help="the architecture test: `manta verify` against this cluster")
    prompt = commands.add_parser("prompt", parents=[common], help="the real-time client: `manta prompt` against this cluster")
    prompt.add_argument("words", nargs="*")
    return p


def package_to_ship(how):
    """The folder that Ray is to send to the nodes, or None: installed there, or brought here by Ray itself."""
    import manta
    from manta import ship

    here = os.path.dirname(os.path.abspath(manta.__file__))
    at_home = any(part in ("site-packages", "dist-packages", "runtime_resources") for part in here.split(os.sep))
    return None if how == "never" or (how == "auto" and at_home) else ship.stage()


def first_line(error):
    """Of Ray's words; with a full stop."""
    words = str(error).strip().splitlines()
    return (words[0] if words else type(error).__name__).rstrip(".") + "."


def knock(address):
    """Ray tries a wrong address for minutes: a closed door is found in a moment. Names like "auto", and addresses with a scheme, are left to Ray."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S).close()
    except OSError as e:
        raise SystemExit(f"error: cannot connect to Ray at '{address}': {e}. `ray start --head` says the address of its cluster; it is HOST:6379 unless told otherwise") from None


def connect(args, ship=None):
    import ray

    runtime_env = {"py_modules": [ship]} if ship else None
    knock(args.address if args.address != "auto" else os.environ.get("RAY_ADDRESS", ""))
    try:
        ray.init(address=args.address, namespace=args.cluster, runtime_env=runtime_env, log_to_driver=False, logging_level="error")
    except Exception as e:  # Ray has a dozen kinds of it, and one line of them says it
        hint = " If this cluster wants a token (RAY_AUTH_MODE=token), set RAY_AUTH_MODE and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH here, too." \
            if os.environ.get("RAY_AUTH_MODE") != "token" else ""
        raise SystemExit(f"error: cannot connect to Ray at '{os.environ.get('RAY_ADDRESS') or args.address}': {first_line(e)}{hint}") from None


def show(args, text, value):
    print(json.dumps(value) if args.output == "json" else text, flush=True)


def run_up(args):
    began = time.monotonic()
    connect(args, package_to_ship(args.ship))
    from manta.ray import cluster

    status = cluster.up(
        workers=args.workers, cluster=args.cluster, wait_s=args.wait, ahead=args.ahead,
        api_key=os.environ.get("MANTA_API_KEY", ""), join_token=os.environ.get("MANTA_JOIN_TOKEN", ""),
        say=lambda text: print(f"up | {text}", file=sys.stderr, flush=True),
        models=args.model, engine=args.engine, cpus=args.cpus, memory=args.memory, gpus=args.gpus, labels=args.label, port=args.port, head=args.head,
        head_args=args.head_arg, worker_args=args.worker_arg, env={k: os.environ[k] for k in ("HF_TOKEN", "HF_ENDPOINT") if k in os.environ},
    )
    where = cluster.status(args.cluster)["where"]["address"]
    show(args, f"up | {status['workers']} workers joined, {status['actors']} actors ready; head at http://{where}, "
               f"'prompt_coordinator' in namespace '{args.cluster}'; {time.monotonic() - began:.1f} s", status)


def run_scale(args):
    connect(args)
    from manta.ray import cluster

    status = cluster.scale(args.workers, args.cluster, args.wait, say=lambda text: print(f"scale | {text}", file=sys.stderr, flush=True))
    show(args, f"scale | {status['workers']} workers, {status['actors']} actors ready", status)


def run_down(args):
    connect(args)
    from manta.ray import cluster

    n = cluster.down(args.cluster, took=lambda name: args.output == "text" and print(f"took actor {name}", flush=True))
    show(args, f"down | {n} actors taken away" if n else f"down | there is no cluster '{args.cluster}' here", {"actors": n})


def status_lines(found):
    head = found["head"]
    if head is None:
        yield "[RAY] head: pending, or coming back"
    else:
        yield f"[RAY] head: {head['address']}; actor pid {head['actor_pid']}, native pid {head['pid']}, started {head['starts']} times"
    for index, about in sorted(found["workers"].items()):
        if about is None:
            yield f"[RAY] worker-{index}: pending, or coming back"
        else:
            trouble = f"; before: {about['last_end']}" if about["last_end"] else ""
            yield (f"[RAY] worker-{index} on {about['node']}: actor pid {about['actor_pid']}, native pid {about['pid']}, "
                   f"started {about['starts']} times, up {about['running_s']:.0f} s{trouble}")


def become(args, where, *words):
    """The native program with the cluster's address and key, which are given by environment."""
    from manta.program import program

    sys.stdout.flush()
    environment = {**os.environ, "MANTA_HEAD": where["address"], "MANTA_API_KEY": where["api_key"]}
    output = ["-o", "json"] if args.output == "json" else []
    return subprocess.call([program(), *words[:1], *output, *words[1:]], env=environment)


def run_status(args):
    connect(args)
    from manta.ray import cluster

    found = cluster.status(args.cluster)
    if args.output == "json":
        found["where"] = {"address": found["where"]["address"]}
        show(args, "", found)
        return 0
    print("\n".join(status_lines(found)))
    return become(args, found["where"], "status")


def run_env(args):
    where = find_where(args)
    show(args, f"export MANTA_HEAD={shlex.quote(where['address'])} MANTA_API_KEY={shlex.quote(where['api_key'])}", where)


def find_where(args):
    """Address and key of the head, from the actor 'prompt_coordinator'."""
    connect(args)
    import ray

    from manta.client import MantaError
    from manta.ray import cluster

    coordinator = cluster.find(cluster.COORDINATOR, args.cluster)
    if coordinator is None:
        raise MantaError(f"there is no '{cluster.COORDINATOR}' in namespace '{args.cluster}': `python -m manta.ray up` makes a cluster")
    return ray.get(coordinator.where.remote(), timeout=cluster.CALL_S)


def run_verify(args):
    return become(args, find_where(args), "verify")


def run_prompt(args):
    return become(args, find_where(args), "prompt", *args.words)


def main():
    args = parser().parse_args()
    try:
        import ray
    except ImportError:
        print("error: Ray is not installed here: pip install 'manta-llm[ray]'", file=sys.stderr)
        return 1
    from manta.client import MantaError
    from manta.program import NotThere

    run = {"up": run_up, "scale": run_scale, "down": run_down, "status": run_status, "env": run_env, "verify": run_verify, "prompt": run_prompt}[args.command]
    try:
        return run(args) or 0
    except (MantaError, NotThere, ValueError) as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    except ray.exceptions.RayError as e:
        print(f"error: {str(e).strip().splitlines()[-1]}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
