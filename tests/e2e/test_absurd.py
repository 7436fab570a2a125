"""Model files whose headers make no sense: each is left out with one line of reason, and takes nobody with it."""

import pytest

import absurd
from cluster import wait_for

pytestmark = pytest.mark.model
BESIDE = 15  # bad files that one worker gets beside a good one


def test_there_are_enough():
    """More of them than ever crashed a server in a test of this one."""
    assert len(absurd.CHANGES) >= 106


@pytest.mark.parametrize("part", [0, 1], ids=["first", "rest"])
def test_absurd_headers_take_nobody_with_them(cluster, tmp_path, part):
    """Given a worker with a good model and fifteen files whose headers make no sense; when it has looked at all of them; then it runs,
    the good model answers, and each of the others is either left out with a reason of one line, or answers, too."""
    good, bad = absurd.write(tmp_path)
    chosen = bad[::len(bad) // BESIDE][:BESIDE]
    bad = chosen if part == 0 else [b for b in bad if b not in chosen]
    head = cluster.head()
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "MANTA_MODELS_DIR": str(tmp_path)}  # nothing is known of these files
    loaded = []
    for i in range(0, len(bad), BESIDE):
        some = bad[i:i + BESIDE]
        flags = [flag for path in [good, *some] for flag in ("--model", path)]
        worker = cluster.worker(head, *flags, "--slots", 1, "--threads", 1, "--context", 256, "--node", f"w{i}", env=env)

        def done():
            assert worker.running(), worker.log[-3000:]
            actors = [a for a in head.get("/manta/actors")["actor_list"] if a["node"] == f"w{i}"]
            return len(actors) == 1 + len(some) and all(a["state"] in ("ready", "failed") for a in actors) and actors
        actors = {a["model"]: a for a in wait_for("all of them", done, 120)}
        assert head.ask("Hello", model="good", max_tokens=4)["final_response"] is not None
        for path in some:
            actor = actors[path.stem]
            if actor["state"] == "ready":
                loaded.append(path.stem)
                head.ask("Hello", model=path.stem, max_tokens=2)
            else:
                assert actor["note"] and "\n" not in actor["note"], actor
        assert worker.running() and not worker.crashed()
        worker.stop()
    print("loaded all the same:", loaded)
    assert len(loaded) <= len(bad) // 10
