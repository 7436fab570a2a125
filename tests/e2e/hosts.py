"""Other hosts for a test: network namespaces, each with a cable to ours that can be pulled."""

import itertools
import os
import subprocess
import uuid

import pytest

numbers = itertools.count()  # of the networks of this process


class Host:
    """A network namespace with a cable to ours. `through` is the command that runs another one there, `ours` and `theirs` are the addresses."""

    def __init__(self):
        n = os.getpid() // 40 + next(numbers)
        net = f"10.{203 + os.getpid() % 40}.{n % 250}"
        self.name = "manta" + uuid.uuid4().hex[:6]  # an interface's name has at most 15 bytes
        self.through = ["nsenter", f"--net=/run/netns/{self.name}"]  # `ip -n` would mount /sys anew, which a chroot does not let it
        self.ours, self.theirs = f"{net}.1", f"{net}.2"

    def __enter__(self):
        if subprocess.run(["ip", "netns", "add", self.name], capture_output=True, check=False).returncode != 0:
            pytest.skip("this process may not make network namespaces (it takes root)")
        try:
            self.ip("link", "add", f"{self.name}a", "type", "veth", "peer", "name", f"{self.name}b", "netns", self.name)
            self.ip("addr", "add", f"{self.ours}/30", "dev", f"{self.name}a")
            self.ip("link", "set", f"{self.name}a", "up")
            self.ip("addr", "add", f"{self.theirs}/30", "dev", f"{self.name}b", there=True)
            self.mend()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        self.ip("link", "del", f"{self.name}a", check=False)
        self.ip("netns", "del", self.name, check=False)

    def ip(self, *words, there=False, check=True):
        done = subprocess.run([*(self.through if there else ()), "ip", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, done

    def cut(self):
        """Pulls its cable: nobody is told, neither by FIN nor by RST."""
        self.ip("link", "set", f"{self.name}b", "down", there=True)

    def mend(self):
        self.ip("link", "set", f"{self.name}b", "up", there=True)
