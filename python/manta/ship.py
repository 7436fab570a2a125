"""This package with the native program in it, in one folder: for machines on which it is not installed."""
import os
import shutil
import tempfile

from manta.program import HERE, program


def stage():
    """A folder .../manta to be sent; a temporary one where the program lies outside of the package (a source checkout)."""
    native = program()
    if os.path.dirname(native) == os.path.join(HERE, "bin"):
        return HERE
    folder = os.path.join(tempfile.mkdtemp(prefix="manta-ship-"), "manta")
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("__pycache__", "bin"))
    os.mkdir(os.path.join(folder, "bin"))
    shutil.copy2(native, os.path.join(folder, "bin", "manta"))
    engine = os.path.join(os.path.dirname(native), "manta-engine-llama.so")
    if os.path.exists(engine):
        shutil.copy2(engine, os.path.join(folder, "bin"))
    return folder
