"""A host that serves a release folder on loopback, or misbehaves on purpose; and machines that install from it.

    with ReleaseHost(tmp_path / "packages") as host:
        host.add("0.1.0")                        # an archive whose program says this version
        host.cut["manta-0.1.0-linux-x86_64.tar.gz"] = 1000      # this file ends after so many bytes
        Machine(tmp_path, host).install()        # curl ADDRESS/install.sh | sh
"""

import http.server
import os
import pathlib
import platform
import shutil
import subprocess
import tarfile
import threading

ROOT = pathlib.Path(__file__).parents[2]
ARCH = platform.machine()


def files(folder):
    """All that is in a folder, folders among it; links as what they say."""
    return {str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
            for path in folder.rglob("*")}


class ReleaseHost:
    """What it shall do is set in its attributes: by a file's name, or by what follows in a request's path."""

    def __init__(self, folder):
        self.folder = folder
        self.asked = []
        self.cut = {}               # name -> bytes after which the answer ends
        self.honest_length = True   # False: no Content-Length, the end of the answer is the end of the connection
        self.held = None            # (name, event): half of the file comes, the rest after the event
        self.begun = threading.Event()
        folder.mkdir()

    def __enter__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc):
        if self.held:
            self.held[1].set()
        self.server.shutdown()
        self.server.server_close()

    def handler(self):
        host = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                host.answer(self)

            def log_message(self, *args):
                pass

        return Handler

    def answer(self, request):
        self.asked.append(request.path)
        if request.path.startswith("/moved/"):
            request.send_response(302)
            request.send_header("Location", request.path.removeprefix("/moved"))
            request.end_headers()
            return
        path = self.folder / request.path.lstrip("/")
        if not path.is_file():
            request.send_error(404)
            return
        body = path.read_bytes()
        request.send_response(200)
        if self.honest_length:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        self.send(request.wfile, path.name, body)

    def send(self, out, name, body):
        half = len(body) // 2 if self.held and self.held[0] == name else 0
        try:
            out.write(body[:half])
            if half:
                self.begun.set()
                self.held[1].wait()
            out.write(body[half:self.cut.get(name, len(body))])
        except OSError:
            pass  # the client has left

    def add(self, version, program=None, arch=ARCH, glibc="2.17", pages=("manta", "manta-up")):
        """An archive laid out as scripts/package does it, and the folder made anew. Without a program: a script that says the version."""
        name = f"manta-{version}-linux-{arch}"
        tree = self.folder.parent / "trees" / name
        shutil.rmtree(tree, ignore_errors=True)
        (tree / "lib/manta").mkdir(parents=True)
        (tree / "bin").mkdir()
        (tree / "bin/manta").symlink_to("../lib/manta/manta")
        if program:
            shutil.copy(program, tree / "lib/manta/manta")
        else:
            (tree / "lib/manta/manta").write_text(f"#!/bin/sh\necho manta {version}\n")
        (tree / "lib/manta/manta").chmod(0o755)
        (tree / "lib/manta/glibc").write_text(f"{glibc}\n")
        shutil.copy(ROOT / "deploy/install.sh", tree / "lib/manta/install.sh")
        for shared in *(f"man/man1/{page}.1" for page in pages), "bash-completion/completions/manta", "zsh/site-functions/_manta":
            (tree / "share" / shared).parent.mkdir(parents=True, exist_ok=True)
            (tree / "share" / shared).write_text(f"{shared} of {version}")
        self.pack(tree)

    def pack(self, tree):
        with tarfile.open(self.folder / f"{tree.name}.tar.gz", "w:gz", compresslevel=1) as archive:
            archive.add(tree, tree.name)
        self.publish()

    def publish(self, *address):
        subprocess.run([ROOT / "scripts/release_folder", self.folder, *address], check=True, timeout=60)

    def archive(self, version, arch=ARCH):
        return self.folder / f"manta-{version}-linux-{arch}.tar.gz"


class Machine:
    """A machine with a home of its own, where one is not root, and with programs that tell lies about it (`fake`)."""

    def __init__(self, folder, host=None, shell=("sh",)):
        self.host, self.shell = host, list(shell)
        self.home, self.fakes, self.tools = folder / "home", folder / "fakes", None
        self.prefix, self.on_path = self.home / ".local", True
        self.home.mkdir(exist_ok=True)
        self.fakes.mkdir(exist_ok=True)
        self.fake("id", "echo 1000")
        self.env = {"HOME": str(self.home), "SHELL": "/bin/bash", "MANTA_RELEASE_URL": host.url if host else ""}

    def fake(self, name, script):
        path = self.fakes / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def only(self, folder, *tools):
        """This machine has these programs alone, beside the fakes."""
        self.tools = folder
        self.tools.mkdir()
        for tool in tools:
            (self.tools / tool).symlink_to(shutil.which(tool))

    def environment(self):
        path = [self.fakes, *([self.prefix / "bin"] if self.on_path else []), *([self.tools] if self.tools else os.environ["PATH"].split(":"))]
        return {"PATH": ":".join(map(str, path)), **self.env}

    def begin(self, *args):
        """What a pipe from curl does: the script is read from standard input."""
        script = (self.host.folder / "install.sh") if self.host else ROOT / "deploy/install.sh"
        with script.open("rb") as source:
            return subprocess.Popen([shutil.which(self.shell[0]), *self.shell[1:], "-s", "--", *map(str, args)], stdin=source, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, text=True, env=self.environment(), cwd=self.home, start_new_session=True)

    def install(self, *args, fails=False):
        process = self.begin(*args)
        said, _ = process.communicate(timeout=100)
        assert (process.returncode != 0) == fails, said
        assert not fails or "install: error: " in said, said
        return said

    def version(self):
        return subprocess.run([self.prefix / "bin/manta", "--version"], capture_output=True, text=True, check=True, timeout=60).stdout.strip()
