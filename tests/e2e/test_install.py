"""`make install`, `make uninstall`."""

import pathlib
import subprocess

import pytest

from cluster import PROGRAM

ROOT = pathlib.Path(__file__).parents[2]


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def test_what_is_installed_is_removed_again(tmp_path):
    """Given a prefix with somebody else's program and a file of somebody's in manta's folder; when manta is installed there, twice, as an upgrade does; then
    it starts from there; when it is removed; then all of it is gone, the rest is as it was, and removing it again says why it cannot."""
    build = pathlib.Path(PROGRAM).resolve().parent
    if not (build / "manta-engine-llama.so").exists():
        pytest.skip("there is no engine beside the program")
    prefix = tmp_path / "usr/local"
    for other in ("bin/other", "share/manta/mine.yaml"):
        (prefix / other).parent.mkdir(parents=True, exist_ok=True)
        (prefix / other).write_text("mine")
    before = files(prefix)
    for _ in range(2):
        subprocess.run([ROOT / "scripts/place", build, tmp_path, "/usr/local"], check=True, timeout=60)
    assert {"bin/manta", "lib/manta/manta-engine-llama.so", "share/man/man1/manta.1", "lib/manta/installed"} <= files(prefix)
    said = subprocess.run([prefix / "bin/manta", "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
    assert said.startswith("manta ")
    subprocess.run([ROOT / "scripts/displace", prefix], check=True, timeout=60)
    assert files(prefix) == before
    assert not (prefix / "lib/manta").exists() and not (prefix / "share/doc/manta").exists()
    again = subprocess.run([ROOT / "scripts/displace", prefix], capture_output=True, text=True, check=False, timeout=60)
    assert again.returncode == 1 and "nothing of manta is installed below" in again.stderr
