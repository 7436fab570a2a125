"""The clusters that files of this folder share; they must not be changed."""

import os
import pathlib
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parent.parent / name) for name in ("e2e", "fixtures")]
os.environ.update(OPENAI_API_KEY="none", OPENAI_AGENTS_DISABLE_TRACING="1", LITELLM_LOCAL_MODEL_COST_MAP="True")

from cluster import REAL, Cluster  # noqa: E402


def one_echo(folder, script):
    with Cluster(folder) as c:
        head = c.head()
        c.echo_worker(head, script)
        head.wait_ready(actors=1)
        yield head


@pytest.fixture(scope="session")
def smol(tmp_path_factory):
    """A head with two workers of the real model."""
    with Cluster(tmp_path_factory.mktemp("smol")) as c:
        head = c.head()
        c.worker(head, *REAL)
        c.worker(head, *REAL)
        head.wait_ready(actors=2)
        yield head


@pytest.fixture(scope="session")
def scripted(tmp_path_factory):
    """A head with a worker that calls a tool, and answers when it has the result."""
    from test_sdks import SCRIPT
    yield from one_echo(tmp_path_factory.mktemp("scripted"), SCRIPT)


@pytest.fixture(scope="session")
def both(tmp_path_factory):
    """A head with a worker that thinks, talks and calls two tools, and answers when it has their results."""
    from test_calls import SCRIPT
    yield from one_echo(tmp_path_factory.mktemp("both"), SCRIPT)
