"""Where the native program is."""
import os
import shutil

HERE = os.path.dirname(os.path.abspath(__file__))


class NotThere(Exception):
    """The native program is nowhere; the text says where it was looked for."""


def candidates():
    """Places in order: what the user says, what the wheel brought, what a source checkout built, the path."""
    if os.environ.get("MANTA_BIN"):
        return [os.environ["MANTA_BIN"]]
    own = [os.path.join(HERE, "bin", "manta"), os.path.join(HERE, "..", "..", "build", "release", "manta")]
    on_path = shutil.which("manta", path=os.pathsep.join(p for p in os.get_exec_path() if not _is_our_script(p)))
    return own + ([on_path] if on_path else [])


def _is_our_script(folder):
    """The console script that pip made of this package is called manta, too: it must not start itself."""
    try:
        with open(os.path.join(folder, "manta"), "rb") as f:
            return f.read(2) == b"#!"
    except OSError:
        return False


def program():
    """The absolute path of the native program. Raises NotThere."""
    places = candidates()
    for path in places:
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return os.path.realpath(path)
    raise NotThere(
        f"the native program manta is not there: looked at {', '.join(os.path.normpath(p) for p in places)}. "
        "Install a wheel that carries it (pip install manta-llm), build it (make release), or name it in MANTA_BIN"
    )
