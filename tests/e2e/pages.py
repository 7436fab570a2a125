"""The pages of the documents, and a person who types them.

    with Page("docs/models.md", folder, port) as page:
        page.types("manta models rm gpt2", "removes it from this machine", r"removed .*\\.gguf")

A command is given as the page prints it, with what the page says of it (its comment, or else other words of the page), and with an expression for what it
prints. So command, promise and result change together, or the test fails. It also fails when the page has a line of code that the test does not name.
"""

import os
import pathlib
import re
import signal
import subprocess
import sys
import textwrap

from cluster import PROGRAM, SANITIZER_REPORT, TEST_TIMEOUT_S, environment, smollm2, wait_for

ROOT = pathlib.Path(__file__).parents[2]
SCRIPTED = "worker:\n  engine: echo\n  model: [echo:tokens=12]\n"  # settings of a person who has no model


def blocks(path):
    """The blocks of code of a page, without their indentation: between fences, or indented behind an empty line or a heading."""
    found, fenced, before = [[]], False, ""
    for line in (ROOT / path).read_text().splitlines():
        fence = line.lstrip().startswith("```")
        fenced ^= fence
        inside = fenced and not fence or line.startswith("    ") and (found[-1] or not before or before.startswith("#"))
        if inside or not line and found[-1]:
            found[-1].append(line)
        elif found[-1]:
            found.append([])
        before = line
    return [textwrap.dedent("\n".join(lines)).strip("\n") + "\n" for lines in found if any(lines)]


def lines_of(block):
    """The lines of a block as bash takes them: one that ends with a backslash or a bar continues in the next one."""
    return [line for line in re.sub(r"(?<=\|)\n\s*", " ", re.sub(r"\s*\\\n\s*", " ", block)).splitlines() if line.strip()]


def code_of(path):
    """All lines of code of a page."""
    return [line for block in blocks(path) for line in lines_of(block)]


def flat(text):
    """Text in which any run of blanks is one."""
    return " ".join(text.split())


def as_shown(text):
    """An expression for what a page shows: … is anything, numbers and ids may be others, any run of blanks is one."""
    def word(text):
        return re.sub(r"[0-9a-f]{16}|\d+(\\\.\d+)?", r"[0-9a-f]+(\\.\\d+)?", re.escape(text))
    return r"[\s\S]*?".join(r"\s+".join(map(word, piece.split(" "))) for piece in flat(text).split("…"))


class Line:
    """A line of code of a page: what is typed, and the comment behind it."""

    def __init__(self, text, block):
        command, *comment = re.split(r"\s+#(?=\s)", text, maxsplit=1)
        self.command, self.comment, self.block, self.named = flat(command), flat(" ".join(comment)), block, False


class Typed:
    """What was typed and goes on, before a person who types nothing more, with a log of its own."""

    def __init__(self, command, log, **how):
        self.command, self.log_path = command, log
        with open(log, "wb") as out:
            self.popen = subprocess.Popen(["bash", "-c", command], stdin=subprocess.PIPE, stdout=out, stderr=out, start_new_session=True, **how)
        self.pid = self.popen.pid

    @property
    def said(self):
        return self.log_path.read_text(errors="replace")

    def wait_for(self, pattern):
        def look():
            ended = self.popen.poll() is not None
            found = re.search(pattern, self.said)
            assert found or not ended, f"{self.command}\nended with status {self.popen.returncode} without /{pattern}/:\n{self.said}"
            return found
        return wait_for(f"/{pattern}/ from {self.command}, logged in {self.log_path}", look)

    def end(self):
        """The exit status, after a Ctrl-C where it still runs; and no more input, for a chat takes a Ctrl-C as the end of what it is at."""
        self.popen.stdin.close()
        if self.popen.poll() is None:
            os.killpg(self.pid, signal.SIGINT)
        return self.popen.wait(TEST_TIMEOUT_S)


class Page:
    """A page, and the person who types it in an empty folder, with settings for what a test has to set: a port, an engine."""

    def __init__(self, path, folder, port, settings=SCRIPTED, **env):
        self.path, self.folder, self.port = path, folder, port
        self.text, self.blocks = (ROOT / path).read_text(), blocks(path)
        self.lines = [Line(text, block) for block in self.blocks for text in lines_of(block)]
        self.changes, self.cwd, self.running = {}, folder / "here", []
        for made in self.cwd, folder / "home", folder / "bin":
            made.mkdir(exist_ok=True)
        (folder / "bin/manta").symlink_to(PROGRAM)
        (folder / "manta.yaml").write_text(settings)
        self.env = environment(folder, HOME=str(folder / "home"), PATH=f"{folder / 'bin'}:{os.environ['PATH']}", MANTA_MODELS_DIR=str(smollm2().parent),
                               HF_HOME=str(folder / "hf"), no_proxy="127.0.0.1,localhost") | env

    def __enter__(self):
        return self

    def __exit__(self, failed, *exc):
        for typed in reversed(self.running):
            typed.end()
            assert failed or not SANITIZER_REPORT.search(typed.said), typed.said
        left = [line.command for line in self.lines if not line.named]
        assert failed or not left, f"no test types these lines of {self.path}:\n" + "\n".join(left)

    def types(self, command, says, prints, status=0):
        """Types it, waits for its end, and returns what it printed."""
        end = subprocess.run(["bash", "-c", self.changed(command, says)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             timeout=TEST_TIMEOUT_S, check=False, **self.where())
        told = f"{command}\nstatus {end.returncode}, printed:\n{end.stdout}"
        assert end.returncode == status and re.search(prints, end.stdout) and not SANITIZER_REPORT.search(end.stdout), f"{told}expected: {prints}"
        return end.stdout

    def starts(self, command, says, prints):
        """Types it, and waits until it has printed that; it runs until the test ends it, or is over."""
        typed = Typed(self.changed(command, says), self.folder / f"typed-{len(self.running)}.log", **self.where())
        self.running.append(typed)
        typed.wait_for(prints)
        return typed

    def shown(self, first):
        """The lines that the page shows from that one on, to the end of the block."""
        at = next(i for i, line in enumerate(self.lines) if line.command.startswith(first) and not line.named)
        shown = [line for line in self.lines[at:] if line.block is self.lines[at].block]
        for line in shown:
            line.named = True
        return "\n".join(line.command for line in shown)

    def block(self, first):
        """The block that begins with that: a program, a file, a drawing."""
        block, = [block for block in self.blocks if block.startswith(first)]
        for line in self.lines:
            line.named |= line.block is block
        return self.with_changes(block)

    def runs(self, first, says):
        """Types the Python program that begins with that; what the comment behind its last line shows, or else a word, is printed."""
        program = self.block(first)
        assert flat(says) in flat(self.text), f"{self.path} does not say: {says}"
        end = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=TEST_TIMEOUT_S, check=False, **self.where())
        assert re.search(as_shown(program.rpartition("  # ")[2]) if "  # " in program else r"\w", end.stdout), f"{program}\nprinted:\n{end.stdout}{end.stderr}"

    def elsewhere(self, *commands, why, by):
        """These are not typed here: why, and who types them, `path::words of that file`."""
        path, _, words = by.partition("::")
        assert why and words in (ROOT / path).read_text(), f"{by}: not there"
        for command in commands:
            self.line(command).named = True

    def line(self, command):
        """The line of the page with this command, the first that has not been named yet, or a code span."""
        found = [line for line in self.lines if line.command == flat(command)]
        if not found and f"`{flat(command)}`" in flat(self.text):
            return Line(command, None)
        assert found, f"{self.path} does not say: {command}"
        return next((line for line in found if not line.named), found[0])

    def changed(self, command, says):
        """What is typed for a command of the page, of which the page says that."""
        line = self.line(command)
        line.named = True
        assert line.comment == flat(says) if line.comment else flat(says) in flat(self.text), f"{self.path} does not say of {command}: {says}, but: {line.comment}"
        return self.with_changes(command)

    def with_changes(self, text):
        """A text of the page with what a reader puts in place of HOST or KEY, and with the port of this test."""
        for printed, typed in {**self.changes, "8470": str(self.port)}.items():
            word = re.escape(printed)
            text = re.sub(rf"(?<!\w){word}(?!\w)" if printed.isupper() else word, lambda _, typed=typed: typed, text)
        return text

    def where(self):
        return {"cwd": self.cwd, "env": {**self.env, "MANTA_PORT": str(self.port), "MANTA_HEAD": f"127.0.0.1:{self.port}"}}
