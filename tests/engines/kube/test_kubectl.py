"""`manta launcher --on kubernetes` as a program, by the real kubectl and by its own requests, with an API server that this file plays, well and badly.

The API server's part is played, so this shows how what kubectl sends and says is understood; test_cluster.py has the real one."""

import http.server
import json
import re
import shutil
import ssl
import subprocess
import threading
import urllib.parse

import pytest

from cluster import Cluster, Process, manta, wait_for

SCALE = "/apis/apps/v1/namespaces/ai/statefulsets/manta-worker/scale"
REASONS = {401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 422: "Invalid", 429: "TooManyRequests", 500: "InternalError",
           503: "ServiceUnavailable"}


class Request(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def read_body(self):
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def answer(self, code, body, times=1):
        head = f"HTTP/1.1 {code} {REASONS.get(code, 'OK')}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self.wfile.write((head.encode() + body) * times)

    def handle_one(self):
        body = self.read_body()
        path = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(path.query)
        if path.path == "/version":  # some builds of kubectl ask which one of them fits
            self.answer(200, b'{"major": "1", "minor": "34", "gitVersion": "v1.34.0"}')
            return
        if "watch" in query:
            self.server.ended.wait()
            self.close_connection = True
            return
        mood = self.server.next_mood()
        if mood == "hangs up":
            self.close_connection = True
        elif mood == "late":
            self.server.release.wait()
            self.close_connection = True
        elif mood == "nonsense":
            self.answer(200, b"<html>a proxy's page</html>")
        elif isinstance(mood, int):
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": REASONS[mood], "code": mood, "message": f"no: {REASONS[mood]}"}
            self.answer(mood, json.dumps(status).encode())
        else:
            code, value = self.server.behave(self.command, path.path, query, body)
            self.answer(code, json.dumps(value).encode(), 2 if mood == "twice" else 1)

    do_GET = do_PUT = handle_one

    def log_message(self, *args):
        pass


class PlayedApi(http.server.ThreadingHTTPServer):
    """A StatefulSet whose pods run as soon as they are wanted."""

    daemon_threads = True

    def __init__(self, replicas, tls=None):
        super().__init__(("127.0.0.1", 0), Request)
        self.scheme = "https" if tls else "http"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.replicas, self.version, self.puts, self.moods, self.always = replicas, 1, [], [], None
        self.lock, self.release, self.ended = threading.Lock(), threading.Event(), threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def next_mood(self):
        with self.lock:
            return self.moods.pop(0) if self.moods else self.always

    def behave(self, method, path, query, body):
        with self.lock:
            if path == SCALE and method == "PUT":
                wish = json.loads(body)
                if wish["metadata"]["resourceVersion"] != str(self.version):
                    return 409, {"kind": "Status", "status": "Failure", "reason": "Conflict", "code": 409, "message": "the object has been modified"}
                self.replicas, self.version = wish["spec"].get("replicas", 0), self.version + 1
                self.puts.append(self.replicas)
            if path == SCALE:
                return 200, {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": "manta-worker", "resourceVersion": str(self.version)},
                             "spec": {"replicas": self.replicas} if self.replicas else {}}
            assert path == "/api/v1/namespaces/ai/pods", path
            assert query["labelSelector"] == ["app.kubernetes.io/instance=manta,app.kubernetes.io/component=worker,app.kubernetes.io/part-of=manta"], query
            return 200, {"kind": "PodList", "metadata": {}, "items": [
                {"metadata": {"name": f"manta-worker-{k}"}, "spec": {"nodeName": "n1"},
                 "status": {"phase": "Running", "containerStatuses": [{"ready": True, "state": {"running": {}}}]}} for k in range(1, self.replicas + 1)]}


@pytest.fixture
def cluster(tmp_path):
    with Cluster(tmp_path) as c:
        yield c


@pytest.fixture
def api(request, tmp_path):
    """With a certificate of nobody's where the test asks for TLS."""
    tls = None
    if getattr(request, "param", None) == "tls":
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "key", "-out", tmp_path / "crt", "-days", "2",
                        "-subj", "/CN=nobody", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, stderr=subprocess.DEVNULL)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    a = PlayedApi(2, tls)
    yield a
    a.release.set()
    a.ended.set()
    a.shutdown()
    a.server_close()


@pytest.fixture(params=["kubectl", "http"])
def launcher(request, cluster, api, tmp_path):
    """Starts one that belongs to a head."""
    token = tmp_path / "token"
    token.write_text("t")
    config = tmp_path / "kubeconfig"
    config.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [{"name": "u", "user": {"token": "t"}}],
                                  "clusters": [{"name": "c", "cluster": {"server": api.url}}],
                                  "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "ai"}}]}))
    if request.param == "kubectl" and shutil.which("kubectl") is None:
        pytest.skip("there is no kubectl on this machine")
    how = [] if request.param == "kubectl" else ["--set", f"server={api.url}", "--set", f"token-file={token}", "--set", "namespace=ai"]
    return lambda head: cluster.add(Process, ["launcher", "--on", "kubernetes", "--head", head.address, *how], env={"KUBECONFIG": str(config)})


def scale(head, n, tmp_path):
    end = manta("scale", str(n), "--head", head.address, folder=tmp_path)
    assert end.returncode == 0, end.stderr


def told(head, words):
    note = wait_for(f"a note with '{words}'", lambda: (n := head.status()["scale"]["note"]) and words in n and n)
    print(f"    {note}")


def runs(head, api, n):
    def look():
        s = head.status()["scale"]
        return api.replicas == s["running"] == s["target"] == n and s["note"] == ""
    wait_for(f"{n} workers", look)


def test_the_number_is_set(cluster, api, launcher, tmp_path):
    """Given a StatefulSet of two; when a launcher begins that was told no number, and the head then wants three, none and one; then it begins with two, and
    each number is written once."""
    head = cluster.head()
    launcher(head).wait_line("kubernetes has 2 workers")
    for n in 2, 3, 0, 1:
        if n != 2:
            scale(head, n, tmp_path)
        runs(head, api, n)
    assert api.puts == [3, 0, 1]


def test_it_is_told_and_passes(cluster, api, launcher, tmp_path):
    """Given an API server that refuses, is busy, is none at all, or hangs up; then the status has its words, and when it behaves again, the number
    follows."""
    head = cluster.head()
    launcher(head).wait_line("kubernetes has 2 workers")
    runs(head, api, 2)
    n = 2
    for mood, words in ((403, "no: Forbidden: the chart's Role"), (401, "the token was refused"), (404, "no: NotFound: is it installed in this namespace"),
                        (429, "no: TooManyRequests: the API server is busy, this is tried again"), (500, "no: InternalError"), (503, "no: ServiceUnavailable"),
                        ("nonsense", "the answer is no JSON object"), ("hangs up", "cannot read the number of workers")):
        n = 5 - n
        api.always = mood
        scale(head, n, tmp_path)
        told(head, words)
        api.always = None
        runs(head, api, n)
    assert api.puts == [3, 2, 3, 2, 3, 2, 3, 2]


def test_an_answer_that_comes_late_or_twice(cluster, api, launcher, tmp_path):
    """Given an API server that does not answer, then answers everything twice; then the status tells of the first, and the second harms nothing."""
    head = cluster.head()
    launcher(head).wait_line("kubernetes has 2 workers")
    runs(head, api, 2)
    api.always = "late"
    scale(head, 3, tmp_path)
    wait_for("the note", lambda: re.search("time|deadline", head.status()["scale"]["note"], re.I))
    api.always = "twice"
    api.release.set()
    runs(head, api, 3)
    scale(head, 1, tmp_path)
    runs(head, api, 1)
    assert api.puts == [3, 1]


def test_it_begins_while_the_api_server_is_away(cluster, api, launcher, tmp_path):
    """Given an API server that hangs up or is busy when the launcher begins; then that waits for it, and no number is made up."""
    head = cluster.head()
    api.always = "hangs up"
    process = launcher(head)
    process.wait_line("trying again")
    api.always = 429
    process.wait_line("no: TooManyRequests.*trying again")
    assert head.status()["scale"]["launcher"] is False
    api.always = None
    process.wait_line("kubernetes has 2 workers")
    runs(head, api, 2)
    assert api.puts == []
    assert process.stop() == 0
    assert api.puts == []


def test_it_begins_where_it_is_not_let_in(cluster, api, launcher):
    """Given an API server that refuses the launcher's first question; then it ends, with one line."""
    head = cluster.head()
    api.always = 403
    process = launcher(head)
    assert process.wait() != 0
    lines = [line for line in process.log.splitlines() if "no: Forbidden" in line]
    assert len(lines) == 1 and "cannot list the pods of the workers" in lines[0], process.log
    print(f"    {lines[0]}")


@pytest.mark.parametrize("api", ["tls"], indirect=True)
def test_a_certificate_of_nobodys(cluster, api, launcher):
    """Given an API server whose certificate no known authority has signed; then the launcher ends and says so: it would not pass by itself."""
    process = launcher(cluster.head())
    assert process.wait() != 0
    assert "certificate" in process.log and "trying again" not in process.log, process.log
    print(f"    {process.log.splitlines()[-1]}")
