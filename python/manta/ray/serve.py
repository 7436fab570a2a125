"""A Ray Serve application: the head's OpenAI API through Serve, with streams, in the shape LLM people know.

    serve run manta.ray.serve:build_app workers=3 model=smollm2
    # or in a RayService: import_path: manta.ray.serve:build_app, args: {workers: 3, model: smollm2}

The application makes sure that the cluster is up (as `python -m manta.ray up` does), and hands requests on, byte for byte. Serve is a way in,
not the way things are computed: routing, queue and failover are the head's, and clients that may reach the head directly save Serve's part.
"""
import asyncio
import json

import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from manta.client import MantaError
from manta.ray import cluster
from manta.ray.http import Gone, HttpClient

ONGOING_MAX = 256   # streams of one replica; Serve's own default of 5 would queue the rest
RETRIES, RETRY_S = 50, 0.1
# What a client says that the head should know: names of the stream, the tenant, the session.
PASSED_ON = ("accept", "content-type", "last-event-id", "x-request-id", "x-tenant-id", "x-session-id")
GIVEN_BACK = ("content-type", "retry-after", "x-request-id", "cache-control")


def error(status, message, kind):
    return JSONResponse({"error": {"message": message, "type": kind, "code": status}}, status_code=status)


@serve.deployment(name="manta", max_ongoing_requests=ONGOING_MAX, ray_actor_options={"num_cpus": 0})
class OpenAIApp:
    """Hands each request on to the head."""

    def __init__(self, args):
        args = dict(args)
        self.cluster = args.pop("cluster", "manta")
        workers = int(args.pop("workers", 3))
        wait_s = float(args.pop("wait", 300))
        model = args.pop("model", None)
        if model:
            args["models"] = [model] if isinstance(model, str) else list(model)
        cluster.up(workers=workers, cluster=self.cluster, wait_s=wait_s, say=lambda text: print(f"up | {text}", flush=True), **args)
        self.client = None

    async def _find_head(self):
        where = await ray.get_actor("head", namespace=self.cluster).where.remote()
        self.client = HttpClient(where["address"], where["api_key"])

    async def _begin(self, method, path, body, headers):
        """A head that is away or has moved is looked for again, while nothing of the answer was sent."""
        for attempt in range(RETRIES):
            try:
                if self.client is None:
                    await self._find_head()
                return await self.client.stream(method, path, body, headers)
            except (Gone, ValueError, ray.exceptions.RayError) as e:
                self.client = None
                if attempt == RETRIES - 1:
                    raise MantaError(f"no answer from the manta head: {e}", 503) from None
                await asyncio.sleep(RETRY_S)

    async def __call__(self, request: Request):
        path = request.url.path if not request.url.query else f"{request.url.path}?{request.url.query}"
        headers = "".join(f"{name}: {request.headers[name]}\r\n" for name in PASSED_ON if name in request.headers)
        try:
            status, got, pieces = await self._begin(request.method, path, await request.body(), headers)
        except MantaError as e:
            return error(e.status, e.message, "unavailable_error")
        given = {}
        for line in got.split("\r\n")[1:]:
            name, _, value = line.partition(":")
            if name in GIVEN_BACK:
                given[name] = value.strip()
        media = given.pop("content-type", "application/json")
        if media.startswith("text/event-stream"):
            return StreamingResponse(self._stream(pieces), status_code=status, media_type=media, headers=given)
        return Response(b"".join([piece async for piece in pieces]), status_code=status, media_type=media, headers=given)

    async def _stream(self, pieces):
        try:
            async for piece in pieces:
                yield piece
        except Gone as e:  # in the middle of an answer: the client may resume it at the head by its last id
            yield b"data: " + json.dumps({"error": {"message": f"the stream was cut: {e}", "type": "unavailable_error"}}).encode() + b"\n\n"

    async def check_health(self):
        """Serve replaces a replica whose cluster is gone for good; a head that comes back is no reason to."""
        if cluster.find("head", self.cluster) is None:
            raise RuntimeError(f"the cluster '{self.cluster}' is not there any more")


def build_app(args: dict):
    """The application. `args`: workers, model, engine, cpus, memory, gpus, labels, port, head, cluster, wait: as for `python -m manta.ray up`."""
    typed = {k: float(v) if k in ("cpus", "gpus") else int(v) if k == "port" else v for k, v in (args or {}).items()}
    return OpenAIApp.bind(typed)
