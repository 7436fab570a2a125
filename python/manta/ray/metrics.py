"""Gauges of the cluster in Ray's own metrics: they land on the page of the node's agent as ray_manta_..., and so in Ray's Grafana.

Ray forgets a gauge that was not set for 20 s, so all are set every 5 s. The head's own /metrics has much more.
"""
import threading
import time

from manta.client import Client, MantaError

EVERY_S = 5.0

# name: (words, where it is in /manta/status)
GAUGES = {
    "manta_workers": ("Workers that have joined", lambda s: s["workers"]),
    "manta_actors_ready": ("Inference actors that are ready", lambda s: s["actors"]),
    "manta_prompts_running": ("Prompts being answered", lambda s: s["running"]),
    "manta_prompts_queued": ("Prompts that wait for an actor", lambda s: s["queued"]),
    "manta_workers_wanted": ("Workers that are to be there", lambda s: s["scale"]["target"]),
    "manta_prompts_failed": ("Prompts that failed so far", lambda s: s["calls_failed"]),
}


class Gauges:
    """A thread that sets them; `address`: a function, empty while the head is not known."""

    def __init__(self, address, api_key):
        self.address, self.api_key = address, api_key
        threading.Thread(target=self._run, name="gauges", daemon=True).start()

    def _run(self):
        gauges, client = None, None
        while True:
            time.sleep(EVERY_S)
            address = self.address()
            if not address:
                continue
            if client is None or client.head != address:
                client = Client(address, self.api_key, timeout_s=5)
            try:
                status = client.status()
                if gauges is None:  # importing it takes a while: not before the first prompt can be answered
                    from ray.util.metrics import Gauge

                    gauges = {name: Gauge(name, description=words) for name, (words, _) in GAUGES.items()}
                for name, (_, value) in GAUGES.items():
                    gauges[name].set(value(status))
            except (MantaError, KeyError):  # the head is away: what is not known is not shown
                continue
