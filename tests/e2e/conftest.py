"""Clusters for tests, and the logs of their processes when a test fails."""

import signal

import openai
import pytest

# A program that is started with a signal ignored keeps it so, and manta respects that: `nohup make test &` must not decide what the stories see.
for number in signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM:
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

pytest.register_assert_rewrite("streams")  # so that a failure shows in which byte two answers differ

from cluster import REAL, Cluster, manta, open_clusters


@pytest.fixture
def cluster(tmp_path):
    """An empty cluster of this test's own: start in it what the story needs."""
    with Cluster(tmp_path) as c:
        yield c


@pytest.fixture
def run(tmp_path):
    """Runs a manta command to its end."""
    return lambda *args, **options: manta(*args, folder=tmp_path, **options)


@pytest.fixture(scope="session")
def smol(tmp_path_factory):
    """One head with two workers that run the real model, for stories that change nothing."""
    with Cluster(tmp_path_factory.mktemp("smol"), "smol") as c:
        head = c.head()
        for node in ("oak", "elm"):
            c.worker(head, *REAL, "--exact", "--node", node)
        head.wait_ready(actors=2)
        yield head


@pytest.fixture(scope="session")
def echo(tmp_path_factory):
    """One head with three workers that run the scripted engine, for stories that change nothing."""
    with Cluster(tmp_path_factory.mktemp("echo"), "echo") as c:
        head = c.head()
        for node in ("ash", "fir", "yew"):
            c.echo_worker(head, "echo:tokens=12", "--node", node)
        head.wait_ready(actors=3)
        yield head


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """One head with one scripted worker, for stories that change nothing."""
    with Cluster(tmp_path_factory.mktemp("words"), "words") as c:
        head = c.head()
        c.echo_worker(head, "echo:tokens=60")
        head.wait_ready(actors=1)
        yield head


@pytest.fixture
def client(smol):
    """The real openai client. No retries: what the head says first is what the test sees."""
    return openai.OpenAI(base_url=f"{smol.url}/v1", api_key="none", max_retries=0, timeout=120)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for c in [c for c in open_clusters if c.fixture in item.fixturenames]:
            report.sections.append((f"manta processes in {c.folder.name}", c.logs()))
    return report
