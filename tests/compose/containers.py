"""The Compose cluster of a test run: commands, logs, what the daemon says of its containers."""

import json
import os
import pathlib
import shlex
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fixtures"))
from ports import free_port

ROOT = pathlib.Path(__file__).parents[2]
BASE = os.environ.get("MANTA_RUN_IMAGE", "debian:bookworm-slim")


def wait_for(what, condition, timeout_s=60):
    """Asks `condition` until it gives something true, and returns that."""
    end = time.monotonic() + timeout_s
    while not (result := condition()):
        assert time.monotonic() < end, f"waited {timeout_s} s in vain for {what}"
        time.sleep(0.2)
    return result


class Compose:
    """A project of its own, so that a cluster that a person runs is left alone."""

    def __init__(self, project, folder=ROOT, **env):
        self.project, self.folder = project, folder
        self.command = shlex.split(os.environ.get("COMPOSE", "docker-compose"))
        self.port = free_port()
        self.env = {**os.environ, "COMPOSE_PROJECT_NAME": project, "MANTA_PUBLISH": str(self.port), **env}

    def run(self, *args, check=True, stdin="", timeout_s=240):
        """A command, its output and errors together."""
        end = subprocess.run([str(a) for a in args], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             cwd=self.folder, env=self.env, timeout=timeout_s, check=False)
        assert not check or end.returncode == 0, f"{shlex.join(map(str, args))}: status {end.returncode}\n{end.stdout}"
        return end

    def __call__(self, *args, **options):
        return self.run(*self.command, *args, **options)

    def manta(self, *args, **options):
        """A manta command within the head's container."""
        return self("exec", "-T", "head", "manta", *args, **options)

    def containers(self, service):
        """What `docker inspect` says of the containers of a service, oldest first."""
        ids = self.run("docker", "ps", "-aq", "--filter", f"label=com.docker.compose.project={self.project}",
                       "--filter", f"label=com.docker.compose.service={service}").stdout.split()
        return sorted(json.loads(self.run("docker", "inspect", *ids).stdout), key=lambda c: c["Created"]) if ids else []

    def log(self, container):
        return self.run("docker", "logs", container["Id"]).stdout

    def inside(self, container, command):
        """Output of a shell command in a container."""
        return self.run("docker", "exec", container["Id"], "sh", "-c", command).stdout

    def status(self):
        return json.loads(self.manta("status", "-o", "json").stdout)

    def wait_ready(self, actors, timeout_s=90):
        wait_for(f"{actors} ready actors", lambda: self.status()["actors"] == actors, timeout_s)

    def memory_mb(self, service):
        """`docker stats` of each container of a service."""
        ids = [c["Id"] for c in self.containers(service) if c["State"]["Running"]]
        lines = self.run("docker", "stats", "--no-stream", "--format", "{{.MemUsage}}", *ids).stdout.splitlines()
        units = {"B": 1e-6, "KiB": 1024e-6, "MiB": 1.048576, "GiB": 1073.741824}
        used = [line.split("/")[0].strip() for line in lines]
        return [float(text.rstrip("BiKMG")) * units[text.lstrip("0123456789.")] for text in used]

    def image_mb(self, image):
        return json.loads(self.run("docker", "image", "inspect", image).stdout)[0]["Size"] / 1e6

    def down(self):
        self("down", "-v", "--remove-orphans", check=False)

    def left_over(self):
        """Names of containers, networks and volumes that the project still has."""
        label = f"label=com.docker.compose.project={self.project}"
        return [name for kind in (("ps", "-a"), ("network", "ls"), ("volume", "ls"))
                for name in self.run("docker", *kind, "-q", "--filter", label).stdout.split()]
