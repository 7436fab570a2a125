#!/usr/bin/env python3
"""A real-time client in Python alone: every prompt is a call of process_prompt() of the actor 'prompt_coordinator'. Lines from a terminal or a pipe."""
import sys
import time

import ray

from manta.client import MantaError

HELP = "Commands: any prompt; status; actors; test; quit or exit"
TEST_PROMPT = "What is machine learning?"


def who(r):
    return f"actor {r['actor_id']} ({r['model']}); node: {r['node']} ({r['address']})"


def ask(coordinator, prompt):
    print(f"[PROMPT] {prompt}\n[SENDING] sending to coordinator...", flush=True)
    began = time.monotonic()
    answer = ray.get(coordinator.process_prompt.remote(prompt, actors="all"))
    info, by = answer["cluster_info"], answer["answered_by"]
    print(f"[RESPONSE] received in {time.monotonic() - began:.2f} s")
    print(f"[CLUSTER INFO] total nodes {info['total_nodes']}, total actors {info['total_actors']}, successful responses {info['successful_responses']}")
    print("[RESPONSES]")
    for r in answer["responses"]:
        print(f"  {who(r)}; processing time {r['processing_time_s']:.2f} s; response: {r['response']}")
    print(f"[ANSWERED BY] node: {by['node']} ({by['address']}); model: {by['model']}; processing time {by['processing_time_s']:.2f} s")
    print(f"[FINAL RESPONSE] {answer['final_response']}", flush=True)


def show_status(coordinator):
    s = ray.get(coordinator.status.remote())
    print(f"[RESOURCES] CPU: {s['resources']['CPU']}; memory: {s['resources']['memory'] / 2**30:.1f} GiB\n[NODES] total {s['nodes']}")
    for n in s["worker_nodes"]:
        print(f"  {n['state']} {n['node']} ({n['address']}); actors {n['actors']}; CPU {n['cpus']}, memory {n['memory_bytes'] / 2**30:.1f} GiB")
    show_actors(coordinator)


def show_actors(coordinator):
    actors = ray.get(coordinator.get_actor_info.remote())
    print(f"[ACTORS] total {len(actors)}")
    for a in actors:
        print(f"  actor {a['id']}: {a['model']} on {a['node']} ({a['address']}); {a['state']}")


def obey(coordinator, line):
    """False: the person wants to leave."""
    if line in ("quit", "exit"):
        return False
    try:
        if line == "status":
            show_status(coordinator)
        elif line == "actors":
            show_actors(coordinator)
        elif line:
            ask(coordinator, TEST_PROMPT if line == "test" else line)
    except MantaError as e:
        print(f"error: {e}. To check: have workers joined (status)? Is the model still loading (actors)?")
    return True


def main():
    print("Connecting... ", end="", flush=True)
    ray.init(address="auto", namespace="manta", log_to_driver=False, logging_level="error")
    print("connected\nLooking for prompt coordinator... ", end="", flush=True)
    try:
        coordinator = ray.get_actor("prompt_coordinator", namespace="manta")
    except ValueError:
        print("not found: start the cluster with `python -m manta.ray up`")
        return 1
    print(f"found 'prompt_coordinator'\nAvailable inference actors: {ray.get(coordinator.get_actor_count.remote())}\n{HELP}", flush=True)
    for line in [" ".join(sys.argv[1:])] if len(sys.argv) > 1 else sys.stdin:
        if not obey(coordinator, line.strip()):
            break
    return 0


if __name__ == "__main__":
    sys.exit(main())
