"""`curl ADDRESS/install.sh | sh`: deploy/install.sh against a release host on loopback (release_host.py)."""

import os
import pathlib
import platform
import shutil
import signal
import subprocess
import threading

import pytest

from cluster import PROGRAM
from release_host import ARCH, ROOT, Machine, ReleaseHost, files

SHELLS = [("dash",), ("bash", "--posix"), ("busybox", "sh")]
TOOLS = "sh tar gzip sha256sum getconf ldd mkdir rmdir rm mv cp ln cat sed grep head tail dirname readlink find ls uname".split()
ONE = f"manta-0.1.0-linux-{ARCH}.tar.gz"

pytestmark = pytest.mark.skipif(ARCH not in ("x86_64", "aarch64") or platform.libc_ver()[0] != "glibc", reason="no archive would run here")


@pytest.fixture
def host(tmp_path):
    with ReleaseHost(tmp_path / "packages") as h:
        h.add("0.1.0")
        yield h


@pytest.fixture
def machine(tmp_path, host):
    return Machine(tmp_path, host)


@pytest.fixture
def disk(tmp_path):
    """A file system of 300 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "manta-test", str(folder)], check=False).returncode != 0:
        pytest.skip("a file system of its own needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_the_real_program_is_installed(tmp_path, host):
    """Given a release of the program that is tried here, with its engine; when a user pipes the script into a shell; then it answers from ~/.local/bin, finds its
    engine, and man pages and completions are where man and the shells look; the last line is the next command."""
    build = pathlib.Path(PROGRAM).resolve().parent
    if not (build / "manta-engine-llama.so").exists():
        pytest.skip("there is no engine beside the program")
    tree = tmp_path / f"trees/manta-7.0.0-linux-{ARCH}"
    subprocess.run([ROOT / "scripts/place", build, tree.parent, f"/{tree.name}"], check=True, timeout=60)
    host.pack(tree)
    machine = Machine(tmp_path, host)
    said = machine.install()
    assert said.splitlines()[-1] == "install: next: manta up"
    assert f"downloading {host.url}/manta-7.0.0-linux-{ARCH}.tar.gz" in said
    assert machine.version().startswith("manta ")
    for shared in "man/man1/manta-up.1", "bash-completion/completions/manta", "zsh/site-functions/_manta", "fish/vendor_completions.d/manta.fish":
        assert (machine.prefix / "share" / shared).is_file()
    assert (pathlib.Path(os.path.realpath(machine.prefix / "bin/manta")).parent / "manta-engine-llama.so").is_file()


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_shells(tmp_path, host, shell):
    """Given dash, bash that behaves as POSIX says, or busybox with nothing but its own programs; when it installs, upgrades and removes; then each works."""
    if not shutil.which(shell[0]):
        pytest.skip(f"there is no {shell[0]} here")
    machine = Machine(tmp_path, host, shell)
    if shell[0] == "busybox":
        own = set(subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True, timeout=60).stdout.split())
        machine.only(tmp_path / "tools", *(t for t in TOOLS if t not in own))
        for tool in own & {*TOOLS, "wget"}:
            (machine.tools / tool).symlink_to(shutil.which("busybox"))
    machine.install()
    host.add("0.2.0")
    machine.install()
    assert machine.version() == "manta 0.2.0"
    machine.install("--uninstall")
    assert files(machine.home) == {}


def test_installed_upgraded_removed(host, machine):
    """Given somebody else's files below the prefix; when a release is installed, again, upgraded and removed; then each says what it did, man pages follow
    the release, and at the end only the others' files are there, and folders that were there before; models stay, and it says where."""
    for other in ".local/bin/other", ".local/share/man/man1/manta-mine.1", ".cache/manta/models/kept.gguf":
        (machine.home / other).parent.mkdir(parents=True, exist_ok=True)
        (machine.home / other).write_text("mine")
    (machine.prefix / "share/fish").mkdir()
    before = files(machine.home)
    assert "manta 0.1.0 is installed: ~/.local/bin/manta" in machine.install()
    assert "manta 0.1.0 is already installed" in machine.install()
    host.add("0.2.0", pages=("manta", "manta-new"))
    assert "upgraded from 0.1.0" in machine.install()
    assert machine.version() == "manta 0.2.0"
    man = machine.prefix / "share/man/man1"
    assert (man / "manta-new.1").read_text() == "man/man1/manta-new.1 of 0.2.0" and not (man / "manta-up.1").is_symlink()
    said = machine.install("--uninstall")
    assert "models stay: ~/.cache/manta" in said
    assert files(machine.home) == before
    assert "has installed nothing below" in machine.install("--uninstall", fails=True)


def test_another_build_of_a_version(host, machine):
    """Given an installed release; when the same version is published with other contents; then that is installed."""
    machine.install()
    host.add("0.1.0", pages=("manta", "manta-other"))
    assert "upgraded from another build of 0.1.0" in machine.install()
    assert (machine.prefix / "share/man/man1/manta-other.1").is_file()


def test_a_version_is_chosen(host, machine):
    """Given a folder with three versions; when none is named; then the newest is installed; when one is named; then that one; when one that is not there is
    named; then the error lists those that are."""
    host.add("0.9.0")
    host.add("0.10.0")
    machine.install()
    assert machine.version() == "manta 0.10.0"
    machine.install("--version", "0.9.0")
    assert machine.version() == "manta 0.9.0"
    said = machine.install("--version=0.9", fails=True)
    assert "has no manta 0.9 for" in said and f"manta-0.10.0-linux-{ARCH}.tar.gz" in said


def test_what_runs_keeps_its_release(tmp_path, host, machine):
    """Given a head that runs from an installed release; when two upgrades come; then the head runs on, its release stays, and the first upgrade says how to
    change over; when all is to be removed; then not before it has stopped; when it has; then the next upgrade removes its release."""
    host.add("0.1.0", PROGRAM)
    machine.install()
    environment = {**machine.environment(), "XDG_STATE_HOME": str(tmp_path)}
    head = subprocess.Popen([machine.prefix / "bin/manta", "head", "--port", "0"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        releases = machine.prefix / "lib/manta-releases"
        for version, told in ("0.2.0", True), ("0.3.0", False):
            host.add(version)
            assert ("manta head --replace" in machine.install()) == told
            assert list(releases.glob("0.1.0-*")) and head.poll() is None
        assert "stop it first (manta down)" in machine.install("--uninstall", fails=True)
        assert machine.version() == "manta 0.3.0"
    finally:
        head.kill()
        head.wait()
    host.add("0.4.0")
    machine.install()
    assert {path.name.split("-")[0] for path in releases.iterdir() if path.is_dir()} == {"0.3.0", "0.4.0"}


def damaged(host):
    host.archive("0.2.0").write_bytes(b"damaged" + host.archive("0.2.0").read_bytes())


def missing(host):
    host.archive("0.2.0").unlink()


def cut(host):
    host.cut[host.archive("0.2.0").name] = 300


def cut_without_a_sign(host):
    cut(host)
    host.honest_length = False


def unlisted(host):
    (host.folder / "SHA256SUMS").write_text(f"{'0' * 64}  manta_0.2.0_amd64.deb\n")


def a_page(host):
    (host.folder / "SHA256SUMS").write_text("<html>please log in</html>\n")


def no_list(host):
    (host.folder / "SHA256SUMS").unlink()


def for_others(host):
    host.archive("0.1.0").unlink()
    host.archive("0.2.0").rename(host.archive("0.2.0", "riscv64"))
    host.publish()


def does_not_start(host):
    (host.folder.parent / "none").write_bytes(b"\x7fELF, but no program")
    host.add("0.2.0", host.folder.parent / "none")


def no_archive(host):
    host.archive("0.2.0").write_text("no archive")
    host.publish()


def too_new(host):
    host.add("0.2.0", glibc="2.999")


FAULTS = {damaged: "is damaged: its SHA-256 is", missing: "cannot get", cut: "cannot get", cut_without_a_sign: "is damaged", unlisted: "lists no archive of manta",
          a_page: "a release folder?", no_list: "SHA256SUMS: ", for_others: f"has no manta for {ARCH}; it has:", does_not_start: "does not start on this machine",
          no_archive: "cannot unpack", too_new: "manta 0.2.0 needs 2.999 or newer"}


@pytest.mark.parametrize("tool", ["curl", "wget"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_what_cannot_be_had_changes_nothing(tmp_path, host, machine, fault, tool):
    """Given a release host that misbehaves; when one installs from it for the first time; then nothing is there that was not before; when one upgrades; then the
    old release is as it was; both end with an error that names the matter."""
    machine.only(tmp_path / "tools", tool, *TOOLS)
    host.add("0.2.0")
    fault(host)
    assert FAULTS[fault] in machine.install(fails=True)
    assert files(machine.home) == {}
    machine.env["MANTA_RELEASE_URL"] = str(tmp_path / "old")
    with ReleaseHost(tmp_path / "old") as old:
        old.add("0.1.0")
        machine.install()
    before = files(machine.home)
    machine.env["MANTA_RELEASE_URL"] = host.url
    assert FAULTS[fault] in machine.install(fails=True)
    assert files(machine.home) == before and machine.version() == "manta 0.1.0"


def lies(name, script):
    return lambda machine: machine.fake(name, script)


def musl(machine):
    machine.fake("getconf", "exit 1")
    machine.fake("ldd", "echo 'musl libc (x86_64)' >&2; exit 1")


def uname(system, arch=ARCH):
    return lies("uname", f'case $1 in -s) echo {system} ;; -m) echo {arch} ;; *) echo host ;; esac')


MACHINES = {
    "a Mac": (uname("Darwin", "arm64"), "runs on Linux only, not on macOS"),
    "Windows": (uname("MINGW64_NT-10.0"), "WSL 2"),
    "a RISC-V": (uname("Linux", "riscv64"), "no archives for riscv64, only for x86_64 and aarch64"),
    "32 bits": (uname("Linux", "i686"), "no archives for i686"),
    "musl": (musl, "C library is musl"),
    "an old glibc": (lies("getconf", "echo glibc 2.16"), "this system has glibc 2.16, and manta 0.1.0 needs 2.17 or newer"),
}


@pytest.mark.parametrize("kind", MACHINES)
def test_machines_that_it_does_not_run_on(host, machine, kind):
    """Given a machine for which there is no archive; when one installs there; then it is refused, with what is missing, and nothing is there."""
    pretend, said = MACHINES[kind]
    pretend(machine)
    assert said in machine.install(fails=True)
    assert files(machine.home) == {}


def test_a_processor_without_avx2(machine):
    """Given a processor that the engine cannot use; when one installs there; then it is installed, since a head runs there, with a warning."""
    if ARCH != "x86_64":
        pytest.skip("AVX2 is a matter of x86-64")
    machine.fake("grep", f'case "$*" in */proc/cpuinfo*) exit 1 ;; esac; exec {shutil.which("grep")} "$@"')
    assert "lacks AVX2 or FMA" in machine.install()
    assert machine.version() == "manta 0.1.0"


def test_tools(tmp_path, host):
    """Given a machine without curl; when one installs there; then wget does it; without both it says what it needs; so does one without sha256sum."""
    machine = Machine(tmp_path, host)
    machine.only(tmp_path / "wget", "wget", *TOOLS)
    machine.install()
    machine.install("--uninstall")
    machine.only(tmp_path / "none", *TOOLS)
    assert "needs curl or wget" in machine.install(fails=True)
    machine.only(tmp_path / "few", "curl", *set(TOOLS) - {"sha256sum"})
    assert "needs sha256sum" in machine.install(fails=True)
    assert files(machine.home) == {}


@pytest.mark.parametrize("tool", ["curl", "wget"])
def test_a_host_that_has_moved(tmp_path, host, machine, tool):
    """Given an address that redirects; when one installs from it; then the new one is followed."""
    machine.only(tmp_path / "tools", tool, *TOOLS)
    machine.env["MANTA_RELEASE_URL"] = f"{host.url}/moved/"
    machine.install()
    assert f"/{ONE}" in host.asked and machine.version() == "manta 0.1.0"


def test_where_it_comes_from(tmp_path, host, machine):
    """Given no address; then the script asks for one and shows how; given that of the script itself; then its folder is meant; given one it was made with; then
    that; given a folder of files; then no server is needed, and a script that lies in it needs nothing."""
    del machine.env["MANTA_RELEASE_URL"]
    said = machine.install(fails=True)
    assert "| MANTA_RELEASE_URL=ADDRESS sh" in said and files(machine.home) == {}
    assert "MANTA_RELEASE_URL=ADDRESS sh" in machine.install("--help")
    host.publish(host.url)
    assert host.url in machine.install("--help") and "--uninstall" in machine.install("--help")
    machine.install()
    machine.install("--uninstall")
    for address in f"{host.url}/install.sh", str(host.folder), f"file://{host.folder}/":
        machine.env["MANTA_RELEASE_URL"] = address
        machine.install()
        machine.install("--uninstall")
    del machine.env["MANTA_RELEASE_URL"]
    asked = len(host.asked)
    end = subprocess.run(["sh", host.folder / "install.sh"], env=machine.environment(), capture_output=True, text=True, check=True, timeout=60)
    assert "manta 0.1.0 is installed" in end.stdout and len(host.asked) == asked
    kept = machine.prefix / "lib/manta-releases/install.sh"
    subprocess.run(["sh", kept, "--uninstall"], env={**machine.environment(), "HOME": str(tmp_path)}, check=True, timeout=60)
    assert files(machine.home) == {}
    machine.env["MANTA_RELEASE_URL"] = "ftp://example.org"
    assert "must begin with http://" in machine.install(fails=True)


def test_options(machine):
    """Given a prefix of one's own, with a space in it; when one installs there and removes it; then nothing stays; options that are wrong are refused."""
    machine.prefix = machine.home / "of mine/manta"
    machine.install("--prefix", machine.prefix)
    assert machine.version() == "manta 0.1.0"
    machine.install(f"--prefix={machine.prefix}", "--uninstall")
    assert files(machine.home) == {"of mine": None}
    for wrong in ("--perfix", "x"), ("--prefix",), ("--version",), ("0.1.0",):
        assert "--help" in machine.install(*wrong, fails=True)
    del machine.env["HOME"]
    assert "HOME is not set" in machine.install(fails=True)


def test_what_the_user_has_to_do(machine):
    """Given a folder of programs that is not on the PATH; then the script says how to add it, in the user's shell, and the next command works without that; given
    another manta before it on the PATH; then it says which."""
    machine.on_path = False
    for shell, line in ("/bin/bash", ">>~/.bashrc"), ("/usr/bin/fish", "fish_add_path"), ("/bin/zsh", ">>~/.zshrc"), ("/bin/sh", ">>~/.profile"):
        machine.env["SHELL"] = shell
        said = machine.install()
        assert line in said and said.splitlines()[-1] == "install: next: ~/.local/bin/manta up"
    machine.on_path = True
    machine.fake("manta", "exit 0")
    said = machine.install()
    assert f"`manta` is {machine.fakes}/manta in this shell" in said and said.splitlines()[-1] == "install: next: ~/.local/bin/manta up"


def test_others_programs_stay(machine):
    """Given a program manta that is not this script's, or a `make install`; when one installs there; then it is refused, with what to do. A man page of somebody
    else's stays as it is."""
    (machine.prefix / "bin").mkdir(parents=True)
    (machine.prefix / "bin/manta").write_text("mine")
    before = files(machine.home)
    assert "this script did not install it" in machine.install(fails=True)
    (machine.prefix / "lib/manta").mkdir(parents=True)
    (machine.prefix / "lib/manta/installed").write_text("bin/manta\n")
    assert f"make uninstall PREFIX={machine.prefix}" in machine.install(fails=True)
    shutil.rmtree(machine.prefix / "lib")
    assert files(machine.home) == before
    (machine.prefix / "bin/manta").unlink()
    page = machine.prefix / "share/man/man1/manta.1"
    page.parent.mkdir(parents=True)
    page.write_text("mine")
    machine.install()
    assert page.read_text() == "mine" and (page.parent / "manta-up.1").is_symlink()
    machine.install("--uninstall")
    assert page.read_text() == "mine" and not (page.parent / "manta-up.1").is_symlink()


def test_a_full_disk(host, machine, disk):
    """Given a release on a small disk; when the next one does not fit, packed or unpacked; then the old one is as it was."""
    machine.prefix = disk / "manta"
    machine.install("--prefix", machine.prefix)
    before = files(disk)
    for program, said in (bytes(5_000_000), "cannot unpack"), (os.urandom(1_000_000), "cannot get"):
        (host.folder.parent / "big").write_bytes(program)
        host.add("0.2.0", host.folder.parent / "big")
        assert said in machine.install("--prefix", machine.prefix, fails=True)
        assert files(disk) == before and machine.version() == "manta 0.1.0"


def test_a_prefix_that_cannot_be_written_to(host, machine, disk):
    """Given a file system that is read-only; when one installs there for the first time, or upgrades, or removes; then it says so and nothing has changed."""
    for before in False, True:
        if before:
            subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
            machine.install("--prefix", disk)
            host.add("0.2.0")
        kept = files(disk)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        assert f"cannot write below {disk}" in machine.install("--prefix", disk, fails=True)
        assert "give --prefix DIR" in machine.install("--prefix", disk, fails=True)
        assert files(disk) == kept
    assert "run this as root" in machine.install("--prefix", disk, "--uninstall", fails=True)
    assert files(disk) == kept


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted(host, machine, number):
    """Given half of an archive that has come; when the user presses Ctrl-C, or the terminal closes; then nothing is there. What a script that was killed outright
    has left is removed by the next installation."""
    host.held = (ONE, threading.Event())
    process = machine.begin()
    assert host.begun.wait(60)
    os.killpg(process.pid, number)
    process.communicate(timeout=60)
    assert process.returncode != 0 and files(machine.home) == {}
    host.held[1].set()
    left = machine.prefix / f"lib/manta-releases/new-{platform.node()}-99999999"
    left.mkdir(parents=True)
    machine.install()
    assert not left.exists()


def test_a_script_that_was_cut(host, machine):
    """Given a script of which only the beginning has come; when the shell gets that; then it does nothing, and fails, wherever it ends."""
    script = (host.folder / "install.sh").read_bytes()
    whole = len(script.rstrip(b"\n"))
    ends = {0, *range(1, 40), *range(40, whole, 97), *range(whole - 400, whole), *(i for i in range(whole) if script[i:i + 1] == b"\n")}
    for end in sorted(ends):
        ran = subprocess.run(["sh"], input=script[:end], capture_output=True, env=machine.environment(), cwd=machine.home, timeout=60, check=False)
        assert not os.listdir(machine.home), f"cut after {end} of {whole} bytes it has installed {files(machine.home)}"
        assert ran.returncode != 0 or end <= script.index(b"{"), f"cut after {end} of {whole} bytes it does not fail"
    assert not host.asked
    subprocess.run(["sh"], input=script[:whole], check=True, capture_output=True, env=machine.environment(), cwd=machine.home, timeout=60)
    assert machine.version() == "manta 0.1.0"


def test_the_release_folder(tmp_path, host):
    """Given archives of two machines and a Debian package; when the folder is made; then SHA256SUMS has them all, the newest last, as sha256sum checks them; an
    address that cannot be one is refused."""
    host.add("0.10.0")
    host.add("0.9.0", arch="aarch64")
    (host.folder / "manta_0.10.0_amd64.deb").write_text("package")
    host.publish("https://example.org/manta/")
    end = subprocess.run(["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=host.folder, capture_output=True, text=True, check=True, timeout=60)
    assert len(end.stdout.splitlines()) == 4
    listed = [line.split()[1] for line in (host.folder / "SHA256SUMS").read_text().splitlines()]
    assert listed.index(ONE) < listed.index("manta-0.9.0-linux-aarch64.tar.gz") < listed.index(f"manta-0.10.0-linux-{ARCH}.tar.gz")
    assert "release_url='https://example.org/manta'" in (host.folder / "install.sh").read_text()
    for wrong in "example.org", "http://a'; rm -rf ~; '", "ftp://example.org":
        end = subprocess.run([ROOT / "scripts/release_folder", host.folder, wrong], capture_output=True, text=True, check=False, timeout=60)
        assert end.returncode == 1 and "is no address" in end.stderr
