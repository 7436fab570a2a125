"""What is shown of each client: each name in tests/sdks/matrix.txt stands where it says, and the table in docs/clients.md says the same."""

import pathlib
import re

TESTS = pathlib.Path(__file__).resolve().parents[1]
FEATURES = "chat stream tools required named parallel streamed schema reasoning vectors errors cancel retries resume".split()
MARKS = {"-": "–"}


def rows():
    """{client: {feature: (file, words)}}"""
    found = {}
    for line in (TESTS / "sdks/matrix.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            client, feature, file, words = line.split("; ", 3)
            assert feature not in found.setdefault(client, {}), line
            found[client][feature] = file, words
    return found


def test_each_name_is_there():
    """Given the list of who shows what, each of its names stands in its file, and every client has a line for every feature."""
    for client, of in rows().items():
        assert list(of) == FEATURES, client
        for feature, (file, words) in of.items():
            assert file in MARKS or words in (TESTS / file).read_text(), (client, feature, file, words)


def test_the_table_says_the_same():
    lines = (TESTS.parent / "docs/clients.md").read_text().splitlines()
    table = {cells[0]: cells[1:] for cells in (re.findall(r"[^|]+", line.replace(" ", "")) for line in lines if line.startswith("|")) if len(cells) == len(FEATURES) + 1}
    assert table.pop("client") == FEATURES
    wanted = {client: [MARKS.get(file, "✓") for file, _ in of.values()] for client, of in rows().items()}
    assert {client: cells for client, cells in table.items() if not client.startswith("--")} == wanted
