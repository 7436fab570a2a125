"""manta on a Ray cluster: `python -m manta.ray up`, or from a program that is connected to Ray:

    import manta.ray
    manta.ray.up(workers=3, models=["smollm2"])
    coordinator = ray.get_actor("prompt_coordinator", namespace="manta")

What each does is in cluster.py. Nothing of Ray is imported before it is used, so that `python -m manta` needs none.
"""

_OFFERED = ("up", "scale", "down", "status")


def __getattr__(name):
    if name in _OFFERED:
        from manta.ray import cluster

        return getattr(cluster, name)
    raise AttributeError(name)
