"""The relay between a launcher and the actor of Ray that answers it: no Ray is needed for that part."""

import os
import pathlib
import signal
import subprocess
import sys

PYTHON = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[2] / "python")}
ACTOR = """
import signal
from manta.ray.launcher import Listener
class Plug:
    def answer(self, question, tell):
        return {"id": question["id"], "done": True}
    def workers(self):
        return []
listener = Listener(Plug())
print(listener.path, flush=True)
signal.signal(signal.SIGTERM, lambda *_: (listener.close(), exit(0)))
while True:
    signal.pause()
"""


def start(*args):
    return subprocess.Popen([sys.executable, *args], env=PYTHON, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def start_both():
    """An actor, and a relay that has had an answer of it."""
    actor = start("-c", ACTOR)
    path = pathlib.Path(actor.stdout.readline().strip())
    relay = start("-m", "manta.ray.launcher", "--socket", path)
    ask(relay)
    return actor, relay, path


def ask(relay):
    relay.stdin.write('{"op": "open", "id": 5}\n')
    relay.stdin.flush()
    assert relay.stdout.readline() == '{"id": 5, "done": true}\n'


def test_an_actor_that_is_killed_leaves_no_socket():
    """Given a relay to an actor; when the actor is killed; then the relay ends, and takes the socket and its folder away."""
    actor, relay, path = start_both()
    actor.kill()
    actor.wait()
    assert relay.wait(60) == 1
    assert not path.parent.exists()


def test_an_actor_that_dies_slowly_leaves_no_socket(tmp_path):
    """Given an actor that is dying: its connections break while its door is still open; when the relay looks whether it lives; then it waits for the end."""
    code = """
import socket, sys
door = socket.socket(socket.AF_UNIX)
door.bind(sys.argv[1])
door.listen(4)
print("open", flush=True)
for _ in range(3):  # of the relay, and of its first looks
    door.accept()[0].close()
"""
    path = tmp_path / "plug" / "socket"
    path.parent.mkdir()
    actor = start("-c", code, path)
    assert actor.stdout.readline() == "open\n"
    relay = start("-m", "manta.ray.launcher", "--socket", path)
    assert relay.wait(60) == 1 and actor.wait(60) == 0
    assert not path.parent.exists()


def test_both_are_killed_one_after_the_other():
    """Given a relay that is held; when the actor is killed and the launcher ends; then the relay takes the socket away all the same."""
    actor, relay, path = start_both()
    relay.send_signal(signal.SIGSTOP)
    actor.kill()
    actor.wait()
    relay.stdin.close()
    relay.send_signal(signal.SIGCONT)
    relay.wait(60)
    assert not path.parent.exists()


SLOW_REMOVAL = """
import os, sys, time
from manta.ray import launcher
rmdir = os.rmdir
def slowly(path):
    os.write(1, b"removing\\n")
    time.sleep(1)  # for the other thread to end the process meanwhile, if it may
    rmdir(path)
os.rmdir = slowly
launcher.relay(sys.argv[1])
"""


def test_a_removal_that_began_is_finished():
    """Given a relay that has removed the socket of a dead actor and not yet its folder; when the launcher ends, too; then the folder is removed first."""
    actor = start("-c", ACTOR)
    path = pathlib.Path(actor.stdout.readline().strip())
    relay = start("-c", SLOW_REMOVAL, path)
    ask(relay)
    actor.kill()
    actor.wait()
    assert relay.stdout.readline() == "removing\n"
    relay.stdin.close()
    relay.wait(60)
    assert not path.parent.exists()


def test_an_actor_that_is_killed_with_a_question_unread():
    """Given an actor that is stopped while the launcher asks; when it is killed, which resets the connection; then the relay ends all the same."""
    actor, relay, path = start_both()
    actor.send_signal(signal.SIGSTOP)
    relay.stdin.write('{"op": "list", "id": 6}\n' * 1000)
    relay.stdin.flush()
    actor.kill()
    actor.wait()
    assert relay.wait(60) == 1
    assert not path.parent.exists()


def test_a_launcher_that_comes_back_finds_the_actor():
    """Given a relay whose launcher ends while the actor lives; then the socket stays for the next one; the actor takes it away when it ends."""
    actor, relay, path = start_both()
    relay.stdin.close()
    assert relay.wait(60) == 0
    again = start("-m", "manta.ray.launcher", "--socket", path)
    ask(again)
    actor.terminate()
    assert actor.wait(60) == 0 and again.wait(60) == 1
    assert not path.parent.exists()
