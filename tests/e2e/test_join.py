"""Head and workers started by hand: they find each other in any order, and again after any of them was away."""

import http.server
import signal
import socket
import threading

import pytest

from cluster import REAL, free_port


@pytest.mark.model
def test_workers_join_and_leave_at_any_time(cluster):
    """Given a head that runs alone; when a worker joins, then a second one, and then the first one leaves; then each time
    the number of actors follows, prompts are answered, and the head was never restarted."""
    head = cluster.head()
    first = cluster.worker(head, *REAL, "--node", "first")
    head.wait_ready(actors=1)
    assert head.ask("Hi", max_tokens=4)["answered_by"]["node"] == "first"
    cluster.worker(head, *REAL, "--node", "second")
    head.wait_ready(actors=2)
    both = head.ask("Hi", actors="all", max_tokens=4)
    assert {r["node"] for r in both["responses"]} == {"first", "second"}
    assert first.stop() == 0
    head.wait_ready(actors=1)
    answer = head.ask("Hi", actors="all", max_tokens=4)
    assert [r["node"] for r in answer["responses"]] == ["second"]
    assert [a["id"] for a in head.ready_actors()] == [1], "ids are not given twice"
    assert head.status()["head"]["pid"] == head.pid
    assert head.events("actors", actors=2) and head.events("worker_left")


def test_leaving_worker_says_goodbye(cluster):
    """Given a worker; when it is asked to end with SIGTERM or SIGINT; then it says goodbye, and the head does not wait
    for its silence."""
    head = cluster.head("--lost-after-ms", 600000)
    for number in signal.SIGTERM, signal.SIGINT:
        worker = cluster.echo_worker(head)
        head.wait_ready(actors=1)
        assert worker.stop(number) == 0
        assert worker.events("worker_stopped")
        head.wait_ready(actors=0)


def test_worker_waits_for_its_head(cluster):
    """Given a worker whose head does not run yet; when the head is started later; then the worker joins it."""
    port = free_port()
    worker = cluster.echo_worker(f"127.0.0.1:{port}")
    worker.wait_event("redialling")
    head = cluster.head(port=port)
    head.wait_ready(actors=1)
    assert worker.running()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_head_restart(cluster, end):
    """Given a head with two workers; when the head ends or is killed, and another one starts at its address; then both
    workers come back by themselves, with their model still loaded, and prompts are answered."""
    head = cluster.head()
    workers = [cluster.echo_worker(head, "echo:load_ms=200") for _ in range(2)]
    head.wait_ready(actors=2)
    getattr(head, end)()
    for worker in workers:
        worker.wait_event("head_lost")
    again = cluster.head(port=head.port)
    again.wait_ready(actors=2)
    assert len(again.ask("welcome back", actors="all")["responses"]) == 2
    assert all(worker.running() and len(worker.events("actor_created")) == 1 for worker in workers)


def test_prompts_wait_while_workers_come_back(cluster):
    """Given a head that has just been restarted; when a prompt for its model comes before any worker has come back; then
    it waits for them, and is answered."""
    head = cluster.head()
    worker = cluster.echo_worker(head)
    head.wait_ready(actors=1)
    head.kill()
    again = cluster.head(port=head.port)
    status, answer = again.post("/v1/completions", {"model": "echo", "prompt": "too early?", "max_tokens": 5})
    assert status == 200 and answer["choices"][0]["text"]
    assert worker.running()


def test_two_heads_one_worker(cluster):
    """Given two heads; when a worker is told of both; then it serves both, and continues for one when the other ends."""
    heads = [cluster.head(), cluster.head()]
    cluster.echo_worker(",".join(h.address for h in heads))
    for head in heads:
        head.wait_ready(actors=1)
        assert head.ask("hello")["final_response"]
    heads[0].kill()
    assert heads[1].ask("still?")["final_response"]


def test_worker_with_the_address_of_something_else(cluster):
    """Given a web server that is no manta head; when a worker dials it; then its log says so, and names --head."""
    class NotManta(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(404)

        def log_message(self, *args):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), NotManta)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    worker = cluster.echo_worker(f"127.0.0.1:{server.server_port}")
    worker.wait_line("HTTP 404.*--head.* event=not_joined")
    assert worker.running()
    server.shutdown()
    server.server_close()


def test_worker_with_the_address_of_a_mute(cluster):
    """Given a port that accepts connections and never answers; when a worker dials it; then its log says that no answer
    came, and it tries again."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        worker = cluster.echo_worker(f"127.0.0.1:{mute.getsockname()[1]}")
        worker.wait_event("not_joined")
        worker.wait_event("redialling")
        assert worker.running()


@pytest.mark.parametrize("address, said", [
    ("127.0.0.1:1", "refused"),
    ("no-such-host.invalid:8470", "no-such-host.invalid"),
])
def test_worker_with_a_wrong_address(cluster, address, said):
    """Given an address where nothing listens, or that has no host; when a worker dials it; then its log says why it does
    not join, and when it dials again."""
    worker = cluster.echo_worker(address)
    assert said in worker.wait_line(".* event=not_joined ")[0]
    worker.wait_event("redialling")


@pytest.mark.parametrize("address", ["127.0.0.1:99999", "127.0.0.1:no", ":", "http://", "a b:1", ","])
def test_worker_with_nonsense_as_address(run, address):
    """Given what can be no address; when a worker is started with it; then it ends with status 2 and says what was
    expected."""
    worker = run("worker", "--engine", "echo", "--model", "echo", "--head", address)
    assert worker.returncode == 2 and "error" in worker.stderr, worker.stderr


def test_two_workers_of_one_name(cluster):
    """Given two workers with the same node name; when both join, in whichever order; then both answer, and their names tell them apart."""
    head = cluster.head()
    for _ in range(2):
        cluster.echo_worker(head, "echo", "--node", "twin")
    head.wait_ready(actors=2)
    responses = head.ask("who?", actors="all")["responses"]
    assert sorted(r["node"] for r in responses) == ["twin", "twin#2"]
