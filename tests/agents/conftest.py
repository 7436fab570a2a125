"""A cluster for each agent, on a loopback interface that is up: in a new network it is not."""

import fcntl
import pathlib
import socket
import struct
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e"))

from cluster import Cluster  # noqa: E402

SET_FLAGS, UP = 0x8914, 1


@pytest.fixture(scope="session")
def loopback():
    with socket.socket() as s:
        fcntl.ioctl(s, SET_FLAGS, struct.pack("16sh14x", b"lo", UP))


@pytest.fixture
def cluster(tmp_path, loopback):
    """An empty cluster of this test's own."""
    with Cluster(tmp_path) as c:
        yield c
