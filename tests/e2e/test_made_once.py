"""Packages of the tests are installed once, however many processes want them at the same time."""

import os
import pathlib
import signal
import subprocess

SCRIPT = pathlib.Path(__file__).parents[2] / "scripts/made_once"
MAKE = 'echo made >>"$1"; echo begun >"$2"; read -r _ <"$3"; echo whole >"$4/thing"'  # LOG BEGUN GATE FOLDER


def ask(tmp_path):
    return subprocess.Popen([SCRIPT, tmp_path / "folder", "bash", "-c", MAKE, "bash", tmp_path / "log", tmp_path / "begun", tmp_path / "gate"],
                            start_new_session=True)


def gates(tmp_path):
    for name in ("begun", "gate"):
        subprocess.run(["mkfifo", tmp_path / name], check=True)
    return tmp_path / "begun", tmp_path / "gate"


def test_many_ask_at_once(tmp_path):
    """Given nothing made yet; when eight ask at the same time, and the first is held while it makes; then it is made once, and all of them find it whole."""
    begun, gate = gates(tmp_path)
    asking = [ask(tmp_path) for _ in range(8)]
    assert begun.read_text() == "begun\n"
    gate.write_text("go on\n")
    assert [p.wait(60) for p in asking] == [0] * 8
    assert (tmp_path / "log").read_text() == "made\n" and (tmp_path / "folder/thing").read_text() == "whole\n"


def test_the_one_that_makes_it_is_killed(tmp_path):
    """Given one that is killed in the middle; when the next one asks; then it makes all of it anew."""
    begun, gate = gates(tmp_path)
    first = ask(tmp_path)
    assert begun.read_text() == "begun\n"
    (tmp_path / "folder/half").touch()
    os.killpg(first.pid, signal.SIGKILL)
    assert first.wait(60) == -signal.SIGKILL
    begun.unlink()  # and with it whatever a dying process may still read or write there
    gate.unlink()
    gates(tmp_path)
    second = ask(tmp_path)
    assert begun.read_text() == "begun\n"
    gate.write_text("go on\n")
    assert second.wait(60) == 0
    assert [p.name for p in sorted((tmp_path / "folder").iterdir())] == [".complete", "thing"]
