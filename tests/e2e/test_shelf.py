"""The files of models on this machine: what is here, what it is, and taking it away."""

import fcntl
import json
import pathlib

import pytest

from hub import gguf

FORBIDDEN, NOT_FOUND = 3, 4


@pytest.fixture
def place(tmp_path):
    """A folder of models with one of the hub and one that was put there by hand."""
    place = tmp_path / "models"
    (place / "ann/pet-GGUF").mkdir(parents=True)
    (place / "ann/pet-GGUF/pet.Q8_0.gguf").write_bytes(gguf(3000))
    (place / "ann/pet-GGUF/pet.Q8_0.gguf.sha256").write_text("0" * 64 + "  pet.Q8_0.gguf\n")
    (place / "own.gguf").write_bytes(gguf(2000))
    (place / "notes.txt").write_text("not a model\n")
    return place


@pytest.fixture
def models(run, place):
    def ask(*args, **options):
        return run("models", *args, env={"MANTA_MODELS_DIR": str(place), "MANTA_HEAD": "127.0.0.1:1", "XDG_CACHE_HOME": str(place.parent / "cache"),
                                         "HF_HOME": str(place.parent / "hf")}, **options)
    return ask


def test_every_file_here_is_listed(models, place):
    """Given models that no catalogue names; when models are listed; then they are there by what --model takes for them, and nothing else is."""
    told = {m["name"]: m for m in json.loads(models("ls", "-o", "json").stdout)}
    assert told["hf:ann/pet-GGUF/pet.Q8_0.gguf"]["here"] and told[str(place / "own.gguf")]["bytes"] == (place / "own.gguf").stat().st_size
    assert not any("notes" in name for name in told) and not told["gpt2"]["here"]
    assert "hf:ann/pet-GGUF/pet.Q8_0.gguf" in models().stdout


def test_a_model_is_shown(models, place):
    """Given a file, and a name of the catalogue that is not here; when each is shown; then what the file says of itself, and what the catalogue knows."""
    said = models("show", place / "own.gguf")
    assert said.returncode == 0 and str(place / "own.gguf") in said.stdout and "SHA-256" in said.stdout, said.stderr
    told = json.loads(models("show", place / "own.gguf", "-o", "json").stdout)
    assert told["here"] and told["bytes"] == (place / "own.gguf").stat().st_size and len(told["sha256"]) == 64
    assert "not on this machine" in models("show", "gpt2").stdout and "manta models pull gpt2" in models("show", "gpt2").stdout
    assert models("show", "gtp2").stderr.count("did you mean 'gpt2'?") == 1


def test_a_model_is_removed(models, place):
    """Given models here; when they are removed by address and by path; then file and notes are gone, and nothing else; a second time says that it is
    not here."""
    end = models("rm", "hf:ann/pet-GGUF/pet.Q8_0.gguf", place / "own.gguf")
    assert end.returncode == 0 and end.stdout.count("removed ") == 2, end.stderr
    assert [p.name for p in place.rglob("*") if p.is_file()] == ["notes.txt"]
    again = models("rm", "hf:ann/pet-GGUF/pet.Q8_0.gguf")
    assert again.returncode != 0 and "not on this machine" in again.stderr


def test_what_is_not_ours_is_not_removed(models, place, tmp_path):
    """Given a model elsewhere, a link that leads there, and a file of the folder that is no model; when they are to be removed; then they stay, and it
    is said why."""
    elsewhere = tmp_path / "elsewhere.gguf"
    elsewhere.write_bytes(gguf(1000))
    (place / "link.gguf").symlink_to(elsewhere)
    for path in elsewhere, place / "notes.txt", place / "link.gguf", place / "../elsewhere.gguf":
        end = models("rm", path)
        assert end.returncode == FORBIDDEN and "is not in manta's model folder" in end.stderr, end.stderr
    assert elsewhere.exists() and (place / "notes.txt").exists()


def test_a_model_that_is_being_downloaded_is_not_removed(models, place):
    """Given a download that has the lock; when the model is removed; then it is refused; afterwards it is removed, with its half."""
    path = place / "ann/pet-GGUF/pet.Q8_0.gguf"
    part = pathlib.Path(f"{path}.part")
    part.write_bytes(b"half")
    with open(f"{path}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        end = models("rm", "hf:ann/pet-GGUF/pet.Q8_0.gguf")
        assert end.returncode != 0 and "being downloaded" in end.stderr and path.exists() and part.exists()
    assert models("rm", "hf:ann/pet-GGUF/pet.Q8_0.gguf").returncode == 0 and not path.exists() and not part.exists()


def test_a_model_that_runs(cluster, run, tmp_path):
    """Given a cluster that has a model of that name; when its file is removed; then it is said that the actors keep it."""
    head = cluster.head()
    cluster.echo_worker(head, "echo:tokens=3")
    head.wait_ready(actors=1)
    place = tmp_path / "models"
    place.mkdir()
    (place / "gpt2.gguf").write_bytes(gguf(1000))
    end = run("models", "rm", place / "gpt2.gguf", "--head", head.address, env={"MANTA_MODELS_DIR": str(place)})
    assert end.returncode == 0 and "removed" in end.stdout and "keep" not in end.stdout
