"""The documents tell the truth."""

import os
import pathlib
import re
import subprocess
import sys

import pytest
import yaml

from cluster import PROGRAM, environment
from pages import code_of
from terminal import CTRL_U, Terminal

ROOT = pathlib.Path(__file__).parents[2]


def test_the_walk_through_shows_what_is_printed():
    """Given docs/laptop.md with the transcripts of a real run; when its commands run now, with the scripted engine; then they print
    the same, but for numbers, names and the model's words."""
    end = subprocess.run([sys.executable, ROOT / "scripts" / "transcripts", "--check"], env={**os.environ, "MANTA": PROGRAM},
                         capture_output=True, text=True, timeout=110, check=False)
    assert end.returncode == 0, end.stdout + end.stderr


def test_the_laptop_file_and_compose_agree():
    """Given the settings file and the Compose file; then both tell the same limits."""
    compose = (ROOT / "docker-compose.laptop.yml").read_text()
    laptop = (ROOT / "config" / "laptop.yaml").read_text()
    assert re.findall(r'limits: \{cpus: "(\d+)\.0", memory: (\d+g)\}', compose) == \
        [tuple(reversed(pair)) for pair in re.findall(r"limit_memory: (\d+g).*\n  limit_cpus: (\d+)", laptop)]


def test_containers_are_confined():
    """Given the Compose file; then every service has a file system that it cannot write to but for volumes and memory, no capability
    (setup those with which it hands over what it makes), and cannot gain one; and what it mounts is declared."""
    compose = yaml.safe_load((ROOT / "docker-compose.laptop.yml").read_text())
    assert set(compose["services"]) == {"setup", "head", "worker"}
    for name, service in compose["services"].items():
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"], name
        assert set(service.get("cap_add", [])) == ({"CHOWN", "DAC_OVERRIDE", "FOWNER"} if name == "setup" else set())
        assert "privileged" not in service
        for volume in service["volumes"]:
            assert volume.startswith("./config/") or volume.split(":")[0] in compose["volumes"], volume
        if name != "setup":
            assert "state:/var/lib/manta" in service["volumes"] and service["tmpfs"] == ["/tmp:mode=1777,size=16m"]
    stages = (ROOT / "Dockerfile").read_text().split("\nFROM ")
    for stage in stages:
        if re.search(r" AS (head|worker)\n", stage):
            assert "\nUSER manta\n" in stage and "HOME=/var/lib/manta" in stage


def test_the_reference_is_what_the_tables_say():
    """Given the program's tables of commands, settings and limits; then docs/settings.md, the man pages and the completions are made of them."""
    end = subprocess.run([ROOT / "scripts" / "reference", "--check"], env={**os.environ, "MANTA": PROGRAM}, capture_output=True, text=True, timeout=60, check=False)
    assert end.returncode == 0, end.stderr


def test_the_site_has_all_pages_and_no_dead_link(tmp_path):
    """Given the documents; when the site is made of them; then it has a page of each, and each link, anchor and picture leads somewhere."""
    venv = subprocess.run([ROOT / "scripts" / "venv", ROOT / "scripts" / "pins" / "site.txt"], capture_output=True, text=True, check=True).stdout.strip()
    end = subprocess.run([f"{venv}/bin/python", ROOT / "scripts" / "site", tmp_path / "site"], capture_output=True, text=True, timeout=60, check=False)
    assert end.returncode == 0, end.stdout + end.stderr
    for page in (ROOT / "docs").glob("*.md"):
        assert (tmp_path / "site" / "docs" / f"{page.stem if page.stem != 'README' else 'index'}.html").exists(), page


COMPLETIONS = ROOT / "docs" / "completions"


def by_bash(line, folder):
    words = line.split(" ")
    script = f"source {COMPLETIONS}/manta.bash; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _manta; echo ${{COMPREPLY[@]}}"
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split()


def by_fish(line, folder):
    script = f"source {COMPLETIONS}/manta.fish; complete -C '{line}'"
    shown = subprocess.run(["fish", "-c", script], env=environment(folder, HOME=str(folder)), capture_output=True, text=True, check=True).stdout
    return [row.split("\t")[0] for row in shown.splitlines()]


@pytest.mark.parametrize("completed", [by_bash, by_fish], ids=["bash", "fish"])
def test_a_shell_completes_commands_flags_and_words(completed, tmp_path):
    """Given the completion in a shell; when a command, a flag and the value of one are begun; then it completes them, and offers no other command's flags."""
    assert completed("manta wor", tmp_path) == ["worker"]
    assert completed("manta head --bal", tmp_path) == ["--balance"] and completed("manta status --bal", tmp_path) == []
    assert sorted(completed("manta head --balance pre", tmp_path)) == ["predicted", "prefix"]
    assert completed("manta scale au", tmp_path) == ["auto"] and completed("manta launch co", tmp_path) == ["codex"] and completed("manta models pu", tmp_path) == ["pull"] and completed("manta status au", tmp_path) == []


def test_zsh_completes_at_a_terminal(tmp_path):
    """Zsh completes nowhere else: Tab after the beginning of a command, of a flag, of a flag's value, and of a flag of another command."""
    with Terminal("-f", "-i", program="zsh", folder=tmp_path, env={"TERM": "dumb", "HOME": str(tmp_path)}) as t:
        t.press(f"fpath=({COMPLETIONS} $fpath); autoload -U compinit; compinit -u -D; echo be''gun\r")
        t.wait_text("\nbegun")
        for typed, shown in (("manta wor\t", "manta worker "), ("manta head --bal\t", "manta head --balance "),
                             ("manta head --balance pre\t\t", "predicted +prefix"), ("manta scale au\t", "manta scale auto "), ("manta status --bal\tance", "manta status --bal\a?ance")):
            at = t.mark()
            t.press(typed)
            t.wait_text(shown, after=at)
            t.press(CTRL_U)


def typed_commands():
    """(page, command, flags) of each manta that a document types."""
    mistakes = ROOT / "docs" / "first-hour.md"  # typed by test_first_hour.py
    for page in [ROOT / "README.md", *sorted(set((ROOT / "docs").glob("*.md")) - {mistakes}), *sorted((ROOT / "examples").rglob("*.md"))]:
        texts = code_of(page) + re.findall(r"`(manta [^`]*)`", page.read_text())
        for text in texts:
            found = re.match(r"(?:[$#>] )?(?:sudo )?(?:[A-Z_]+=\S+ )*(?:docker compose exec \S+ )?(?:[^\s=]*/)?manta ([a-z]+)\b(.*)", text)
            if found:
                yield page.relative_to(ROOT), found[1], re.findall(r"(?<![\w-])--[a-z][a-z-]*", re.split(r"\s#|\||;|&&|  [a-z]|\s--set\s", found[2])[0])


def test_commands_in_the_documents_exist():
    """Given every command of manta that a document types; then there is such a command, and it has the flags."""
    helps, wrong, n = {}, [], 0
    for page, command, flags in typed_commands():
        if command not in helps:
            said = subprocess.run([PROGRAM, command, "--help", "all"], capture_output=True, text=True, timeout=60, check=False)
            helps[command] = said.stdout if said.returncode == 0 else None
        n += 1
        wrong += [f"{page}: manta {command} {flag}" for flag in flags if helps[command] is None or flag not in helps[command]]
        wrong += [f"{page}: manta {command}"] * (helps[command] is None)
    assert n > 100 and not wrong, "\n".join(sorted(set(wrong)))


def test_what_is_made_can_be_made():
    """Given every `make TARGET` of the documents, those of the rooms, too; then the Makefile has the target."""
    targets = set(re.findall(r"(?m)^([a-z0-9-]+):", (ROOT / "Makefile").read_text()))
    named = {}
    for page in [p for p in ROOT.rglob("*.md") if not {"build", "node_modules"} & {*p.relative_to(ROOT).parts}]:
        typed = code_of(page) + re.findall(r"`([^`]*)`", page.read_text())
        named |= {target: page for text in typed for target in re.findall(r"^(?:[A-Z_]+=\S+ )*make ([a-z0-9-]+)", text)}
    assert len(named) > 25 and not set(named) - targets, {target: named[target] for target in set(named) - targets}


def test_every_command_is_in_the_reference():
    """Given the commands that the program lists; then docs/commands.md has each of them, and no other."""
    said = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, timeout=60, check=True).stdout
    listed = set(re.findall(r"^  ([a-z]+)\b", said, re.M)) - {"manta"}
    told = set(re.findall(r"\bmanta ([a-z]+)\b", "\n".join(code_of("docs/commands.md"))))
    assert len(listed) > 15 and told == listed
