"""docs/compose.md, typed as it is printed, on the project and with the images that it names."""

import os
import re
import subprocess

import pytest

from containers import ROOT, Compose, wait_for


@pytest.fixture
def project():
    """The page's own project, `manta`, at a port of the test's: one that a person runs is left alone."""
    c = Compose("manta")
    if c.left_over():
        pytest.skip("a Compose project named manta is here, and not ours")
    c.env["MANTA_PORT"] = str(c.port)
    c.env["MANTA_HEAD"] = f"127.0.0.1:{c.port}"
    yield c
    c.down()


def commands():
    """The page's commands, without what they print and without comments; `docker compose` as it is here."""
    page = (ROOT / "docs" / "compose.md").read_text().split("\n- **What is ours", 1)[0]
    lines = [re.sub(r"\s+# .*", "", line[4:]) for line in page.splitlines() if re.match(r"    \S", line)]
    return [line.replace("docker compose", os.environ.get("COMPOSE", "docker-compose")) for line in lines]


def test_the_page_is_typed(project):
    """Given the images; when the page's commands are typed; then a cluster comes, is verified, grows to three workers and goes."""
    build, up, *rest = commands()
    assert build.endswith("build") and up.startswith("build/release/manta up --on compose") and rest[-1].startswith("build/release/manta down")
    project.run("bash", "-c", build, timeout_s=900)
    first = subprocess.Popen(["bash", "-c", f"exec {up}"], cwd=ROOT, env=project.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    log = []
    try:
        for line in first.stdout:
            log.append(line)
            if "up | ready: http://127.0.0.1:" in line:
                break
        assert first.poll() is None, "".join(log)
        told = project.run("bash", "-euc", "\n".join(rest[:-1])).stdout
        print(told)
        assert "used 2/2 actors" in told and "scaling to 3 workers" in told
        wait_for("the third worker", lambda: len(project.containers("worker")) == 3)
        gone = project.run("bash", "-euc", rest[-1]).stdout
        assert f"down | manta up, pid {first.pid}, head at 127.0.0.1:{project.port}" in gone
        assert first.wait(120) == 0
    finally:
        if first.poll() is None:
            first.kill()
        first.wait()
    assert project.containers("head") == [] and project.containers("worker") == []
