"""On which nodes actors are put, and with what of their resources.

The head and the coordinator need next to nothing and go to the node of Ray's own head. Workers stay away from it
where there are other nodes, and spread; labels say more exactly where (`ray start --labels tier=worker`, `--label tier=worker`).
"""
import ray

HEAD_RESOURCE = "node:__internal_head__"  # every Ray head node has 1 of it, and no other node has any
UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def parse_size(text):
    """"2g" -> bytes, as manta reads sizes."""
    text = str(text).strip().lower().removesuffix("b").removesuffix("i")
    unit = UNITS.get(text[-1:], 1)
    try:
        value = float(text[:-1] if text[-1:] in UNITS else text)
    except ValueError:
        raise ValueError(f"'{text}' is not a size like 2g or 800m") from None
    if value < 0:
        raise ValueError(f"'{text}' is less than nothing")
    return int(value * unit)


def parse_labels(items):
    """["tier=worker", "zone=in(a,b)"] -> a label_selector. An empty value is refused: Ray would drop the selector silently."""
    labels = {}
    for item in items or []:
        key, equals, value = item.partition("=")
        if not (key and equals and value.strip("! ")):
            raise ValueError(f"label '{item}': expected KEY=VALUE, KEY=!VALUE or KEY=in(A,B), with a value")
        labels[key] = value
    return labels


def nodes():
    return [n for n in ray.nodes() if n["Alive"]]


def head_node():
    """Ray's head node, or None while it is away."""
    return next((n for n in nodes() if HEAD_RESOURCE in n["Resources"]), None)


def own_address():
    """The address at which other nodes find this one. Asked of Ray by the node's id: what the process would guess is another interface at times."""
    own = ray.get_runtime_context().get_node_id()
    return next((n["NodeManagerAddress"] for n in nodes() if n["NodeID"] == own), ray.util.get_node_ip_address())


def beside_rays_head():
    """Options of an actor that needs no processor of its own. A soft affinity to the node did not hold: under load the actor went elsewhere."""
    options = {"num_cpus": 0}
    if head_node() is not None:
        options["resources"] = {HEAD_RESOURCE: 0.001}
    return options


def of_worker(spec):
    """Options of a worker: its resources, its labels, and away from the others."""
    options = {"num_cpus": spec["cpus"], "memory": spec["memory"], "num_gpus": spec["gpus"], "scheduling_strategy": "SPREAD"}
    selector = dict(spec["labels"])
    head = head_node()
    if not selector and head is not None and len(nodes()) > 1:
        selector["ray.io/node-id"] = "!" + head["NodeID"]  # a coordinator's node computes nothing
    if selector:
        options["label_selector"] = selector
    return options


def demand(spec):
    """A worker's resources as Ray's autoscaler is asked for them."""
    bundle = {"CPU": spec["cpus"], "memory": spec["memory"], "GPU": spec["gpus"]}
    return {name: amount for name, amount in bundle.items() if amount}
